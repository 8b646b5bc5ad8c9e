#!/usr/bin/env python3
"""Writes docs/format/frame.md from src/format/frame/message.def; with --check only says whether it is current."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/format/frame/message.def"
PAGE = ROOT / "docs/format/frame.md"

HEAD = """# Frame: what travels between server and agent

Made from `src/format/frame/message.def` by `tools/gen_frame.py`.

Server and agent talk over TLS 1.3, both sides with certificates. A conversation is a sequence of frames:

| field | bytes | meaning |
|---|---|---|
| length | 4 | bytes of the body, at most 393216 |
| number | 2 | which message |
| zero | 2 | must be zero |
| body | length | the message's fields, one after the other |

Integers are big-endian. `text` is a 2-byte length and UTF-8 without NUL, `bytes` a 4-byte length and any bytes, `id`
16 bytes, `name` 32 (BLAKE3-256), `signature` 64 (Ed25519). A bound in brackets is the longest that is accepted. A body
must end where its last field ends.

A connection is in one state at a time: *opening* (nobody has said anything), then *control* for orders, or *attached*
and then *backup* or *restore* for data. A message that its sender may not send in that state ends the conversation.
"""


def messages(text):
    text = text.replace("\\\n", " ")
    comments = {}
    for comment, name in re.findall(r"/\*([^*]*?)\*/\s*#define FIELDS_(\w+)\(F\)", text):
        comments[name] = " ".join(comment.split())
    for name, number, sender, states in re.findall(r"MESSAGE\((\w+), (\d+), (\w+), ([\w| ]+)\)", text):
        fields = re.search(rf"#define FIELDS_{name}\(F\)([^#]*)", text).group(1)
        fields = re.findall(r"F\((\w+), (\w+), (\d+)\)", fields)
        states = states.replace("FRAME_", "").lower().replace(" | ", ", ")
        yield name, number, sender.lower(), states, fields, comments.get(name)


def page():
    out = [HEAD]
    for name, number, sender, states, fields, comment in messages(SOURCE.read_text(encoding="ascii")):
        out.append(f"\n## {number} {name}\n\nFrom {sender}; in state {states}.")
        if comment:
            out.append(f"{comment}")
        out.append("\n| field | kind |\n|---|---|")
        for kind, field, bound in fields:
            out.append(f"| {field} | {kind}{f' [{bound}]' if bound != '0' else ''} |")
    return "\n".join(out) + "\n"


def main():
    text = page()
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text(encoding="ascii") != text:
            sys.exit("docs/format/frame.md is not current: run tools/gen_frame.py")
        return
    PAGE.write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
