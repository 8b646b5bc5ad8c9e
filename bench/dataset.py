"""The data sets of the benchmark: made from a seed, and mutated in place by numbered steps.

DATA/SET/content is what gets backed up; DATA/SET/state.json says scale, seed and how many mutations it has seen.
A mutation changes files where they are, so that change detection by inode and time works as in life.
"""
import json
import os
import pathlib
import random
import shutil
import subprocess

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
SETS = ("src", "tiny", "vm", "db")
FEW_FILES = ("vm", "db")
SEED = 20261121
SOURCE = pathlib.Path("/usr/src/linux-source-6.1.tar.xz")
PAGE = 8192
BLOCK = 4096
GIB = 1 << 30


def generator():
    """The compiled bench/gen.c."""
    program = ROOT / "build/bench/gen"
    source = BENCH / "gen.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-std=c2x", "-D_GNU_SOURCE", "-O2", "-o", program, source], check=True)
    return str(program)


def generate(*words):
    subprocess.run([generator(), *map(str, words)], check=True)


def files_below(folder):
    """Regular files in a fixed order."""
    return sorted(os.path.join(top, name) for top, _, names in os.walk(folder) for name in names
                  if not os.path.islink(os.path.join(top, name)))


# ---- make ----

def make_src(content, scale, seed):
    """The kernel's source where Debian's package is there, else a tree of its size."""
    if not SOURCE.exists():
        content.mkdir(parents=True)
        generate("tree", content, int(78000 * scale), max(1, int(5000 * scale)), 16384, seed)
        return
    content.mkdir(parents=True)
    subprocess.run(["tar", "-xf", SOURCE, "-C", content, "--strip-components=1"], check=True)
    if scale < 1:  # whole top folders, the largest (drivers) thinned out, until the share is met
        rng = random.Random(seed)
        victims = files_below(content)
        for path in rng.sample(victims, int(len(victims) * (1 - scale))):
            os.unlink(path)


def make_tiny(content, scale, seed):
    content.mkdir(parents=True)
    generate("tree", content, int(300000 * scale), max(1, int(12000 * scale)), 2048, seed)


def copy_until(sources, target, limit):
    """Copy files below the sources into target until `limit` bytes are there; the bytes copied."""
    copied = 0
    for source in sources:
        for path in files_below(source):
            size = os.lstat(path).st_size
            if size > limit // 20 or not os.access(path, os.R_OK):
                continue
            if copied + size > limit:
                return copied
            to = target + path
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copyfile(path, to)
            copied += size
    return copied


def make_vm(content, scale, seed):
    """An ext4 disk with programs, libraries, documents and, for the rest, generated data; the free space are holes."""
    content.mkdir(parents=True)
    staging = content.parent / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    wanted = int(3.3 * GIB * scale)
    copied = copy_until(("/usr/bin", "/usr/lib", "/usr/share"), str(staging), int(wanted * 0.7))
    (staging / "home").mkdir()
    rest = wanted - copied
    generate("tree", staging / "home", max(1, rest // 3 // 32768), max(1, rest // 3 // 1000000), 32768, seed)
    (staging / "var").mkdir()
    generate("db", staging / "var" / "16385", 0, rest // 3 // PAGE, seed)
    with (staging / "var" / "archive.zst").open("wb") as file:  # what is compressed already
        rng = random.Random(seed)
        for _ in range(max(1, rest // 3 >> 20)):
            file.write(rng.randbytes(1 << 20))
    image = content / "disk.raw"
    with image.open("wb") as file:
        file.truncate(int(8 * GIB * scale) // BLOCK * BLOCK)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", f"hash_seed={uuid_of(seed)}", "-U", uuid_of(seed), "-d", staging,
                    image], check=True)
    subprocess.run(["fallocate", "--dig-holes", image], check=True)
    shutil.rmtree(staging)


def uuid_of(seed):
    return f"{seed:08x}-0000-4000-8000-000000000000"


def make_db(content, scale, seed):
    folder = content / "base" / "16384"
    folder.mkdir(parents=True)
    generate("db", folder / "16385", 0, int(262144 * scale), seed)


# ---- mutate ----

def edit(path, rng):
    """Insert a line somewhere and overwrite a few bytes elsewhere."""
    with open(path, "r+b") as file:
        text = bytearray(file.read())
        at = rng.randrange(len(text) + 1)
        text[at:at] = f"/* edited {rng.getrandbits(64):x} */\n".encode()
        at = rng.randrange(len(text))
        text[at:at + 8] = f"{rng.getrandbits(32):08x}".encode()
        file.seek(0)
        file.write(text)


def mutate_tree(content, rng, moved):
    """1 % of the files edited, 0.5 % new, an insertion in the largest, `moved` folders renamed there and back."""
    files = files_below(content)
    largest = max(files, key=os.path.getsize)
    chosen = rng.sample(files, max(1, len(files) // 100))
    for path in {largest, *chosen}:
        edit(path, rng)
    for path in rng.sample(files, max(1, len(files) // 200)):
        with open(path, "rb") as old, open(f"{path}.new{rng.getrandbits(32):08x}", "wb") as new:
            lines = old.read().split(b"\n")
            rng.shuffle(lines)
            new.write(b"\n".join(lines))
    for name in moved:
        here, there = content / name, content / f"{name}-moved"
        if here.exists():
            here.rename(there)
        elif there.exists():
            there.rename(here)


def mutate_src(content, rng):
    if (content / "Kconfig").exists():
        mutate_tree(content, rng, ("drivers/gpu", "sound", "arch/arm", "fs"))
    else:
        mutate_tiny(content, rng)


def mutate_tiny(content, rng):
    first = sorted(p.name.removesuffix("-moved") for p in content.iterdir() if p.is_dir())[0]
    mutate_tree(content, rng, (first,))


def data_blocks(fd):
    """Numbers of the 4 KiB blocks of a sparse file that hold data."""
    end, at, blocks = os.fstat(fd).st_size, 0, []
    while at < end:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(fd, start, os.SEEK_HOLE)
        blocks.extend(range(start // BLOCK, at // BLOCK))
    return blocks


def mutate_vm(content, rng):
    """3 % of the blocks that hold data are written anew."""
    fd = os.open(content / "disk.raw", os.O_RDWR)
    blocks = data_blocks(fd)
    for block in rng.sample(blocks, len(blocks) * 3 // 100):
        old = os.pread(fd, BLOCK, block * BLOCK)
        fresh = rng.randbytes(BLOCK // 4)
        os.pwrite(fd, fresh + old[:BLOCK - len(fresh)], block * BLOCK)
    os.close(fd)


def mutate_db(content, rng):
    """2 % of the pages get a new row version (log position, old row's xmax, bytes of a row); 2048 are appended."""
    path = content / "base" / "16384" / "16385"
    fd = os.open(path, os.O_RDWR)
    pages = os.fstat(fd).st_size // PAGE
    for page in rng.sample(range(pages), pages * 2 // 100):
        data = bytearray(os.pread(fd, PAGE, page * PAGE))
        upper = int.from_bytes(data[14:16], "little")
        data[4:8] = rng.getrandbits(32).to_bytes(4, "little")
        row = upper + rng.randrange(20) * 8
        data[row + 4:row + 8] = rng.getrandbits(16).to_bytes(4, "little")
        data[row + 64:row + 96] = rng.randbytes(32)
        os.pwrite(fd, data, page * PAGE)
    os.close(fd)
    generate("db", path, pages, max(1, pages // 128), rng.randrange(1 << 30))


MAKE = {"src": make_src, "tiny": make_tiny, "vm": make_vm, "db": make_db}
MUTATE = {"src": mutate_src, "tiny": mutate_tiny, "vm": mutate_vm, "db": mutate_db}


class DataSet:
    """One set below a data folder."""

    def __init__(self, data, name, scale=1.0):
        self.name, self.scale = name, scale
        self.folder = pathlib.Path(data).resolve() / name
        self.content = self.folder / "content"
        self.state = self.folder / "state.json"

    def load(self):
        return json.loads(self.state.read_text()) if self.state.exists() else None

    def save(self, mutations):
        self.state.write_text(json.dumps({"scale": self.scale, "seed": SEED, "mutations": mutations}))

    def make(self, mutations_max=8):
        """Make it unless it is there in this scale and not worn out by mutations."""
        state = self.load()
        if state and state["scale"] == self.scale and state["mutations"] <= mutations_max:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        MAKE[self.name](self.content, self.scale, SEED)
        self.save(0)
        os.sync()

    def mutate(self):
        step = self.load()["mutations"] + 1
        MUTATE[self.name](self.content, random.Random(SEED * 1000 + step))
        self.save(step)
        os.sync()

    def one_file(self):
        """Path inside the content of the file that a restore of one file asks for."""
        files = files_below(self.content)
        return os.path.relpath(files[len(files) // 2], self.content)
