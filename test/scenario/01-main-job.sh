#!/bin/bash
# The main job: protect a folder, look inside, change it, restore any of it.
. "$(dirname "$0")/lib.bash"
up
data=$work/data
mkdir "$data"
make_tree "$data" 1
# restore_to FOLDER POINT [PATH or OPTION ...]
what_differs() { casemate --json diff "$1" "$2" --group one | tr -d '[] \n'; }
restore_to() { casemate restore "${@:2}" --group one --to "$sandbox/$1" --wait; }
restore_file() { restore_to single latest dir0/file5 "$@"; }
sleep_past_tick() { touch "$work/tick"; while [ ! "$work/tick2" -nt "$work/tick" ]; do touch "$work/tick2"; done; }

check "a group is made" casemate group create one --member "computer1.sandbox:$data"
check "the first backup is done" exits 0 casemate backup one --wait
cp -a "$data" "$work/first"
check "an unchanged backup is done" exits 0 casemate backup one --wait
check "two points are listed" says '"sequence":2' casemate --json point list --group one
check "ls shows the root" says dir3 casemate ls latest --group one
check "ls shows a folder" says file7 casemate ls latest dir0 --group one
check "find finds in all points" says file24 casemate find 'file24' --group one
check "cat gives the bytes" cmp <(casemate cat latest dir0/file3 --group one) "$data/dir0/file3"
check "cat follows a hard link" cmp <(casemate cat latest big.bin --group one) "$data/big.bin"
check "nothing differs between the two" exits 0 test -z "$(what_differs latest~1 latest)"

sleep_past_tick
echo more >>"$data/dir0/file5"
rm "$data/dir1/sub0/file1"
mv "$data/dir2" "$data/renamed"
dd if=/dev/urandom of="$data/disk.img" bs=4096 count=3 seek=260 conv=notrunc status=none
check "a backup after changes is done" exits 0 casemate backup one --wait
check "diff names the change" says dir0/file5 casemate diff latest~1 latest --group one
check "diff names what is gone" says removed casemate diff latest~1 latest --group one

check "the newest point is restored" exits 0 restore_to new latest
check "it is identical" same "$data" "$sandbox/new"
check "the first point is restored" exits 0 restore_to old latest~2
check "it is identical, too" same "$work/first" "$sandbox/old"
check "one file is restored" exits 0 restore_file
check "it has its content" cmp "$data/dir0/file5" "$sandbox/single/dir0/file5"
check "and nothing else came with it" test "$(find "$sandbox/single" -type f | wc -l)" -eq 1

echo mine >"$sandbox/single/dir0/file5"
check "existing files are skipped" exits 0 restore_file --existing skip
check "skip left it" grep -qx mine "$sandbox/single/dir0/file5"
check "existing files are overwritten" exits 0 restore_file --existing overwrite
check "overwrite replaced it" cmp "$data/dir0/file5" "$sandbox/single/dir0/file5"
echo mine >"$sandbox/single/dir0/file5"
check "existing files are kept beside" exits 0 restore_file --existing copy
check "both are there" test "$(find "$sandbox/single/dir0" -type f | wc -l)" -eq 2

check "verify reads all" exits 0 casemate verify --read-data --wait
check "status is ok" says '"state":"ok"' casemate --json status
check "doctor finds the way" exits 0 casemate doctor computer1.sandbox
sandbox_do restart-server
check "points are there after a restart" says '"sequence":3' casemate --json point list --group one
check "and another backup follows" exits 0 casemate backup one --wait

mkdir "$work/second"
echo two >"$work/second/file"
check "a folder joins the group" exits 0 casemate group modify one --add-member "computer1.sandbox:$work/second"
check "both members are backed up" exits 0 casemate backup one --wait
points_of() { casemate --json point list --source "computer1.sandbox:$1" | grep -c '"sequence"'; }
check "the new member has a point" test "$(points_of "$work/second")" -eq 1
check "and the old one, too" test "$(points_of "$data")" -eq 5
