#!/usr/bin/env python3
"""Lets system calls of server and agent fail one after the other: clean errors, a sound store, a next backup.

failing_calls.py BUILD

BUILD has fault points compiled in.  Prints "ok"/"not ok" lines, one for each kind of call, error and daemon.
"""
import shutil
import sys
import time

import rig
from rig import AGENT, ENDED_WELL, PARTIAL, SERVER, Breach, require

CALLS = [("write", "enospc"), ("fsync", "eio"), ("rename", "eio"), ("mkdir", "enospc"), ("open", "eio")]
AT_START = 2  # hits tried while a daemon starts
IN_JOB = 4    # hits tried in a job, spread over all that it has
FULL_FROM = [1, 8]


def spread(first, last, n):
    """At most n of first..last, both among them."""
    if last - first < n:
        return list(range(first, last + 1))
    return sorted({first + (last - first) * i // (n - 1) for i in range(n)})


class Calls:
    def __init__(self, machine, tree):
        self.rig, self.tree, self.tried, self.failed = machine, tree, 0, 0

    def reached(self, name, rule):
        return f"fault {rule}" in self.rig.log_since_start(name)

    def start(self, name, rule):
        """A daemon with a planted fault, ready; False: it would not start, and ended as it should."""
        if self.rig.restart(name, rule):
            return True
        status = self.rig.daemons[name].returncode
        require(status > 0, f"{rule}: {name} died with {status}")
        require("fault " not in self.rig.log(name).strip().splitlines()[-1], f"{rule}: {name} ended without a word")
        self.rig.start(name)
        return False

    def calls_so_far(self, name):
        return self.rig.log_since_start(name).count("fault ")

    def hits(self, name, call, job):
        """Which hits of a call to let fail: some of the start, more of the job, one after the last.

        Each backup makes the next start of the server longer, so where a job begins is counted every time."""
        self.rig.restart(name, f"{call}:1+:tell")
        at_start = self.calls_so_far(name)
        job()
        in_job = self.calls_so_far(name) - at_start
        yield from spread(1, at_start, AT_START)
        for n in spread(1, in_job + 1, IN_JOB):
            self.rig.restart(name, f"{call}:1+:tell")
            yield self.calls_so_far(name) + n

    def judge(self, rule, status, out, err):
        """An error is said, with an exit status and words; no signal, no internal error."""
        self.tried += 1
        self.failed += status != ENDED_WELL
        require(status >= 0 and status != 2, f"{rule}: exit {status}: {out}{err}")
        require(status == ENDED_WELL or out + err, f"{rule}: exit {status} without a word")
        for name in (SERVER, AGENT):
            require(self.rig.alive(name), f"{rule}: {name} died: {self.rig.log(name)}")

    def sound(self, rule):
        try:
            if rule.startswith("open:"):  # a pack that the disk refused once counts as damaged until all is read again
                self.rig.must("verify", "--read-data", "--wait")
            self.rig.require_sound()
            self.rig.must("backup", rig.GROUP, "--wait")
            self.newest_is(rig.picture(self.tree.top))
        except Breach as breach:
            raise Breach(f"after {rule}: {breach}") from None

    def newest_is(self, picture):
        points = self.rig.points()
        self.rig.require_equal(points[max(points)], picture)

    def one_backup(self, name, rule):
        status, out, err = self.rig.casemate("backup", rig.GROUP, "--wait")
        self.judge(rule, status, out, err)
        require(status != PARTIAL or name == AGENT, f"{rule}: a fault of the server made a point partial")
        if "fsync" in rule or not self.reached(name, rule):
            self.rig.restart(name)  # a database that failed once is not used until the next start
        if status == ENDED_WELL:
            self.newest_is(rig.picture(self.tree.top))

    def backups(self, name, call, action):
        """The n-th call of a daemon fails in a backup, for n from the first to one too many."""
        for n in self.hits(name, call, lambda: self.rig.must("backup", rig.GROUP, "--wait")):
            rule = f"{call}:{n}:{action}"
            self.tree.change()
            if self.start(name, rule):
                self.one_backup(name, rule)
            self.sound(rule)
        self.rig.restart(name)

    def restore(self, to):
        return self.rig.casemate("restore", "latest", "--group", rig.GROUP, "--to", str(to), "--wait")

    def restores(self, call, action):
        """The n-th call of the agent fails in a restore: what it says is restored is equal, and the rest is said."""
        self.rig.must("backup", rig.GROUP, "--wait")
        picture = rig.picture(self.tree.top)
        to = self.rig.sandbox / "failing"
        for n in self.hits(AGENT, call, lambda: self.restore(to)):
            shutil.rmtree(to, ignore_errors=True)
            rule = f"{call}:{n}:{action}"
            if not self.start(AGENT, rule):
                continue
            status, out, err = self.restore(to)
            self.judge(rule, status, out, err)
            got = rig.picture(to) if to.exists() else {}
            require(status != ENDED_WELL or got == picture, f"{rule}: restored without a warning, but not equal")
            for path, about in got.items():
                wrong = "content" in about and about["content"] != picture.get(path, {}).get("content")
                require(not wrong, f"{rule}: {path} has wrong bytes")
        shutil.rmtree(to, ignore_errors=True)
        self.rig.restart(AGENT)
        self.newest_is(picture)

    def full(self, n):
        """A disk that is full from some write on: said as such; points can be deleted and space collected."""
        rule = f"write:{n}+:enospc"
        self.tree.change()
        before = self.rig.points()
        if self.start(SERVER, rule):
            status, out, err = self.rig.casemate("backup", rig.GROUP, "--wait")
            self.judge(rule, status, out, err)
            require(status != ENDED_WELL, f"{rule}: the backup said it was done")
        self.rig.restart(SERVER)
        require(self.rig.points() == before, f"{rule}: the points changed")
        self.rig.must("point", "delete", before[min(before)])
        self.rig.must("gc", "--wait")
        self.sound(rule)

    def run(self):
        self.sound("nothing")
        steps = [(f"{call} of the {'server' if name == SERVER else 'agent'} fails with {action} in a backup",
                  lambda name=name, call=call, action=action: self.backups(name, call, action))
                 for name in (SERVER, AGENT) for call, action in CALLS]
        steps += [(f"{call} of the agent fails with {action} in a restore",
                   lambda call=call, action=action: self.restores(call, action)) for call, action in CALLS]
        steps += [(f"the disk of the server is full from write {n} on", lambda n=n: self.full(n)) for n in FULL_FROM]
        bad = 0
        for number, (what, step) in enumerate(steps, 1):
            tried, failed, start = self.tried, self.failed, time.monotonic()
            try:
                step()
                result = "ok"
            except Breach as breach:
                result, bad = "not ok", bad + 1
                print("\n".join(f"# {line}" for line in str(breach).splitlines()))
            print(f"{result} {number} - {what}: clean errors, the store is sound, the next backup succeeds "
                  f"({self.tried - tried} hits, {self.failed - failed} errors, {time.monotonic() - start:.1f} s)",
                  flush=True)
        return bad


def main(build):
    bad = rig.with_rig(build, lambda machine, tree: Calls(machine, tree).run(), files=6, bytes_max=20_000)
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
