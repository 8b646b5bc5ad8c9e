#!/usr/bin/env python3
"""The steps of ./check: each prints one line with its time, a failing one its output; then the sum."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time

import errlint
import headers
import layers
import rooms
import symbols
import tidy
import tree

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILDS = {  # name: (compiler, meson options)
    "gcc": ("gcc", []),
    "clang": ("clang", ["-Dfaults=true"]),
    "asan": ("gcc", ["-Dfaults=true", "-Db_sanitize=address,undefined", "-Db_lundef=false"]),
    "tsan": ("clang", ["-Db_sanitize=thread", "-Db_lundef=false"]),
}
THREADED = ("os/", "data/", "flow/", "control/", "door/")  # rooms whose tests run under TSan
ANALYZED = ("base/", "os/", "format/", "data/")  # rooms that gcc -fanalyzer reads
ANALYZER = ["-O1", "-fanalyzer", "-fdiagnostics-path-format=none", "-Werror", "-S", "-o", "/dev/null"]
OUTPUT_LINES_MAX = 60
NINJA_PROGRESS = re.compile(r"\[\d+/\d+\] |ninja: Entering directory")
SKIPPED = 77  # exit status of a scenario that this machine cannot run
TEST_TIMEOUT_S = 900

ORDER = ["format", "layers", "tidy", "errlint", "rooms", "generated", "scripts",
         "build-gcc", "headers", "symbols", "unit-gcc", "fuzz-gcc",
         "build-clang", "unit-clang", "clang-tidy", "analyzer",
         "build-asan", "unit-asan", "fuzz-asan", "build-tsan", "unit-tsan", "scenario"]
STEPS = {}  # name: (function, names of the steps it needs, part of --fast)


class Result:
    """What a step counted and what it has to show."""

    def __init__(self, passed=0, failed=0, output="", note=""):
        self.passed, self.failed, self.output, self.note = passed, failed, output, note

    @staticmethod
    def of(breaches):
        return Result(failed=1, output="\n".join(breaches)) if breaches else Result(passed=1)


def step(name, needs=(), fast=False):
    def add(function):
        STEPS[name] = (function, needs, fast)
        return function
    return add


def folder(build):
    return ROOT / "build" / f"check-{build}"


def run(command, env=None, timeout=None):
    """Exit status and joined output of a command, run in the tree."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        result = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        return -1, f"{late.stdout or ''}\nno end after {timeout} s"
    return result.returncode, result.stdout


def one(command, **how):
    status, output = run(command, **how)
    return Result(passed=1) if status == 0 else Result(failed=1, output=output)


def every(command_of, things):
    """Run command_of(thing) for all, as many at a time as there are processors; one count each."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda thing: run(command_of(thing)), things))
    bad = [output for status, output in results if status != 0]
    return Result(len(results) - len(bad), len(bad), "\n".join(bad))


def add_static():
    root = str(ROOT)
    step("layers", fast=True)(lambda: Result.of(layers.check(root)))
    step("tidy", fast=True)(lambda: Result.of(tidy.check(root)))
    step("errlint", fast=True)(lambda: Result.of(errlint.check(root)))
    step("rooms", fast=True)(lambda: Result.of(rooms.check(root)))
    step("headers", needs=["build-gcc"], fast=True)(lambda: Result.of(headers.check(root, folder("gcc"))))
    step("symbols", needs=["build-gcc"], fast=True)(lambda: Result.of(symbols.check(root, folder("gcc"))))


@step("format", fast=True)
def check_format():
    t = tree.Tree(ROOT)
    files = [str(path) for path in t.files(".c", ".h", below=("src", "test", "bench"))]
    return one(["clang-format", "--dry-run", "-Werror", *files])


@step("generated", fast=True)
def check_generated():
    """Manuals, reference pages and completion are what spec/ says."""
    return every(lambda tool: [sys.executable, tool, "--check"], ["tools/gen.py", "tools/gen_frame.py"])


@step("scripts", fast=True)
def check_checks():
    """The checks' own tests: planted breaches are found."""
    status, output = run([sys.executable, "-m", "unittest", "discover", "-s", "test/checks"])
    ran = int(re.search(r"Ran (\d+) test", output + "Ran 0 test").group(1))
    bad = sum(map(int, re.findall(r"(?:failures|errors)=(\d+)", output)))
    failed = bad or int(status != 0)
    return Result(ran - bad, failed, output if failed else "")


def build_step(build):
    compiler, options = BUILDS[build]

    def make():
        if (folder(build) / "build.ninja").exists():
            setup = ["meson", "setup", "--reconfigure", folder(build)]
        else:
            shutil.rmtree(folder(build), ignore_errors=True)
            setup = ["meson", "setup", folder(build), *options]
        status, output = run(setup, env={"CC": compiler})
        return one(["ninja", "-k", "0", "-C", folder(build)]) if status == 0 else Result(failed=1, output=output)
    return make


def counts(test):
    """(passed, failed) of one program in meson's log: its TAP lines, and one more when it died."""
    lines = (test.get("stdout") or "").splitlines()
    passed = sum(line.startswith("ok ") for line in lines)
    failed = sum(line.startswith("not ok ") and "# SKIP" not in line for line in lines)
    if test["result"] in ("OK", "SKIP", "EXPECTEDFAIL"):
        return max(passed, 1), failed
    return passed, max(failed, 1)


def run_tests(build, chosen):
    env = {"CMOCKA_MESSAGE_OUTPUT": "TAP", "TSAN_OPTIONS": "halt_on_error=1", "UBSAN_OPTIONS": "halt_on_error=1"}
    tests = [test for test in json.loads(run(["meson", "introspect", "--tests", folder(build)])[1]) if chosen(test)]
    names = [test["name"] for test in tests if pathlib.Path(test["cmd"][0]).exists()]
    missing = [test["name"] for test in tests if test["name"] not in names]
    result = Result(failed=len(missing), output="".join(f"--- {name}: not built\n" for name in missing))
    if not names:
        return result
    # TSan of these compilers wants its addresses where a random layout may put something else.
    prefix = ["setarch", "-R"] if build == "tsan" and run(["setarch", "-R", "true"])[0] == 0 else []
    run([*prefix, "meson", "test", "-C", folder(build), "--no-rebuild", *names], env=env)
    for line in (folder(build) / "meson-logs/testlog.json").read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        passed, failed = counts(test)
        result.passed += passed
        result.failed += failed
        if failed:
            result.output += f"--- {test['name']}: {test['result']}\n{test.get('stdout')}{test.get('stderr') or ''}\n"
    return result


def in_suite(suite):
    return lambda test: any(name.endswith(":" + suite) or name == suite for name in test["suite"])


def threaded(test):
    return in_suite("unit")(test) and test["name"].startswith(THREADED)


def add_builds():
    for build in BUILDS:
        needs = [f"build-{build}"]
        quick = build == "gcc"
        step(f"build-{build}", fast=quick)(build_step(build))
        chosen = threaded if build == "tsan" else in_suite("unit")
        step(f"unit-{build}", needs, quick)(lambda build=build, chosen=chosen: run_tests(build, chosen))
    for build in ("gcc", "asan"):
        replay = lambda build=build: run_tests(build, in_suite("fuzz"))
        step(f"fuzz-{build}", [f"build-{build}"], build == "gcc")(replay)


@step("clang-tidy", needs=["build-clang"])
def check_clang_tidy():
    files = [str(path) for path in tree.Tree(ROOT).files(".c")]
    commands = {entry["file"] for entry in json.loads((folder("clang") / "compile_commands.json").read_text())}
    built = [file for file in files if os.path.relpath(file, folder("clang")) in commands]
    return every(lambda file: ["clang-tidy", "--quiet", "-p", folder("clang"), file], built)


@step("analyzer", needs=["build-gcc"])
def check_analyzer():
    """gcc -fanalyzer over the rooms that hold bytes."""
    wanted = []
    for entry in json.loads((folder("gcc") / "compile_commands.json").read_text()):
        source = os.path.relpath(os.path.join(entry["directory"], entry["file"]), ROOT / "src")
        if source.startswith(ANALYZED):
            words = shlex.split(entry["command"])
            kept = [w for w in words if w.startswith(("-I", "-D", "-std", "-U", "-isystem"))]
            wanted.append([words[0], *kept, *ANALYZER, entry["file"]])
    return every(lambda command: ["env", "-C", folder("gcc"), *command], wanted)


@step("scenario", needs=["build-gcc", "build-clang"])
def check_scenarios():
    """test/scenario/*.sh, each alone: what they print as `ok`/`not ok` lines counts, otherwise their exit status."""
    result, skipped = Result(), []
    env = {"CASEMATE_BUILD": str(folder("gcc")), "CASEMATE_FAULT_BUILD": str(folder("clang"))}
    for script in sorted((ROOT / "test/scenario").glob("*.sh")):
        status, output = run([str(script)], env=env, timeout=TEST_TIMEOUT_S)
        if status == SKIPPED:
            skipped.append(f"{script.stem}: {output.strip()}")
            continue
        log = {"stdout": output, "result": "OK" if status == 0 else "FAIL"}
        passed, failed = counts(log)
        result.passed += passed
        result.failed += failed
        result.output += f"--- {script.name}: exit {status}\n{output}" if failed else ""
    result.note = "skipped: " + "; ".join(skipped) if skipped else ""
    return result


def closure(names):
    wanted = []
    for name in names:
        wanted += [n for n in closure(STEPS[name][1]) if n not in wanted]
        wanted += [name] if name not in wanted else []
    return wanted


def shown(output):
    lines = [line for line in output.rstrip().splitlines() if not NINJA_PROGRESS.match(line)]
    cut = [f"... {len(lines) - OUTPUT_LINES_MAX} lines before"] if len(lines) > OUTPUT_LINES_MAX else []
    return "\n".join("      " + line for line in cut + lines[-OUTPUT_LINES_MAX:])


def run_steps(names):
    """All of them, also after a failed build: what was built is tested."""
    passed = failed = 0
    for name in names:
        start = time.monotonic()
        try:
            result = STEPS[name][0]()
        except Exception as error:  # a check that breaks is a failed check
            result = Result(failed=1, output=f"{type(error).__name__}: {error}")
        seconds = time.monotonic() - start
        sums = f"{result.passed} passed" + (f", {result.failed} failed" if result.failed else "")
        note = f" ({result.note})" if result.note else ""
        print(f"{'FAIL' if result.failed else 'ok':5} {name:14} {seconds:6.1f} s  {sums}{note}", flush=True)
        if result.failed:
            print(shown(result.output), flush=True)
        passed += result.passed
        failed += result.failed
    return passed, failed


def main():
    add_builds()
    add_static()
    assert sorted(ORDER) == sorted(STEPS)
    parser = argparse.ArgumentParser(prog="./check")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--started", type=int, default=int(time.time()), help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [name for name in ORDER if (STEPS[name][2] or not options.fast)
              and (not options.names or name.startswith(tuple(options.names)))]
    if options.list:
        print("\n".join(ORDER))
        return 0
    if not chosen:
        parser.error("no such step")
    passed, failed = run_steps(sorted(closure(chosen), key=ORDER.index))
    print(f"after {int(time.time()) - options.started} s")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
