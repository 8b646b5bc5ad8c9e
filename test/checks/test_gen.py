"""gen.py --check finds stale pages and declarations that do not hold together."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPIED = ("spec", "tools", "docs/man", "docs/reference", "packaging/completion", "src/door/args", "src/door/cli")


class Generated(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        for name in COPIED:
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.gen("--write")

    def tearDown(self):
        self.folder.cleanup()

    def gen(self, *words):
        return subprocess.run([sys.executable, str(self.root / "tools/gen.py"), *words], capture_output=True, text=True)

    def edit(self, path, old, new):
        text = (self.root / path).read_text()
        self.assertIn(old, text)
        (self.root / path).write_text(text.replace(old, new, 1))

    def assert_breach(self, *words):
        result = self.gen("--check")
        self.assertNotEqual(result.returncode, 0)
        for word in words:
            self.assertIn(word, result.stdout + result.stderr)

    def test_what_was_just_written_is_current(self):
        result = self.gen("--check")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_a_changed_page_is_found(self):
        for path in ("docs/man/casemate.1", "docs/reference/api.md", "packaging/completion/casemate.bash"):
            with self.subTest(path):
                with open(self.root / path, "a", encoding="ascii") as page:
                    page.write("more\n")
                self.assert_breach(path)
                self.gen("--write")

    def test_a_missing_page_is_found(self):
        (self.root / "docs/man/casemated.8").unlink()
        self.assert_breach("docs/man/casemated.8")

    def test_a_change_of_the_declarations_makes_pages_stale(self):
        self.edit("spec/error.yaml", "a condition that should not exist", "a condition that cannot be")
        self.assert_breach("docs/reference/errors.md")

    def test_an_option_that_no_code_asks_for_is_found(self):
        self.edit("spec/command.yaml", "  - {name: read-data,", "  - {name: idle-option, type: flag, help: none}\n"
                  "  - {name: read-data,")
        self.gen("--write")
        self.assert_breach("idle-option")

    def test_declarations_that_do_not_hold_together_are_refused(self):
        for path, old, new, words in (
                ("spec/error.yaml", "number: 2,", "number: 1,", "declared twice"),
                ("spec/error.yaml", "symbol: usage,", "symbol: internal,", "declared twice"),
                ("spec/error.yaml", "exit: 2,", "exit: 77,", "77"),
                ("spec/command.yaml", "name: group show", "name: group list", "declared twice"),
                ("spec/command.yaml", "name: group show", "name: group list more", "begins"),
                ("spec/command.yaml", "calls: [group-show]", "calls: [group-sow]", "group-sow"),
                ("spec/command.yaml", "{name: read-data, type: flag,", "{name: json, type: flag,", "declared twice"),
                ("spec/command.yaml", "summary: list protection groups", "sumary: list", "sumary"),
                ("spec/api.yaml", "type: \"{progress}\"", "type: \"{progres}\"", "progres"),
                ("spec/api.yaml", "type: hex,", "type: hexx,", "hexx"),
                ("spec/api.yaml", "name: group-show", "name: group-list", "declared twice"),
                ("spec/api.yaml", "errors: [not-found]", "errors: [not-fond]", "not-fond"),
                ("spec/job.yaml", "next: [running,", "next: [walking,", "walking")):
            with self.subTest(new):
                before = (self.root / path).read_text()
                self.edit(path, old, new)
                self.assert_breach(words)
                (self.root / path).write_text(before)


if __name__ == "__main__":
    unittest.main()
