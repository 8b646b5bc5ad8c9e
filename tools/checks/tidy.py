#!/usr/bin/env python3
"""R7, R9: what each format room must have beside it; sizes, characters, words."""
import re

import tree

FUNCTION_LINES_MAX = 80
FILE_LINES_MAX = 600
COLUMNS_MAX = {".c": 100, ".h": 100, ".def": 120, ".py": 120, ".sh": 120}
TEXT = (".c", ".h", ".def", ".py", ".sh", ".yaml", ".build", ".md")
CODE_FOLDERS = ("src", "test", "tools", "bench", "spec")
FOLDERS = (*CODE_FOLDERS, "docs", "changelog")

# word in C code -> (what to use, path prefixes where it is at home)
BANNED = {
    r"strcpy|strcat|sprintf|vsprintf|strncpy|strncat": ("text_copy, text_format", ()),
    r"strtok|strtok_r|atoi|atol|atof|strtol|strtoul|strtoll|strtoull": ("text_to_u64, text_to_size", ()),
    r"malloc|calloc|realloc|free|strdup|strndup|asprintf": ("mem_new, mem_free of base/mem.h", ("src/base/mem.c",)),
    r"rand|srand|random|srandom|drand48": ("os_random", ()),
    r"time|gettimeofday|clock_gettime|localtime|gmtime": ("os_wall_s, os_mono_ns", ("src/os/",)),
    r"sleep|usleep|nanosleep": ("a condition or os_wait; tests never sleep", ("src/os/",)),
    r"system|popen|fork|vfork|execve?|execvp": ("os", ("src/os/", "test/")),
    r"signal": ("sigaction in os/proc.c", ()),
    r"getenv|setenv|putenv": ("os_env; values are handed down", ("src/os/", "test/")),
    r"exit|_exit|abort": ("an error", ("src/base/", "src/prog/", "test/")),
    r"alloca|setjmp|longjmp": ("nothing", ()),
    r"printf|puts|putchar|perror": ("the log of prog/, or door/cli", ("src/prog/", "src/door/cli/", "test/", "bench/")),
}
WORDS = {
    r"\bgoto\b": "AUTO, SCOPED or a function of its own",
    r"\b(nullptr|constexpr|typeof|thread_local)\b": "what both compilers know (__typeof__, _Thread_local)",
    r"//": "/* */",
    r"\bFIXME\b|\bXXX\b": "a mended line, or TODO(#issue)",
    r"\bTODO\b(?!\(#\d+\))": "TODO(#issue)",
    r"\b(whitelist|blacklist)\b": "allow, deny",
}
STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
SUPPRESSED = re.compile(r"/\* tidy: (\w+)")


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def code_only(text):
    """The text with strings and comments blanked, line by line the same."""
    return COMMENT.sub(blank, STRING.sub(lambda m: '"' + " " * (len(m.group(0)) - 2) + '"', text))


def function_breaches(name, lines):
    start = None
    for number, line in enumerate(lines, 1):
        if line.endswith("{") and line[0] not in " \t#}" and "(" in line:
            start = number
        elif line.startswith("    ") and line.endswith(") {") and start is None:
            start = number  # the last line of a long parameter list
        elif line == "}" and start is not None:
            if number - start > FUNCTION_LINES_MAX:
                yield f"{name}:{start}: function of {number - start} lines, at most {FUNCTION_LINES_MAX}"
            start = None
        elif line.startswith("}"):
            start = None


def call_breaches(name, number, line, raw):
    for pattern, (instead, homes) in BANNED.items():
        match = re.search(rf"(?<![\w.>])({pattern})\s*\(", line)
        if not match or any(name.startswith(home) for home in homes):
            continue
        allowed = SUPPRESSED.search(raw)
        if not allowed or allowed.group(1) != match.group(1):
            yield f"{name}:{number}: {match.group(1)}(): use {instead}"


def word_breaches(name, number, line):
    for pattern, instead in WORDS.items():
        match = re.search(pattern, line)
        if match:
            yield f"{name}:{number}: {match.group(0)}: write {instead}"


def suppression_breaches(name, number, line, raw):
    """A suppression that suppresses nothing is a breach itself."""
    match = SUPPRESSED.search(raw)
    if match and not re.search(rf"(?<![\w.>]){match.group(1)}\s*\(", line):
        yield f"{name}:{number}: suppresses {match.group(1)}, which is not called here"


def c_breaches(name, text):
    raw = text.splitlines()
    lines = code_only(text).splitlines()
    if name.startswith("src/"):
        yield from function_breaches(name, lines)
    for number, (line, kept) in enumerate(zip(lines, raw), 1):
        if name.startswith("src/"):
            yield from call_breaches(name, number, line, kept)
            yield from suppression_breaches(name, number, line, kept)
        elif re.search(r"(?<![\w.>])(sleep|usleep|nanosleep|os_sleep_ms)\s*\(", line):
            yield f"{name}:{number}: a test that sleeps: wait for the condition"
        yield from word_breaches(name, number, re.sub(r'".*?"', "", line))
        if re.search(r"\b(FIXME|XXX)\b|\bTODO\b(?!\(#\d+\))", kept) and not re.search(r"FIXME|XXX|TODO", line):
            yield f"{name}:{number}: write TODO(#issue)"


def text_breaches(name, suffix, text):
    columns = COLUMNS_MAX.get(suffix)
    lines = text.splitlines()
    if suffix != ".md" and len(lines) > FILE_LINES_MAX:
        yield f"{name}: {len(lines)} lines, at most {FILE_LINES_MAX}"
    for number, line in enumerate(lines, 1):
        if not line.isascii():
            yield f"{name}:{number}: a character that is not ASCII"
        if columns and len(line) > columns:
            yield f"{name}:{number}: {len(line)} columns, at most {columns}"
        if line != line.rstrip():
            yield f"{name}:{number}: white space at the end"


def format_breaches(t):
    for room in t.rooms():
        if room.startswith("format/"):
            name = room.split("/")[1]
            golden = t.root / "test/golden"
            if not (t.root / f"test/fuzz/{name}.c").exists():
                yield f"{room} has no fuzz target test/fuzz/{name}.c"
            if not (t.root / f"docs/format/{name}.md").exists():
                yield f"{room} has no page docs/format/{name}.md"
            if not (golden / name).is_dir() or not any((golden / name).iterdir()):
                yield f"{room} has no golden vectors test/golden/{name}/"
    for target in sorted((t.root / "test/fuzz").glob("*.c")):
        if not any((t.root / "test/fuzz/corpus" / target.stem).glob("*")):
            yield f"{t.name(target)} has no seeds in test/fuzz/corpus/{target.stem}/"


def check(root):
    t = tree.Tree(root)
    breaches = list(format_breaches(t))
    folders = [folder for folder in FOLDERS if (t.root / folder).is_dir()]
    for path in t.files(*TEXT, below=folders):
        name = t.name(path)
        if name.startswith(("test/golden/", "test/fuzz/corpus/")):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        breaches += text_breaches(name, path.suffix, text)
        if path.suffix in (".c", ".h"):
            breaches += c_breaches(name, text)
    return breaches


if __name__ == "__main__":
    tree.main(check)
