/* Covers src/data/store/store_verify.c, store_pack.c, store_file.c: every kind of damage to every
 * file is noticed, never gives wrong bytes, and heals. */
#include "data/store/store_int.h"
#include "store_fixture.h"

/* The only pack of a store with chunks [0, n). */
static void one_pack(struct fixture *fixture, uint64_t n, char path[static OS_PATH_MAX]) {
    os_names packs = {0};
    store_range(fixture, 0, n);
    packs_list(fixture, &packs);
    assert_int_equal(packs.n, 1);
    (void)text_copy(path, OS_PATH_MAX, packs.p[0]);
    os_names_done(&packs);
}

/* Three segments, four chunks, as small as can be: numbers of chunks with few bytes. */
static void small_pack(struct fixture *fixture, uint64_t numbers[static 4],
                       char path[static OS_PATH_MAX]) {
    struct store_writer *writer = writer_open(fixture, 1);
    os_names packs = {0};
    uint64_t number = 0, stored;
    for (size_t i = 0; i < 4; number++) {
        struct content content;
        content_of(&content, number);
        if (content.n < 40)
            numbers[i++] = number;
    }
    OK(put_numbers(writer, numbers, 2, &stored, &err));
    OK(put_numbers(writer, numbers + 2, 1, &stored, &err));
    OK(put_numbers(writer, numbers + 3, 1, &stored, &err));
    OK(store_writer_sync(writer, &err));
    store_writer_close(writer);
    packs_list(fixture, &packs);
    assert_int_equal(packs.n, 1);
    (void)text_copy(path, OS_PATH_MAX, packs.p[0]);
    os_names_done(&packs);
}

static uint64_t read_four(struct fixture *fixture, const uint64_t numbers[static 4]) {
    uint64_t good = 0;
    for (size_t i = 0; i < 4; i++)
        good += read_range(fixture, numbers[i], numbers[i] + 1);
    return good;
}

static void every_flipped_bit_of_a_pack_is_seen(void **state) {
    struct fixture *fixture = *state;
    char path[OS_PATH_MAX];
    uint64_t healthy = 0;
    uint64_t numbers[4];
    small_pack(fixture, numbers, path);
    uint64_t bits = file_bytes(path) * 8;
    for (uint64_t bit = 0; bit < bits; bit++) {
        file_flip(path, bit / 8, (uint8_t)(1u << bit % 8));
        struct verified verified = verify(fixture, true);
        if (verified.n == 0)
            fail_msg("bit %llu of %llu is not seen", (unsigned long long)bit,
                     (unsigned long long)bits);
        if (bit % 61 == 0) { /* and a reader that comes first gives right bytes or none */
            uint64_t good = read_four(fixture, numbers);
            assert_int_equal(good + verified.chunks, 4);
            assert_true(store_has_damage(fixture->store));
        }
        file_flip(path, bit / 8, (uint8_t)(1u << bit % 8));
        healthy += bit % 61 == 0 && verify(fixture, true).n == 0;
    }
    assert_int_equal(healthy, (bits + 60) / 61);
    assert_int_equal(verify(fixture, true).n, 0);
    assert_int_equal(read_four(fixture, numbers), 4);
    assert_false(store_has_damage(fixture->store));
}

static void structural_verify_sees_header_footer_and_trailer(void **state) {
    struct fixture *fixture = *state;
    char path[OS_PATH_MAX];
    uint64_t numbers[4];
    small_pack(fixture, numbers, path);
    uint64_t size = file_bytes(path);
    const struct {
        uint64_t at;
        const char *what;
    } cases[] = {{3, "header"},          {40, "header"},         {70, "footer"},
                 {90, "footer"},         {size - 150, "footer"}, {size - 90, "trailer"},
                 {size - 50, "trailer"}, {size - 1, "trailer"}};
    for (size_t i = 0; i < ARRAY_N(cases); i++) {
        file_flip(path, cases[i].at, 0x40);
        struct verified verified = verify(fixture, false);
        assert_int_equal(verified.n, 1);
        assert_string_equal(verified.what, cases[i].what);
        file_flip(path, cases[i].at, 0x40);
        assert_int_equal(verify(fixture, true).n, 0);
    }
}

static void torn_pack_is_lost_and_told(void **state) {
    struct fixture *fixture = *state;
    char path[OS_PATH_MAX];
    one_pack(fixture, 8, path);
    uint64_t size = file_bytes(path);
    OS_FD_AUTO int fd = OS_FD_NONE;
    OK(os_file_open_write(OS_FD_CWD, path, &fd, &err));
    OK(os_file_truncate(fd, size - 1, &err));
    struct verified verified = verify(fixture, false);
    assert_int_equal(verified.n, 1);
    assert_string_equal(verified.what, "length");
    assert_int_equal(verified.chunks, 8);
    for (uint64_t i = 0; i < 8; i++)
        assert_false(has_number(fixture, i));
    assert_int_equal(read_range(fixture, 0, 8), 0);
    fixture_reopen(fixture);
    for (uint64_t i = 0; i < 8; i++)
        assert_false(has_number(fixture, i));
    store_range(fixture, 0, 8); /* the next backup heals */
    assert_int_equal(read_range(fixture, 0, 8), 8);
    fixture_reopen(fixture);
    assert_int_equal(read_range(fixture, 0, 8), 8);
}

/* The store starts with what is left; verify must not take that for the whole. */
static void pack_torn_while_closed_stays_lost_after_verify(void **state) {
    struct fixture *fixture = *state;
    char path[OS_PATH_MAX];
    one_pack(fixture, 8, path);
    store_close(TAKE(fixture->store));
    OS_FD_AUTO int fd = OS_FD_NONE;
    OK(os_file_open_write(OS_FD_CWD, path, &fd, &err));
    OK(os_file_truncate(fd, file_bytes(path) / 2, &err));
    fixture_open(fixture);
    assert_string_equal(verify(fixture, false).what, "length");
    for (uint64_t i = 0; i < 8; i++)
        assert_false(has_number(fixture, i));
    store_range(fixture, 0, 8);
    assert_int_equal(read_range(fixture, 0, 8), 8);
}

static void absent_pack_is_noticed_by_the_closure_check(void **state) {
    struct fixture *fixture = *state;
    char path[OS_PATH_MAX];
    one_pack(fixture, 8, path);
    assert_true(has_number(fixture, 0));
    OK(os_unlink(OS_FD_CWD, path, &err));
    struct store_writer *writer = writer_open(fixture, 2);
    put_range(writer, 100, 101);
    OK(store_writer_sync(writer, &err)); /* from here on packs are looked at again */
    assert_false(has_number(fixture, 0));
    assert_true(has_number(fixture, 100));
    store_writer_close(writer);
    assert_string_equal(verify(fixture, false).what, "missing");
    fixture_reopen(fixture);
    assert_false(has_number(fixture, 0));
    assert_true(store_has_damage(fixture->store));
    struct verified verified = verify(fixture, false);
    assert_int_equal(verified.chunks, 8);
    store_range(fixture, 0, 8);
    assert_int_equal(read_range(fixture, 0, 8), 8);
}

static void damage_is_remembered_and_healed_by_the_next_put(void **state) {
    struct fixture *fixture = *state;
    char path[OS_PATH_MAX];
    uint64_t numbers[4];
    small_pack(fixture, numbers, path);
    file_flip(path, 96 + 16 + 5, 1); /* in the first segment */
    struct verified verified = verify(fixture, true);
    assert_int_equal(verified.n, 1);
    assert_int_equal(verified.chunks, 2);
    assert_string_equal(verified.what, "segment");
    for (unsigned round = 0; round < 2; round++, fixture_reopen(fixture)) {
        assert_false(has_number(fixture, numbers[0]));
        assert_false(has_number(fixture, numbers[1]));
        assert_true(has_number(fixture, numbers[2]));
        assert_int_equal(read_four(fixture, numbers), 2);
        assert_true(store_has_damage(fixture->store));
    }
    for (size_t i = 0; i < 4; i++)
        store_range(fixture, numbers[i], numbers[i] + 1);
    assert_int_equal(read_four(fixture, numbers), 4);
    verified = verify(fixture, true);
    assert_int_equal(verified.n, 1);
    assert_int_equal(verified.chunks, 0); /* nobody needs the damaged copy any more */
}

static void reader_finds_the_other_copy(void **state) {
    struct fixture *fixture = *state;
    struct store_writer *one = writer_open(fixture, 1), *two = writer_open(fixture, 2);
    os_names packs = {0};
    put_range(one, 0, 4); /* neither knows of the other's */
    put_range(two, 0, 4);
    OK(store_writer_sync(one, &err));
    store_writer_close(one);
    struct store_mark *mark; /* its beginning makes a run, so that both rows are kept */
    OK(store_mark_begin(fixture->store, &mark, &err));
    store_mark_free(mark);
    OK(store_writer_sync(two, &err));
    store_writer_close(two);
    packs_list(fixture, &packs);
    assert_int_equal(packs.n, 2);
    for (size_t i = 0; i < 2; i++) {
        file_flip(packs.p[i], 120, 1);
        assert_int_equal(read_range(fixture, 0, 4), i == 0 ? 4 : 0);
        fixture_reopen(fixture);
    }
    os_names_done(&packs);
}

static void foreign_pack_under_our_name_is_refused(void **state) {
    struct fixture *fixture = *state;
    os_names packs = {0};
    struct buf bytes = {0};
    store_range(fixture, 0, 4);
    store_range(fixture, 10, 14);
    packs_list(fixture, &packs);
    assert_int_equal(packs.n, 2);
    OK(os_load(OS_FD_CWD, packs.p[0], 1u << 20, &bytes, &err));
    OK(durable_write(OS_FD_CWD, packs.p[1], buf_span(&bytes), 0400, true, &err));
    char index[OS_PATH_MAX];
    store_close(TAKE(fixture->store));
    (void)text_format(index, sizeof index, "%s/index", fixture->dir);
    scratch_remove(index);
    fixture_open(fixture);
    assert_int_equal(read_range(fixture, 0, 14), 4);
    struct verified verified = verify(fixture, false);
    assert_int_equal(verified.n, 1);
    assert_string_equal(verified.what, "header");
    os_names_done(&packs);
    buf_done(&bytes);
}

static void lost_footer_is_told_from_the_segments(void **state) {
    struct fixture *fixture = *state;
    char path[OS_PATH_MAX], index[OS_PATH_MAX];
    uint64_t numbers[4];
    small_pack(fixture, numbers, path);
    store_close(TAKE(fixture->store));
    (void)text_format(index, sizeof index, "%s/index", fixture->dir);
    scratch_remove(index);
    file_flip(path, file_bytes(path) - 120, 2);
    fixture_open(fixture);
    assert_int_equal(read_four(fixture, numbers), 4);
    assert_true(store_has_damage(fixture->store));
    assert_string_equal(verify(fixture, false).what, "footer");
    fixture_reopen(fixture);
    assert_int_equal(read_four(fixture, numbers), 4);
}

static void index_remove(struct fixture *fixture) {
    char index[OS_PATH_MAX];
    store_close(TAKE(fixture->store));
    (void)text_format(index, sizeof index, "%s/index", fixture->dir);
    scratch_remove(index);
}

/* Start-up has nothing but the packs: it opens, tells what it can, and never gives wrong bytes. */
static void pack_damaged_anywhere_does_not_keep_the_store_closed(void **state) {
    struct fixture *fixture = *state;
    char path[OS_PATH_MAX];
    uint64_t numbers[4], none = 0, all = 0;
    small_pack(fixture, numbers, path);
    uint64_t size = file_bytes(path);
    for (uint64_t at = 0; at < size; at += 3) {
        index_remove(fixture);
        file_flip(path, at, 0x10);
        fixture_open(fixture);
        uint64_t good = read_four(fixture, numbers);
        none += good == 0;
        all += good == 4;
        assert_true(verify(fixture, true).n > 0);
        file_flip(path, at, 0x10);
    }
    assert_true(none > 0 && all > 0); /* header, and footer or trailer */
    index_remove(fixture);
    fixture_open(fixture);
    assert_int_equal(verify(fixture, true).n, 0);
    assert_int_equal(read_four(fixture, numbers), 4);
}

static void pack_torn_anywhere_gives_what_is_whole(void **state) {
    struct fixture *fixture = *state;
    char path[OS_PATH_MAX];
    uint64_t numbers[4], last = 4;
    small_pack(fixture, numbers, path);
    for (uint64_t size = file_bytes(path); size > 0; size -= MIN(size, 7u)) {
        index_remove(fixture);
        OS_FD_AUTO int fd = OS_FD_NONE;
        OK(os_file_open_write(OS_FD_CWD, path, &fd, &err));
        OK(os_file_truncate(fd, size, &err));
        fixture_open(fixture);
        uint64_t good = read_four(fixture, numbers);
        assert_true(good <= last);
        assert_true(good == 4 || verify(fixture, false).n > 0);
        last = good;
    }
    assert_int_equal(last, 0);
    for (size_t i = 0; i < 4; i++)
        store_range(fixture, numbers[i], numbers[i] + 1);
    assert_int_equal(read_four(fixture, numbers), 4);
}

static void every_flipped_bit_of_a_small_file_is_seen(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {"config", "config.copy", "state"};
    for (size_t i = 0; i < ARRAY_N(names); i++) {
        struct buf bytes = {0};
        struct span body;
        OK(os_load(store_dirfd(fixture->store), names[i], 4096, &bytes, &err));
        OK(store_file_open(buf_span(&bytes), fixture->store->file_key, &body, &err));
        for (uint64_t bit = 0; bit < bytes.n * 8; bit++) {
            bytes.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
            FAILS(ERR_STORE_CORRUPT,
                  store_file_open(buf_span(&bytes), fixture->store->file_key, &body, &err));
            bytes.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        buf_done(&bytes);
    }
}

static void damaged_config_and_state_are_mended(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {"config", "config.copy", "state"};
    store_range(fixture, 0, 4);
    store_close(TAKE(fixture->store));
    for (size_t i = 0; i < ARRAY_N(names); i++) {
        char path[OS_PATH_MAX];
        (void)text_format(path, sizeof path, "%s/%s", fixture->dir, names[i]);
        struct buf before = {0};
        OK(os_load(OS_FD_CWD, path, 4096, &before, &err));
        for (uint64_t bit = 0; bit < before.n * 8; bit += 29) {
            struct buf after = {0};
            file_flip(path, bit / 8, (uint8_t)(1u << bit % 8));
            fixture_open(fixture); /* mended from the other file, or from the packs */
            assert_int_equal(read_range(fixture, 0, 4), 4);
            store_close(TAKE(fixture->store));
            OK(os_load(OS_FD_CWD, path, 4096, &after, &err));
            assert_true(span_equal(buf_span(&before), buf_span(&after)));
            buf_done(&after);
        }
        buf_done(&before);
    }
}

static void both_configs_damaged_is_told(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {"config", "config.copy"};
    struct store *store = NULL;
    store_close(TAKE(fixture->store));
    for (size_t i = 0; i < ARRAY_N(names); i++) {
        char path[OS_PATH_MAX];
        (void)text_format(path, sizeof path, "%s/%s", fixture->dir, names[i]);
        file_flip(path, 40, 1);
    }
    FAILS(ERR_STORE_CORRUPT, store_open(fixture->dir, fixture->key, fixture->opts, &store, &err));
}

/* Every byte of every run: at start for header and tables, by a look-up or verify for pages. */
static void damaged_runs_are_made_anew(void **state) {
    struct fixture *fixture = *state;
    char folder[OS_PATH_MAX];
    store_range(fixture, 0, 150);
    (void)text_format(folder, sizeof folder, "%s/index", fixture->dir);
    for (uint64_t round = 0;; round++) {
        OS_FD_AUTO int fd = OS_FD_NONE;
        os_names names = {0};
        char path[OS_PATH_MAX];
        store_close(TAKE(fixture->store));
        OK(os_dir_open(OS_FD_CWD, folder, &fd, &err));
        OK(os_list(fd, &names, &err));
        assert_true(names.n > 0);
        (void)text_format(path, sizeof path, "%s/%s", folder, names.p[round % names.n]);
        os_names_done(&names);
        uint64_t at = round * 97, size = file_bytes(path);
        if (at >= size)
            break;
        file_flip(path, at, (uint8_t)(1u << round % 8));
        fixture_open(fixture);
        if (round % 2 == 0)
            assert_int_equal(verify(fixture, true).n, 0);
        assert_int_equal(read_range(fixture, 0, 160), 150);
    }
    fixture_open(fixture);
}

int main(void) {
    fixture_in_memory();
    const struct CMUnitTest tests[] = {
        CASE(every_flipped_bit_of_a_pack_is_seen),
        CASE(structural_verify_sees_header_footer_and_trailer),
        CASE(torn_pack_is_lost_and_told),
        CASE(pack_torn_while_closed_stays_lost_after_verify),
        CASE(absent_pack_is_noticed_by_the_closure_check),
        CASE(damage_is_remembered_and_healed_by_the_next_put),
        CASE(reader_finds_the_other_copy),
        CASE(foreign_pack_under_our_name_is_refused),
        CASE(lost_footer_is_told_from_the_segments),
        CASE(pack_damaged_anywhere_does_not_keep_the_store_closed),
        CASE(pack_torn_anywhere_gives_what_is_whole),
        CASE(every_flipped_bit_of_a_small_file_is_seen),
        CASE(damaged_config_and_state_are_mended),
        CASE(both_configs_damaged_is_told),
        CASE(damaged_runs_are_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
