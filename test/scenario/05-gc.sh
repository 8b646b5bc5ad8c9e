#!/bin/bash
# Deleting and collecting: space comes back, nothing that a point needs goes.
. "$(dirname "$0")/lib.bash"
export SANDBOX_TRASH_DAYS=0
up
data=$work/data
mkdir "$data"
make_tree "$data" 5
head -c 30000000 /dev/urandom >"$data/gone-soon"
check "a group is made" casemate group create one --member "computer1.sandbox:$data"
check "a backup is done" exits 0 casemate backup one --wait
before=$(du -sk "$sandbox/server/store" | cut -f1)
rm "$data/gone-soon"
check "a second backup is done" exits 0 casemate backup one --wait
check "gc keeps what two points need" exits 0 casemate gc --wait
check "the old point still restores" exits 0 casemate restore latest~1 gone-soon --group one --to "$sandbox/old" --wait
check "what-if deletes nothing" exits 0 casemate point delete latest~1 --group one --what-if
check "two points are there" test "$(casemate --json point list --group one | grep -c '"sequence"')" -eq 2
check "the old point is deleted" exits 0 casemate point delete latest~1 --group one
check "gc collects" exits 0 casemate gc --wait
check "gc again" exits 0 casemate gc --wait
after=$(du -sk "$sandbox/server/store" | cut -f1)
check "the space came back ($before KiB, then $after KiB)" test "$after" -lt $((before - 25000))
check "verify is clean" exits 0 casemate verify --read-data --wait
check "the newest point restores" exits 0 casemate restore latest --group one --to "$sandbox/new" --wait
check "it is identical" same "$data" "$sandbox/new"
check "another backup follows" exits 0 casemate backup one --wait
