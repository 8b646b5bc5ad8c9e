"""spec/command.yaml and spec/option.yaml to C: tables for the parser in door/args, verbs of door/cli."""
import os
import sys

from gen_api import c_string, c_symbol, load_api, load_yaml

OPTION_KEYS = {"name", "short", "value", "type", "help", "default", "env", "words", "min", "max", "many", "required",
               "key"}
OPERAND_KEYS = {"name", "help", "count"}
COMMAND_KEYS = {"name", "summary", "text", "operands", "options", "calls", "dpm", "examples"}
TYPES = {"flag", "text", "path", "number", "word"}
COUNTS = {"one": (False, False), "optional": (True, False), "some": (False, True), "any": (True, True)}


def check_keys(where, row, allowed, needed):
    if set(row) - allowed or needed - set(row):
        sys.exit(f"{where}: unknown {sorted(set(row) - allowed)}, missing {sorted(needed - set(row))}")


def check_options(where, options, taken=()):
    names = list(taken)
    for option in options:
        check_keys(f"{where} --{option.get('name')}", option, OPTION_KEYS, {"name", "type", "help"})
        option["default"] = str(option["default"]) if "default" in option else None
        if option["type"] not in TYPES or (option["type"] == "word") != ("words" in option):
            sys.exit(f"{where} --{option['name']}: type {option['type']}")
        if (option["type"] == "flag") == ("value" in option):
            sys.exit(f"{where} --{option['name']}: a flag has no value, others need one")
        for key in (option["name"], option.get("short")):
            if key in names or key in ("help", "version", "h"):
                sys.exit(f"{where}: {key} is declared twice")
            names += [key] if key else []
    return names


def check_program(program, operations):
    where = program["name"]
    names = check_options(where, program["options"])
    commands = program.setdefault("commands", [])
    for command in commands:
        check_keys(f"{where} {command['name']}", command, COMMAND_KEYS, {"name", "summary"})
        command.setdefault("options", [])
        command.setdefault("operands", [])
        check_options(f"{where} {command['name']}", [dict(o) for o in command["options"]], names)
        for option in command["options"]:
            if option.get("default") is not None:
                option["default"] = str(option["default"])
        for operand in command["operands"]:
            check_keys(f"{where} {command['name']}", operand, OPERAND_KEYS, OPERAND_KEYS)
        for call in command.get("calls", []) if command.get("calls") != "local" else []:
            if call not in operations:
                sys.exit(f"{where} {command['name']}: calls {call}, which spec/api.yaml does not have")
        for other in commands:
            if other["name"].startswith(command["name"] + " "):
                sys.exit(f"{where}: {command['name']} begins {other['name']}")
        if len([c for c in commands if c["name"] == command["name"]]) > 1:
            sys.exit(f"{where}: {command['name']} is declared twice")


def load_programs(path):
    """Of both files in the folder of `path`, whichever was given."""
    folder = os.path.dirname(path)
    spec = load_yaml(os.path.join(folder, "command.yaml"))
    casemate = {**spec["program"], "commands": spec["commands"]}
    others = load_yaml(os.path.join(folder, "option.yaml"))["programs"]
    operations = {o["name"] for o in load_api(os.path.join(folder, "api.yaml"))["operations"]}
    for program in [casemate] + others:
        check_program(program, operations)
    return [casemate] + others


def option_table(name, options):
    for option in options:
        if "words" in option:
            words = ", ".join(c_string(w) for w in option["words"])
            yield f"static const char *const {name}_{c_symbol(option['name']).lower()}_words[] = {{{words}, NULL}};"
    yield f"static const struct args_option {name}[] = {{"
    for option in options:
        row = [f".name = {c_string(option['name'])}", f".type = ARGS_{option['type'].upper()}"]
        row += [f".letter = '{option['short']}'"] if "short" in option else []
        row += [f".{k} = true" for k in ("many", "required", "key") if option.get(k)]
        row += [f".{k} = {c_string(option[k])}" for k in ("value", "help", "env") if k in option]
        row += [f".fallback = {c_string(option['default'])}"] if option.get("default") is not None else []
        row += [f".words = {name}_{c_symbol(option['name']).lower()}_words"] if "words" in option else []
        row += [f".{k} = {option[k]}u" for k in ("min", "max") if k in option]
        yield f"    {{{', '.join(row)}}},"
    yield "    {.name = NULL},"
    yield "};"


def command_tables(name, command):
    if command["options"]:
        yield from option_table(f"{name}_options", command["options"])
    if command["operands"]:
        yield f"static const struct args_operand {name}_operands[] = {{"
        for operand in command["operands"]:
            optional, many = COUNTS[operand["count"]]
            yield (f"    {{.name = {c_string(operand['name'])}, .help = {c_string(operand['help'])}, "
                   f".optional = {str(optional).lower()}, .many = {str(many).lower()}}},")
        yield "    {.name = NULL},"
        yield "};"
    if command.get("examples"):
        examples = ", ".join(c_string(e) for e in command["examples"])
        yield f"static const char *const {name}_examples[] = {{{examples}, NULL}};"


def program_tables(program):
    me = program["symbol"]
    yield from option_table(f"{me}_options", program["options"])
    for command in program["commands"]:
        yield from command_tables(f"{me}_{c_symbol(command['name']).lower()}", command)
    yield f"static const struct args_command {me}_commands[] = {{"
    for command in program["commands"]:
        symbol = f"{me}_{c_symbol(command['name']).lower()}"
        row = [f".{k} = {c_string(command[k])}" for k in ("name", "summary", "text") if k in command]
        row += [f".{k} = {symbol}_{k}" for k in ("operands", "options", "examples") if command.get(k)]
        yield f"    {{{', '.join(row)}}},"
    yield "    {.name = NULL},"
    yield "};"
    row = [f".{k} = {c_string(program[k])}" for k in ("name", "summary", "text") if k in program]
    row += [f".fallback = {c_string(program['default'])}"] if "default" in program else []
    row += [f".options = {me}_options, .commands = {me}_commands"]
    yield f"const struct args_program spec_{me} = {{{', '.join(row)}}};"


def args_tables(programs):
    yield "/* Made from spec/command.yaml and spec/option.yaml. */"
    yield '#include "door/args/args.h"'
    for program in programs:
        if program["commands"]:  # the others are files read elsewhere, declared for their manual
            yield from program_tables(program)


def verb_rows(programs):
    """One row for each verb of `casemate`: a missing function does not link."""
    yield "/* Made from spec/command.yaml: VERB(name, function). */"
    for command in programs[0]["commands"]:
        yield f"VERB({c_string(command['name'])}, cli_{c_symbol(command['name']).lower()})"


def unused_options(root):
    """Declared and never asked for: each option's name must stand as a string where its program reads it."""
    homes = {"casemate": ["src/door/cli", "src/door/args"], "casemated": ["src/prog/casemated", "src/door/args"],
             "casemate-agent": ["src/prog/agent", "src/door/args"]}
    for program in load_programs(os.path.join(root, "spec", "command.yaml")):
        if not program["commands"]:
            continue
        folders = [os.path.join(root, folder) for folder in homes[program["name"]]]
        if not os.path.exists(os.path.join(folders[0], "meson.build")):
            continue
        text = "".join(open(os.path.join(folder, name), encoding="ascii").read()
                       for folder in folders for name in sorted(os.listdir(folder)) if name.endswith(".c"))
        names = {o["name"] for o in program["options"]}
        names |= {o["name"] for c in program["commands"] for o in c["options"] + c["operands"]}
        for name in sorted(names):
            if c_string(name) not in text:
                yield f"spec/: {program['name']}: {name} is declared and not used"
