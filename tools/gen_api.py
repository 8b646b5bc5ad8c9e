"""spec/api.yaml and spec/job.yaml to C: routes, request tables, job states."""
import re
import sys

import yaml

TYPES = {"text", "name", "id", "selector", "path", "hex", "pem", "number", "time", "flag"}


def load_yaml(path):
    with open(path, encoding="ascii") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_symbol(name):
    return re.sub("[^A-Z0-9]", "_", name.upper())


def load_jobs(path):
    spec = load_yaml(path)
    names = [s["name"] for s in spec["states"]]
    for state in spec["states"]:
        for name in state["next"]:
            if name not in names:
                sys.exit(f"{path}: state {state['name']} leads to {name}, which is not declared")
        if state["final"] != (state["next"] == []):
            sys.exit(f"{path}: state {state['name']} is final and has a next one, or neither")
    return spec


def job_enum(spec):
    yield "#pragma once"
    yield "/* Made from spec/job.yaml. */"
    yield "enum job_state {"
    for state in spec["states"]:
        yield f"    JOB_{c_symbol(state['name'])}, /* {state['text']} */"
    yield "    JOB_STATE_N"
    yield "};"
    yield "enum job_kind {"
    for kind in spec["kinds"]:
        yield f"    JOB_KIND_{c_symbol(kind['name'])}, /* {kind['text']} */"
    yield "    JOB_KIND_N"
    yield "};"


def job_rows(spec):
    yield "/* Made from spec/job.yaml: JOB_STATE(state, name, final, exit status), JOB_MOVE(from, to),"
    yield " * JOB_KIND(kind, name); define those wanted before including. */"
    rows = {"JOB_STATE": [], "JOB_MOVE": [], "JOB_KIND": []}
    for s in spec["states"]:
        me = "JOB_" + c_symbol(s["name"])
        rows["JOB_STATE"].append(f"JOB_STATE({me}, {c_string(s['name'])}, {str(s['final']).lower()}, {s['exit']})")
        rows["JOB_MOVE"] += [f"JOB_MOVE({me}, JOB_{c_symbol(to)})" for to in s["next"]]
    for k in spec["kinds"]:
        rows["JOB_KIND"].append(f"JOB_KIND(JOB_KIND_{c_symbol(k['name'])}, {c_string(k['name'])})")
    for macro, lines in rows.items():
        yield f"#ifdef {macro}"
        yield from lines
        yield f"#undef {macro}"
        yield "#endif"


class Type:
    """One type of api.yaml, taken apart: base, words, list, optional, object."""

    def __init__(self, text, spec):
        self.text = text
        self.optional = text.endswith("?")
        text = text.rstrip("?")
        self.list = text.startswith("[")
        if self.list:
            text = text[1:-1]
        self.words, self.object = [], None
        if text.startswith("{"):
            self.base, self.object = "object", text[1:-1]
            if self.object not in spec["objects"]:
                sys.exit(f"api.yaml: object {self.object} is not declared")
        elif text == "one of job states":
            self.base, self.words = "word", [s["name"] for s in spec["jobs"]["states"]]
        elif text == "one of job kinds":
            self.base, self.words = "word", [k["name"] for k in spec["jobs"]["kinds"]]
        elif text.startswith("one of ["):
            self.base, self.words = "word", re.split(r",\s*", text[len("one of ["):-1])
        elif text in TYPES:
            self.base = text
        else:
            sys.exit(f"api.yaml: type {self.text} is not known")


def load_api(path):
    spec = load_yaml(path)
    spec["jobs"] = load_jobs(path.replace("api.yaml", "job.yaml"))
    spec["objects"] = {o["name"]: o for o in spec["objects"]}
    groups = [(o["name"], o["fields"]) for o in spec["objects"].values()]
    groups += [(o["name"], o.get(k, {})) for o in spec["operations"] for k in ("query", "body")]
    for owner, fields in groups:
        for name, field in fields.items():
            if "t" in field:  # shared by an anchor
                continue
            if set(field) - {"type", "text", "min", "max"} or "text" not in field:
                sys.exit(f"{path}: {owner}: field {name} is not well formed")
            field["t"] = Type(field["type"], spec)
    seen = set()
    for op in spec["operations"]:
        key = (op["method"], re.sub(r"\{\w+\}", "{}", op["path"]))
        if key in seen or op["name"] in seen:
            sys.exit(f"{path}: {op['name']} is declared twice")
        seen |= {key, op["name"]}
        op["params"] = re.findall(r"\{(\w+)\}", op["path"])
        answer = op["answer"].replace("list of ", "")
        if answer != "bytes" and answer not in spec["objects"]:
            sys.exit(f"{path}: {op['name']} answers {answer}, which is not declared")
    return spec


def api_enum(spec):
    limits = spec["limits"]
    yield "#pragma once"
    yield "/* Made from spec/api.yaml. */"
    yield f"#define SPEC_API_BODY_BYTES {limits['body_bytes']}u"
    yield f"#define SPEC_API_HEADER_BYTES {limits['header_bytes']}u"
    yield f"#define SPEC_API_LIST_MAX {limits['list_max']}u"
    yield f"#define SPEC_API_LIST_DEFAULT {limits['list_default']}u"
    yield f"#define SPEC_API_WAIT_MS_MAX {limits['wait_ms_max']}u"
    yield "enum rest_route {"
    for op in spec["operations"]:
        yield f"    REST_{c_symbol(op['name'])}, /* {op['method']} {op['path']} */"
    yield "    REST_ROUTE_N"
    yield "};"


def field_rows(table, fields, nested):
    """A table of struct rest_field; tables it points to come first."""
    for name, field in fields.items():
        t = field["t"]
        if t.words:
            words = ", ".join(c_string(w) for w in t.words)
            yield f"static const char *const {table}_{name}_words[] = {{{words}, NULL}};"
        if t.object and (t.object not in nested):
            nested.add(t.object)
            yield from field_rows(f"object_{t.object}", SPEC["objects"][t.object]["fields"], nested)
    yield f"static const struct rest_field {table}[] = {{"
    for name, field in fields.items():
        t = field["t"]
        row = [f".name = {c_string(name)}", f".type = REST_TYPE_{t.base.upper()}"]
        row += [".list = true"] if t.list else []
        row += [".optional = true"] if t.optional else []
        row += [f".{k} = {field[k]}" for k in ("min", "max") if k in field]
        row += [f".words = {table}_{name}_words"] if t.words else []
        row += [f".fields = object_{t.object}"] if t.object else []
        yield f"    {{{', '.join(row)}}},"
    yield "    {.name = NULL},"
    yield "};"


SPEC = {}


def api_rows(spec):
    SPEC.update(spec)
    nested = set()
    yield "/* Made from spec/api.yaml. */"
    for op in spec["operations"]:
        me = c_symbol(op["name"]).lower()
        if op["params"]:
            params = {p: {"t": Type(spec["parameters"][p], spec)} for p in op["params"]}
            yield from field_rows(f"{me}_params", params, nested)
        for kind in ("query", "body"):
            if op.get(kind):
                yield from field_rows(f"{me}_{kind}", op[kind], nested)
    yield "static const struct rest_route_info routes[REST_ROUTE_N] = {"
    for op in spec["operations"]:
        me = c_symbol(op["name"])
        row = [f".name = {c_string(op['name'])}", f".method = {c_string(op['method'])}",
               f".path = {c_string(op['path'])}", f".role = REST_{op['role'].upper()}",
               f".status = {op.get('status', 200)}"]
        row += [f".params = {me.lower()}_params"] if op["params"] else []
        row += [f".{k} = {me.lower()}_{k}" for k in ("query", "body") if op.get(k)]
        row += [".bytes = true"] if op["answer"] == "bytes" else []
        yield f"    [REST_{me}] = {{{', '.join(row)}}},"
    yield "};"
