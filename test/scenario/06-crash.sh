#!/bin/bash
# Server and agent are killed at every commit point and at random moments: nothing that was acknowledged is lost.
here=$(dirname "$0")
. "$here/need-faults.bash"
exec python3 "$here/../harness/crash.py" "$CASEMATE_FAULT_BUILD" "${CASEMATE_KILLS:-50}"
