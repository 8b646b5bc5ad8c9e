"""The source tree and LAYERS, as the checks see them."""
import pathlib
import re
import sys


class Layers:
    """LAYERS, parsed.  `breaches` holds what is wrong with the file itself."""

    def __init__(self, path):
        self.floor = {}  # room -> floor number
        self.use, self.prefix, self.link = {}, {}, {}
        self.any, self.only, self.breaches = [], [], []
        for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
            line = line.split("#")[0].strip()
            if line and not self._take(line, number):
                self.breaches.append(f"LAYERS:{number}: cannot read: {line}")
        self._check_use()

    def _take(self, line, number):
        left, _, right = (part.strip() for part in line.partition(":"))
        kind, *words = left.split()
        values = right.split()
        if kind == "floor" and len(words) == 1:
            rooms = [f"{words[0]}/{name}" for name in values] or [words[0]]
            self.floor.update({room: number for room in rooms})
        elif kind == "use" and len(words) == 1:
            self.use.setdefault(words[0], set()).update(values)
        elif kind == "prefix" and len(words) == 1:
            self.prefix[words[0]] = values
        elif kind == "any" and not words:
            self.any += values
        elif kind == "only" and words:
            self.only.append((words, values))
        elif kind == "link" and len(words) == 1:
            self.link[words[0]] = ([], values)
        elif kind == "link" and len(words) > 2 and words[1] == "from":
            self.link[words[0]] = (words[2:], values)
        else:
            return False
        return True

    def _check_use(self):
        for room, used in self.use.items():
            for other in [room, *used]:
                if other not in self.floor:
                    self.breaches.append(f"LAYERS: use {room}: no room {other}")
                elif self.floor[other] != self.floor[room]:
                    self.breaches.append(f"LAYERS: use {room}: {other} is not on its floor")
            if room in self._reach(room):
                self.breaches.append(f"LAYERS: use {room}: cycle")

    def _reach(self, room):
        seen, todo = set(), list(self.use.get(room, ()))
        while todo:
            other = todo.pop()
            if other not in seen:
                seen.add(other)
                todo += self.use.get(other, ())
        return seen

    def may_see(self, room, other):
        return room == other or self.floor[other] < self.floor[room] or other in self.use.get(room, ())

    def homes(self, header):
        """The rooms a foreign header may be included from, None when LAYERS does not know it."""
        if header in self.any:
            return [""]
        rooms = [room for homes, headers in self.only if covered(header, headers) for room in homes]
        return rooms or None

    def prefixes(self, room):
        return self.prefix.get(room, [room.split("/")[-1]])


def covered(name, patterns):
    """name is one of the patterns, or below one that ends in a slash ("" covers everything)."""
    return any(name == p or (p == "" or p.endswith("/")) and name.startswith(p) for p in patterns)


class Tree:
    """A checkout: its rooms and files."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.src = self.root / "src"
        self.layers = Layers(self.root / "LAYERS")

    def room_of(self, path):
        """Room of a path below src/ ("data/store/store.h"), or None."""
        parts = pathlib.PurePath(path).parts
        for n in (2, 1):
            room = "/".join(parts[:n])
            if len(parts) > n and room in self.layers.floor:
                return room
        return None

    def files(self, *suffixes, below=("src",)):
        for folder in below:
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
                    yield path

    def rooms(self):
        """Rooms that exist, bottom-up."""
        return [room for room in self.layers.floor if (self.src / room / "meson.build").exists()]

    def name(self, path):
        return str(path.relative_to(self.root))


INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def includes(path):
    """(line number, header) of every include of a file."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1)


def main(check):
    """The command line of a check: CHECK [ROOT [ARG ...]]; prints the breaches."""
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    breaches = check(root, *sys.argv[2:])
    print("\n".join(breaches), end="\n" if breaches else "")
    sys.exit(1 if breaches else 0)
