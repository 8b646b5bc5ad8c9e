#!/usr/bin/env python3
"""R3, R4, R6: the same floors by symbol: calls, export names, unused exports, writable globals, what programs contain.

symbols.py ROOT BUILD reads the static libraries, programs and tests of a finished build without faults.
"""
import collections
import pathlib
import re
import subprocess

import tree

SYMBOL = re.compile(r"^[0-9a-f]{8,} (.{7}) (\S+)\t[0-9a-f]+ +(?:\.hidden )?(\S+)$")
WRITABLE = re.compile(r"^(\.data(?!\.rel\.ro)|\.bss|\.tdata|\.tbss|\*COM\*)")
SANITIZER = re.compile(r"^(__|\.L)")


class Object:
    """The symbols of one object file (or program)."""

    def __init__(self):
        self.defined, self.undefined, self.writable, self.local = set(), set(), set(), set()

    def take(self, line):
        match = SYMBOL.match(line)
        if not match:
            return
        flags, section, name = match.groups()
        if section == "*UND*":
            self.undefined.add(name)
        elif "g" in flags or "w" in flags or section == "*COM*":
            self.defined.add(name)
        elif "F" in flags or "O" in flags:
            self.local.add(name)
        if "d" not in flags and WRITABLE.match(section) and not SANITIZER.match(name):
            self.writable.add(name.split(".")[0])


def objects(path):
    """{member: Object} of an archive, an object file or a program."""
    text = subprocess.run(["objdump", "-t", path], capture_output=True, text=True, check=True).stdout
    found, current = {}, None
    for line in text.splitlines():
        if "file format" in line:
            name = line.split(":")[0].split("/")[-1].removesuffix(".c.o")
            current = found.setdefault(name, Object())
        elif current:
            current.take(line)
    return found


def rooms_with_libraries(t):
    return [room for room in t.rooms() if not room.startswith("prog/")]


def is_program(path):
    with path.open("rb") as file:
        return path.is_file() and file.read(4) == b"\x7fELF"


class Build:
    """Room libraries, programs and tests of one build folder."""

    def __init__(self, t, folder):
        folder = pathlib.Path(folder)
        self.rooms = {}
        for room in rooms_with_libraries(t):
            library = folder / "src" / f"lib{room.replace('/', '_')}.a"
            if library.exists():
                self.rooms[room] = objects(library)
        self.home = {name: room for room, files in self.rooms.items() for o in files.values() for name in o.defined}
        self.programs, self.tests = {}, {}
        for below, into in (("src/prog", self.programs), ("test", self.tests)):
            for path in sorted((folder / below).rglob("*")):
                if path.is_file() and path.suffix == "" and is_program(path):
                    into[path.name] = next(iter(objects(path).values()))
        self.own, self.programs_own = (
            [o for path in sorted((folder / below).rglob("*.o")) for o in objects(path).values()]
            for below in ("test", "src/prog"))


def call_breaches(t, build):
    for room, files in build.rooms.items():
        for file, o in files.items():
            for name in sorted(o.undefined):
                other = build.home.get(name)
                if other and not t.layers.may_see(room, other):
                    yield f"{room} ({file}) calls {name} of {other}"


def export_breaches(t, build):
    """Names used by other rooms and programs carry the room's name; names between the files of one room are unique."""
    users = collections.defaultdict(set)
    for o in build.own:
        for name in o.undefined:
            users[name].add("")
    for name in (name for o in build.programs_own for name in o.undefined):
        users[name].add("prog")
    for room, files in build.rooms.items():
        for o in files.values():
            for name in o.undefined:
                users[name].add(room)
    for room, files in build.rooms.items():
        prefixes = t.layers.prefixes(room)
        for file, o in files.items():
            for name in sorted(o.defined):
                if not users[name]:
                    yield f"{room} ({file}) exports {name}, which nobody uses"
                if users[name] - {room, ""} and not name.startswith(tuple(prefixes)):
                    yield f"{room} ({file}) exports {name}: the name begins with none of {' '.join(prefixes)}"
                if build.home[name] != room:
                    yield f"{room} ({file}) exports {name}, and so does {build.home[name]}"


def state_breaches(build):
    for room, files in build.rooms.items():
        for file, o in files.items():
            for name in sorted(o.writable):
                yield f"{room} ({file}) has the writable global {name}"


def closure(build, rooms):
    """Rooms that the objects of `rooms` need, as a linker would collect them, with the symbol that pulls each in."""
    where = {name: (room, o) for room, files in build.rooms.items() for o in files.values() for name in o.defined}
    todo = [o for room in rooms for o in build.rooms.get(room, {}).values()]
    seen, pulled = set(), {room: "" for room in rooms}
    while todo:
        for name in todo.pop().undefined:
            if name in where and name not in seen:
                seen.add(name)
                room, o = where[name]
                pulled.setdefault(room, name)
                todo.append(o)
    return pulled


def link_breaches(t, build):
    for program, (start, allowed) in t.layers.link.items():
        if start:
            contains = closure(build, start)
        elif program in build.programs:
            o = build.programs[program]
            contains = {build.home[name]: name for name in o.defined | o.local if name in build.home}
        else:
            continue
        for room, name in sorted(contains.items()):
            if not tree.covered(room, allowed):
                yield f"{program} contains {room} ({name}), which is not in its link line"
    for program in build.programs:
        if program not in t.layers.link:
            yield f"{program} has no link line in LAYERS"


def check(root, folder):
    t = tree.Tree(root)
    build = Build(t, folder)
    if not build.rooms:
        return [f"{folder} holds no room library: build it first"]
    missing = [f"{room} has no library in {folder}" for room in rooms_with_libraries(t) if room not in build.rooms]
    return [*missing, *call_breaches(t, build), *export_breaches(t, build), *state_breaches(build),
            *link_breaches(t, build)]


if __name__ == "__main__":
    tree.main(check)
