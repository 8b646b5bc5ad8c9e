"""A small tree in a temporary folder, in which a test plants a breach."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/checks"))

LAYERS = """\
floor base
floor format : chunk
floor data : blob store
floor control : trust
floor prog : casemated
use data/store : data/blob
any : stdint.h
only data/blob : sys/ zstd.h
prefix base : err
link casemated : base format/ data/ control/trust
link parser from format/chunk : base format/chunk
"""

HEADER = """\
#pragma once
/* {room} -- what it is.
 * Owns: one thing.
 * Knows nothing of: the rest.
 * Threads: any.
 * Lifetime: none.
 * Limits: none. */
int {name}_value(void);
"""

CODE = """\
#include "{room}/{name}.h"

int {name}_value(void) {{
    return 1;
}}
"""

ROOMS = {"base": "err", "format/chunk": "chunk", "data/blob": "blob", "data/store": "store", "control/trust": "trust"}

COMPANIONS = ("test/fuzz/chunk.c", "test/fuzz/corpus/chunk/seed", "docs/format/chunk.md", "test/golden/chunk/one")


class PlantedTree(unittest.TestCase):
    """setUp makes a sound tree; plant() and replace() break it."""

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="casemate-check-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.plant("LAYERS", LAYERS)
        for room, name in ROOMS.items():
            self.plant(f"src/{room}/meson.build", "")
            self.plant(f"src/{room}/{name}.h", HEADER.format(room=room, name=name))
            self.plant(f"src/{room}/{name}.c", CODE.format(room=room, name=name))
        for path in COMPANIONS:
            self.plant(path, "")

    def plant(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def append(self, path, text):
        self.plant(path, (self.root / path).read_text(encoding="utf-8") + text)

    def replace(self, path, old, new):
        text = (self.root / path).read_text(encoding="utf-8")
        self.assertIn(old, text)
        self.plant(path, text.replace(old, new))

    def compile(self, main=None):
        """Every room's sources to build/src/libROOM.a, and the program casemated when `main` is given."""
        build = self.root / "build"
        (build / "src").mkdir(parents=True, exist_ok=True)
        libraries = []
        for room in ROOMS:
            made = []
            for source in sorted((self.root / "src" / room).glob("*.c")):
                made.append(build / f"{source.stem}.c.o")
                self.gcc("-c", source, "-o", made[-1])
            library = build / "src" / f"lib{room.replace('/', '_')}.a"
            subprocess.run(["ar", "crs", library, *made], check=True)
            libraries.append(library)
        if main is not None:
            (build / "src/prog/casemated").mkdir(parents=True)
            self.plant("src/prog/casemated/main.c", main)
            unit = build / "src/prog/casemated/main.c.o"
            self.gcc("-c", self.root / "src/prog/casemated/main.c", "-o", unit)
            self.gcc(unit, *libraries[::-1], *libraries[::-1], "-o", build / "src/prog/casemated/casemated")
        return build

    def gcc(self, *words):
        subprocess.run(["gcc", "-std=c2x", f"-I{self.root}/src", *words], check=True)

    def assert_clean(self, breaches):
        self.assertEqual(breaches, [])

    def assert_found(self, breaches, *words):
        """Exactly one breach, naming all the words."""
        self.assertEqual(len(breaches), 1, breaches)
        for word in words:
            self.assertIn(word, breaches[0])
