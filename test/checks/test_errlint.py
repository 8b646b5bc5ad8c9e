"""errlint.py finds failures that are declared, made or worded against the rules."""
import planted
import errlint


class Errlint(planted.PlantedTree):
    def check(self):
        return errlint.check(self.root)

    def function(self, body):
        self.append("src/data/blob/blob.c", f"\nint blob_x(int n, struct err *err) {{\n{body}\n    return 0;\n}}\n")

    def test_sound_code_passes(self):
        self.append("src/data/blob/blob.h", "struct err;\n[[nodiscard]] int blob_x(int n, struct err *err);\n"
                    "typedef int blob_fn(int n, struct err *err);\nvoid blob_log(const struct err *err);\n"
                    "int blob_fail(struct err *err);\n[[nodiscard]] enum blob_answer blob_ask(struct err *err);\n"
                    "struct blob_ops {\n    int (*get)(int n, struct err *err);\n};\n")
        self.function('    if (n > 1)\n        return ERR(err, ERR_IO, "cannot read %s", name);\n'
                      "    if (blob_y(n, err) != 0)\n        return -1;\n    (void)blob_y(n, NULL);")
        self.append("src/data/blob/blob.c", "\nstatic int find(int n) {\n    return -1;\n}\n")
        self.assert_clean(self.check())

    def test_a_prototype_without_nodiscard_is_found(self):
        self.append("src/data/blob/blob.h", "int blob_x(int n,\n           struct err *err);\n")
        self.assert_found(self.check(), "src/data/blob/blob.h:9", "blob_x() can fail and is not [[nodiscard]]")

    def test_a_failing_function_that_returns_something_else_is_found(self):
        self.append("src/data/blob/blob.h", "[[nodiscard]] bool blob_x(int n, struct err *err);\n")
        self.assert_found(self.check(), "returns bool, not int")

    def test_an_enum_without_nodiscard_is_found(self):
        self.append("src/data/blob/blob.h", "enum blob_answer blob_ask(int n, struct err *err);\n")
        self.assert_found(self.check(), "blob_ask() can fail and is not [[nodiscard]]")

    def test_a_return_without_err_is_found(self):
        self.function("    if (n > 1)\n        return -1;")
        self.assert_found(self.check(), "return -1 without an ERR")

    def test_an_upper_case_text_is_found(self):
        self.function('    if (n > 1)\n        return ERR(err, ERR_IO, "Cannot read %s", name);')
        self.assert_found(self.check(), "begins in upper case")

    def test_an_acronym_may_begin_a_text(self):
        self.function('    if (n > 1)\n        return ERR(err, ERR_IO, "TLS is not there");')
        self.assert_clean(self.check())

    def test_a_full_stop_is_found(self):
        self.function('    if (n > 1)\n        return ERR(err, ERR_IO, "cannot read.");')
        self.assert_found(self.check(), "ends in a full stop")

    def test_a_swallowed_failure_is_found(self):
        self.function("    (void)blob_y(n, err);")
        self.assert_found(self.check(), "blob_y() fails into err and nobody looks")
