/* Covers src/data/apply together with src/data/scan: what was walked and put back is identical. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/vec.h"
#include "copy_tree.h"
#include "died.h"
#include "scratch.h"
#include "tree.h"

static char root[SCRATCH_PATH_MAX], from[SCRATCH_PATH_MAX + 8], to[SCRATCH_PATH_MAX + 8];

static int setup(void **state) {
    (void)state;
    (void)scratch_make(root);
    (void)text_format(from, sizeof from, "%s/from", root);
    (void)text_format(to, sizeof to, "%s/to", root);
    return mkdir(from, 0755);
}

static int teardown(void **state) {
    (void)state;
    tree_remove(root);
    return 0;
}

static const struct apply_opts everything = {
    .existing = APPLY_OVERWRITE, .allow_devices = true, .allow_set_id = true};

static struct apply_totals copy(struct apply_opts opts, unsigned threads, uint64_t salt) {
    struct apply_totals totals = {0};
    char trouble[ERR_TEXT_MAX];
    struct err err = {0};
    if (copy_tree(from, to, opts, threads, salt, &totals, trouble, &err) != 0)
        fail_msg("%s", err.text);
    if (trouble[0] != 0)
        fail_msg("%s", trouble);
    return totals;
}

static void assert_identical(unsigned ignore) {
    char difference[TREE_DIFFERENCE_MAX];
    if (!tree_equal(from, to, ignore, difference))
        fail_msg("%s", difference);
}

static void random_trees_come_back_identical(void **state) {
    (void)state;
    struct seed seed = seed_start("random_trees_come_back_identical");
    for (unsigned round = 0; round < 6; round++) {
        tree_make(from, &seed, (struct tree_opts){.entries = 250});
        struct apply_totals totals = copy(everything, round % 3, seed_u64(&seed));
        assert_int_equal(totals.failed + totals.refused + totals.skipped + totals.reduced, 0);
        assert_identical(0);
        tree_remove(from);
        tree_remove(to);
        assert_int_equal(mkdir(from, 0755), 0);
    }
}

static void a_restore_over_itself_changes_nothing_but_inodes(void **state) {
    (void)state;
    struct seed seed = seed_start("a_restore_over_itself_changes_nothing_but_inodes");
    tree_make(from, &seed, (struct tree_opts){.entries = 200});
    (void)copy(everything, 2, 1);
    (void)copy(everything, 2, 2);
    assert_identical(0);
    struct apply_opts skip = everything;
    skip.existing = APPLY_SKIP;
    AUTO(scan) *scan = NULL;
    assert_int_equal(scan_open(to, &(struct scan_opts){0}, &scan, NULL), 0);
    uint64_t dirs = 0, others = 0;
    for (struct scan_entry *e; scan_next(scan, &e, NULL) == 0 && e != NULL; scan_entry_free(e)) {
        dirs += e->meta.kind == ENTRY_DIR ? 1 : 0;
        others += e->meta.kind == ENTRY_DIR ? 0 : 1;
    }
    struct apply_totals totals = copy(skip, 0, 3);
    assert_int_equal(totals.skipped, others);
    assert_int_equal(totals.done, dirs);
    assert_identical(0);
}

static void a_tree_that_changed_is_restored_as_it_is_now(void **state) {
    (void)state;
    struct seed seed = seed_start("a_tree_that_changed_is_restored_as_it_is_now");
    struct tree_opts opts = {.entries = 60};
    tree_make(from, &seed, opts);
    for (int round = 0; round < 4; round++) {
        tree_change(from, &seed, opts);
        (void)copy(everything, 1, seed_u64(&seed));
        assert_identical(0);
        tree_remove(to);
    }
}

static void copy_unprivileged(void *arg) {
    struct seed *seed = arg;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(2);
    tree_make(from, seed, (struct tree_opts){.entries = 250});
    struct apply_totals totals;
    char trouble[ERR_TEXT_MAX], difference[TREE_DIFFERENCE_MAX];
    if (copy_tree(from, to, everything, 1, 7, &totals, trouble, NULL) != 0 || trouble[0] != 0)
        _exit(3);
    _exit(tree_equal(from, to, 0, difference) ? 0 : 4);
}

static void without_privilege_ones_own_files_come_back_identical(void **state) {
    (void)state;
    struct seed seed = seed_start("without_privilege_ones_own_files_come_back_identical");
    if (geteuid() == 0) {
        assert_int_equal(chown(root, 65534, 65534), 0);
        assert_int_equal(chown(from, 65534, 65534), 0);
    }
    assert_int_equal(WEXITSTATUS(died_run(copy_unprivileged, &seed)), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(random_trees_come_back_identical),
        TEST(a_restore_over_itself_changes_nothing_but_inodes),
        TEST(a_tree_that_changed_is_restored_as_it_is_now),
        TEST(without_privilege_ones_own_files_come_back_identical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
