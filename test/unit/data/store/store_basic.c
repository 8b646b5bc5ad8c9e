/* Covers src/data/store: create, open, put, look up, read, orphans. */
#include "store_fixture.h"

static void store_opens_with_its_key_only(void **state) {
    struct fixture *fixture = *state;
    struct secret *other = fixture_key(2);
    struct store *store = NULL;
    store_close(TAKE(fixture->store));
    FAILS(ERR_STORE_KEY, store_open(fixture->dir, other, fixture->opts, &store, &err));
    fixture_open(fixture);
    assert_int_equal(store_chunker(fixture->store)->seed, 7);
    assert_int_equal(store_chunker(fixture->store)->max_bytes, 262144);
    secret_free(other);
}

static void store_has_one_owner(void **state) {
    struct fixture *fixture = *state;
    struct store *store = NULL;
    FAILS(ERR_LOCKED, store_open(fixture->dir, fixture->key, fixture->opts, &store, &err));
}

static void store_is_made_in_an_empty_folder_only(void **state) {
    struct fixture *fixture = *state;
    FAILS(ERR_EXISTS, store_create(fixture->dir, fixture->key, &fixture_chunker, &err));
}

static void store_that_is_not_there_is_missing(void **state) {
    struct fixture *fixture = *state;
    struct store *store = NULL;
    char dir[SCRATCH_PATH_MAX + 16];
    (void)text_format(dir, sizeof dir, "%s/none", fixture->path);
    FAILS(ERR_STORE_MISSING, store_open(dir, fixture->key, fixture->opts, &store, &err));
    OK(os_mkdirs(dir, 0700, &err));
    FAILS(ERR_STORE_MISSING, store_open(dir, fixture->key, fixture->opts, &store, &err));
    bool lock = true;
    (void)text_format(dir, sizeof dir, "%s/none/lock", fixture->path);
    OK(os_exists(OS_FD_CWD, dir, &lock, &err));
    assert_false(lock);
}

static void chunks_come_back_before_and_after_reopening(void **state) {
    struct fixture *fixture = *state;
    struct store_stats stats;
    store_range(fixture, 0, 300);
    assert_int_equal(read_range(fixture, 0, 320), 300);
    store_stats(fixture->store, &stats);
    assert_true(stats.packs > 3);
    assert_int_equal(stats.chunks, 300);
    fixture_reopen(fixture);
    assert_int_equal(read_range(fixture, 0, 320), 300);
    for (uint64_t i = 0; i < 320; i++)
        assert_int_equal(has_number(fixture, i), i < 300);
    store_stats(fixture->store, &stats);
    assert_int_equal(stats.chunks, 300);
    assert_false(store_has_damage(fixture->store));
}

static void unsealed_chunks_are_known_to_their_writer_only(void **state) {
    struct fixture *fixture = *state;
    struct store_writer *writer = writer_open(fixture, 1), *other = writer_open(fixture, 2);
    struct digest name = name_of(3);
    bool has;
    put_range(writer, 3, 4);
    OK(store_writer_has(writer, &name, &has, &err));
    assert_true(has);
    OK(store_writer_has(other, &name, &has, &err));
    assert_false(has);
    assert_false(has_number(fixture, 3));
    OK(store_writer_sync(writer, &err));
    OK(store_writer_has(other, &name, &has, &err));
    assert_true(has);
    store_writer_close(writer);
    store_writer_close(other);
}

static void chunk_is_stored_once(void **state) {
    struct fixture *fixture = *state;
    const uint64_t numbers[] = {1, 2, 3, 2, 1}, again[] = {1, 2, 3}, more[] = {3, 4, 1};
    struct store_writer *writer = writer_open(fixture, 1);
    struct store_stats stats;
    uint64_t stored;
    OK(put_numbers(writer, numbers, 5, &stored, &err));
    assert_true(stored > 0);
    OK(put_numbers(writer, again, 3, &stored, &err));
    assert_int_equal(stored, 0);
    OK(store_writer_sync(writer, &err));
    OK(put_numbers(writer, again, 3, &stored, &err));
    assert_int_equal(stored, 0);
    OK(put_numbers(writer, more, 3, &stored, &err));
    assert_true(stored > 0);
    OK(store_writer_sync(writer, &err));
    store_writer_close(writer);
    store_stats(fixture->store, &stats);
    assert_int_equal(stats.chunks, 4);
    assert_int_equal(stats.packs, 2);
    assert_int_equal(read_range(fixture, 1, 5), 4);
    assert_int_equal(verify(fixture, true).n, 0);
}

static void closed_writer_leaves_only_sealed_packs(void **state) {
    struct fixture *fixture = *state;
    struct store_writer *writer = writer_open(fixture, 1);
    put_range(writer, 0, 10);
    OK(store_writer_sync(writer, &err));
    put_range(writer, 10, 20);
    store_writer_close(writer);
    assert_int_equal(read_range(fixture, 0, 20), 10);
    fixture_reopen(fixture);
    assert_int_equal(read_range(fixture, 0, 20), 10);
}

static void place_leads_to_the_segment(void **state) {
    struct fixture *fixture = *state;
    struct store_place place;
    struct store_segment info;
    struct content content;
    struct buf payload = {0};
    bool found;
    store_range(fixture, 0, 8);
    content_of(&content, 5);
    OK(store_find(fixture->store, &content.name, &found, &place, &err));
    assert_true(found);
    assert_int_equal(place.length, content.n);
    struct store_reader *reader = store_reader_new(fixture->store);
    struct unsealer *unsealer = unsealer_new();
    OK(store_read_segment(reader, place.pack, place.segment, &payload, &info, &err));
    uint8_t *plain = mem_new(info.plain_bytes);
    OK(unsealer_unpack(unsealer, info.codec, buf_span(&payload), plain, info.plain_bytes, &err));
    assert_memory_equal(plain + place.offset, content.bytes, content.n);
    FAILS(ERR_CHUNK_DAMAGED,
          store_read_segment(reader, place.pack, place.segment + 1, &payload, &info, &err));
    FAILS(ERR_CHUNK_MISSING, store_read_segment(reader, 99, 96, &payload, &info, &err));
    mem_free(plain);
    unsealer_free(unsealer);
    store_reader_free(reader);
    buf_done(&payload);
    struct digest name = name_of(99);
    OK(store_find(fixture->store, &name, &found, &place, &err));
    assert_false(found);
}

static void asking_for_another_type_finds_nothing_and_harms_nothing(void **state) {
    struct fixture *fixture = *state;
    struct digest name = name_of(0);
    struct span bytes;
    store_range(fixture, 0, 8);
    struct store_reader *reader = store_reader_new(fixture->store);
    FAILS(ERR_CHUNK_MISSING, store_read(reader, CHUNK_TREE, &name, &bytes, &err));
    store_reader_free(reader);
    assert_false(store_has_damage(fixture->store));
    assert_int_equal(read_range(fixture, 0, 8), 8);
}

static int count_name(void *ctx, const uint8_t keyed_name[static 32]) {
    (void)keyed_name;
    uint64_t *left = ctx;
    return --*left == 0;
}

static void orphans_are_told_by_source(void **state) {
    struct fixture *fixture = *state;
    struct store_writer *one = writer_open(fixture, 1), *two = writer_open(fixture, 2);
    put_range(one, 0, 50);
    put_range(two, 100, 120);
    OK(store_writer_sync(one, &err));
    OK(store_writer_sync(two, &err));
    store_writer_close(one);
    store_writer_close(two);
    for (unsigned round = 0; round < 2; round++, fixture_reopen(fixture)) {
        static const struct {
            uint8_t source;
            uint64_t n;
        } cases[] = {{1, 50}, {2, 20}, {3, 0}};
        for (size_t i = 0; i < ARRAY_N(cases); i++) {
            uint8_t source[16] = {cases[i].source};
            uint64_t left = 1000;
            OK(store_orphans_of(fixture->store, source, count_name, &left, &err));
            assert_int_equal(1000 - left, cases[i].n);
        }
        uint8_t source[16] = {1};
        uint64_t left = 7;
        OK(store_orphans_of(fixture->store, source, count_name, &left, &err));
        assert_int_equal(left, 0);
    }
}

static void keyed_names_differ_from_names_and_between_stores(void **state) {
    struct fixture *fixture = *state;
    struct digest name = name_of(1), here, there;
    struct store *other;
    char dir[SCRATCH_PATH_MAX + 16];
    (void)text_format(dir, sizeof dir, "%s/other", fixture->path);
    OK(store_create(dir, fixture->key, &fixture_chunker, &err));
    OK(store_open(dir, fixture->key, fixture->opts, &other, &err));
    store_keyed_name(fixture->store, &name, &here);
    store_keyed_name(other, &name, &there);
    assert_false(digest_equal(&name, &here));
    assert_false(digest_equal(&here, &there));
    store_close(other);
}

static void writers_are_limited(void **state) {
    struct fixture *fixture = *state;
    struct store_writer **writers = mem_new_array(STORE_WRITERS_MAX, sizeof *writers), *more;
    struct store_session session = {.job = {1}};
    for (size_t i = 0; i < STORE_WRITERS_MAX; i++)
        writers[i] = writer_open(fixture, 1);
    FAILS(ERR_LIMIT, store_writer_open(fixture->store, &session, &more, &err));
    for (size_t i = 0; i < STORE_WRITERS_MAX; i++)
        store_writer_close(writers[i]);
    store_writer_close(writer_open(fixture, 1));
    mem_free(writers);
}

static void full_disk_is_refused_and_deleting_still_works(void **state) {
    struct fixture *fixture = *state;
    struct store_mark *mark;
    struct store_collect_result result = {0};
    uint64_t stored, number = 500;
    store_range(fixture, 0, 20);
    store_close(TAKE(fixture->store));
    fixture->opts.reserve_bytes = (uint64_t)1 << 60;
    fixture_open(fixture);
    struct store_writer *writer = writer_open(fixture, 1);
    FAILS(ERR_SPACE, put_numbers(writer, &number, 1, &stored, &err));
    FAILS(ERR_SPACE, store_writer_sync(writer, &err)); /* it stays dead */
    store_writer_close(writer);
    for (unsigned phase = 0; phase < 2; phase++) {
        OK(store_mark_begin(fixture->store, &mark, &err));
        OK(phase == 0 ? store_condemn(fixture->store, mark, &result, &err)
                      : store_sweep(fixture->store, mark, 0, &result, &err));
        store_mark_free(mark);
    }
    OK(store_empty_trash(fixture->store, 0, 0, &result, &err));
    assert_true(result.freed_packs > 0);
    assert_int_equal(read_range(fixture, 0, 20), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(store_opens_with_its_key_only),
        CASE(store_has_one_owner),
        CASE(store_is_made_in_an_empty_folder_only),
        CASE(store_that_is_not_there_is_missing),
        CASE(chunks_come_back_before_and_after_reopening),
        CASE(unsealed_chunks_are_known_to_their_writer_only),
        CASE(chunk_is_stored_once),
        CASE(closed_writer_leaves_only_sealed_packs),
        CASE(place_leads_to_the_segment),
        CASE(asking_for_another_type_finds_nothing_and_harms_nothing),
        CASE(orphans_are_told_by_source),
        CASE(keyed_names_differ_from_names_and_between_stores),
        CASE(writers_are_limited),
        CASE(full_disk_is_refused_and_deleting_still_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
