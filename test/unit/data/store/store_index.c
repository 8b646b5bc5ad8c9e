/* Covers src/data/store/store_memtable.c, store_filter.c, store_run.c, store_run_write.c,
 * store_merge.c, store_table.c. */
#include "data/store/store_int.h"
#include "store_fixture.h"

/* Row i of n: names ascend evenly, as hashes do. */
static struct store_row row_of(uint64_t i, uint64_t n, uint32_t pack) {
    struct seed seed = {.state = i};
    struct store_row row = {.pack = pack,
                            .segment = (uint32_t)(96 + i % 1000 * 70000),
                            .offset = (uint32_t)(i % 131072),
                            .length = (uint32_t)(1 + i % CHUNK_BYTES_MAX)};
    uint64_t step = UINT64_MAX / n;
    be64_put(row.name, i * step + seed_below(&seed, step));
    be64_put(row.name + 8, seed_u64(&seed));
    return row;
}

static uint32_t pack_add(struct store *store, uint64_t number) {
    struct store_pack pack = {.bytes = 64u << 20, .chunk_n = 875, .state = STORE_PACK_SEALED};
    struct seed seed = {.state = number};
    seed_fill(&seed, pack.id, sizeof pack.id);
    return store_table_add(&store->table, &pack);
}

static struct store_run *run_of(struct store *store, uint64_t number, const struct store_row *rows,
                                size_t n, const uint32_t *packs, size_t pack_n) {
    struct store_run_writer *writer;
    struct store_run *run;
    struct store_run_plan plan = {
        .low = number, .high = number, .row_n_max = n, .packs = packs, .pack_n = pack_n};
    OK(store_run_writer_new(store, &plan, &writer, &err));
    for (size_t i = 0; i < n; i++)
        OK(store_run_writer_add(writer, &rows[i], &err));
    OK(store_run_writer_finish(writer, &err));
    store_run_writer_free(writer);
    OK(store_index_open_run(store, number, number, &run, &err));
    return run;
}

static bool run_has(struct store_run *run, const struct store_row *want) {
    struct store_run_page page = {.row_n = 0};
    struct store_row row;
    uint64_t position;
    OK(store_run_find(run, want->name, &page, &row, &position, &err));
    if (position == STORE_ROW_NOWHERE)
        return false;
    assert_int_equal(row.pack, want->pack);
    assert_int_equal(row.segment, want->segment);
    assert_int_equal(row.offset, want->offset);
    assert_int_equal(row.length, want->length);
    return true;
}

static void memtable_keeps_the_newest_row_of_a_name(void **state) {
    (void)state;
    struct store_memtable table;
    const uint64_t n = 20000;
    store_memtable_init(&table);
    for (unsigned round = 0; round < 2; round++)
        for (uint64_t i = 0; i < n; i++) {
            struct store_row row = row_of(i, n, round);
            store_memtable_put(&table, &row);
        }
    assert_int_equal(table.n, n);
    assert_true(table.n * 4 <= table.slot_n * 3);
    for (uint64_t i = 0; i < n; i++) {
        struct store_row row = row_of(i, n, 1);
        const struct store_row *found = store_memtable_get(&table, row.name);
        assert_non_null(found);
        assert_int_equal(found->pack, 1);
        row.name[15] ^= 1;
        assert_null(store_memtable_get(&table, row.name));
    }
    struct store_row *rows = store_memtable_sorted(&table);
    for (uint64_t i = 1; i < n; i++)
        assert_true(memcmp(rows[i - 1].name, rows[i].name, STORE_NAME_BYTES) < 0);
    mem_free(rows);
    store_memtable_done(&table);
}

static void filter_forgets_nothing_and_seldom_lies(void **state) {
    (void)state;
    const uint64_t n = 100000;
    uint32_t blocks = store_filter_blocks(n);
    uint8_t *filter = mem_new_array(blocks, STORE_FILTER_BLOCK_BYTES);
    uint64_t lies = 0;
    for (uint64_t i = 0; i < n; i++) {
        struct store_row row = row_of(i, n, 0);
        store_filter_add(filter, blocks, row.name);
    }
    for (uint64_t i = 0; i < 2 * n; i++) {
        struct store_row row = row_of(i, n, 0);
        bool may = store_filter_may_have(filter, blocks, row.name);
        assert_true(may || i >= n);
        lies += may && i >= n;
    }
    assert_true(lies * 100 < n); /* below 1 %: 0.5 % are expected */
    mem_free(filter);
}

/* docs/format/index.md promises 2 bytes of memory a chunk. */
static void run_needs_less_than_two_bytes_a_chunk(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    const uint64_t n = 4u << 20, per_pack = 875, pack_n = n / per_pack + 1;
    struct store_run_writer *writer;
    struct store_run *run;
    MEM_AUTO uint32_t *packs = mem_new_array(pack_n, sizeof *packs);
    for (uint64_t i = 0; i < pack_n; i++)
        packs[i] = pack_add(store, i);
    struct store_run_plan plan = {
        .low = 1, .high = 1, .row_n_max = n, .packs = packs, .pack_n = pack_n};
    OK(store_run_writer_new(store, &plan, &writer, &err));
    for (uint64_t i = 0; i < n; i++) {
        struct store_row row = row_of(i, n, packs[i % pack_n]);
        OK(store_run_writer_add(writer, &row, &err));
    }
    OK(store_run_writer_finish(writer, &err));
    store_run_writer_free(writer);
    OK(store_index_open_run(store, 1, 1, &run, &err));
    uint64_t table = store->table.packs.n * sizeof(struct store_pack) +
                     store->table.slot_n * sizeof *store->table.slots;
    double each = (double)(store_run_memory(run) + table) / (double)n;
    printf("%llu chunks in %llu packs: %.3f bytes of memory a chunk\n", (unsigned long long)n,
           (unsigned long long)pack_n, each);
    assert_true(each < 2.0);
    uint64_t lies = 0;
    for (uint64_t i = 0; i < n; i += 997) {
        struct store_row row = row_of(i, n, packs[i % pack_n]);
        assert_true(run_has(run, &row));
        row.name[15] ^= 1;
        lies += store_filter_may_have(run->filter, run->filter_n, row.name);
        assert_false(run_has(run, &row));
    }
    assert_true(lies < n / 997 / 50);
    store_run_unref(run);
}

/* Names that share the eight bytes a fence holds, over several pages. */
static void names_with_equal_fences_are_all_found(void **state) {
    struct fixture *fixture = *state;
    uint32_t pack = pack_add(fixture->store, 1);
    struct store_row rows[500];
    for (uint32_t i = 0; i < ARRAY_N(rows); i++) {
        rows[i] = (struct store_row){.pack = pack, .segment = 96 + i, .length = 1};
        be64_put(rows[i].name, i < 50 ? 3 : i < 450 ? 5 : 9);
        be64_put(rows[i].name + 8, 2 * i);
    }
    struct store_run *run = run_of(fixture->store, 1, rows, ARRAY_N(rows), &pack, 1);
    for (size_t i = 0; i < ARRAY_N(rows); i++) {
        assert_true(run_has(run, &rows[i]));
        rows[i].name[15] ^= 1;
        assert_false(run_has(run, &rows[i]));
    }
    store_run_unref(run);
}

static void runs_of_every_small_size_work(void **state) {
    struct fixture *fixture = *state;
    uint32_t pack = pack_add(fixture->store, 1);
    static const size_t sizes[] = {0, 1, 126, 127, 128, 254, 255, 127 * 65};
    for (size_t s = 0; s < ARRAY_N(sizes); s++) {
        size_t n = sizes[s];
        MEM_AUTO struct store_row *rows = mem_new_array(n, sizeof *rows);
        for (size_t i = 0; i < n; i++)
            rows[i] = row_of(i, n, pack);
        struct store_run *run = run_of(fixture->store, s + 1, rows, n, &pack, 1);
        assert_int_equal(run->row_n, n);
        for (size_t i = 0; i < n; i++)
            assert_true(run_has(run, &rows[i]));
        struct store_row other = row_of(12345, 99999, pack);
        assert_false(run_has(run, &other));
        store_run_unref(run);
    }
}

static void run_names_are_parsed_strictly(void **state) {
    (void)state;
    uint64_t low, high;
    char name[OS_NAME_MAX];
    store_run_name(name, 5, 0x1234567890abcdef);
    assert_true(store_run_parse(name, &low, &high));
    assert_int_equal(low, 5);
    assert_int_equal(high, 0x1234567890abcdef);
    assert_false(store_run_parse("0000000000000005-0000000000000004.run", &low, &high));
    assert_false(store_run_parse("0000000000000005-0000000000000006.run.tmp", &low, &high));
    assert_false(store_run_parse("000000000000000g-0000000000000006.run", &low, &high));
    assert_false(store_run_parse("0000000000000005_0000000000000006.run", &low, &high));
    assert_false(store_run_parse("lock", &low, &high));
}

/* A crash between the rename of a merged run and the removal of its inputs. */
static void replaced_runs_are_removed_at_start(void **state) {
    struct fixture *fixture = *state;
    char folder[OS_PATH_MAX];
    os_names names = {0};
    (void)text_format(folder, sizeof folder, "%s/index", fixture->dir);
    store_range(fixture, 0, 20);
    fixture_reopen(fixture);
    OS_FD_AUTO int fd = OS_FD_NONE;
    OK(os_dir_open(OS_FD_CWD, folder, &fd, &err));
    OK(os_list(fd, &names, &err));
    assert_int_equal(names.n, 1);
    store_close(TAKE(fixture->store));
    struct buf bytes = {0};
    OK(os_load(fd, names.p[0], 1u << 20, &bytes, &err));
    /* an unfinished one, one that does not verify, and a copy under the numbers of an input */
    OK(durable_write(fd, "0000000000000009-0000000000000009.run.tmp", buf_span(&bytes), 0600, false,
                     &err));
    OK(durable_write(fd, "0000000000000009-0000000000000009.run", buf_span(&bytes), 0600, false,
                     &err));
    fixture_open(fixture);
    os_names_done(&names);
    OK(os_list(fd, &names, &err));
    assert_int_equal(names.n, 1);
    assert_int_equal(read_range(fixture, 0, 20), 20);
    os_names_done(&names);
    buf_done(&bytes);
}

static void table_finds_packs_and_their_damage(void **state) {
    (void)state;
    struct store_table table = {.slot_n = 0};
    struct store_pack pack = {.state = STORE_PACK_SEALED};
    assert_int_equal(store_table_find(&table, pack.id), STORE_NO_PACK);
    for (uint64_t i = 0; i < 1000; i++) {
        struct seed seed = {.state = i};
        seed_fill(&seed, pack.id, sizeof pack.id);
        assert_int_equal(store_table_add(&table, &pack), i);
    }
    for (uint64_t i = 0; i < 1000; i++) {
        struct seed seed = {.state = i};
        seed_fill(&seed, pack.id, sizeof pack.id);
        assert_int_equal(store_table_find(&table, pack.id), i);
    }
    assert_true(store_table_damage(&table, 5, 96));
    assert_false(store_table_damage(&table, 5, 96));
    assert_true(store_table_damage(&table, 6, 96));
    assert_true(store_table_readable(&table, 5, 200));
    assert_false(store_table_readable(&table, 5, 96));
    assert_true(store_table_damage(&table, 5, STORE_WHOLE_PACK));
    assert_false(store_table_readable(&table, 5, 200));
    store_table_mend(&table, 5);
    assert_true(store_table_readable(&table, 5, 96));
    assert_false(store_table_readable(&table, 6, 96));
    assert_false(store_table_readable(&table, STORE_NO_PACK, 96));
    store_table_done(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memtable_keeps_the_newest_row_of_a_name),
        cmocka_unit_test(filter_forgets_nothing_and_seldom_lies),
        CASE(run_needs_less_than_two_bytes_a_chunk),
        CASE(names_with_equal_fences_are_all_found),
        CASE(runs_of_every_small_size_work),
        cmocka_unit_test(run_names_are_parsed_strictly),
        CASE(replaced_runs_are_removed_at_start),
        cmocka_unit_test(table_finds_packs_and_their_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
