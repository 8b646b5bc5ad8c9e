"""What a piece of work cost: wall clock, CPU of everything that took part, peak memory of each part."""
import os
import pathlib
import resource
import subprocess
import threading
import time

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SETTLE_S_MAX = 10


class Daemon:
    """A running process whose CPU and memory are watched from outside."""

    def __init__(self, pid, name):
        self.pid, self.name = pid, name

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) * TICK_S  # utime, stime, and of waited-for children

    def reset_peak(self):
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_mb(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0


def find_daemons(programs, word):
    """Processes of these programs that have `word` in their command line or environment."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            name = os.path.basename(os.readlink(entry / "exe"))
            about = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if name in programs and word.encode() in about:
            found.append(Daemon(int(entry.name), name))
    return sorted(found, key=lambda daemon: daemon.name)


def settle(daemons):
    """Wait until the daemons are idle, so that work they do after the answer counts too."""
    end = time.monotonic() + SETTLE_S_MAX
    before = sum(daemon.cpu_s() for daemon in daemons)
    while daemons and time.monotonic() < end:
        time.sleep(0.3)
        after = sum(daemon.cpu_s() for daemon in daemons)
        if after - before <= TICK_S:
            return
        before = after


class PeakWatch(threading.Thread):
    """Follows the high-water mark of a process that may end any moment (wait4's figure includes this program's own
    size before exec)."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.process, self.peak_mb, self.over = Daemon(pid, "command"), 0.0, threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            try:
                self.peak_mb = self.process.peak_mb() or self.peak_mb
            except OSError:
                return

    def stop(self):
        self.over.set()
        self.join()
        return self.peak_mb


def measure(command, cwd=None, env=None, daemons=(), good=(0,)):
    """Run a command (a list, or a string for the shell); its costs as {wall_s, cpu_s, peak_mb: {program: MB}}."""
    os.sync()
    for daemon in daemons:
        daemon.reset_peak()
    cpu_before = sum(daemon.cpu_s() for daemon in daemons)
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, env=env, shell=isinstance(command, str), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    watch = PeakWatch(process.pid)
    watch.start()
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in good:
        raise RuntimeError(f"{command}: exit {process.returncode}\n{output.decode(errors='replace')[-3000:]}")
    settle(daemons)
    cpu = usage.ru_utime + usage.ru_stime + sum(daemon.cpu_s() for daemon in daemons) - cpu_before
    peaks = {"command": watch.stop(), **{daemon.name: daemon.peak_mb() for daemon in daemons}}
    return {"wall_s": wall, "cpu_s": cpu, "peak_mb": peaks}


class FullCache:
    """Leaves no memory unused, by reading holes of a large empty file: the pages are given up as soon as somebody needs
    one.  A virtual machine hands unused memory back to its host and gets it again page by page at some 4 s for a GB,
    which would be charged to whichever contestant comes next."""

    LEFT = 256 << 20
    STEP = 8 << 20

    def __init__(self, path):
        self.fd, self.at = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), 0
        os.ftruncate(self.fd, 1 << 40)

    def fill(self):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
        for _ in range((free - self.LEFT) // self.STEP):
            os.pread(self.fd, self.STEP, self.at)
            self.at += self.STEP


def size_of(folder):
    """Bytes of disk the folder takes."""
    return sum(os.lstat(os.path.join(top, name)).st_blocks * 512 for top, _, names in os.walk(folder) for name in names)


def machine():
    """What a reader needs to judge the figures."""
    cpu = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), "?")
    return {"cpu": cpu, "processors": os.cpu_count(), "load": os.getloadavg()[0], "kernel": os.uname().release,
            "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
            "limit_open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0]}
