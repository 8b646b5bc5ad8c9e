#!/usr/bin/env python3
"""R5: every header compiles alone, with both compilers.  headers.py ROOT BUILD (for the generated headers)."""
import concurrent.futures
import os
import subprocess

import tree

FLAGS = ["-std=c2x", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wstrict-prototypes", "-Wno-unused-function", "-Werror",
         "-fsyntax-only", "-x", "c", "-"]


def foreign_flags():
    """Include paths of the libraries that are not below /usr/include itself."""
    return subprocess.run(["pkg-config", "--cflags", "libcurl", "sqlite3", "libzstd"], capture_output=True, text=True,
                          check=False).stdout.split()


def compile_alone(compiler, header, paths):
    result = subprocess.run([compiler, *paths, *FLAGS], input=f'#include "{header}"\n', capture_output=True, text=True,
                            check=False)
    return result.stderr.strip() if result.returncode else ""


def check(root, build):
    t = tree.Tree(root)
    paths = [f"-I{t.src}", f"-I{build}/spec", f"-I{t.root}/build/deps/blake3", *foreign_flags()]
    jobs = [(compiler, str(path.relative_to(t.src))) for path in t.files(".h") for compiler in ("gcc", "clang")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda job: compile_alone(*job, paths), jobs)
        return [f"src/{header} does not compile alone with {compiler}:\n{text}"
                for (compiler, header), text in zip(jobs, results) if text]


if __name__ == "__main__":
    tree.main(check)
