#!/usr/bin/env python3
"""Kills servers and agents while they work and checks that nothing that was acknowledged is lost.

crash.py BUILD KILLS

BUILD has fault points compiled in.  Prints "ok"/"not ok" lines and
    # kills: N, acknowledged points: M, lost: 0
"""
import re
import sys
import time

import rig
from rig import AGENT, ENDED_WELL, PARTIAL, SERVER, Breach, require

COMMIT_POINTS = ["I1", "I2", "I3", "I5", "I6", "I7"]
COLLECT_POINTS = ["G1", "G2", "G3"]
COLLECT_EVERY = 12  # random kills between two rounds of deleting and collecting
KEPT = 3            # points that stay when others are deleted
SHORT_LIVED_BYTES = 300_000  # what only a deleted point holds
COLLECTIONS_MAX = 4  # until every step of a collection was reached
WHOLE_BACKUP = 1.3  # random moments lie within this many times the length of a backup


class Crashes:
    def __init__(self, machine, tree, kills_wanted):
        self.rig, self.tree, self.wanted = machine, tree, kills_wanted
        self.kills, self.lost, self.acknowledged = 0, 0, 0
        self.known = {}   # sequence: (id, picture of the source, was it acknowledged)
        self.at = dict.fromkeys([*COMMIT_POINTS, *COLLECT_POINTS, "server", "agent", "both"], 0)
        self.backup_s = 0.2

    def record(self, picture, acknowledged):
        """After a backup: points that are new are what the source was; those known are still there."""
        points = self.rig.points()
        new = {sequence: point for sequence, point in points.items() if sequence not in self.known}
        require(len(new) <= 1, f"one backup made the points {sorted(new)}")
        require(new or not acknowledged, "an acknowledged backup made no point")
        for sequence, point in new.items():
            self.known[sequence] = (point, picture, acknowledged)
        self.acknowledged += acknowledged
        gone = [sequence for sequence, (point, _, _) in self.known.items() if points.get(sequence) != point]
        told = re.findall(r"^\S+ backup of .*: point (\d+), ", self.rig.log_since_start(AGENT), re.MULTILINE)
        if told and int(told[-1]) not in points:  # an answer that only the agent got is one, too
            gone.append(int(told[-1]))
        self.lost += len(gone)
        require(not gone, f"points are lost: {gone}")

    def check_points(self, sequences):
        for sequence in sequences:
            point, picture, acknowledged = self.known[sequence]
            try:
                self.rig.require_equal(point, picture)
            except Breach:
                self.lost += acknowledged
                raise

    def bring_back(self):
        for name in (SERVER, AGENT):
            if not self.rig.alive(name):
                self.rig.start(name)

    def backup_whole(self):
        self.tree.change()
        picture = rig.picture(self.tree.top)
        start = time.monotonic()
        status, out, err = self.rig.casemate("backup", rig.GROUP, "--wait")
        require(status == ENDED_WELL, f"a backup that nothing disturbs: exit {status}: {out[-300:]}{err[-300:]}\n"
                                      f"server: {self.rig.log(SERVER)}\nagent: {self.rig.log(AGENT)}")
        self.backup_s = 0.7 * self.backup_s + 0.3 * (time.monotonic() - start)
        self.record(picture, True)

    def after_kill(self, picture, status, what):
        """The checks of every kill."""
        self.kills += 1
        self.at[what] += 1
        require(status != PARTIAL, "a backup of a source that does not change was partial")
        self.bring_back()
        self.record(picture, status == ENDED_WELL)
        self.rig.require_sound()
        self.check_points(sorted(self.known)[-1:])  # the newest, acknowledged or only listed
        self.backup_whole()
        self.check_points(sorted(self.known)[-1:])

    def kill_at(self, point, hit):
        """One server that dies at a commit point of a backup; False: it is not reached so often."""
        self.rig.restart(SERVER, f"{point}:{hit}:kill")
        self.tree.change()
        picture = rig.picture(self.tree.top)
        status = self.rig.backup()
        if not self.rig.killed_itself(SERVER, status):
            require(status == ENDED_WELL, f"{point}:{hit} is not reached, yet the backup ended with {status}")
            self.record(picture, True)
            self.rig.restart(SERVER)
            return False
        self.after_kill(picture, status, point)
        return True

    def kill_whenever(self, what):
        """Some moment of a backup."""
        self.tree.change()
        picture = rig.picture(self.tree.top)
        running = self.rig.begin("backup", rig.GROUP, "--wait")
        time.sleep(self.tree.rng.uniform(0, WHOLE_BACKUP * self.backup_s))
        for name in {"server": [SERVER], "agent": [AGENT], "both": [SERVER, AGENT]}[what]:
            self.rig.kill(name)
        status, _, _ = self.rig.end(running)
        self.after_kill(picture, status, what)

    def collect(self, point):
        """Delete points, collect with a server that dies at `point`; what is kept stays whole."""
        short_lived = self.tree.top / "short-lived"
        short_lived.write_bytes(self.tree.rng.randbytes(SHORT_LIVED_BYTES))
        self.backup_whole()
        short_lived.unlink()
        for _ in range(KEPT):
            self.backup_whole()
        for sequence in sorted(self.known)[:-KEPT]:
            self.rig.must("point", "delete", self.known[sequence][0])
            del self.known[sequence]
        self.rig.restart(SERVER, f"{point}:1:kill")
        for _ in range(COLLECTIONS_MAX):
            status = self.rig.casemate("gc", "--wait")[0]
            if self.rig.killed_itself(SERVER, status):
                break
            require(status == ENDED_WELL, f"gc ended with {status}")
        else:
            self.rig.restart(SERVER)
            return
        self.kills += 1
        self.at[point] += 1
        self.bring_back()
        self.record(None, False)
        self.rig.require_sound()
        self.check_points(sorted(self.known))
        self.rig.must("gc", "--wait")
        self.backup_whole()

    def run(self):
        for _ in range(2):
            self.backup_whole()
        for point in COMMIT_POINTS:
            hit = 1
            while hit <= 3 and self.kill_at(point, hit):
                hit += 1
        for point in COLLECT_POINTS:
            self.collect(point)
        random_kills = 0
        while self.kills < self.wanted:
            self.kill_whenever(["server", "agent", "both"][random_kills % 3])
            random_kills += 1
            if random_kills % COLLECT_EVERY == 0:
                self.collect(COLLECT_POINTS[random_kills // COLLECT_EVERY % len(COLLECT_POINTS)])
        self.check_points(sorted(self.known))
        self.rig.must("verify", "--read-data", "--wait")
        require(all(self.at.values()), f"a kind of kill never came: {self.at}")


def main(build, wanted):
    crashes = []

    def work(machine, tree):
        crashes.append(Crashes(machine, tree, wanted))
        crashes[0].run()
    breach = None
    start = time.monotonic()
    try:
        rig.with_rig(build, work)
    except Breach as caught:
        breach = str(caught)
    seen = crashes[0] if crashes else Crashes(None, None, wanted)
    print(f"# {' '.join(f'{name}={n}' for name, n in seen.at.items())}, {time.monotonic() - start:.0f} s")
    print(f"# kills: {seen.kills}, acknowledged points: {seen.acknowledged}, lost: {seen.lost}")
    what = "nothing acknowledged is lost, the store is sound, the next backup succeeds"
    print(f"{'not ok' if breach else 'ok'} 1 - {what}")
    for line in (breach or "").splitlines():
        print(f"# {line}")
    return 1 if breach else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
