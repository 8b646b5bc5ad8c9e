#!/bin/bash
# What was not read whole is said: partial points, their exit status and their list.
. "$(dirname "$0")/lib.bash"
up
data=$work/data
mkdir "$data"
echo stable >"$data/stable"
head -c 60000000 /dev/urandom >"$data/moving"
check "a group is made" casemate group create one --member "computer1.sandbox:$data"
( while :; do printf x >>"$data/moving"; done ) &
writer=$!
check "a file that changes while it is read makes the point partial" exits 3 casemate backup one --wait
kill $writer
wait $writer 2>/dev/null
check "the point says so" says '"state":"partial"' casemate --json point show latest --group one
check "the file is named" says moving casemate point show latest --group one
check "the next backup reads it again and is complete" exits 0 casemate backup one --wait
check "what is restored is what is there" exits 0 casemate restore latest --group one --to "$sandbox/out" --wait
check "it is identical" same "$data" "$sandbox/out"
