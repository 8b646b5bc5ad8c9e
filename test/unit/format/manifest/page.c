/* Covers src/format/manifest/manifest_leaf_get.c, manifest_content.c, manifest_inner.c,
 * manifest_page.c, manifest_read.c */
#include "unit.h"

#include "format/manifest/manifest_int.h"
#include "manifest_fixture.h"

/* Decodes everything that a page, or what lies below it, has. */
static int read_page(struct span bytes, struct err *err) {
    AUTO(manifest_page) *page = NULL;
    const struct entry *entry;
    if (manifest_page_open(bytes, &page, err) != 0)
        return -1;
    if (manifest_page_level(page) > 0)
        return 0;
    do {
        if (manifest_page_next(page, &entry, err) != 0)
            return -1;
        if (entry != NULL && manifest_entry_check(entry, err) != 0)
            fail_msg("accepted, though %s", err->text);
    } while (entry != NULL);
    return 0;
}

static void refused(struct span bytes, const char *why) {
    struct err err = {0};
    assert_int_equal(read_page(bytes, &err), -1);
    assert_true(err.code == ERR_FORMAT || err.code == ERR_LIMIT);
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

/* ---- leaves that no builder makes ---- */
struct crafted {
    struct leaf_out *leaf;
    struct buf page;
};

static struct crafted craft(void) {
    struct crafted crafted = {.leaf = mem_new(sizeof *crafted.leaf)};
    manifest_leaf_out_begin(crafted.leaf);
    return crafted;
}

static void craft_add(struct crafted *crafted, const struct entry *entry) {
    size_t shared = manifest_path_shared(buf_span(&crafted->leaf->path), entry->path);
    manifest_leaf_out_add(crafted->leaf, entry, shared);
}

static struct span craft_page(struct crafted *crafted) {
    manifest_leaf_out_page(crafted->leaf, &crafted->page);
    return buf_span(&crafted->page);
}

static void craft_done(struct crafted *crafted) {
    manifest_leaf_out_done(crafted->leaf);
    mem_free(crafted->leaf);
    buf_done(&crafted->page);
}

static struct entry empty_file(const char *path) {
    return (struct entry){.path = span_text(path), .kind = ENTRY_FILE};
}

static void leaves_out_of_order_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *first, *second, *why;
    } cases[] = {
        {"b", "a", "not in order"},       {"a", "a", "not in order"},
        {"ab", "a", "not in order"},      {"a-", "a/b", "not in order"},
        {"a", "a/b", "no listed parent"}, {"a", "b/c", "no listed parent"},
        {"a", "..", "not in order"},      {"-", "..", "a component"},
        {"-", "a/", "a component"},       {"-", "a//b", "a component"},
    };
    for (size_t i = 0; i < ARRAY_N(cases); i++) {
        struct crafted crafted = craft();
        struct entry first = empty_file(cases[i].first), second = empty_file(cases[i].second);
        craft_add(&crafted, &first);
        craft_add(&crafted, &second);
        refused(craft_page(&crafted), cases[i].why);
        craft_done(&crafted);
    }
}

static void impossible_entries_are_refused(void **state) {
    (void)state;
    static const struct chunk_ref ref = {.length = 9};
    static const struct extent extent = {.offset = 5, .length = 10};
    struct entry cases[14];
    for (size_t i = 0; i < ARRAY_N(cases); i++)
        cases[i] = empty_file("f");
    cases[0].kind = 99;
    cases[1].flags = 128;
    cases[2].mode = 0xffff;
    cases[3].size = 5; /* and no content */
    cases[4].refs = &ref;
    cases[4].ref_n = 1; /* and no size */
    cases[5] = (struct entry){.path = span_text("f"), .kind = ENTRY_SYMLINK};
    cases[6] = (struct entry){.path = span_text("f"), .kind = ENTRY_HARDLINK};
    cases[6].link = span_text("g");
    cases[7].flags = ENTRY_SPARSE;
    cases[7].extents = &extent;
    cases[7].extent_n = 1;
    cases[7].size = 14;
    cases[8].xattrs = span_text("no list");
    cases[9].index_page_n = 1;
    cases[9].index_pages = &ref.name;
    cases[9].chunk_n = 64;
    cases[9].size = 1 << 20;
    cases[10] = cases[9];
    cases[10].chunk_n = (1 << 20) + 1;
    cases[11] = cases[9];
    cases[11].chunk_n = 100;
    cases[11].index_level = 4;
    cases[12].refs = &ref;
    cases[12].ref_n = 1;
    cases[12].size = (uint64_t)CHUNK_BYTES_MAX + 1;
    cases[13] = (struct entry){.path = span_text("f"), .kind = ENTRY_DIR, .flags = ENTRY_SPARSE};
    for (size_t i = 0; i < ARRAY_N(cases); i++) {
        struct crafted crafted = craft();
        craft_add(&crafted, &cases[i]);
        refused(craft_page(&crafted), "");
        craft_done(&crafted);
    }
}

/* Columns, counts and tables that do not belong together. */
static void damaged_columns_are_refused(void **state) {
    (void)state;
    for (unsigned k = 0; k < 10; k++) {
        struct crafted crafted = craft();
        struct leaf_out *leaf = crafted.leaf;
        struct buf list = {0};
        entry_xattr_put(&list, span_text("user.a"), span_text("b"));
        struct entry entry = empty_file("f");
        entry.xattrs = k < 3 ? buf_span(&list) : span_of(NULL, 0);
        craft_add(&crafted, &entry);
        static const char *const whys[10] = {
            "attribute list that nothing has",
            "attribute list 1 is malformed",
            "class 0 is malformed",
            "class that nothing has",
            "of no class",
            "numbers of entry",
            "column 2 has bytes left",
            "path of entry",
            "path of entry",
            "numbers of entry",
        };
        switch (k) {
        case 0: /* its class no longer refers to it */
            leaf->column[LEAF_ROWS].p[leaf->column[LEAF_ROWS].n - 1] = 0;
            break;
        case 1: /* more lists than entries */
            buf_put_lstr(&leaf->column[LEAF_XATTRS], buf_span(&list));
            break;
        case 2: /* list 2 of 1 */
            leaf->column[LEAF_ROWS].p[leaf->column[LEAF_ROWS].n - 1] = 2;
            break;
        case 3:
            leaf->entry_n = 2;
            buf_put(&leaf->column[LEAF_ROWS], leaf->column[LEAF_ROWS].p, leaf->column[LEAF_ROWS].n);
            leaf->entry_n = 2;
            for (unsigned c = LEAF_CLASSES; c <= LEAF_CTIMES; c++)
                buf_put_u8(&leaf->column[c], 0);
            buf_put_u8(&leaf->column[LEAF_INODES], 0);
            buf_put_u8(&leaf->column[LEAF_CONTENT], 0);
            buf_put(&leaf->column[LEAF_NAMES], "\0\1g", 3);
            break;
        case 4:
            leaf->column[LEAF_CLASSES].p[0] = 1 << 2;
            break;
        case 5:
            buf_clear(&leaf->column[LEAF_SIZES]);
            break;
        case 6:
            buf_put_u8(&leaf->column[LEAF_SIZES], 0);
            break;
        case 7: /* shares with nothing */
            leaf->column[LEAF_NAMES].p[0] = 1;
            break;
        case 8:
            leaf->column[LEAF_NAMES].p[1] = 2;
            break;
        default: /* no such form of the mtime */
            leaf->column[LEAF_CLASSES].p[0] |= 3;
        }
        refused(craft_page(&crafted), whys[k]);
        buf_done(&list);
        craft_done(&crafted);
    }
}

static void a_time_beyond_its_type_is_refused(void **state) {
    (void)state;
    struct crafted crafted = craft();
    struct entry entry = empty_file("f");
    entry.mtime_ns = 2 * (int64_t)NS_PER_S;
    craft_add(&crafted, &entry);
    struct buf *mtimes = &crafted.leaf->column[LEAF_MTIMES];
    buf_clear(mtimes);
    buf_put_varint(mtimes, zigzag((uint64_t)INT64_MAX / NS_PER_S + 1));
    refused(craft_page(&crafted), "numbers");
    craft_done(&crafted);
}

/* ---- inner pages that no builder makes ---- */
static void inner_pages_out_of_order_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *first, *second, *why;
    } cases[] = {
        {"b", "a", "not in order"}, {"a", "a", "not in order"},   {"", "/", "cannot be"},
        {"a", "b/..", "cannot be"}, {"a/b", "a", "not in order"},
    };
    for (size_t i = 0; i < ARRAY_N(cases); i++) {
        struct inner_out inner = {0};
        struct buf page = {0};
        struct manifest_ref child = {.totals.entries = 1};
        manifest_inner_out_begin(&inner, 1);
        child.first_path = span_text(cases[i].first);
        manifest_inner_out_add(&inner, &child);
        child.first_path = span_text(cases[i].second);
        manifest_inner_out_add(&inner, &child);
        manifest_inner_out_page(&inner, &page);
        refused(buf_span(&page), cases[i].why);
        manifest_inner_out_done(&inner);
        buf_done(&page);
    }
}

/* Prefix compression must not blow a small page up. */
static void leaves_are_bounded_when_unpacked(void **state) {
    (void)state;
    struct crafted crafted = craft();
    struct buf path = {0};
    memset(buf_extend(&path, 60000), 'x', 60000);
    for (unsigned i = 0; i < 80; i++) {
        struct entry entry = {.kind = ENTRY_FILE};
        path.p[path.n - 1] = (uint8_t)('0' + i);
        entry.path = buf_span(&path);
        craft_add(&crafted, &entry);
    }
    assert_in_range(craft_page(&crafted).n, 1, 64000);
    refused(buf_span(&crafted.page), "longer than 4259839 bytes in all");
    craft_done(&crafted);
    buf_done(&path);
}

static void inner_pages_are_bounded_when_unpacked(void **state) {
    (void)state;
    struct inner_out inner = {0};
    struct buf page = {0}, path = {0};
    struct manifest_ref child = {.totals.entries = 1};
    manifest_inner_out_begin(&inner, 1);
    memset(buf_extend(&path, 60000), 'x', 60000);
    for (unsigned i = 0; i < 20; i++) {
        path.p[path.n - 1] = (uint8_t)('a' + i);
        child.first_path = buf_span(&path);
        manifest_inner_out_add(&inner, &child);
    }
    manifest_inner_out_page(&inner, &page);
    assert_in_range(page.n, 1, 64000);
    refused(buf_span(&page), "path of child 9 is malformed");
    manifest_inner_out_done(&inner);
    buf_done(&page);
    buf_done(&path);
}

static void pages_of_other_versions_and_levels_are_refused(void **state) {
    (void)state;
    struct crafted crafted = craft();
    struct entry entry = empty_file("f");
    struct err err = {0};
    craft_add(&crafted, &entry);
    struct span page = craft_page(&crafted);
    assert_int_equal(read_page(page, &err), 0);
    crafted.page.p[0] = 2;
    assert_int_equal(read_page(page, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT_VERSION);
    crafted.page.p[0] = 1;
    crafted.page.p[1] = MANIFEST_DEPTH_MAX;
    refused(page, "level 16");
    crafted.page.p[1] = 0;
    for (size_t n = 0; n < page.n; n++)
        refused(span_of(page.p, n), "");
    buf_reserve(&crafted.page, MANIFEST_PAGE_BYTES_MAX);
    refused(span_of(crafted.page.p, MANIFEST_PAGE_BYTES_MAX + 1), "too many");
    craft_done(&crafted);
}

/* ---- a reader in front of a store that lies ---- */
struct liar {
    struct pages *pages;
    const struct digest *asked; /* for this page */
    const struct digest *given; /* that one comes */
};

static int lie(void *ctx, enum chunk_type type, const struct digest *name, struct span *bytes,
               struct err *err) {
    struct liar *liar = ctx;
    bool now = digest_equal(name, liar->asked);
    return pages_load(liar->pages, type, now ? liar->given : name, bytes, err);
}

static void a_page_in_anothers_place_is_refused(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    struct tree tree = {0};
    struct pages *pages = pages_new();
    struct manifest_info info = {0};
    struct digest root;
    struct err err = {0};
    tree_make(&tree, &seed, 6000);
    assert_int_equal(tree_build(&tree, pages, &info, &root, &err), 0);
    for (unsigned round = 0; round < 60; round++) {
        size_t a = seed_below(&seed, pages->all.n - 1), b = seed_below(&seed, pages->all.n - 1);
        struct liar liar = {
            .pages = pages, .asked = &pages->all.p[a].name, .given = &pages->all.p[b].name};
        AUTO(manifest_reader) *reader = manifest_reader_new(&info.tree, lie, &liar);
        const struct entry *entry;
        int rc;
        do
            rc = manifest_next(reader, &entry, &err);
        while (rc == 0 && entry != NULL);
        assert_int_equal(rc, a == b ? 0 : -1);
        if (rc != 0)
            assert_int_equal(err.code, ERR_FORMAT);
    }
    pages_free(pages);
    tree_done(&tree);
}

/* Totals of a page that its parent tells otherwise. */
static void sums_that_differ_from_the_parents_are_refused(void **state) {
    (void)state;
    struct seed seed = {.state = 5};
    struct tree tree = {0};
    struct pages *pages = pages_new();
    struct manifest_info info = {0};
    struct digest root;
    struct err err = {0};
    tree_make(&tree, &seed, 3000);
    assert_int_equal(tree_build(&tree, pages, &info, &root, &err), 0);
    assert_true(info.tree.level > 0);
    for (unsigned k = 0; k < 5; k++) {
        uint64_t *totals[] = {&info.tree.totals.entries, &info.tree.totals.files,
                              &info.tree.totals.dirs, &info.tree.totals.bytes,
                              &info.tree.totals.problems};
        const struct entry *entry;
        (*totals[k])++;
        AUTO(manifest_reader) *reader = manifest_reader_new(&info.tree, pages_load, pages);
        assert_int_equal(manifest_next(reader, &entry, &err), -1);
        assert_non_null(strstr(err.text, "sums"));
        (*totals[k])--;
    }
    pages_free(pages);
    tree_done(&tree);
}

/* Any damage to any page: refused, or (rarely) still a page; never anything else. */
static void damaged_pages_are_refused_or_sound(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    struct tree tree = {0};
    struct pages *pages = pages_new();
    struct manifest_info info = {0};
    struct digest root;
    struct err err = {0};
    unsigned taken = 0, rounds = 6000;
    tree_make(&tree, &seed, 3000);
    assert_int_equal(tree_build(&tree, pages, &info, &root, &err), 0);
    for (unsigned round = 0; round < rounds; round++) {
        const struct stored *stored = &pages->all.p[seed_below(&seed, pages->all.n)];
        size_t n = stored->bytes.n;
        uint8_t *copy = mem_copy(stored->bytes.p, n);
        for (uint64_t k = 1 + seed_below(&seed, 3); k > 0; k--) {
            size_t at = seed_one_in(&seed, 2) ? seed_below(&seed, MIN(n, (size_t)40))
                                              : seed_below(&seed, n);
            copy[at] = (uint8_t)(seed_one_in(&seed, 2) ? seed_u64(&seed)
                                                       : copy[at] ^ 1u << seed_below(&seed, 8));
        }
        if (seed_one_in(&seed, 8))
            n = seed_below(&seed, n);
        if (stored->type == CHUNK_TREE)
            taken += read_page(span_of(copy, n), &err) == 0;
        else
            (void)!manifest_info_get(span_of(copy, n), &(struct manifest_info){0}, &err);
        mem_free(copy);
    }
    printf("%u of %u damaged pages decode (names, times and digests can be anything)\n", taken,
           rounds);
    pages_free(pages);
    tree_done(&tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_out_of_order_are_refused),
        cmocka_unit_test(impossible_entries_are_refused),
        cmocka_unit_test(damaged_columns_are_refused),
        cmocka_unit_test(a_time_beyond_its_type_is_refused),
        cmocka_unit_test(inner_pages_out_of_order_are_refused),
        cmocka_unit_test(leaves_are_bounded_when_unpacked),
        cmocka_unit_test(inner_pages_are_bounded_when_unpacked),
        cmocka_unit_test(pages_of_other_versions_and_levels_are_refused),
        cmocka_unit_test(a_page_in_anothers_place_is_refused),
        cmocka_unit_test(sums_that_differ_from_the_parents_are_refused),
        cmocka_unit_test(damaged_pages_are_refused_or_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
