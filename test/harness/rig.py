"""A sandbox whose daemons are our children: started with planted faults, killed, waited for; and what must hold then.

Used by test/scenario/06, 07 and test/suite/faults.  Checks raise Breach.
"""
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import compare  # noqa: E402: bench/compare.py

START_S = 20
COMMAND_S = 60
DEATH_S = 2
GROUP = "one"
FOLDERS = 4
SERVER, AGENT = "server", "computer1"
ENDED_WELL, PARTIAL = 0, 3


class Breach(Exception):
    """Something that must hold does not."""


def require(holds, what):
    if not holds:
        raise Breach(what)


def entry(path):
    about = compare.describe(path)
    if about["kind"] == stat.S_IFREG:
        with open(path, "rb") as file:
            about["content"] = hashlib.sha256(file.read()).hexdigest()
    return about


def picture(top):
    """All that a restore must bring back of a folder."""
    return {path: entry(os.path.join(os.fsencode(top), path)) for path in compare.entries(top)}


def program_of(build, name):
    return str(pathlib.Path(build) / "src/prog" / {"casemate-agent": "agent"}.get(name, name) / name)


class Tree:
    """A small source folder that changes from step to step, always the same way for the same seed."""

    def __init__(self, top, seed, files=24, bytes_max=60_000):
        self.top, self.rng, self.bytes_max = pathlib.Path(top), random.Random(seed), bytes_max
        self.next = 0
        for number in range(FOLDERS):
            (self.top / f"dir{number}").mkdir(parents=True)
        for _ in range(files):
            self.add()
        (self.top / "link").symlink_to("nowhere")
        (self.top / "empty").mkdir()

    def any_folder(self):
        return self.top / f"dir{self.rng.randrange(FOLDERS)}"

    def add(self):
        (self.any_folder() / f"file{self.next}").write_bytes(self.rng.randbytes(self.rng.randrange(self.bytes_max)))
        self.next += 1

    def change(self):
        files = sorted(path for path in self.top.glob("dir*/*"))
        self.rng.shuffle(files)
        for path in files[:2]:
            path.unlink()
        with open(files[2], "r+b") as file:
            file.write(self.rng.randbytes(100))
        with open(files[3], "ab") as file:
            file.write(self.rng.randbytes(1000))
        files[4].rename(self.any_folder() / f"moved{self.next}")
        for _ in range(2):
            self.add()


class Rig:
    """One server and one agent below a folder, ready, with a group that protects `source`."""

    def __init__(self, build, top, source):
        self.build, self.top, self.source = str(build), pathlib.Path(top), pathlib.Path(source)
        self.sandbox = self.top / "sandbox"
        self.server_folder = self.sandbox / "server"
        self.daemons, self.log_starts, self.restores = {}, {}, 0
        self.env = {**os.environ, "LC_ALL": "C.UTF-8", "CASEMATE_SOCKET": str(self.server_folder / "admin.sock"),
                    "CASEMATE_BUILD": self.build, "SANDBOX_TRASH_DAYS": "0"}
        self.sandbox_do("up")
        self.sandbox_do("down")
        self.start(SERVER)
        self.start(AGENT)
        self.must("group", "create", GROUP, "--member", f"computer1.sandbox:{self.source}")

    def sandbox_do(self, verb):
        subprocess.run([ROOT / "tools/sandbox", verb, self.sandbox], env=self.env, check=True, timeout=COMMAND_S,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    # ---- the daemons ----

    def command_of(self, name):
        if name == SERVER:
            return [program_of(self.build, "casemated"), "--config", str(self.server_folder / "casemated.conf"), "run"]
        return [program_of(self.build, "casemate-agent"), "--config", str(self.sandbox / name / "agent.conf"), "run"]

    def ready(self, name):
        """It wrote its pid and said that it serves: later it has no reason to end."""
        pid = self.sandbox / name / "pid"
        return (pid.exists() and pid.read_text().strip() == str(self.daemons[name].pid)
                and " serves as " in self.log_since_start(name)
                and (name != SERVER or self.casemate("status")[0] == 0))

    def start(self, name, fault=""):
        with open(self.sandbox / name / "log", "ab") as log:
            self.log_starts[name] = log.tell()
            self.daemons[name] = subprocess.Popen(self.command_of(name), env={**self.env, "CASEMATE_FAULT": fault},
                                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + START_S
        while not self.ready(name):
            if self.daemons[name].poll() is not None:
                require(fault, f"{name} ended at start with {self.daemons[name].returncode}: {self.log(name)}")
                return False
            require(time.monotonic() < end, f"{name} does not come up: {self.log(name)}")
            time.sleep(0.01)
        return True

    def alive(self, name):
        return self.daemons[name].poll() is None

    def kill(self, name):
        """SIGKILL, and gone when this returns."""
        self.daemons[name].kill()
        self.daemons[name].wait(COMMAND_S)

    def stop(self, name):
        self.daemons[name].terminate()
        try:
            self.daemons[name].wait(COMMAND_S)
        except subprocess.TimeoutExpired:
            self.kill(name)
            raise Breach(f"{name} does not end when asked: {self.log(name)}") from None

    def restart(self, name, fault=""):
        if self.alive(name):
            self.stop(name)
        return self.start(name, fault)

    def killed_itself(self, name, status):
        """After a command that ended with status: one that failed may be quicker than the death that it tells of."""
        try:
            return self.daemons[name].wait(0 if status == ENDED_WELL else DEATH_S) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            return False

    def log_since_start(self, name):
        with open(self.sandbox / name / "log", encoding="utf-8", errors="replace") as log:
            log.seek(self.log_starts[name])
            return log.read()

    def log(self, name):
        return self.log_since_start(name)[-2000:]

    def down(self):
        for daemon in self.daemons.values():
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait()

    # ---- the command line ----

    def begin(self, *words):
        return subprocess.Popen([program_of(self.build, "casemate"), *words], env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")

    def end(self, process):
        try:
            out, err = process.communicate(timeout=COMMAND_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Breach(f"{' '.join(map(str, process.args[1:]))} does not end: {self.log(SERVER)}") from None
        return process.returncode, out, err

    def casemate(self, *words):
        return self.end(self.begin(*words))

    def must(self, *words):
        status, out, err = self.casemate(*words)
        require(status == ENDED_WELL, f"casemate {' '.join(words)}: exit {status}: {out[-500:]}{err[-500:]}"
                                      f"\nserver: {self.log(SERVER)}\nagent: {self.log(AGENT)}")
        return out

    # ---- what must hold ----

    def points(self):
        """{sequence: id}"""
        listed = json.loads(self.must("--json", "point", "list", "--group", GROUP))
        listed = listed if isinstance(listed, list) else listed["points"]
        return {point["sequence"]: point["id"] for point in listed}

    def backup(self):
        return self.casemate("backup", GROUP, "--wait")[0]

    def restored(self, point):
        """The picture of a whole point, restored without a warning."""
        self.restores += 1
        to = self.sandbox / "restored" / str(self.restores)
        self.must("restore", point, "--to", str(to), "--wait")
        got = picture(to)
        shutil.rmtree(to)
        return got

    def require_equal(self, point, want):
        got = self.restored(point)
        wrong = [path for path in sorted(set(got) | set(want)) if got.get(path) != want.get(path)]
        require(not wrong, f"point {point} restores otherwise: {wrong[:5]}")

    def require_sound(self):
        self.must("verify", "--wait")


def with_rig(build, work, **how):
    """A folder below TMPDIR that `work(rig, tree)` uses; removed afterwards, kept and named after a breach."""
    top = pathlib.Path(tempfile.mkdtemp(prefix="casemate-rig."))
    seed = int(os.environ.get("CASEMATE_SEED", time.time_ns() % 2**32))
    print(f"# CASEMATE_SEED={seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # daemons and folder go, too
    rig, kept = None, bool(os.environ.get("CASEMATE_KEEP"))
    try:
        tree = Tree(top / "source", seed, **how)
        rig = Rig(build, top, tree.top)
        return work(rig, tree)
    except Breach:
        if kept:
            print(f"# kept: {top}", flush=True)
        raise
    finally:
        if rig:
            rig.down()
        if not kept:
            shutil.rmtree(top, ignore_errors=True)
