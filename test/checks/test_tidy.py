"""tidy.py finds missing companions, sizes, characters and words."""
import planted
import tidy


class Tidy(planted.PlantedTree):
    def check(self):
        return tidy.check(self.root)

    def breach(self, line, *words):
        self.replace("src/data/blob/blob.c", "    return 1;", f"    {line}\n    return 1;")
        self.assert_found(self.check(), "src/data/blob/blob.c:4", *words)

    def test_a_sound_tree_passes(self):
        self.replace("src/data/blob/blob.c", "    return 1;",
                     '    log_event("printf(free) // goto");\n    t->free(1); /* sleep(1) is no call */\n    return 1;')
        self.assert_clean(self.check())

    def test_a_format_room_without_its_companions_is_found(self):
        for path in planted.COMPANIONS:
            with self.subTest(path):
                (self.root / path).unlink()
                breaches = self.check()
                self.assertEqual(len(breaches), 1, breaches)
                self.plant(path, "")

    def test_a_long_function_is_found(self):
        self.replace("src/data/blob/blob.c", "    return 1;\n", "    work();\n" * 100)
        self.assert_found(self.check(), "src/data/blob/blob.c:3", "function of 101 lines")

    def test_a_function_of_eighty_lines_passes(self):
        self.replace("src/data/blob/blob.c", "    return 1;\n", "    work();\n" * 79)
        self.assert_clean(self.check())
        self.replace("src/data/blob/blob.c", "    work();\n}", "    work();\n    work();\n}")
        self.assert_found(self.check(), "function of 81 lines")

    def test_a_long_file_is_found(self):
        self.plant("src/data/blob/blob_more.h", "/* a */\n" * 601)
        self.assert_found(self.check(), "601 lines, at most 600")

    def test_a_long_line_is_found(self):
        self.breach(f"work({'1' * 100});", "111 columns, at most 100")

    def test_a_character_that_is_not_ascii_is_found(self):
        self.breach("/* caf\u00e9 */", "not ASCII")

    def test_white_space_at_the_end_is_found(self):
        self.breach("work(); ", "white space")

    def test_banned_calls_are_found_with_what_to_use(self):
        for line, instead in (("strcpy(a, b);", "text_copy"), ("p = malloc(1);", "mem_new"), ("free (p);", "mem_free"),
                              ("n = atoi(s);", "text_to_u64"), ("t = time(NULL);", "os_wall_s"),
                              ("sleep(1);", "os_wait"),
                              ("printf(x);", "log"), ("v = getenv(x);", "os_env"), ("exit(1);", "error")):
            with self.subTest(line):
                self.breach(line, instead)
                self.replace("src/data/blob/blob.c", f"    {line}\n", "")

    def test_a_suppressed_call_passes_and_an_idle_suppression_is_found(self):
        line = "    free(p); /* tidy: free -- libzstd's own */\n"
        self.replace("src/data/blob/blob.c", "    return 1;", f"{line}    return 1;")
        self.assert_clean(self.check())
        self.replace("src/data/blob/blob.c", "free(p);", "drop(p);")
        self.assert_found(self.check(), "suppresses free, which is not called here")

    def test_banned_words_are_found(self):
        for line, word in (("goto out;", "goto"), ("work(); // why", "//"), ("/* FIXME */", "FIXME"),
                           ("/* TODO later */", "TODO"), ("p = nullptr;", "nullptr")):
            with self.subTest(line):
                self.replace("src/data/blob/blob.c", "    return 1;", f"    {line}\n    return 1;")
                breaches = self.check()
                self.assertTrue(breaches, line)
                self.replace("src/data/blob/blob.c", f"    {line}\n", "")

    def test_a_todo_with_an_issue_passes(self):
        self.replace("src/data/blob/blob.c", "    return 1;", "    /* TODO(#12): measure */\n    return 1;")
        self.assert_clean(self.check())

    def test_a_test_that_sleeps_is_found(self):
        self.plant("test/unit/data/blob/blob.c", "static void naps(void) {\n    sleep(1);\n}\n")
        self.assert_found(self.check(), "a test that sleeps")
