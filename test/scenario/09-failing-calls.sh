#!/bin/bash
# System calls of server and agent fail, and disks are full: clean errors, a sound store, a next backup that succeeds.
here=$(dirname "$0")
. "$here/need-faults.bash"
exec python3 "$here/../harness/failing_calls.py" "$CASEMATE_FAULT_BUILD"
