#!/usr/bin/env python3
"""R10, approximately: how functions that can fail are declared, how they fail, what their texts look like.

- a prototype in a header whose last parameter is `struct err *` is `[[nodiscard]] int`, or a [[nodiscard]] enum when
  there are more answers than done and failed; what only fills err, as ERR does, is called ..._fail
- `return -1` in a function with an `err` follows something that was handed err
- an error text begins in lower case and has no full stop
- nobody casts such a call to void while handing it a real err
"""
import re

import tidy
import tree

PROTOTYPE = re.compile(r"(?:^|[;{}]|\*/)\s*((?:\[\[\w+\]\]\s*)*)([A-Za-z_][\w\s*]*?)\b(\w+)"
                       r"\([^;{}]*?(?<!const )struct err \*\w*\)[^;{}]*;", re.DOTALL)
TEXT = re.compile(r'\b(ERR|ERR_SYS)\(\s*\w+,\s*[^"]*?"((?:\\.|[^"\\])*)"(\s*\)|\s*")?', re.DOTALL)
SWALLOWED = re.compile(r"\(void\)\s*(\w+)\((?:[^;]*[,(]\s*)(&?\w*err)\)\s*;")
FILLS_ERR = re.compile(r"_(fail|failure|die)$")
EXEMPT = {"src/base/err.h", "src/base/err.c"}


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def prototype_breaches(name, code):
    flat = re.sub(r"^\s*#.*?(?<!\\)$", lambda m: " " * len(m.group(0)), code, flags=re.MULTILINE)
    for match in PROTOTYPE.finditer(flat):
        attributes, kind, function = match.groups()
        kind = kind.strip()
        if kind.startswith(("typedef", "return")) or kind.endswith("typedef"):
            continue
        if FILLS_ERR.search(function):
            continue
        if re.fullmatch(r"int|enum \w+", kind) and "nodiscard" not in attributes:
            yield f"{name}:{line_of(flat, match.start(3))}: {function}() can fail and is not [[nodiscard]]"
        elif not re.fullmatch(r"(static inline )?int|enum \w+", kind):
            yield f"{name}:{line_of(flat, match.start(3))}: {function}() takes err and returns {kind}, not int"


def bodies(lines):
    """(first line number, lines) of every function that has a `struct err *err`."""
    start = None
    for i, line in enumerate(lines):
        if line and line[0] not in " \t}#/" and "(" in line and start is None:
            start = i
        if line == "}" and start is not None:
            signature = " ".join(lines[start:i]).split("{")[0]
            if re.search(r"struct err \*err\b", signature):
                yield start, lines[start:i + 1]
            start = None
        elif line.endswith(";") and line[0:1] not in (" ", "") or line.startswith("}"):
            start = None


def return_breaches(name, lines):
    for start, body in bodies(lines):
        opened = next(i for i, line in enumerate(body) if line.endswith("{"))
        for i, line in enumerate(body):
            if not re.search(r"\breturn -1;", line):
                continue
            before = body[max(opened + 1, i - 8):i + 1]
            if not any(re.search(r"\berr\b|\bERR", b) for b in before):
                yield f"{name}:{start + i + 1}: return -1 without an ERR on the path"


def text_breaches(name, text):
    for match in TEXT.finditer(text):
        words, number = match.group(2), line_of(text, match.start())
        if words[:1].isupper() and not words[:2].isupper():
            yield f'{name}:{number}: error text "{words}" begins in upper case'
        if match.group(3) and match.group(3).strip() == ")" and words.endswith("."):
            yield f'{name}:{number}: error text "{words}" ends in a full stop'


def swallow_breaches(name, code):
    for match in SWALLOWED.finditer(code):
        if FILLS_ERR.search(match.group(1)):
            continue
        yield f"{name}:{line_of(code, match.start())}: {match.group(1)}() fails into {match.group(2)} and nobody looks"


def check(root):
    t = tree.Tree(root)
    breaches = []
    for path in t.files(".c", ".h"):
        name, text = t.name(path), path.read_text(encoding="utf-8")
        if name in EXEMPT:
            continue
        code = tidy.code_only(text)
        if path.suffix == ".h":
            breaches += prototype_breaches(name, code)
        breaches += return_breaches(name, code.splitlines())
        breaches += text_breaches(name, text)
        breaches += swallow_breaches(name, code)
    return breaches


if __name__ == "__main__":
    tree.main(check)
