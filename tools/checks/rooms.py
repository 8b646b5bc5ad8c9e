#!/usr/bin/env python3
"""R12: every room header has its five lines; the table of rooms in ARCHITECTURE.md is made from them.

rooms.py ROOT [--write]
"""
import re

import tree

LINES = ("Owns", "Knows nothing of", "Threads", "Lifetime", "Limits")
BEGIN = "<!-- rooms: made by tools/checks/rooms.py --write -->\n"
END = "<!-- end of rooms -->\n"


def header_of(t, room):
    return t.src / room / f"{room.split('/')[-1]}.h"


def head(path):
    """(title, {line: text}) of the comment a room header opens with."""
    match = re.search(r"/\*(.*?)\*/", path.read_text(encoding="utf-8"), re.DOTALL)
    text = " ".join(re.sub(r"^\s*\*", "", line) for line in match.group(1).splitlines()) if match else ""
    text = " ".join(text.split())
    parts = re.split(rf"\b({'|'.join(LINES)}): ", text)
    title = parts[0].partition(" -- ")[2].strip()
    return title, {key: value.strip() for key, value in zip(parts[1::2], parts[2::2])}


def room_breaches(t, room):
    path = header_of(t, room)
    if not path.exists():
        return [f"{room} has no header {t.name(path)}"]
    title, lines = head(path)
    breaches = [] if title else [f"{t.name(path)}: does not open with: {room} -- what it is"]
    return breaches + [f"{t.name(path)}: lacks the line \"{key}:\"" for key in LINES if not lines.get(key)]


def first_sentence(text):
    return re.split(r"(?<=[a-z)`])\. (?=[A-Z])", text)[0].rstrip(".").replace("|", "\\|")


def table(t):
    rows = ["| room | is | owns | knows nothing of |\n", "|---|---|---|---|\n"]
    for room in t.rooms():
        path = header_of(t, room)
        if path.exists() and not room.startswith("prog/"):
            title, lines = head(path)
            cells = (title, lines.get("Owns", ""), lines.get("Knows nothing of", ""))
            rows.append(f"| `{room}` | " + " | ".join(first_sentence(cell) for cell in cells) + " |\n")
    return "".join(rows)


def split_page(t):
    """ARCHITECTURE.md as (before, table, after); None when the marks are missing."""
    text = (t.root / "ARCHITECTURE.md").read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    old, end, after = rest.partition(END)
    return (before + begin, old, end + after) if begin and end else None


def check(root, mode=""):
    t = tree.Tree(root)
    breaches = [b for room in t.rooms() if not room.startswith("prog/") for b in room_breaches(t, room)]
    page = split_page(t)
    if page is None:
        return [*breaches, "ARCHITECTURE.md: the marks around the table of rooms are gone"]
    before, old, after = page
    if mode == "--write":
        (t.root / "ARCHITECTURE.md").write_text(before + table(t) + after, encoding="utf-8")
    elif old != table(t):
        breaches.append("ARCHITECTURE.md: the table of rooms is old: run tools/checks/rooms.py . --write")
    return breaches


if __name__ == "__main__":
    tree.main(check)
