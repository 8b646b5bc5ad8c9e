"""Plants mistakes in a copy of the source tree; the suites must catch each of them."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PROGRAMS = ["src/prog/casemated/casemated", "src/prog/agent/casemate-agent", "src/prog/casemate/casemate"]
MUTANTS = {  # name: (file, what is there, what is planted, the suite that must fail)
    "no fsync of packs": (
        "src/os/durable.c", "int rc = os_fsync(*fd, err);\n    os_close(fd);", "int rc = 0;\n    os_close(fd);",
        ["powercut", "10"]),
    "no fsync of directories": (
        "src/os/durable.c", "return os_fsync(dirfd, err) != 0 ? ERR_NOTE(err, \"write %s: directory\", name) : 0;",
        "return 0;", ["order"]),
    "acknowledged before the commit file is written": (
        "src/flow/ingest/ingest_commit.c",
        "    if (ledger_append(session->ledger, &commit, &result->hash, err) != 0)\n        return -1;",
        "    commit_put(&file, &commit);\n"
        "    if (CHANNEL_SEND(session->channel, committed, err, .commit_file = buf_span(&file)) != 0)\n"
        "        return -1;\n"
        "    buf_clear(&file);\n"
        "    if (ledger_append(session->ledger, &commit, &result->hash, err) != 0)\n        return -1;",
        ["kills", "14"]),
}
SKIPPED = 77
COPIED = ["src", "test", "tools", "spec", "bench", "docs", "packaging", "meson.build", "meson_options.txt", "LAYERS"]


def copy(root, to):
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, to / name, symlinks=True)
        elif (root / name).exists():
            shutil.copy2(root / name, to / name)


def built(root, tree):
    setup = ["meson", "setup", "build/mutant", "-Dfaults=true", f"-Dblake3={root / 'build/deps/blake3'}"]
    commands = [] if (tree / "build/mutant/build.ninja").exists() else [setup]
    for command in [*commands, ["ninja", "-C", "build/mutant", *PROGRAMS]]:
        result = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            sys.exit(f"{' '.join(command)}: {result.stdout[-2000:]}{result.stderr[-2000:]}")


def run_suite(tree, words):
    env = {**os.environ, "CASEMATE_FAULT_BUILD": str(tree / "build/mutant")}
    result = subprocess.run([sys.executable, "tools/faults", *words], cwd=tree, env=env, stdout=subprocess.PIPE,
                            text=True, check=False)
    return result.returncode, result.stdout


def one(root, tree, name, number):
    file, before, after, words = MUTANTS[name]
    path = tree / file
    text = path.read_text(encoding="utf-8")
    if text.count(before) != 1:
        print(f"not ok {number} - {name}: {file} does not hold what is to be replaced exactly once")
        return 1
    path.write_text(text.replace(before, after), encoding="utf-8")
    try:
        built(root, tree)
        status, output = run_suite(tree, words)
    finally:
        path.write_text(text, encoding="utf-8")
    if status == SKIPPED:
        print(f"ok {number} - {name} # SKIP {' '.join(words)} cannot run here")
        return 0
    lines = output.splitlines()
    at = next((at for at, line in enumerate(lines) if line.startswith("not ok")), len(lines))
    breach = lines[at + 1] if at + 1 < len(lines) else "# no breach"
    caught = "ok" if status == 1 else "not ok"
    print(f"{caught} {number} - {name}: caught by {' '.join(words)}, {breach[2:]}", flush=True)
    return status != 1


def main(root):
    tree = pathlib.Path(tempfile.mkdtemp(prefix="casemate-mutants."))
    try:
        copy(root, tree)
        built(root, tree)
        for words in {tuple(mutant[3]) for mutant in MUTANTS.values()}:  # a suite that fails anyway shows nothing
            status, output = run_suite(tree, words)
            if status not in (0, SKIPPED):
                print(f"not ok 1 - {' '.join(words)} fails without a mutant\n{output}")
                return 1
        return 1 if sum(one(root, tree, name, number) for number, name in enumerate(MUTANTS, 1)) else 0
    finally:
        shutil.rmtree(tree, ignore_errors=True)
