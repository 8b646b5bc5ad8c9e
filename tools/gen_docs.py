"""spec/ to manual pages, reference pages and completion; what is committed must equal what is made."""
import os
import textwrap

from gen_args import load_programs
from gen_api import load_api, load_jobs

COUNT_FORM = {"one": "{}", "optional": "[{}]", "some": "{}...", "any": "[{}...]"}
PAGES = {"casemate": "casemate.1", "casemated": "casemated.8", "casemate-agent": "casemate-agent.8"}
MADE = "Made from spec/ by tools/gen.py; do not edit."


def sentence(text):
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def option_form(option):
    short = f"-{option['short']}, " if "short" in option else ""
    return f"{short}--{option['name']}" + (f" {option['value']}" if "value" in option else "")


def option_text(option):
    text = option["help"]
    if "words" in option:
        text += ": " + ", ".join(option["words"])
    if "max" in option:
        text += f", {option['min']} to {option['max']}"
    notes = ["may be repeated"] if option.get("many") else []
    notes += ["required"] if option.get("required") else []
    notes += [f"default {option['default']}"] if option.get("default") is not None else []
    notes += [f"environment {option['env']}"] if "env" in option else []
    return sentence(text) + (f" ({'; '.join(notes)})" if notes else "")


def usage(program, command):
    parts = [program["name"], command["name"]]
    parts += [f"--{o['name']} {o['value']}" for o in command["options"] if o.get("required")]
    parts += ["[OPTION...]"] if command["options"] else []
    parts += [COUNT_FORM[o["count"]].format(o["name"]) for o in command["operands"]]
    return " ".join(parts)


# ---- manual pages ----


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\`")
    return "\\&" + text if text[:1] in ".'" else text


def roff_fill(text):
    return "\n".join(roff(line) for line in textwrap.wrap(text, 100))


def roff_options(options):
    for option in options:
        yield ".TP"
        yield f"\\fB{roff(option_form(option))}\\fR"
        yield roff_fill(option_text(option))


def roff_command(program, command):
    yield f".SS {roff(command['name'])}"
    yield f"\\fB{roff(usage(program, command))}\\fR"
    yield ".PP"
    yield roff_fill(sentence(command["summary"]))
    if "text" in command:
        yield ".PP"
        yield roff_fill(command["text"])
    for operand in command["operands"]:
        yield ".TP"
        yield f"\\fI{roff(operand['name'])}\\fR"
        yield roff_fill(sentence(operand["help"]))
    yield from roff_options(command["options"])
    if command.get("examples"):
        yield ".PP"
        yield "Examples:"
        yield ".nf"
        yield from ("    " + roff(e) for e in command["examples"])
        yield ".fi"


def man_page(program, spec):
    yield f'.\\" {MADE}'
    yield f'.TH {roff(program["name"].upper())} {program["section"]} "" "Casemate" "Casemate manual"'
    yield ".SH NAME"
    yield f"{roff(program['name'])} \\- {roff(program['summary'])}"
    yield ".SH SYNOPSIS"
    verb = "[\\fICOMMAND\\fR]" if "default" in program else "\\fICOMMAND\\fR"
    name = roff(program["name"])
    yield f"\\fB{name}\\fR [\\fIOPTION\\fR...] {verb} [\\fIOPTION\\fR...] [\\fIOPERAND\\fR...]"
    yield ".SH DESCRIPTION"
    yield roff_fill(program["text"])
    yield ".SH OPTIONS OF EVERY COMMAND"
    yield from roff_options(program["options"])
    yield ".TP"
    yield "\\fB\\-h\\fR, \\fB\\-\\-help\\fR, \\fB\\-\\-version\\fR"
    yield "Help of the program, of a noun or of a command; the version."
    yield ".SH COMMANDS"
    for command in program["commands"]:
        yield from roff_command(program, command)
    if "environment" in program:
        yield ".SH ENVIRONMENT"
        for variable in program["environment"]:
            yield ".TP"
            yield f"\\fB{variable['name']}\\fR"
            yield roff_fill(sentence(variable["help"]))
    if "file" in program:
        yield ".SH FILES"
        yield ".TP"
        yield f"\\fI{roff(program['file'])}\\fR"
        yield "Configuration, see \\fBcasemate.conf\\fR(5)."
    yield from exit_section(program, spec)
    yield ".SH SEE ALSO"
    pages = [p for p in list(PAGES.values()) + ["casemate.conf.5"] if p != PAGES[program["name"]]]
    yield ", ".join(f"\\fB{roff(p[:-2])}\\fR({p[-1]})" for p in pages)


EXIT_TEXT = {
    0: "done", 1: "wrong use, or another error", 2: "an error inside the program",
    3: "done with warnings: some items have problems", 4: "a machine cannot be reached",
    5: "busy, locked, or at a limit", 10: "there is no store", 12: "authentication failed",
    13: "not authorised", 14: "damaged or tampered data", 15: "no space", 16: "held or immutable",
    130: "cancelled or interrupted",
}


def exit_section(program, spec):
    yield ".SH EXIT STATUS"
    used = {0} | {e["exit"] for e in spec["errors"]}
    for status in sorted(used) if program["section"] == 1 else [0, 1]:
        yield ".TP"
        yield f"\\fB{status}\\fR"
        yield roff_fill(sentence(EXIT_TEXT[status]))


def conf_page(programs):
    yield f'.\\" {MADE}'
    yield '.TH CASEMATE.CONF 5 "" "Casemate" "Casemate manual"'
    yield ".SH NAME"
    yield "casemate.conf \\- configuration files of casemated and casemate\\-agent"
    yield ".SH DESCRIPTION"
    yield roff_fill("A file has one setting on a line, key = value. Empty lines and lines that begin with # are "
                    "passed over. A value may stand in double quotes to keep spaces at its ends. Flags are yes or no. "
                    "A key that may be repeated stands on several lines. An unknown key, a second one and a value that "
                    "does not fit are errors with their line. The command line wins over the file.")
    for program in programs[1:]:
        yield f".SH {roff(program['file'])}"
        yield roff_fill(sentence(program["summary"]) + (" " + program["text"] if not program["commands"] else ""))
        options = list(program["options"])
        for command in program["commands"]:
            options += command["options"]
        for option in options:
            if option.get("key"):
                yield ".TP"
                yield f"\\fB{roff(option['name'])}\\fR = \\fI{option.get('value', 'yes|no')}\\fR"
                yield roff_fill(option_text(option))
    yield ".SH SEE ALSO"
    yield "\\fBcasemated\\fR(8), \\fBcasemate\\-agent\\fR(8)"


# ---- reference pages ----


def cell(text):
    return str(text).replace("|", "\\|")


def md_options(options):
    yield "| option | meaning |"
    yield "|---|---|"
    for option in options:
        yield f"| `{cell(option_form(option))}` | {cell(option_text(option))} |"


def commands_md(programs):
    yield f"<!-- {MADE} -->"
    yield "# Commands"
    for program in programs:
        if not program["commands"]:
            continue
        yield ""
        yield f"## {program['name']}"
        yield ""
        yield sentence(program["summary"]) + " " + program["text"]
        yield ""
        yield "Options of every command:"
        yield ""
        yield from md_options(program["options"])
        for command in program["commands"]:
            yield ""
            yield f"### {program['name']} {command['name']}"
            yield ""
            yield f"    {usage(program, command)}"
            yield ""
            yield sentence(command["summary"]) + (" " + command["text"] if "text" in command else "")
            if command["operands"]:
                yield ""
                yield from (f"- `{o['name']}`: {o['help']}" for o in command["operands"])
            if command["options"]:
                yield ""
                yield from md_options(command["options"])
            if isinstance(command.get("calls"), list):
                yield ""
                yield "REST: " + ", ".join(f"[{c}](api.md#{c})" for c in command["calls"])
            if command.get("examples"):
                yield ""
                yield from ("    " + e for e in command["examples"])


def errors_md(errors):
    yield f"<!-- {MADE} -->"
    yield "# Errors"
    yield ""
    yield "Every failure has a symbol that stays, a number, an exit status of the command line and an HTTP status."
    yield ""
    yield "| symbol | number | exit | HTTP | meaning | recommended action |"
    yield "|---|---|---|---|---|---|"
    for e in sorted(errors, key=lambda e: e["number"]):
        yield (f"| {e['symbol']} | {e['number']} | {e['exit']} | {e['http']} | {cell(e['cause'])} | "
               f"{cell(e['action'])} |")
    yield ""
    yield "## Exit statuses"
    yield ""
    yield "| status | meaning |"
    yield "|---|---|"
    for status in sorted({0} | {e["exit"] for e in errors}):
        yield f"| {status} | {EXIT_TEXT[status]} |"


def md_fields(fields):
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    for name, field in fields.items():
        limits = [f"{k} {field[k]}" for k in ("min", "max") if k in field]
        text = field["text"] + (f" ({', '.join(limits)})" if limits else "")
        yield f"| {name} | {cell(field['type'])} | {cell(text)} |"


def api_md(spec):
    yield f"<!-- {MADE} -->"
    yield "# REST interface"
    yield ""
    yield textwrap.fill(
        "On the admin socket (by user id of the caller) and on HTTPS (`Authorization: Bearer TOKEN`). JSON in UTF-8. "
        "Under `/v1` fields are only added. A failure is answered with its HTTP status and the object "
        "[error](#object-error). A list is `{items: [...], next: text or null}`; `next` is the `after` of the request "
        "for the next page.", 118)
    yield ""
    yield textwrap.fill(
        "Types: `text`, `name`, `id`, `selector` (id, beginning of an id, `latest`, `latest~N`), `path` (bytes that "
        "are not printable UTF-8 as `\\xHH`, a backslash as `\\\\`), `hex`, `pem`, `number`, `flag`, `time` (RFC 3339, "
        "UTC), `one of [...]`, `[list]`, `{object}`; a `?` behind: may be left out of a request, may be null in "
        "an answer.", 118)
    yield ""
    yield "## Operations"
    for op in spec["operations"]:
        yield ""
        yield f"### {op['name']}"
        yield ""
        yield f"`{op['method']} {op['path']}` answers {op.get('status', 200)} with {op['answer']}; role {op['role']}."
        yield sentence(op["text"])
        if op.get("errors"):
            yield f"Errors: {', '.join(op['errors'])}."
        for kind in ("query", "body"):
            if op.get(kind):
                yield ""
                yield "Query:" if kind == "query" else "Body:"
                yield ""
                yield from md_fields(op[kind])
    yield ""
    yield "## Objects"
    for name, object_ in spec["objects"].items():
        yield ""
        yield f"### object {name}"
        yield ""
        yield object_["text"]
        yield ""
        yield from md_fields(object_["fields"])


def jobs_md(spec):
    yield f"<!-- {MADE} -->"
    yield "# Jobs"
    yield ""
    yield "| kind | what it does |"
    yield "|---|---|"
    yield from (f"| {k['name']} | {k['text']} |" for k in spec["kinds"])
    yield ""
    yield "| state | meaning | may become | exit status of a command that waits |"
    yield "|---|---|---|---|"
    for s in spec["states"]:
        after = ", ".join(s["next"]) or "-"
        exit_ = "of the error" if s["name"] == "failed" else s["exit"]
        yield f"| {s['name']} | {s['text']} | {after} | {exit_ if s['final'] else '-'} |"


# ---- completion ----

COMPLETE_OPERAND = {"GROUP": "group list", "COMPUTER": "computer list", "POINT": "point list", "POINT1": "point list",
                    "POINT2": "point list", "JOB": "job list", "SOURCE": "source list"}


def completion(programs):
    """bash: commands, options, words; names from the server where it answers."""
    yield f"# bash completion for casemate. {MADE}"
    for program in programs:
        if program["commands"]:
            yield from completion_of(program)


def completion_of(program):
    me = "_" + program["name"].replace("-", "_")
    yield f"{me}() {{"
    yield "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words= i command= operands="
    yield "    COMPREPLY=()"
    yield "    for ((i = 1; i < COMP_CWORD; i++)); do"
    yield "        case ${COMP_WORDS[i]} in -*) ;; *) words+=${words:+ }${COMP_WORDS[i]} ;; esac"
    yield "    done"
    yield "    case $previous in"
    seen = set()
    for option in program["options"] + [o for c in program["commands"] for o in c["options"]]:
        if option["name"] in seen or "value" not in option:
            continue
        seen.add(option["name"])
        if "words" in option:
            action = f"COMPREPLY=($(compgen -W '{' '.join(option['words'])}' -- \"$current\"))"
        elif option["type"] == "path":
            action = 'COMPREPLY=($(compgen -f -- "$current"))'
        elif option["value"] in COMPLETE_OPERAND:
            action = f"{me}_names {COMPLETE_OPERAND[option['value']]}"
        else:
            action = ":"
        yield f"    --{option['name']}) {action}; return ;;"
    yield "    esac"
    yield "    case $words in"
    for command in program["commands"]:
        options = " ".join("--" + o["name"] for o in command["options"] + program["options"])
        names = next((COMPLETE_OPERAND[o["name"]] for o in command["operands"] if o["name"] in COMPLETE_OPERAND), "")
        yield f"    '{command['name']}'*) command='{options} --help' operands='{names}' ;;"
    yield "    esac"
    yield "    if [[ -z $command ]]; then"
    firsts = " ".join(dict.fromkeys(c["name"].split()[0] for c in program["commands"]))
    yield f"        local tree=' {firsts} '"
    yield "        case $words in"
    nouns = dict.fromkeys(c["name"].split()[0] for c in program["commands"] if " " in c["name"])
    for noun in nouns:
        verbs = " ".join(c["name"].split()[1] for c in program["commands"] if c["name"].startswith(noun + " "))
        yield f"        '{noun}'*) tree='{verbs}' ;;"
    yield "        esac"
    options = " ".join("--" + o["name"] for o in program["options"])
    yield f"        COMPREPLY=($(compgen -W \"$tree {options} --help --version\" -- \"$current\"))"
    yield "    elif [[ $current == -* ]]; then"
    yield "        COMPREPLY=($(compgen -W \"$command\" -- \"$current\"))"
    yield "    elif [[ -n $operands ]]; then"
    yield f"        {me}_names $operands"
    yield "    else"
    yield "        COMPREPLY=($(compgen -f -- \"$current\"))"
    yield "    fi"
    yield "}"
    yield f"{me}_names() {{"
    yield "    local IFS=$'\\n'"
    yield "    COMPREPLY=($(compgen -W \"$(casemate \"$@\" --quiet 2>/dev/null)\" -- \"${COMP_WORDS[COMP_CWORD]}\"))"
    yield "}"
    yield f"complete -F {me} {program['name']}"


# ---- all of it ----


def all_files(root, errors):
    """Path below `root` and content of everything that is made and committed."""
    spec = os.path.join(root, "spec")
    programs = load_programs(os.path.join(spec, "command.yaml"))
    api = load_api(os.path.join(spec, "api.yaml"))
    jobs = load_jobs(os.path.join(spec, "job.yaml"))
    symbols = {e["symbol"] for e in errors}
    for op in api["operations"]:
        for symbol in op.get("errors", []):
            if symbol not in symbols:
                raise SystemExit(f"spec/api.yaml: {op['name']}: error {symbol} is not declared")
    files = {
        "docs/reference/commands.md": commands_md(programs),
        "docs/reference/errors.md": errors_md(errors),
        "docs/reference/api.md": api_md(api),
        "docs/reference/jobs.md": jobs_md(jobs),
        "docs/man/casemate.conf.5": conf_page(programs),
        "packaging/completion/casemate.bash": completion(programs),
    }
    for program in programs:
        if program["name"] in PAGES:
            files["docs/man/" + PAGES[program["name"]]] = man_page(program, {"errors": errors})
    return {path: "\n".join(lines) + "\n" for path, lines in files.items()}
