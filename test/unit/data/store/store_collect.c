/* Covers src/data/store/store_mark.c, store_sweep.c, store_repack.c, store_trash.c, store_merge.c.
 */
#include "store_fixture.h"

static struct store_mark *mark_range(struct fixture *fixture, uint64_t from, uint64_t to) {
    struct store_mark *mark;
    OK(store_mark_begin(fixture->store, &mark, &err));
    for (uint64_t i = from; i < to; i++) {
        struct digest name = name_of(i);
        OK(store_mark_live(mark, &name, &err));
    }
    return mark;
}

static struct store_collect_result condemn(struct fixture *fixture, uint64_t from, uint64_t to) {
    struct store_collect_result result = {0};
    struct store_mark *mark = mark_range(fixture, from, to);
    OK(store_condemn(fixture->store, mark, &result, &err));
    store_mark_free(mark);
    return result;
}

static int sweep(struct fixture *fixture, uint64_t from, uint64_t to,
                 struct store_collect_result *result, struct err *err) {
    struct store_mark *mark = mark_range(fixture, from, to);
    *result = (struct store_collect_result){0};
    int rc = store_sweep(fixture->store, mark, 1000, result, err);
    store_mark_free(mark);
    return rc;
}

/* Both phases with [from, to) live. */
static struct store_collect_result collect(struct fixture *fixture, uint64_t from, uint64_t to) {
    struct store_collect_result first = condemn(fixture, from, to), second;
    OK(sweep(fixture, from, to, &second, &err));
    second.condemned_chunks = first.condemned_chunks;
    return second;
}

static void collection_keeps_what_is_live_and_removes_the_rest(void **state) {
    struct fixture *fixture = *state;
    struct store_stats before, after;
    struct store_collect_result result;
    store_range(fixture, 0, 400);
    store_stats(fixture->store, &before);
    result = collect(fixture, 100, 200);
    assert_int_equal(result.condemned_chunks, 300);
    assert_true(result.trashed_packs > 0);
    assert_true(result.rewritten_packs > 0);
    assert_int_equal(read_range(fixture, 100, 200), 100);
    store_stats(fixture->store, &after);
    assert_true(after.pack_bytes < before.pack_bytes / 2);
    assert_int_equal(after.trash_packs, result.trashed_packs);
    assert_int_equal(verify(fixture, true).n, 0);
    for (unsigned i = 0; i < 2; i++) {
        fixture_reopen(fixture);
        assert_int_equal(read_range(fixture, 100, 200), 100);
        assert_false(store_has_damage(fixture->store)); /* what was given up is not lost */
        assert_int_equal(verify(fixture, true).n, 0);
    }
    result = (struct store_collect_result){0};
    OK(store_empty_trash(fixture->store, 1000 + 86400, 86401, &result, &err));
    assert_int_equal(result.freed_packs, 0);
    OK(store_empty_trash(fixture->store, 999, 0, &result, &err)); /* the clock went back */
    assert_int_equal(result.freed_packs, 0);
    OK(store_empty_trash(fixture->store, 1000 + 86400, 86400, &result, &err));
    assert_int_equal(result.freed_packs, after.trash_packs);
    store_stats(fixture->store, &after);
    assert_int_equal(after.trash_packs, 0);
    fixture_reopen(fixture);
    assert_int_equal(read_range(fixture, 100, 200), 100);
    assert_false(store_has_damage(fixture->store));
}

static void condemning_alone_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    struct store_stats before, after;
    store_range(fixture, 0, 50);
    store_stats(fixture->store, &before);
    (void)condemn(fixture, 0, 10);
    store_stats(fixture->store, &after);
    assert_int_equal(before.packs, after.packs);
    assert_int_equal(after.epoch, before.epoch + 1);
    assert_int_equal(read_range(fixture, 0, 50), 50);
    fixture_reopen(fixture);
    store_stats(fixture->store, &before);
    assert_int_equal(before.epoch, after.epoch);
    struct store_collect_result result;
    FAILS(ERR_BUSY,
          sweep(fixture, 0, 10, &result, &err)); /* a restart forgets what was condemned */
    assert_int_equal(read_range(fixture, 0, 50), 50);
}

static void use_resurrects_a_condemned_chunk(void **state) {
    struct fixture *fixture = *state;
    struct store_collect_result result;
    store_range(fixture, 0, 60);
    (void)condemn(fixture, 0, 0);
    struct store_writer *writer = writer_open(fixture, 2); /* younger than the condemnation */
    struct digest name = name_of(7);
    bool has;
    uint64_t stored, number = 11;
    OK(store_writer_has(writer, &name, &has, &err));
    assert_true(has);
    OK(put_numbers(writer, &number, 1, &stored, &err)); /* dropped: it is here */
    assert_int_equal(stored, 0);
    assert_true(has_number(fixture, 13));
    OK(sweep(fixture, 0, 0, &result, &err));
    store_writer_close(writer);
    assert_true(has_number(fixture, 7));
    assert_true(has_number(fixture, 11));
    assert_true(has_number(fixture, 13));
    (void)collect(fixture, 0, 0);
    assert_int_equal(read_range(fixture, 0, 60), 0);
}

static void sweep_waits_for_older_sessions(void **state) {
    struct fixture *fixture = *state;
    struct store_collect_result result;
    store_range(fixture, 0, 30);
    struct store_writer *old = writer_open(fixture, 2);
    (void)condemn(fixture, 0, 0);
    FAILS(ERR_BUSY, sweep(fixture, 0, 0, &result, &err));
    assert_int_equal(read_range(fixture, 0, 30), 30);
    struct store_mark *mark = mark_range(fixture, 0, 0); /* begins while the old session is open */
    store_writer_close(old);
    FAILS(ERR_BUSY, store_sweep(fixture->store, mark, 0, &result, &err));
    store_mark_free(mark);
    struct store_writer *young = writer_open(fixture, 2);
    OK(sweep(fixture, 0, 0, &result, &err));
    store_writer_close(young);
    assert_int_equal(read_range(fixture, 0, 30), 0);
}

static void second_mark_must_be_younger_than_the_condemnation(void **state) {
    struct fixture *fixture = *state;
    struct store_collect_result result = {0};
    store_range(fixture, 0, 30);
    struct store_mark *mark = mark_range(fixture, 0, 0), *other = mark_range(fixture, 0, 0);
    OK(store_condemn(fixture->store, mark, &result, &err));
    FAILS(ERR_BUSY, store_sweep(fixture->store, mark, 0, &result, &err));
    FAILS(ERR_BUSY, store_condemn(fixture->store, other, &result, &err));
    store_mark_free(mark);
    store_mark_free(other);
    assert_int_equal(read_range(fixture, 0, 30), 30);
}

static void what_the_second_mark_finds_stays(void **state) {
    struct fixture *fixture = *state;
    struct store_collect_result result;
    store_range(fixture, 0, 60);
    (void)condemn(fixture, 0, 10);
    OK(sweep(fixture, 5, 20, &result, &err));
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(read_range(fixture, i, i + 1), 1);
}

static void chunks_put_after_the_mark_are_live(void **state) {
    struct fixture *fixture = *state;
    struct store_collect_result result = {0};
    store_range(fixture, 0, 30);
    struct store_mark *mark = mark_range(fixture, 0, 0);
    store_range(fixture, 30, 60);
    OK(store_condemn(fixture->store, mark, &result, &err));
    store_mark_free(mark);
    mark = mark_range(fixture, 0, 0);
    store_range(fixture, 60, 90);
    OK(store_sweep(fixture->store, mark, 0, &result, &err));
    store_mark_free(mark);
    assert_int_equal(read_range(fixture, 0, 30), 0);
    assert_int_equal(read_range(fixture, 30, 90), 60);
}

static void resealed_chunks_get_a_new_pack_and_readers_go_on(void **state) {
    struct fixture *fixture = *state;
    os_names before = {0}, after = {0};
    store_range(fixture, 0, 16);
    packs_list(fixture, &before);
    assert_int_equal(before.n, 1);
    struct store_reader *reader = store_reader_new(fixture->store);
    struct store_place place;
    struct store_segment info;
    struct buf payload = {0};
    struct digest name = name_of(1);
    bool found;
    OK(store_find(fixture->store, &name, &found, &place, &err));
    assert_int_equal(read_number(reader, 1), 0);
    struct store_collect_result result = collect(fixture, 0, 4); /* half of the first segment */
    assert_int_equal(result.rewritten_packs, 1);
    packs_list(fixture, &after);
    assert_int_equal(after.n, 1);
    assert_string_not_equal(before.p[0], after.p[0]);
    OK(store_empty_trash(fixture->store, 2000, 0, &result, &err));
    OK(store_read_segment(reader, place.pack, place.segment, &payload, &info, &err));
    for (uint64_t i = 0; i < 16; i++)
        assert_int_equal(read_number(reader, i), i < 4 ? 0 : ERR_CHUNK_MISSING);
    store_reader_free(reader);
    buf_done(&payload);
    os_names_done(&before);
    os_names_done(&after);
    fixture_reopen(fixture);
    assert_int_equal(read_range(fixture, 0, 16), 4);
    assert_int_equal(verify(fixture, true).n, 0);
}

static void unreadable_pack_is_kept_while_it_is_needed(void **state) {
    struct fixture *fixture = *state;
    struct store_collect_result result;
    os_names packs = {0};
    store_range(fixture, 0, 16);
    packs_list(fixture, &packs);
    file_flip(packs.p[0], 120, 1);
    result = collect(fixture, 0, 4); /* live, but it cannot be copied */
    assert_int_equal(result.unreadable_packs, 1);
    assert_int_equal(result.trashed_packs, 0);
    file_flip(packs.p[0], 120, 1); /* it could be read again */
    assert_int_equal(verify(fixture, true).n, 0);
    assert_int_equal(read_range(fixture, 0, 4), 4);
    file_flip(packs.p[0], 120, 1);
    assert_int_equal(verify(fixture, true).n, 1);
    (void)collect(fixture, 0, 16);
    assert_int_equal(file_bytes(packs.p[0]) > 0, 1); /* damaged, not healed: not thrown away */
    store_range(fixture, 0, 16);
    result = collect(fixture, 0, 16);
    assert_int_equal(result.trashed_packs, 1); /* healed: what is good in it has moved too */
    assert_int_equal(read_range(fixture, 0, 16), 16);
    assert_false(store_has_damage(fixture->store));
    os_names_done(&packs);
}

/* Footer and the second of three segments damaged: the third opens by the index only. */
static void pack_that_cannot_be_told_in_full_is_kept(void **state) {
    struct fixture *fixture = *state;
    struct digest second = name_of(8);
    struct store_place place;
    os_names packs = {0};
    bool found;
    store_range(fixture, 0, 24);
    OK(store_find(fixture->store, &second, &found, &place, &err));
    packs_list(fixture, &packs);
    assert_int_equal(packs.n, 1);
    uint64_t size = file_bytes(packs.p[0]);
    file_flip(packs.p[0], size - 130, 1);
    file_flip(packs.p[0], place.segment + 50, 1);
    assert_true(verify(fixture, true).n > 0);
    struct store_collect_result result = collect(fixture, 16, 18);
    assert_int_equal(result.trashed_packs, 0);
    assert_int_equal(result.unreadable_packs, 1);
    assert_int_equal(read_range(fixture, 16, 18), 2);
    assert_true(file_bytes(packs.p[0]) == size);
    file_flip(packs.p[0], place.segment + 50, 1);
    result = collect(fixture, 16, 18); /* without a footer, but all segments open */
    assert_int_equal(result.trashed_packs, 1);
    assert_int_equal(read_range(fixture, 16, 18), 2);
    assert_false(store_has_damage(fixture->store));
    os_names_done(&packs);
}

static void lost_pack_is_forgotten_once_it_is_healed(void **state) {
    struct fixture *fixture = *state;
    os_names packs = {0};
    store_range(fixture, 0, 16);
    packs_list(fixture, &packs);
    fixture_reopen(fixture);
    OK(os_unlink(OS_FD_CWD, packs.p[0], &err));
    assert_string_equal(verify(fixture, false).what, "missing");
    (void)collect(fixture, 0, 16);
    assert_true(store_has_damage(fixture->store)); /* still needed, so still told */
    store_range(fixture, 0, 16);
    (void)collect(fixture, 0, 16);
    assert_false(store_has_damage(fixture->store));
    fixture_reopen(fixture);
    assert_false(store_has_damage(fixture->store));
    assert_int_equal(verify(fixture, true).n, 0);
    assert_int_equal(read_range(fixture, 0, 16), 16);
    os_names_done(&packs);
}

static void trash_can_be_undone(void **state) {
    struct fixture *fixture = *state;
    uint64_t packs;
    store_range(fixture, 0, 100);
    (void)collect(fixture, 90, 100);
    assert_int_equal(read_range(fixture, 0, 90), 0);
    fixture_reopen(fixture);
    OK(store_untrash(fixture->store, &packs, &err));
    assert_true(packs > 0);
    assert_int_equal(read_range(fixture, 0, 100), 100);
    fixture_reopen(fixture);
    assert_int_equal(read_range(fixture, 0, 100), 100);
    assert_false(store_has_damage(fixture->store));
    (void)collect(fixture, 90, 100);
    assert_int_equal(read_range(fixture, 0, 100), 10);
}

static void many_small_packs_become_few(void **state) {
    struct fixture *fixture = *state;
    struct store_stats stats;
    for (uint64_t i = 0; i < 20; i++)
        store_range(fixture, i, i + 1);
    store_stats(fixture->store, &stats);
    assert_int_equal(stats.packs, 20);
    (void)collect(fixture, 0, 20);
    store_stats(fixture->store, &stats);
    assert_in_range(stats.packs, 1, 2);
    assert_int_equal(read_range(fixture, 0, 20), 20);
}

static void runs_stay_few_while_a_store_grows(void **state) {
    struct fixture *fixture = *state;
    os_names names = {0};
    char folder[OS_PATH_MAX];
    for (uint64_t i = 0; i < 40; i++)
        store_range(fixture, i * 50, i * 50 + 50); /* each fills a memtable */
    store_close(TAKE(fixture->store));
    fixture_open(fixture);
    (void)text_format(folder, sizeof folder, "%s/index", fixture->dir);
    OS_FD_AUTO int fd = OS_FD_NONE;
    OK(os_dir_open(OS_FD_CWD, folder, &fd, &err));
    OK(os_list(fd, &names, &err));
    assert_in_range(names.n, 1, 20);
    os_names_done(&names);
    assert_int_equal(read_range(fixture, 0, 2000), 2000);
    (void)collect(fixture, 500, 600);
    fixture_reopen(fixture);
    assert_int_equal(read_range(fixture, 500, 600), 100);
    assert_int_equal(verify(fixture, true).n, 0);
}

int main(void) {
    fixture_in_memory();
    const struct CMUnitTest tests[] = {
        CASE(collection_keeps_what_is_live_and_removes_the_rest),
        CASE(condemning_alone_changes_nothing),
        CASE(use_resurrects_a_condemned_chunk),
        CASE(sweep_waits_for_older_sessions),
        CASE(second_mark_must_be_younger_than_the_condemnation),
        CASE(what_the_second_mark_finds_stays),
        CASE(chunks_put_after_the_mark_are_live),
        CASE(resealed_chunks_get_a_new_pack_and_readers_go_on),
        CASE(unreadable_pack_is_kept_while_it_is_needed),
        CASE(pack_that_cannot_be_told_in_full_is_kept),
        CASE(lost_pack_is_forgotten_once_it_is_healed),
        CASE(trash_can_be_undone),
        CASE(many_small_packs_become_few),
        CASE(runs_stay_few_while_a_store_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
