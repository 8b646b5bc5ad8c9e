#!/bin/bash
# Packs and commit files are fsynced, renamed and their folder fsynced, before they are acknowledged.
here=$(dirname "$0")
. "$here/need-faults.bash"
exec python3 "$here/../harness/order.py" "$CASEMATE_FAULT_BUILD"
