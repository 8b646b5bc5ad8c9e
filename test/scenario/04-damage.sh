#!/bin/bash
# A flipped bit is found, named, never restored as if it were right, and healed by the next backup.
. "$(dirname "$0")/lib.bash"
up
data=$work/data
mkdir "$data"
make_tree "$data" 4
check "a group is made" casemate group create one --member "computer1.sandbox:$data"
check "a backup is done" exits 0 casemate backup one --wait
check "verify is clean" exits 0 casemate verify --read-data --wait
flip() { # FILE OFFSET
    chmod u+w "$1"
    python3 -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2])); b = f.read(1)[0]; f.seek(int(sys.argv[2])); f.write(bytes([b ^ 4]))' "$1" "$2"
}
pack=$(find "$sandbox/server/store/packs" -type f -size +1M | sort | head -n 1)
sandbox_do restart-server
flip "$pack" 200000
check "verify finds it" exits 14 casemate verify --read-data --wait
check "verify names the pack" says "$(basename "$pack" | cut -c1-16)" casemate verify --read-data --wait
check "status wants attention" says attention casemate --json status
casemate restore latest --group one --to "$sandbox/damaged" --wait >"$work/log" 2>&1
check "a restore says that files are missing" test $? -ne 0 -o -s "$work/log"
check "no restored file has wrong bytes" python3 - "$data" "$sandbox/damaged" <<'PY'
import os, sys
for top, dirs, files in os.walk(sys.argv[2]):
    for name in files:
        path = os.path.join(top, name)
        if not os.path.isfile(path) or os.path.islink(path): continue
        with open(path, "rb") as a, open(os.path.join(sys.argv[1], os.path.relpath(path, sys.argv[2])), "rb") as b:
            assert a.read() == b.read(), path
PY
check "the next backup heals" exits 0 casemate backup one --wait
check "what it made restores" exits 0 casemate restore latest --group one --to "$sandbox/healed" --wait
check "it is identical" same "$data" "$sandbox/healed"
