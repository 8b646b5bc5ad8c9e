/* Covers src/data/store/store_recover.c: every state that a crash can leave, built by hand or by a
 * process that ends without closing. */
#include "died.h"
#include "store_fixture.h"

static void path_of(struct fixture *fixture, const char *name, char to[static OS_PATH_MAX]) {
    (void)text_format(to, OS_PATH_MAX, "%s/%s", fixture->dir, name);
}

static size_t names_in(struct fixture *fixture, const char *folder) {
    char path[OS_PATH_MAX];
    os_names names = {0};
    OS_FD_AUTO int fd = OS_FD_NONE;
    path_of(fixture, folder, path);
    OK(os_dir_open(OS_FD_CWD, path, &fd, &err));
    OK(os_list(fd, &names, &err));
    size_t n = names.n;
    os_names_done(&names);
    return n;
}

static void sound(struct fixture *fixture, uint64_t from, uint64_t to) {
    assert_int_equal(read_range(fixture, from, to), to - from);
    for (uint64_t i = from; i < to; i++)
        assert_true(has_number(fixture, i));
    assert_false(store_has_damage(fixture->store));
    assert_int_equal(verify(fixture, true).n, 0);
}

/* A child opens the store, does fn, and ends as if killed. */
static void die_after(struct fixture *fixture, died_fn *fn) {
    store_close(TAKE(fixture->store));
    assert_false(died_in(fn, fixture));
    fixture_open(fixture);
}

static void put_unsealed(void *arg) {
    struct fixture *fixture = arg;
    fixture_open(fixture);
    struct store_writer *writer = writer_open(fixture, 1);
    put_range(writer, 50, 60);
}

static void unsealed_pack_is_removed(void **state) {
    struct fixture *fixture = *state;
    store_range(fixture, 0, 20);
    die_after(fixture, put_unsealed);
    assert_int_equal(names_in(fixture, "tmp"), 0);
    assert_int_equal(read_range(fixture, 50, 60), 0);
    sound(fixture, 0, 20);
}

static void put_sealed(void *arg) {
    struct fixture *fixture = arg;
    fixture_open(fixture);
    struct store_writer *writer = writer_open(fixture, 1);
    put_range(writer, 50, 90);
    INVARIANT(store_writer_sync(writer, NULL) == 0);
}

static void sealed_pack_without_index_rows_is_adopted(void **state) {
    struct fixture *fixture = *state;
    store_range(fixture, 0, 50);
    for (unsigned i = 0; i < 3; i++)
        die_after(fixture, put_sealed);
    sound(fixture, 0, 90);
    fixture_reopen(fixture);
    sound(fixture, 0, 90);
}

static void lost_index_is_rebuilt_from_the_packs(void **state) {
    struct fixture *fixture = *state;
    char path[OS_PATH_MAX];
    store_range(fixture, 0, 200);
    store_close(TAKE(fixture->store));
    path_of(fixture, "index", path);
    scratch_remove(path);
    fixture_open(fixture);
    sound(fixture, 0, 200);
}

static void collect(struct fixture *fixture, uint64_t live_n) {
    struct store_collect_result result = {0};
    for (unsigned phase = 0; phase < 2; phase++) {
        struct store_mark *mark;
        OK(store_mark_begin(fixture->store, &mark, &err));
        for (uint64_t i = 0; i < live_n; i++) {
            struct digest name = name_of(i);
            OK(store_mark_live(mark, &name, &err));
        }
        OK(phase == 0 ? store_condemn(fixture->store, mark, &result, &err)
                      : store_sweep(fixture->store, mark, 77, &result, &err));
        store_mark_free(mark);
    }
}

/* Undo the renames into the trash, as if they had not happened yet. */
static size_t untrash_by_hand(struct fixture *fixture) {
    char path[OS_PATH_MAX];
    os_names names = {0};
    OS_FD_AUTO int trash = OS_FD_NONE;
    path_of(fixture, "trash", path);
    OK(os_dir_open(OS_FD_CWD, path, &trash, &err));
    OK(os_list(trash, &names, &err));
    for (size_t i = 0; i < names.n; i++) {
        (void)text_format(path, sizeof path, "%s/packs/%.2s/%.32s.pack", fixture->dir, names.p[i],
                          names.p[i]);
        OK(os_rename(trash, names.p[i], OS_FD_CWD, path, false, &err));
    }
    size_t n = names.n;
    os_names_done(&names);
    return n;
}

static void decided_deletion_is_finished(void **state) {
    struct fixture *fixture = *state;
    store_range(fixture, 0, 100);
    collect(fixture, 20);
    for (unsigned i = 0; i < 2; i++) {
        store_close(TAKE(fixture->store));
        size_t n = untrash_by_hand(fixture);
        assert_true(n > 0);
        fixture_open(fixture);
        assert_int_equal(names_in(fixture, "trash"), n);
        sound(fixture, 0, 20);
        assert_int_equal(read_range(fixture, 20, 100), 0);
    }
}

/* The state file is what tells a pack that was given up from one that is lost. */
static void lost_state_file_makes_no_pack_lost(void **state) {
    struct fixture *fixture = *state;
    char path[OS_PATH_MAX];
    store_range(fixture, 0, 100);
    collect(fixture, 20);
    store_close(TAKE(fixture->store));
    path_of(fixture, "state", path);
    OK(os_unlink(OS_FD_CWD, path, &err));
    fixture_open(fixture);
    sound(fixture, 0, 20);
    assert_int_equal(read_range(fixture, 20, 100), 0);
}

static void emptied_trash_makes_no_pack_lost(void **state) {
    struct fixture *fixture = *state;
    struct store_collect_result result = {0};
    store_range(fixture, 0, 100);
    collect(fixture, 20);
    OK(store_empty_trash(fixture->store, 100, 0, &result, &err));
    assert_true(result.freed_packs > 0);
    for (unsigned i = 0; i < 3; i++) {
        fixture_reopen(fixture);
        sound(fixture, 0, 20);
    }
}

static void repacked_twice_is_still_one(void **state) {
    struct fixture *fixture = *state;
    store_range(fixture, 0, 100);
    for (uint64_t live = 90; live > 10; live -= 16) {
        collect(fixture, live);
        fixture_reopen(fixture);
        sound(fixture, 0, live);
    }
}

static void foreign_files_do_not_disturb(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {"notes",       "packs/00/notes", "trash/notes",
                                        "index/notes", "tmp/notes",      "commits"};
    store_range(fixture, 0, 20);
    store_close(TAKE(fixture->store));
    for (size_t i = 0; i < ARRAY_N(names); i++) {
        char path[OS_PATH_MAX];
        OS_FD_AUTO int fd = OS_FD_NONE;
        path_of(fixture, names[i], path);
        OK(os_file_create(OS_FD_CWD, path, 0600, &fd, &err));
    }
    fixture_open(fixture);
    sound(fixture, 0, 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(unsealed_pack_is_removed),
        CASE(sealed_pack_without_index_rows_is_adopted),
        CASE(lost_index_is_rebuilt_from_the_packs),
        CASE(decided_deletion_is_finished),
        CASE(lost_state_file_makes_no_pack_lost),
        CASE(emptied_trash_makes_no_pack_lost),
        CASE(repacked_twice_is_still_one),
        CASE(foreign_files_do_not_disturb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
