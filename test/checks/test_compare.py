"""bench/compare.py, the judge of restored trees, sees every kind of difference."""
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import compare


class Compare(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="casemate-compare-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.a, self.b = self.root / "a", self.root / "b"
        (self.a / "folder").mkdir(parents=True)
        (self.a / "folder/file").write_bytes(b"content")
        (self.a / "twin").write_bytes(b"twin")
        (self.a / "link").symlink_to("folder/file")
        os.mkfifo(self.a / "fifo")
        shutil.copytree(self.a, self.b, symlinks=True, ignore=shutil.ignore_patterns("fifo"))
        os.mkfifo(self.b / "fifo")
        for top, folders, files in os.walk(self.a, topdown=False):
            for name in folders + files:
                path = pathlib.Path(top) / name
                for side in (path, self.b / path.relative_to(self.a)):
                    os.utime(side, ns=(1, 1_700_000_000_123_456_789), follow_symlinks=False)

    def assert_differs(self, *words):
        found = compare.differences(self.a, self.b)
        self.assertTrue(any(all(word in line for word in words) for line in found), found)

    def test_equal_trees_are_identical(self):
        self.assertEqual(compare.differences(self.a, self.b), [])

    def test_a_changed_byte_is_seen_though_size_and_time_are_the_same(self):
        st = os.stat(self.b / "folder/file")
        (self.b / "folder/file").write_bytes(b"contenT")
        os.utime(self.b / "folder/file", ns=(1, st.st_mtime_ns))
        self.assert_differs("folder/file", "content differs")

    def test_a_nanosecond_is_seen(self):
        os.utime(self.b / "folder/file", ns=(1, 1_700_000_000_123_456_788))
        self.assert_differs("folder/file", "mtime")

    def test_a_mode_is_seen(self):
        (self.b / "folder").chmod(0o701)
        self.assert_differs("folder", "mode")

    def test_missing_and_extra_entries_are_seen(self):
        (self.b / "fifo").rename(self.b / "other")
        self.assert_differs("missing: fifo")
        self.assert_differs("extra: other")

    def test_the_target_of_a_link_is_seen(self):
        (self.b / "link").unlink()
        (self.b / "link").symlink_to("twin")
        self.assert_differs("link", "target")

    def test_a_copy_in_place_of_a_hard_link_is_seen(self):
        os.link(self.a / "twin", self.a / "twin2")
        shutil.copy2(self.a / "twin", self.b / "twin2")
        self.assert_differs("twin", "links")

    def test_another_kind_is_seen(self):
        (self.b / "fifo").unlink()
        (self.b / "fifo").write_bytes(b"")
        self.assert_differs("fifo", "kind")


if __name__ == "__main__":
    unittest.main()
