"""Cuts the power below server and agent: their files lie on an ext4 image that is shut down without a flush.

What was not fsynced is gone afterwards, as it is after a real cut; a kill would keep it.
"""
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time

import rig
from rig import AGENT, SERVER, Breach, require

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
NO_LOG_FLUSH = 2
IMAGE_BYTES = 256 << 20
SKIPPED = 77


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Disk:
    def __init__(self, top):
        self.image, self.mount = top / "disk.img", top / "disk"
        self.mount.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(self.image))
        self.attach()

    def attach(self):
        # A long commit interval: the journal is written when somebody asks for it, not by the clock.
        run("mount", "-o", "loop,commit=300", str(self.image), str(self.mount))

    def cut(self):
        fd = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def back(self):
        run("umount", str(self.mount))
        self.attach()

    def gone(self):
        subprocess.run(["umount", str(self.mount)], check=False, stderr=subprocess.DEVNULL)


class Cuts:
    def __init__(self, machine, tree, disk):
        self.rig, self.tree, self.disk = machine, tree, disk
        self.known = {}
        self.cuts = 0

    def backup(self):
        self.tree.change()
        picture = rig.picture(self.tree.top)
        self.rig.must("backup", rig.GROUP, "--wait")
        points = self.rig.points()
        self.known[max(points)] = (points[max(points)], picture)

    def cut(self):
        self.disk.cut()
        self.cuts += 1
        for name in (SERVER, AGENT):
            self.rig.kill(name)
        self.disk.back()
        for name in (SERVER, AGENT):
            self.rig.start(name)
        points = self.rig.points()
        lost = [sequence for sequence, (point, _) in self.known.items() if points.get(sequence) != point]
        require(not lost, f"acknowledged points are lost: {lost}")
        self.rig.require_sound()
        for sequence in sorted(self.known)[-2:]:
            self.rig.require_equal(*self.known[sequence])

    def run(self, wanted):
        os.sync()
        while self.cuts < wanted:
            self.backup()
            self.cut()  # right after the answer
            self.backup()
            running = self.rig.begin("backup", rig.GROUP, "--wait")
            time.sleep(self.tree.rng.uniform(0, 0.3))
            self.cut()  # in the middle
            self.rig.end(running)
        for sequence in sorted(self.known):
            self.rig.require_equal(*self.known[sequence])


def main(build, wanted):
    if os.geteuid() != 0 or not os.path.exists("/dev/loop-control") or not shutil.which("mkfs.ext4"):
        print("ok 1 - power cuts # SKIP needs root, loop devices and mkfs.ext4")
        return SKIPPED
    top = pathlib.Path(tempfile.mkdtemp(prefix="casemate-cut."))
    disk = machine = breach = cuts = None
    try:
        try:
            disk = Disk(top)
        except subprocess.CalledProcessError as error:
            print(f"ok 1 - power cuts # SKIP no image can be mounted: {error.stderr.decode().strip()}")
            return SKIPPED
        tree = rig.Tree(top / "source", int(os.environ.get("CASEMATE_SEED", time.time_ns() % 2**32)))
        machine = rig.Rig(build, disk.mount, tree.top)
        cuts = Cuts(machine, tree, disk)
        cuts.run(wanted)
    except Breach as caught:
        breach = caught
    finally:
        if machine:
            machine.down()
        if disk:
            disk.gone()
        shutil.rmtree(top, ignore_errors=True)
    print(f"# power cuts: {cuts.cuts if cuts else 0}, acknowledged points: {len(cuts.known) if cuts else 0}")
    print(f"{'not ok' if breach else 'ok'} 1 - what was acknowledged survives a cut of the power")
    for line in str(breach or "").splitlines():
        print(f"# {line}")
    return 1 if breach else 0
