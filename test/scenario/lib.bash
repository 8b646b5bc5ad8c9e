# What scenarios share: a scratch folder, a sandbox, and `check`, which prints "ok" or "not ok" lines.
#   . "$(dirname "$0")/lib.bash"
#   up [OPTIONS of tools/sandbox up]
#   check "what must hold" COMMAND...
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export CASEMATE_BUILD=${CASEMATE_BUILD:-$root/build/check-gcc}
work=$(mktemp -d "${TMPDIR:-/tmp}/casemate-scenario.XXXXXX")
sandbox=$work/sandbox
count=0 failed=0

finish() {
    "$root/tools/sandbox" down "$sandbox" >/dev/null 2>&1
    if [ $failed -gt 0 ]; then
        tail -n 30 "$sandbox"/server/log "$sandbox"/computer*/log 2>/dev/null | sed 's/^/# /'
    fi
    rm -rf "$work"
    echo "1..$count"
    [ $failed -eq 0 ]
    exit
}
trap finish EXIT
trap 'exit 1' INT TERM

check() { # "what must hold" COMMAND...
    local what=$1 output
    shift
    count=$((count + 1))
    local status=0
    output=$("$@" 2>&1) || status=$?
    if [ $status -eq 0 ]; then
        echo "ok $count - $what"
    else
        failed=$((failed + 1))
        echo "not ok $count - $what (exit $status)"
        printf '%s\n' "$output" | tail -n 15 | sed 's/^/# /'
    fi
}

exits() { # STATUS COMMAND...: the command ends with this status
    local want=$1 got=0
    shift
    "$@" || got=$?
    [ "$got" -eq "$want" ] || { echo "exit $got, $want was due"; return 1; }
}

says() { # TEXT COMMAND...: the command prints this text (wherever, whatever its status)
    local text=$1 output
    shift
    output=$("$@" 2>&1)
    [[ $output == *"$text"* ]] || { printf 'no "%s" in:\n%s\n' "$text" "$output"; return 1; }
}

same() { # A B: two folders are equal: content, kinds, modes, owners, times, links, xattrs
    "$root/bench/compare.py" "$1" "$2"
}

up() {
    "$root/tools/sandbox" up "$sandbox" "$@" || { echo "not ok 1 - sandbox comes up"; failed=1 count=1; exit 1; }
    eval "$("$root/tools/sandbox" env "$sandbox")"
}
sandbox_do() { "$root/tools/sandbox" "$1" "$sandbox" "${@:2}"; }

id_of() { casemate --json point show "$1" --group "$2" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }

make_tree() { # DIR SEED: files of many kinds
    python3 - "$1" "$2" <<'PY'
import os, random, sys
top, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)
words = [bytes(rng.choices(b"abcdefghijklmnop \n", k=rng.randint(3, 12))) for _ in range(300)]
def content(n):
    out = bytearray()
    while len(out) < n:
        out += rng.choice(words) if rng.random() < 0.9 else rng.randbytes(20)
    return bytes(out[:n])
for d in range(12):
    folder = os.path.join(top, f"dir{d}", *[f"sub{i}" for i in range(d % 4)])
    os.makedirs(folder, exist_ok=True)
    for f in range(25):
        size = rng.choice([0, 1, 100, 1000, 5000, 17000, 70000, 300000]) + rng.randint(0, 50)
        with open(os.path.join(folder, f"file{f}"), "wb") as file:
            file.write(content(size))
big = os.path.join(top, "big.bin")
with open(big, "wb") as file:
    file.write(rng.randbytes(5_000_000) + content(3_000_000))
sparse = os.path.join(top, "disk.img")
with open(sparse, "wb") as file:
    for at in (0, 1 << 20, 9 << 20):
        file.seek(at)
        file.write(content(200_000))
    file.truncate(32 << 20)
os.symlink("dir1/nowhere", os.path.join(top, "dangling"))
os.link(big, os.path.join(top, "big.again"))
os.mkfifo(os.path.join(top, "fifo"))
open(os.path.join(os.fsencode(top), b"name-\xff\xfe\n"), "wb").write(b"not utf-8")
os.mkdir(os.path.join(top, "empty"))
os.chmod(os.path.join(top, "dir0", "file0"), 0o4751)
os.utime(os.path.join(top, "dir0", "file1"), ns=(1, 1234567890123456789))
try:
    os.setxattr(os.path.join(top, "dir0", "file2"), "user.note", b"kept \x00 exactly")
except OSError:
    pass
PY
}
