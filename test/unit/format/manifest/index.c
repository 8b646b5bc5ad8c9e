/* Covers src/format/manifest/manifest_index.c, manifest_refs.c */
#include "unit.h"

#include "manifest_fixture.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        static struct err err; /* not on the stack: there is one for each use */                   \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s (%s:%d)", #call, err.text, err.func, err.line);                       \
    } while (0)

static void refs_fill(struct seed *seed, struct chunk_ref *refs, size_t n) {
    for (size_t i = 0; i < n; i++) {
        seed_fill(seed, refs[i].name.b, sizeof refs[i].name.b);
        refs[i].length = 1 + (uint32_t)seed_below(seed, CHUNK_BYTES_MAX);
    }
}

static void index_pages_read_back_equal(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    static struct chunk_ref in[MANIFEST_INDEX_REFS], out[MANIFEST_INDEX_REFS];
    static struct digest names[MANIFEST_INDEX_REFS];
    static const size_t sizes[] = {1, 2, 63, 64, 65, 1023, 1024};
    for (size_t k = 0; k < ARRAY_N(sizes); k++) {
        struct buf page = {0};
        size_t n = 0, name_n = 0;
        uint8_t level = 9;
        refs_fill(&seed, in, sizes[k]);
        manifest_index_put(&page, in, sizes[k]);
        OK(manifest_index_get(buf_span(&page), out, ARRAY_N(out), &n, &err));
        OK(manifest_index_names(buf_span(&page), names, &name_n, &level, &err));
        assert_int_equal(n, sizes[k]);
        assert_int_equal(name_n, sizes[k]);
        assert_int_equal(level, 0);
        for (size_t i = 0; i < n; i++) {
            assert_true(digest_equal(&in[i].name, &out[i].name) && in[i].length == out[i].length);
            assert_true(digest_equal(&in[i].name, &names[i]));
        }
        struct err err = {0};
        assert_int_equal(manifest_index_get(buf_span(&page), out, n - 1, &n, &err), -1);
        for (size_t cut = 0; cut < page.n; cut += 1 + cut / 50)
            assert_int_equal(manifest_index_get(span_of(page.p, cut), out, ARRAY_N(out), &n, &err),
                             -1);
        buf_put_u8(&page, 0);
        assert_int_equal(manifest_index_get(buf_span(&page), out, ARRAY_N(out), &n, &err), -1);
        assert_int_equal(err.code, ERR_FORMAT);
        page.p[0] = 2;
        assert_int_equal(manifest_index_get(buf_span(&page), out, ARRAY_N(out), &n, &err), -1);
        assert_int_equal(err.code, ERR_FORMAT_VERSION);
        buf_done(&page);
    }
}

/* A file of `page_n` index pages of four references each, as a manifest of its own. */
struct big {
    struct pages *pages;
    struct manifest_info info;
    struct chunk_ref *refs;
    size_t ref_n;
    uint64_t bytes;
};

static void big_make(struct big *big, struct seed *seed, uint32_t page_n, uint64_t hole) {
    struct digest *names = mem_new_array(page_n, sizeof *names), root;
    *big = (struct big){.pages = pages_new(), .ref_n = 4 * (size_t)page_n};
    big->refs = mem_new_array(big->ref_n, sizeof *big->refs);
    refs_fill(seed, big->refs, big->ref_n);
    for (uint32_t i = 0; i < page_n; i++) {
        struct buf page = {0};
        manifest_index_put(&page, big->refs + 4 * i, 4);
        hash_typed(CHUNK_INDEX, buf_span(&page), &names[i]);
        OK(pages_emit(big->pages, CHUNK_INDEX, &names[i], buf_span(&page), &err));
        buf_done(&page);
    }
    for (size_t i = 0; i < big->ref_n; i++)
        big->bytes += big->refs[i].length;
    struct extent extent = {.offset = hole, .length = big->bytes};
    struct entry entry = {.path = span_text("big"),
                          .kind = ENTRY_FILE,
                          .size = hole + big->bytes,
                          .flags = hole > 0 ? ENTRY_SPARSE : 0,
                          .extents = &extent,
                          .extent_n = hole > 0,
                          .index_pages = names,
                          .index_page_n = page_n,
                          .chunk_n = big->ref_n};
    struct manifest_builder *builder = manifest_builder_new(pages_emit, big->pages);
    OK(manifest_add(builder, &entry, &err));
    OK(manifest_finish(builder, &big->info, &root, &err));
    manifest_builder_free(builder);
    mem_free(names);
}

static void big_done(struct big *big) {
    mem_free(big->refs);
    pages_free(big->pages);
}

static struct entry big_entry(struct big *big, struct manifest_reader **reader) {
    const struct entry *entry;
    *reader = manifest_reader_new(&big->info.tree, pages_load, big->pages);
    OK(manifest_next(*reader, &entry, &err));
    assert_non_null(entry);
    return *entry;
}

static void references_come_back_from_any_number_of_pages(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    static const struct {
        uint32_t page_n;
        uint8_t level;
    } cases[] = {{17, 0}, {256, 0}, {257, 1}, {5000, 1}, {40000, 1}};
    for (size_t k = 0; k < ARRAY_N(cases); k++) {
        struct big big;
        struct manifest_reader *reader;
        const struct chunk_ref *ref;
        big_make(&big, &seed, cases[k].page_n, k % 2 == 0 ? 0 : 4096);
        struct entry entry = big_entry(&big, &reader);
        assert_int_equal(entry.index_level, cases[k].level);
        assert_in_range(entry.index_page_n, 1, MANIFEST_INDEX_PAGES_MAX);
        struct manifest_refs *refs = manifest_refs_new(&entry, pages_load, big.pages);
        for (size_t i = 0; i < big.ref_n; i++) {
            OK(manifest_refs_next(refs, &ref, &err));
            assert_non_null(ref);
            assert_true(digest_equal(&ref->name, &big.refs[i].name));
            assert_int_equal(ref->length, big.refs[i].length);
        }
        for (unsigned i = 0; i < 2; i++) {
            OK(manifest_refs_next(refs, &ref, &err));
            assert_null(ref);
        }
        manifest_refs_free(refs);
        manifest_reader_free(reader);
        big_done(&big);
    }
}

/* The entry as read goes into the next manifest as it is. */
static void folded_entries_are_taken_over_unchanged(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    struct big big;
    struct manifest_reader *reader;
    big_make(&big, &seed, 3000, 0);
    struct entry entry = big_entry(&big, &reader);
    struct manifest_builder *builder = manifest_builder_new(pages_emit, big.pages);
    struct manifest_info info = {0};
    struct digest root;
    OK(manifest_add(builder, &entry, &err));
    OK(manifest_finish(builder, &info, &root, &err));
    assert_memory_equal(&info.tree.page, &big.info.tree.page, sizeof info.tree.page);
    manifest_builder_free(builder);
    manifest_reader_free(reader);
    big_done(&big);
}

/* A page too many in the middle moves one cut: most pages of pages stay. */
static void an_insertion_keeps_most_pages_of_pages(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    struct pages *pages = pages_new();
    size_t n = 60000;
    struct digest *names = mem_new_array(n + 1, sizeof *names), root;
    seed_fill(&seed, names, n * sizeof *names);
    struct entry entry = {.path = span_text("big"),
                          .kind = ENTRY_FILE,
                          .size = (uint64_t)1 << 40,
                          .index_pages = names,
                          .index_page_n = (uint32_t)n,
                          .chunk_n = n * 1024};
    size_t made[2];
    for (unsigned k = 0; k < 2; k++) {
        struct manifest_info info = {0};
        struct manifest_builder *builder = manifest_builder_new(pages_emit, pages);
        OK(manifest_add(builder, &entry, &err));
        OK(manifest_finish(builder, &info, &root, &err));
        manifest_builder_free(builder);
        made[k] = pages->all.n;
        memmove(names + 20001, names + 20000, (n - 20000) * sizeof *names);
        seed_fill(&seed, &names[20000], sizeof *names);
        entry.index_page_n++;
    }
    assert_in_range(made[0], 60, 60000 / 128);
    assert_in_range(made[1] - made[0], 1, 12);
    mem_free(names);
    pages_free(pages);
}

static int refs_all(struct manifest_refs *refs, struct err *err) {
    const struct chunk_ref *ref;
    do
        if (manifest_refs_next(refs, &ref, err) != 0)
            return -1;
    while (ref != NULL);
    return 0;
}

static void pages_that_do_not_fit_the_entry_are_refused(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    struct big big;
    struct manifest_reader *reader;
    big_make(&big, &seed, 300, 0);
    for (unsigned k = 0; k < 6; k++) {
        struct entry entry = big_entry(&big, &reader);
        struct err err = {0};
        entry.chunk_n += k == 0;
        entry.chunk_n -= k == 1;
        entry.size += k == 2;
        entry.size -= k == 3;
        if (k >= 4)
            entry.index_level = k == 4 ? 0 : 2;
        struct manifest_refs *refs = manifest_refs_new(&entry, pages_load, big.pages);
        assert_int_equal(refs_all(refs, &err), -1);
        assert_int_equal(err.code, ERR_FORMAT);
        manifest_refs_free(refs);
        manifest_reader_free(reader);
    }
    big_done(&big);
}

static void references_in_the_entry_need_no_page(void **state) {
    (void)state;
    static const struct chunk_ref two[2] = {{.name = {{1}}, .length = 3},
                                            {.name = {{2}}, .length = 4}};
    struct entry entry = {.path = span_text("f"),
                          .kind = ENTRY_FILE,
                          .size = 7,
                          .refs = two,
                          .ref_n = 2,
                          .chunk_n = 2};
    struct manifest_refs *refs = manifest_refs_new(&entry, NULL, NULL);
    const struct chunk_ref *ref;
    OK(manifest_refs_next(refs, &ref, &err));
    assert_int_equal(ref->length, 3);
    OK(manifest_refs_next(refs, &ref, &err));
    assert_int_equal(ref->length, 4);
    OK(manifest_refs_next(refs, &ref, &err));
    assert_null(ref);
    manifest_refs_free(refs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_pages_read_back_equal),
        cmocka_unit_test(references_come_back_from_any_number_of_pages),
        cmocka_unit_test(folded_entries_are_taken_over_unchanged),
        cmocka_unit_test(an_insertion_keeps_most_pages_of_pages),
        cmocka_unit_test(pages_that_do_not_fit_the_entry_are_refused),
        cmocka_unit_test(references_in_the_entry_need_no_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
