"""Flips single bits in every kind of file of a small store: each is found, or harmless, and never gives wrong bytes."""
import shutil

import rig
from rig import ENDED_WELL, SERVER, Breach, require

FLIPS_PER_KIND = 16
KINDS = {  # what a flip must lead to: "found" = verify or a start fails; "mended" = found, or rebuilt without a loss
    "pack": ("store/packs/*/*.pack", "found"),
    "commit": ("store/commits/**/*.cmt", "found"),
    "config": ("store/config", "mended"),
    "config.copy": ("store/config.copy", "mended"),
    "state": ("store/state", "mended"),
    "index": ("store/index/*", "mended"),
    "catalog": ("**/catalog.db", "mended"),
}


def flip(path, bit):
    mode = path.stat().st_mode
    path.chmod(mode | 0o200)
    with open(path, "r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ (1 << bit % 8)]))
    path.chmod(mode)


class Flips:
    def __init__(self, machine, tree):
        self.rig, self.tree = machine, tree
        self.pristine = self.rig.top / "pristine"
        self.found = self.mended = 0

    def prepare(self):
        for _ in range(2):
            self.tree.change()
            self.rig.must("backup", rig.GROUP, "--wait")
        self.picture = rig.picture(self.tree.top)
        points = self.rig.points()
        self.count, self.newest = len(points), points[max(points)]
        self.rig.restart(SERVER)
        self.rig.stop(SERVER)
        shutil.copytree(self.rig.server_folder, self.pristine, ignore=shutil.ignore_patterns("*.sock"))

    def reset(self):
        shutil.rmtree(self.rig.server_folder)
        shutil.copytree(self.pristine, self.rig.server_folder)

    def restored_rightly(self, what):
        """A restore is equal, or says that it is not; no file has wrong bytes."""
        to = self.rig.sandbox / "flipped"
        status, _, _ = self.rig.casemate("restore", self.newest, "--to", str(to), "--wait")
        got = rig.picture(to) if to.exists() else {}
        shutil.rmtree(to, ignore_errors=True)
        for path, about in got.items():
            wrong = "content" in about and about["content"] != self.picture.get(path, {}).get("content")
            require(not wrong, f"{what}: {path} was restored with wrong bytes")
        require(status != ENDED_WELL or got == self.picture, f"{what}: restored without a warning, but not equal")
        return status == ENDED_WELL

    def detected(self, what):
        """True: the server would not start, or verify named it; False: all is whole in spite of it."""
        if not self.rig.start(SERVER, "tell:1:tell"):
            require(self.rig.daemons[SERVER].returncode > 0, f"{what}: the server died")
            return True
        status, out, err = self.rig.casemate("verify", "--read-data", "--wait")
        require(self.rig.alive(SERVER) and status >= 0, f"{what}: verify ended with {status}, the server is "
                                                        f"{'up' if self.rig.alive(SERVER) else 'gone'}: {out}{err}")
        whole = self.restored_rightly(what)
        listed = len(self.rig.points()) if status == ENDED_WELL else self.count
        require(status != ENDED_WELL or whole and listed == self.count, f"{what}: verify found nothing, yet a loss")
        self.rig.stop(SERVER)
        return status != ENDED_WELL

    def one(self, kind, path, bit, due):
        self.reset()  # names of runs change with every start
        flip(path, bit)
        what = f"bit {bit} of {kind} {path.name}"
        if self.detected(what):
            self.found += 1
        else:
            require(due == "mended", f"{what}: not found")
            self.mended += 1

    def run(self):
        self.prepare()
        bad = 0
        for number, (kind, (pattern, due)) in enumerate(KINDS.items(), 1):
            self.found = self.mended = 0
            self.reset()
            files = [(path, path.stat().st_size * 8) for path in sorted(self.rig.server_folder.glob(pattern))
                     if path.is_file()]
            total = sum(bits for _, bits in files)
            result = "ok" if total else "not ok"
            for _ in range(FLIPS_PER_KIND if total else 0):
                bit = self.tree.rng.randrange(total)
                for path, bits in files:
                    if bit < bits:
                        break
                    bit -= bits
                try:
                    self.one(kind, path, bit, due)
                except Breach as breach:
                    result = "not ok"
                    print("\n".join(f"# {line}" for line in str(breach).splitlines()))
                    self.rig.kill(SERVER)
            bad += result != "ok"
            print(f"{result} {number} - flipped bits of {kind} never pass for right "
                  f"({self.found} found, {self.mended} without effect or mended)", flush=True)
        return bad


def main(build):
    return 1 if rig.with_rig(build, lambda machine, tree: Flips(machine, tree).run(), files=6, bytes_max=9000) else 0
