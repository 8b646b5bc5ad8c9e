#!/bin/bash
# Bad input gets a clear error and the right exit status, and nothing is lost.
. "$(dirname "$0")/lib.bash"
up
data=$work/data
mkdir "$data"
echo x >"$data/file"
attach() { casemate computer attach --credential "$1"; }
of_computer=$sandbox/exchange/CertificateConfiguration_computer1.sandbox.bin
restore_to() { casemate restore latest --group one --to "$1" --wait; }
of_server=$sandbox/exchange/CertificateConfiguration_localhost.bin

check "the server's own metadata file is refused" exits 12 attach "$of_server"
check "the computer is still there" says computer1.sandbox casemate computer list
check "attaching twice is refused" exits 12 attach "$of_computer"
head -c 100 "$of_computer" >"$work/cut.bin"
check "a cut file is refused" exits 14 attach "$work/cut.bin"
check "an unknown option is a usage error" exits 1 casemate backup --nonsense
check "an unknown group is named" says nothing-here casemate backup nothing-here --wait
check "an unknown computer is refused" exits 1 casemate group create x --member "nobody:$data"
check "a relative path is refused" exits 1 casemate group create x --member "computer1.sandbox:data"
check "a group is made" casemate group create one --member "computer1.sandbox:$data"
check "the same name again is refused" exits 1 casemate group create one --member "computer1.sandbox:$work"
check "the same folder in another group is refused" exits 1 casemate group create two --member "computer1.sandbox:$data"
check "no point yet" exits 1 casemate ls latest --group one
check "a backup is done" exits 0 casemate backup one --wait
check "restoring where the policy does not permit is refused" exits 13 restore_to /usr/nowhere
check "nothing was made there" test ! -e /usr/nowhere
check "a file that is not in the point is named" says no-such-file casemate cat latest no-such-file --group one
rm -r "$data"
check "a missing folder is an error, not an empty success" exits 1 casemate backup one --wait
check "the error names it" says source-missing casemate --json job list
check "the point is still there" says '"sequence":1' casemate --json point list --group one
check "no second point was made" test "$(casemate --json point list --group one | grep -c '"sequence"')" -eq 1
sed -i 's/^read = .*/read = \/usr/' "$sandbox/computer1/policy.conf"
mkdir "$data"
check "reading what the policy no longer permits is refused" exits 13 casemate backup one --wait
sandbox_do down
check "a server that is down is exit 4" exits 4 casemate status
