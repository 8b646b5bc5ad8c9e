"""layers.py finds each kind of breach, and nothing in a sound tree."""
import planted
import layers


class Layers(planted.PlantedTree):
    def check(self):
        return layers.check(self.root)

    def test_a_sound_tree_passes(self):
        self.append("src/data/store/store.c", '#include "data/blob/blob.h"\n#include "format/chunk/chunk.h"\n')
        self.append("src/data/blob/blob.c", "#include <zstd.h>\n#include <sys/stat.h>\n#include <stdint.h>\n")
        self.append("src/base/err.c", '#include "spec_error.h"\n')
        self.assert_clean(self.check())

    def test_an_include_of_a_higher_floor_is_found(self):
        self.append("src/base/err.c", '#include "control/trust/trust.h"\n')
        self.assert_found(self.check(), "src/base/err.c:6", "base may not see control/trust")

    def test_an_include_on_the_same_floor_is_found(self):
        self.append("src/data/blob/blob.c", '#include "data/store/store.h"\n')
        self.assert_found(self.check(), "data/blob may not see data/store")

    def test_a_foreign_header_away_from_home_is_found(self):
        self.append("src/data/store/store.c", "#include <zstd.h>\n")
        self.assert_found(self.check(), "zstd.h", "at home in data/blob")

    def test_a_header_without_a_home_is_found(self):
        self.append("src/data/store/store.c", "#include <ncurses.h>\n")
        self.assert_found(self.check(), "ncurses.h", "no home")

    def test_a_private_header_of_another_room_is_found(self):
        self.plant("src/data/blob/blob_int.h", "#pragma once\n")
        self.append("src/data/store/store.c", '#include "data/blob/blob_int.h"\n')
        self.assert_found(self.check(), "private to data/blob")

    def test_a_relative_include_is_found(self):
        self.plant("src/data/store/store_int.h", "#pragma once\n")
        self.append("src/data/store/store.c", '#include "store_int.h"\n')
        self.assert_found(self.check(), "write the path from src/")

    def test_two_files_of_one_name_are_found(self):
        self.plant("src/data/store/blob.c", "")
        self.assert_found(self.check(), "blob.c", "the name is taken")

    def test_a_main_outside_prog_is_found(self):
        self.plant("src/data/store/main.c", "")
        self.assert_found(self.check(), "main.c outside prog/")

    def test_a_folder_that_is_not_listed_is_found(self):
        self.plant("src/data/util/util.c", "")
        self.assert_found(self.check(), "src/data/util/util.c", "not in LAYERS")

    def test_a_cycle_in_use_is_found(self):
        self.append("LAYERS", "use data/blob : data/store\n")
        self.assertTrue(any("cycle" in breach for breach in self.check()))

    def test_use_across_floors_is_found(self):
        self.append("LAYERS", "use data/blob : control/trust\n")
        self.assert_found(self.check(), "control/trust is not on its floor")

    def test_a_line_that_cannot_be_read_is_found(self):
        self.append("LAYERS", "allow everything\n")
        self.assert_found(self.check(), "cannot read: allow everything")
