/* Covers src/data/apply when calls fail or the process dies in them: whole files or none, and the
 * next restore completes the work. */
#include "unit.h"

#include <sys/wait.h>

#include "apply_fixture.h"
#include "died.h"

#define HITS_MAX 16u
#define EXIT_SYNC 99 /* apply_finish said that not all is on disk */

static const char *const files[] = {"d/one", "d/two", "d/e/three"};
#define CONTENT "all of it"

/* What the engine is asked for, by the child under a fault and then again without. */
static uint64_t restore_all(struct apply *apply) {
    uint64_t bad = 0;
    bad += restore_dir(apply, "d") != APPLY_DONE ? 1 : 0;
    bad += restore_dir(apply, "d/e") != APPLY_DONE ? 1 : 0;
    for (size_t i = 0; i < ARRAY_N(files); i++) {
        struct entry entry = entry_of(ENTRY_FILE, files[i], 0640);
        entry.nlink = 2;
        entry.size = strlen(CONTENT);
        struct apply_file *file;
        enum apply_result result = apply_file_begin(apply, &entry, &file, &why);
        if (result == APPLY_DONE && apply_file_write(file, 0, span_text(CONTENT), &why) != 0) {
            apply_file_abort(file);
            result = APPLY_FAILED;
        } else if (result == APPLY_DONE) {
            result = apply_file_commit(file, &why);
        }
        bad += result != APPLY_DONE ? 1 : 0;
    }
    bad += restore_symlink(apply, "d/link", "one") != APPLY_DONE ? 1 : 0;
    bad += restore(apply, entry_of(ENTRY_FIFO, "d/fifo", 0600)) != APPLY_DONE ? 1 : 0;
    bad += restore_link(apply, "d/e/hard", "d/one") != APPLY_DONE ? 1 : 0;
    return bad;
}

static int child_main(const char *folder) {
    (void)text_copy(target, sizeof target, folder);
    AUTO(apply) *apply = NULL;
    struct apply_totals totals;
    if (apply_open(target, (struct apply_opts){.existing = APPLY_OVERWRITE}, &apply, NULL) != 0)
        return EXIT_SYNC;
    uint64_t bad = restore_all(apply);
    if (apply_finish(apply, &totals, NULL) != 0)
        return EXIT_SYNC;
    return totals.failed + totals.refused == bad ? (int)bad : EXIT_SYNC - 1;
}

static void need_faults(void) {
#ifndef CASEMATE_FAULTS
    skip_test("faults", "built without them");
#endif
}

/* No temp names (a dead process leaves at most its last one), and what has its name is whole. */
static size_t leftovers(const char *dir) {
    os_names names = {0};
    int fd = OS_FD_NONE;
    size_t left = 0;
    if (os_dir_open(OS_FD_CWD, at(dir), &fd, NULL) != 0)
        return 0;
    assert_int_equal(os_list(fd, &names, NULL), 0);
    for (size_t i = 0; i < names.n; i++)
        left += text_starts(names.p[i], APPLY_TEMP_PREFIX) ? 1 : 0;
    os_names_done(&names);
    os_close(&fd);
    return left;
}

static void assert_whole_or_absent(size_t leftovers_max) {
    for (size_t i = 0; i < ARRAY_N(files); i++) {
        char path[64];
        (void)text_format(path, sizeof path, "target/%s", files[i]);
        if (exists(path))
            assert_content(path, CONTENT);
    }
    assert_in_range(leftovers("target/d") + leftovers("target/d/e"), 0, leftovers_max);
}

static void assert_second_run_completes(void) {
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_OVERWRITE});
    assert_int_equal(restore_all(apply), 0);
    finish(apply);
    assert_whole_or_absent(0);
    assert_int_equal(names_in("target/d"), 5);
    assert_int_equal(names_in("target/d/e"), 2);
    assert_int_equal(look("target/d/e/hard").st_ino, look("target/d/one").st_ino);
    tree_remove(at("target/d"));
}

static const char *const points[] = {"open", "write", "rename", "mkdir", "fsync"};

static void whatever_call_fails_nothing_is_half_done(void **state) {
    (void)state;
    need_faults();
    static const char *const actions[] = {"eio", "enospc"};
    size_t hits = 0;
    for (size_t p = 0; p < ARRAY_N(points); p++)
        for (unsigned n = 1; n <= HITS_MAX; n++) {
            char fault[64];
            (void)text_format(fault, sizeof fault, "%s:%u:%s", points[p], n, actions[n % 2]);
            int status = died_exec("restore", target, fault);
            assert_true(WIFEXITED(status));
            bool sync_failed = WEXITSTATUS(status) == EXIT_SYNC;
            assert_true(WEXITSTATUS(status) <= 8 || (sync_failed && p == 4));
            assert_whole_or_absent(0);
            assert_second_run_completes();
            if (WEXITSTATUS(status) == 0)
                break; /* there are fewer such calls */
            hits++;
        }
    assert_true(hits >= 15);
}

static void wherever_the_process_dies_the_next_restore_completes(void **state) {
    (void)state;
    need_faults();
    size_t deaths = 0;
    for (size_t p = 0; p < ARRAY_N(points); p++)
        for (unsigned n = 1; n <= HITS_MAX; n++) {
            char fault[64];
            (void)text_format(fault, sizeof fault, "%s:%u:kill", points[p], n);
            int status = died_exec("restore", target, fault);
            assert_whole_or_absent(1);
            assert_second_run_completes();
            if (!WIFSIGNALED(status))
                break;
            deaths++;
        }
    assert_true(deaths >= 15);
}

int main(int argc, char **argv) {
    if (argc == 3 && text_equal(argv[0], "child"))
        return child_main(argv[2]);
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(whatever_call_fails_nothing_is_half_done),
        TEST(wherever_the_process_dies_the_next_restore_completes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
