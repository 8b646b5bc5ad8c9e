#!/usr/bin/env python3
"""Turns the declarations of spec/ into C: gen.py KIND SPEC OUTPUT (KIND: error-enum, error-rows)."""
import sys

import yaml

import gen_api
import gen_args
from gen_api import c_string


def c_name(symbol):
    return "ERR_" + symbol.upper().replace("-", "_")


def load_errors(path):
    rows = yaml.safe_load(open(path, encoding="ascii"))["errors"]
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
    "job-enum": (gen_api.load_jobs, gen_api.job_enum),
    "args-tables": (gen_args.load_programs, gen_args.args_tables),
    "verb-rows": (gen_args.load_programs, gen_args.verb_rows),
    "job-rows": (gen_api.load_jobs, gen_api.job_rows),
}


def main():
    kind, spec, output = sys.argv[1:]
    load, make = KINDS[kind]
    with open(output, "w", encoding="ascii") as out:
        out.writelines(line + "\n" for line in make(load(spec)))


if __name__ == "__main__":
    main()
