"""The contestants.  Each keeps one set in one store below its own folder and answers the same calls:
first/again backup, restore of everything, restore of one file, size of the store."""
import json
import os
import pathlib
import shutil
import subprocess

from measure import find_daemons, measure, size_of

ROOT = pathlib.Path(__file__).resolve().parent.parent
PASSWORD = "benchmark password, not a secret"


class Tool:
    """A contestant with its folder and the content it protects."""

    name = ""

    def __init__(self, folder, content):
        self.folder, self.content = pathlib.Path(folder), pathlib.Path(content)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.env = {**os.environ, "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}

    def run(self, *command, **how):
        return measure([str(word) for word in command], cwd=how.pop("cwd", self.content), env=self.env, **how)

    def quiet(self, *command):
        result = subprocess.run([str(word) for word in command], cwd=self.content, env=self.env, capture_output=True,
                                text=True, stdin=subprocess.DEVNULL, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"{command}: exit {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout

    def restored(self, target, path="."):
        """Where `path` of the content is below a restore target."""
        return target / path

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Restic(Tool):
    """Encrypted, its default (automatic) compression."""

    name = "restic"

    def __init__(self, folder, content):
        super().__init__(folder, content)
        self.env |= {"RESTIC_REPOSITORY": str(self.folder / "repo"), "RESTIC_PASSWORD": PASSWORD,
                     "RESTIC_CACHE_DIR": str(self.folder / "cache")}
        self.quiet("restic", "init")

    @staticmethod
    def version():
        return subprocess.run(["restic", "version"], capture_output=True, text=True, check=True).stdout.strip()

    def backup(self):
        return self.run("restic", "backup", "--quiet", ".")

    def restore(self, target):
        return self.run("restic", "restore", "latest", "--quiet", "--target", target)

    def restore_one(self, path, target):
        return self.run("restic", "restore", "latest", "--quiet", "--target", target, "--include", "/" + path)

    def size(self):
        return size_of(self.folder / "repo")


class Borg(Tool):
    """Encrypted, zstd at its default level."""

    name = "borg"

    def __init__(self, folder, content):
        super().__init__(folder, content)
        self.repo, self.points = self.folder / "repo", 0
        self.env |= {"BORG_BASE_DIR": str(self.folder), "BORG_PASSPHRASE": PASSWORD,
                     "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
        self.quiet("borg", "init", "-e", "repokey-blake2", self.repo)

    @staticmethod
    def version():
        return subprocess.run(["borg", "--version"], capture_output=True, text=True, check=True).stdout.strip()

    def backup(self):
        self.points += 1
        return self.run("borg", "create", "-C", "zstd,3", f"{self.repo}::{self.points}", ".")

    def restore(self, target):
        return self.run("borg", "extract", "--sparse", f"{self.repo}::{self.points}", cwd=target)

    def restore_one(self, path, target):
        return self.run("borg", "extract", "--sparse", f"{self.repo}::{self.points}", path, cwd=target)

    def size(self):
        return size_of(self.repo)


class Casemate(Tool):
    """Server and agent on this machine, mutual TLS between them, sealed at rest, through the command line."""

    name = "casemate"
    programs = ("casemated", "casemate-agent")

    def __init__(self, folder, content):
        super().__init__(folder, content)
        self.sandbox = ROOT / "tools/sandbox"
        self.quiet(self.sandbox, "up", self.folder, "--restorable", self.folder.parent)
        shell = f'eval "$("{self.sandbox}" env "{self.folder}")"; env -0'
        self.env = dict(pair.split("=", 1) for pair in self.quiet("bash", "-c", shell).split("\0") if pair)
        self.daemons = find_daemons(self.programs, str(self.folder))
        if {daemon.name for daemon in self.daemons} != set(self.programs):
            raise RuntimeError(f"the sandbox runs {[daemon.name for daemon in self.daemons]}")
        computer = json.loads(self.quiet("casemate", "computer", "list", "--json"))[0]["name"]
        self.quiet("casemate", "group", "create", "bench", "--member", f"{computer}:{self.content}")

    @staticmethod
    def version():
        return "casemate " + subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True,
                                            text=True, check=False).stdout.strip()

    def backup(self):
        return self.run("casemate", "backup", "bench", "--wait", daemons=self.daemons)

    def restore(self, target):
        return self.run("casemate", "restore", "latest", "--group", "bench", "--to", target, "--wait",
                        daemons=self.daemons)

    def restore_one(self, path, target):
        return self.run("casemate", "restore", "latest", path, "--group", "bench", "--to", target, "--wait",
                        daemons=self.daemons)

    def size(self):
        return size_of(self.folder / "server/store")

    def close(self):
        self.quiet(self.sandbox, "down", self.folder)
        super().close()


class Limit(Tool):
    """What the machine can do: tar into zstd, a walk, a plain copy.  No encryption, no deduplication, no fsync."""

    name = "limit"

    @staticmethod
    def version():
        return "tar | zstd -3 -T0, find -printf, cp -a"

    def backup(self):
        return measure(f"tar --sparse -cf - . | zstd -q -3 -T0 -o '{self.folder}/archive' -f", cwd=self.content)

    def unchanged(self):
        return measure("find . -printf '%p %s %T@ %C@ %i %m %u %g\\n' > /dev/null", cwd=self.content)

    def restore(self, target):
        return self.run("cp", "-a", "--sparse=always", ".", target)

    def size(self):
        return size_of(self.folder)


TOOLS = {tool.name: tool for tool in (Casemate, Restic, Borg, Limit)}
