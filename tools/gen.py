#!/usr/bin/env python3
"""Turns the declarations of spec/ into C, manuals, reference pages and completion.

  gen.py KIND SPEC OUTPUT   one C file for the build; KIND is one of KINDS below
  gen.py --write            the committed files: docs/reference, docs/man, packaging/completion
  gen.py --check            ends with 1 and names the files that are not what --write would make
"""
import os
import sys

import gen_api
import gen_args
import gen_docs
from gen_api import c_string, load_yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def c_name(symbol):
    return "ERR_" + symbol.upper().replace("-", "_")


def load_errors(path):
    rows = load_yaml(path)["errors"]
    for key in ("symbol", "number"):
        seen = set()
        for row in rows:
            if row[key] in seen:
                sys.exit(f"{path}: {key} {row[key]} is declared twice")
            seen.add(row[key])
    for row in rows:
        missing = {"symbol", "number", "exit", "http", "cause", "action"} - set(row)
        if missing:
            sys.exit(f"{path}: {row['symbol']} lacks {', '.join(sorted(missing))}")
        if row["exit"] not in gen_docs.EXIT_TEXT:
            sys.exit(f"{path}: {row['symbol']}: exit status {row['exit']} has no meaning")
    return rows


def error_enum(rows):
    yield "#pragma once"
    yield "/* Made from spec/error.yaml. */"
    yield "enum err_code {"
    yield "    ERR_NONE = 0,"
    for row in rows:
        yield f"    {c_name(row['symbol'])} = {row['number']},"
    yield "};"


def error_rows(rows):
    yield "/* Made from spec/error.yaml. */"
    for row in rows:
        text = ", ".join(c_string(row[k]) for k in ("symbol", "cause", "action"))
        yield f"ERROR_ROW({c_name(row['symbol'])}, {row['number']}, {text}, {row['exit']}, {row['http']})"


KINDS = {
    "error-enum": (load_errors, error_enum),
    "error-rows": (load_errors, error_rows),
    "api-enum": (gen_api.load_api, gen_api.api_enum),
    "api-rows": (gen_api.load_api, gen_api.api_rows),
    "args-tables": (gen_args.load_programs, gen_args.args_tables),
    "verb-rows": (gen_args.load_programs, gen_args.verb_rows),
    "job-enum": (gen_api.load_jobs, gen_api.job_enum),
    "job-rows": (gen_api.load_jobs, gen_api.job_rows),
}


def committed():
    return gen_docs.all_files(ROOT, load_errors(os.path.join(ROOT, "spec/error.yaml")))


def write():
    for path, text in committed().items():
        os.makedirs(os.path.dirname(os.path.join(ROOT, path)), exist_ok=True)
        with open(os.path.join(ROOT, path), "w", encoding="ascii") as out:
            out.write(text)


def content(path):
    try:
        return open(os.path.join(ROOT, path), encoding="ascii").read()
    except OSError:
        return None


def check():
    breaches = [f"{path}: not what spec/ says; run tools/gen.py --write"
                for path, text in committed().items() if content(path) != text]
    breaches += gen_args.unused_options(ROOT)
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


def main():
    if sys.argv[1:] == ["--write"]:
        write()
    elif sys.argv[1:] == ["--check"]:
        sys.exit(check())
    elif len(sys.argv) == 4 and sys.argv[1] in KINDS:
        load, make = KINDS[sys.argv[1]]
        with open(sys.argv[3], "w", encoding="ascii") as out:
            out.writelines(line + "\n" for line in make(load(sys.argv[2])))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
