#!/usr/bin/env python3
"""Watches the calls of a server around the commit points of a backup: what is named durable was fsynced before.

order.py BUILD

BUILD has fault points compiled in.  A kill cannot show a missing fsync, and a cut of the power only where nothing else
flushed the same journal; the order of the calls shows it always.
"""
import re
import sys

import rig
from rig import SERVER, Breach, require

TOLD = ["I1", "I2", "I5", "I6", "I7", "rename", "fsync"]
SEALED = ["fsync", "I1", "rename", "fsync", "I2"]     # a pack: content, name, folder
COMMITTED = ["I5", "fsync", "rename", "fsync", "I6"]  # a commit file: the same; then the answer (I7)


def require_run(calls, run):
    """Somewhere in calls, one after the other."""
    found = any(calls[at:at + len(run)] == run for at in range(len(calls)))
    require(found, f"no {' '.join(run)} in {' '.join(calls)}")


def watch(machine, tree):
    machine.restart(SERVER, ",".join(f"{point}:1+:tell" for point in TOLD))
    before = len(machine.log_since_start(SERVER))
    tree.change()
    machine.must("backup", rig.GROUP, "--wait")
    calls = re.findall(r"^fault (\w+):\d+:tell$", machine.log_since_start(SERVER)[before:], re.MULTILINE)
    require_run(calls, SEALED)
    require_run(calls, COMMITTED)
    points = [call for call in calls if call[0] == "I"]
    require(points[-3:] == ["I5", "I6", "I7"], f"commit points came as {' '.join(points)}")


def main(build):
    try:
        rig.with_rig(build, watch, files=6, bytes_max=20_000)
        breach = None
    except Breach as caught:
        breach = caught
    what = "what is acknowledged was fsynced, named and its folder fsynced, in this order"
    print(f"{'not ok' if breach else 'ok'} 1 - {what}")
    for line in str(breach or "").splitlines():
        print(f"# {line}")
    return 1 if breach else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
