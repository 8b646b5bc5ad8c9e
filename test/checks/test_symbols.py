"""symbols.py finds what includes hide."""
import planted
import symbols

USER = """\
int err_value(void); int chunk_value(void); int blob_value(void); int store_value(void); int trust_value(void);
int main(void) { return err_value() + chunk_value() + blob_value() + store_value() + trust_value(); }
"""


class Symbols(planted.PlantedTree):
    def check(self, main=USER):
        return symbols.check(self.root, self.compile(main))

    def test_a_sound_build_passes(self):
        self.append("src/data/store/store.c", "static const char *const names[] = {\"a\", \"b\"};\n"
                    "const char *store_name(int i);\nconst char *store_name(int i) { return names[i]; }\n")
        self.append("src/control/trust/trust.c", "const char *store_name(int i);\nint trust_x(void);\n"
                    "int trust_x(void) { return store_name(1) != 0; }\n")
        self.assert_clean(self.check("int trust_x(void);\n" + USER.replace("return", "return trust_x() +")))

    def test_a_call_hidden_behind_extern_is_found(self):
        self.replace("src/base/err.c", "int err_value(void) {\n", "int trust_value(void);\nint err_value(void) {\n"
                     "    if (trust_value() == 2) return 2;\n")
        breaches = self.check()
        self.assertTrue(any("base (err) calls trust_value of control/trust" in breach for breach in breaches), breaches)

    def test_an_export_with_a_strange_name_is_found(self):
        self.append("src/data/blob/blob.c", "int value_of_blob(void);\nint value_of_blob(void) { return 1; }\n")
        self.assert_found(self.check("int value_of_blob(void);\n" + USER.replace("return", "return value_of_blob() +")),
                          "value_of_blob", "begins with none of blob")

    def test_a_name_between_the_files_of_a_room_need_not_carry_its_name(self):
        self.append("src/data/blob/blob.c", "int piece(void);\nint piece(void) { return 1; }\n")
        self.plant("src/data/blob/blob_more.c", "int piece(void);\nint blob_more(void);\n"
                   "int blob_more(void) { return piece(); }\n")
        main = "int blob_more(void);\n" + USER.replace("return", "return blob_more() +")
        self.assert_clean(self.check(main))

    def test_the_same_name_in_two_rooms_is_found(self):
        for room in ("blob", "store"):
            self.append(f"src/data/{room}/{room}.c", "int piece(void);\nint piece(void) { return 1; }\n")
            self.plant(f"src/data/{room}/{room}_more.c", f"int piece(void);\nint {room}_more(void);\n"
                       f"int {room}_more(void) {{ return piece(); }}\n")
        breaches = symbols.check(self.root, self.compile())
        self.assertTrue(any("exports piece, and so does" in breach for breach in breaches), breaches)

    def test_an_export_nobody_uses_is_found(self):
        self.append("src/data/blob/blob.c", "int blob_unused(void);\nint blob_unused(void) { return 1; }\n")
        self.assert_found(self.check(), "blob_unused, which nobody uses")

    def test_a_writable_global_is_found(self):
        for line, name in (("static int calls = 1;", "calls"), ("static int zero;", "zero"),
                           ("static _Thread_local int mine;", "mine")):
            with self.subTest(name):
                self.replace("src/data/blob/blob.c", "return 1;", f"{line} return ++{name};")
                breaches = symbols.check(self.root, self.compile())
                self.assertTrue(any(f"writable global {name}" in breach for breach in breaches), breaches)
                self.replace("src/data/blob/blob.c", f"{line} return ++{name};", "return 1;")

    def test_a_room_outside_the_link_line_is_found(self):
        self.replace("LAYERS", "format/ data/ control/trust", "format/ data/")
        self.assert_found(self.check(), "casemated contains control/trust")

    def test_a_program_without_a_link_line_is_found(self):
        self.replace("LAYERS", "link casemated : base format/ data/ control/trust\n", "")
        self.assert_found(self.check(), "casemated has no link line")

    def test_a_room_in_the_closure_of_a_parser_is_found(self):
        self.replace("LAYERS", "floor format : chunk\nfloor data : blob store\n",
                     "floor data : blob store\nfloor format : chunk\n")
        self.replace("src/format/chunk/chunk.c", "return 1;", "int store_value(void); return store_value();")
        self.assert_found(self.check(), "parser contains data/store (store_value)")

    def test_a_build_without_libraries_is_no_success(self):
        (self.root / "empty").mkdir()
        self.assert_found(symbols.check(self.root, self.root / "empty"), "build it first")
