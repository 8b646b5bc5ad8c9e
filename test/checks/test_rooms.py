"""rooms.py wants five lines in each room header and a current table."""
import planted
import rooms

PAGE = "# Architecture\n\n" + rooms.BEGIN + rooms.END + "\nAfter.\n"


class Rooms(planted.PlantedTree):
    def setUp(self):
        super().setUp()
        for room, name in (("base", "base"),):
            self.plant(f"src/{room}/{name}.h", planted.HEADER.format(room=room, name=name))
        self.plant("ARCHITECTURE.md", PAGE)
        rooms.check(self.root, "--write")

    def check(self):
        return rooms.check(self.root)

    def test_a_table_just_made_is_current(self):
        self.assert_clean(self.check())
        page = (self.root / "ARCHITECTURE.md").read_text(encoding="utf-8")
        self.assertIn("| `data/store` | what it is | one thing | the rest |", page)
        self.assertTrue(page.endswith("\nAfter.\n"))

    def test_lines_that_a_formatter_joined_are_read(self):
        self.replace("src/data/blob/blob.h", " * Owns: one thing.\n * Knows nothing of: the rest.\n",
                     " * Owns: one thing. Knows\n * nothing of: the rest.\n")
        self.assert_clean(self.check())

    def test_a_missing_line_is_found(self):
        self.replace("src/data/blob/blob.h", " * Threads: any.\n", "")
        self.assert_found(self.check(), "src/data/blob/blob.h", 'lacks the line "Threads:"')

    def test_a_room_without_its_header_is_found(self):
        (self.root / "src/data/blob/blob.h").unlink()
        self.assertIn("data/blob has no header src/data/blob/blob.h", self.check())

    def test_an_old_table_is_found(self):
        self.replace("src/data/blob/blob.h", "Owns: one thing", "Owns: another thing")
        self.assert_found(self.check(), "the table of rooms is old")

    def test_a_page_without_its_marks_is_found(self):
        self.plant("ARCHITECTURE.md", "# Architecture\n")
        self.assert_found(self.check(), "marks")
