"""headers.py compiles every header alone."""
import planted
import headers


class Headers(planted.PlantedTree):
    def check(self):
        return headers.check(self.root, self.root / "build")

    def test_sound_headers_pass(self):
        self.assert_clean(self.check())

    def test_a_header_that_lacks_an_include_is_found_by_both_compilers(self):
        self.append("src/data/blob/blob.h", "uint32_t blob_size(void);\n")
        breaches = self.check()
        self.assertEqual(len(breaches), 2)
        self.assertIn("src/data/blob/blob.h does not compile alone with gcc", breaches[0])
        self.assertIn("with clang", breaches[1])
