/* Covers src/format/manifest/manifest_build.c, manifest_read.c, manifest_diff.c,
 * manifest_leaf_get.c, manifest_leaf_put.c, manifest_inner.c, manifest_page.c, manifest_content.c
 */
#include "unit.h"

#include "manifest_fixture.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        static struct err err; /* not on the stack: there is one for each use */                   \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s (%s:%d)", #call, err.text, err.func, err.line);                       \
    } while (0)

static size_t random_size(struct seed *seed) {
    static const size_t sizes[] = {1, 2, 30, 700, 5000, 60000};
    return 1 + seed_below(seed, sizes[seed_below(seed, ARRAY_N(sizes))]);
}

static void random_trees_read_back_equal(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    for (unsigned round = 0; round < 12; round++) {
        struct tree tree = {0};
        struct pages *pages = pages_new();
        struct manifest_info info = {.computer = "a.example", .root_path = "/srv"}, again;
        struct digest root;
        tree_make(&tree, &seed, random_size(&seed));
        OK(tree_build(&tree, pages, &info, &root, &err));
        struct span record;
        OK(pages_load(pages, CHUNK_MANIFEST, &root, &record, &err));
        OK(manifest_info_get(record, &again, &err));
        struct manifest_totals sums = {0};
        struct manifest_reader *reader = manifest_reader_new(&again.tree, pages_load, pages);
        const struct entry *entry;
        for (size_t i = 0; i < tree.entries.n; i++) {
            OK(manifest_next(reader, &entry, &err));
            assert_non_null(entry);
            assert_true(entry_same(entry, &tree.entries.p[i]));
            sums.entries++;
            sums.dirs += entry->kind == ENTRY_DIR;
            sums.bytes += entry->kind == ENTRY_FILE ? entry->size : 0;
        }
        OK(manifest_next(reader, &entry, &err));
        assert_null(entry);
        OK(manifest_next(reader, &entry, &err));
        assert_null(entry);
        assert_true(sums.entries == again.tree.totals.entries);
        assert_true(sums.dirs == again.tree.totals.dirs);
        assert_true(sums.bytes == again.tree.totals.bytes);
        manifest_reader_free(reader);
        pages_free(pages);
        tree_done(&tree);
    }
}

/* Some entries removed, changed or added: a second generation of the tree.  Only what is neither a
 * folder nor the target of a link is removed. */
static void mutate(struct tree *tree, struct seed *seed, size_t edits) {
    for (size_t k = 0; k < edits; k++) {
        size_t i = seed_below(seed, tree->entries.n);
        struct entry *entry = &tree->entries.p[i];
        bool removable = entry->kind != ENTRY_DIR && entry->kind != ENTRY_FILE;
        if (seed_one_in(seed, 3) && removable) {
            memmove(entry, entry + 1, (--tree->entries.n - i) * sizeof *entry);
        } else if (seed_one_in(seed, 2)) {
            struct entry fresh = {.kind = ENTRY_FILE};
            struct span parent = entry->path;
            while (entry->kind != ENTRY_DIR && parent.n > 0 && parent.p[parent.n - 1] != '/')
                parent.n--;
            if (entry->kind != ENTRY_DIR && parent.n > 0)
                parent.n--;
            fresh.path = tree_path(tree, seed, parent, (unsigned)(0x10000000 + k));
            tree_entry(tree, seed, &fresh);
            *vec_push(&tree->entries) = fresh;
            qsort(tree->entries.p, tree->entries.n, sizeof *tree->entries.p, tree_order);
        } else {
            struct entry fresh = {.kind = entry->kind, .path = entry->path};
            if (entry->kind == ENTRY_HARDLINK)
                fresh.link = entry->link;
            struct span link = fresh.link;
            tree_entry(tree, seed, &fresh);
            if (entry->kind == ENTRY_HARDLINK)
                fresh.link = link;
            *entry = fresh;
        }
    }
}

/* How many entries from tree[i] on are those of the leaf, when that is all of it; else 0. */
static size_t leaf_unchanged(const struct tree *tree, size_t i, const struct manifest_ref *leaf,
                             struct pages *pages) {
    struct manifest_page *page;
    struct span bytes;
    const struct entry *entry;
    OK(pages_load(pages, CHUNK_TREE, &leaf->page, &bytes, &err));
    OK(manifest_page_open(bytes, &page, &err));
    OK(manifest_page_expect(page, leaf, &err));
    size_t n = 0;
    for (;; n++) {
        OK(manifest_page_next(page, &entry, &err));
        if (entry == NULL || i + n == tree->entries.n ||
            !entry_same(entry, &tree->entries.p[i + n]))
            break;
    }
    manifest_page_free(page);
    return entry == NULL ? n : 0;
}

/* The way an agent does it: a leaf whose every entry is unchanged is taken as it is. */
static size_t build_on(const struct tree *tree, const struct manifest_ref *old, struct pages *pages,
                       struct manifest_info *info, struct digest *root) {
    struct manifest_builder *builder = manifest_builder_new(pages_emit, pages);
    struct manifest_reader *reader = manifest_reader_new(old, pages_load, pages);
    size_t taken = 0;
    for (size_t i = 0; i < tree->entries.n;) {
        struct span path = tree->entries.p[i].path;
        const struct manifest_ref *leaf;
        for (;;) {
            OK(manifest_peek_leaf(reader, &leaf, &err));
            if (leaf == NULL || manifest_path_compare(leaf->first_path, path) >= 0)
                break;
            manifest_skip_leaf(reader);
        }
        size_t n = 0;
        if (leaf != NULL && span_equal(leaf->first_path, path) && manifest_at_boundary(builder))
            n = leaf_unchanged(tree, i, leaf, pages);
        if (n > 0)
            OK(manifest_add_leaf(builder, leaf, &err));
        else
            OK(manifest_add(builder, &tree->entries.p[i], &err));
        taken += n > 0;
        i += MAX(n, (size_t)1);
    }
    OK(manifest_finish(builder, info, root, &err));
    manifest_builder_free(builder);
    manifest_reader_free(reader);
    return taken;
}

static void taking_unchanged_leaves_gives_the_tree_of_a_full_build(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    size_t taken = 0;
    for (unsigned round = 0; round < 8; round++) {
        struct tree tree = {0};
        struct pages *pages = pages_new();
        struct manifest_info old = {0}, full = {0}, part = {0};
        struct digest root, full_root, part_root;
        tree_make(&tree, &seed, 1 + seed_below(&seed, 12000));
        OK(tree_build(&tree, pages, &old, &root, &err));
        mutate(&tree, &seed, seed_below(&seed, 12));
        OK(tree_build(&tree, pages, &full, &full_root, &err));
        taken += build_on(&tree, &old.tree, pages, &part, &part_root);
        assert_memory_equal(&part_root, &full_root, sizeof root);
        pages_free(pages);
        tree_done(&tree);
    }
    assert_true(taken > 0);
}

static void an_edit_rewrites_one_leaf_and_the_pages_above(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    struct tree tree = {0};
    struct pages *pages = pages_new();
    struct manifest_info info = {0};
    struct digest root;
    tree_make(&tree, &seed, 40000);
    OK(tree_build(&tree, pages, &info, &root, &err));
    size_t pages_n = pages->all.n;
    assert_true(pages_n > 40);
    for (unsigned round = 0; round < 10; round++) {
        size_t before = pages->all.n;
        struct entry *entry = &tree.entries.p[seed_below(&seed, tree.entries.n)];
        entry->mtime_ns += 1;
        entry->ctime_ns += 1000;
        OK(tree_build(&tree, pages, &info, &root, &err));
        assert_in_range(pages->all.n - before, 2, 2 + info.tree.level); /* leaf, path, record */
    }
    for (unsigned round = 0; round < 5; round++) {
        size_t before = pages->all.n;
        mutate(&tree, &seed, 1);
        OK(tree_build(&tree, pages, &info, &root, &err));
        assert_in_range(pages->all.n - before, 0, 12); /* a cut may come or go, a few pages shift */
    }
    pages_free(pages);
    tree_done(&tree);
}

static void leaves_are_of_the_size_planned(void **state) {
    (void)state;
    struct seed seed = {.state = 1};
    struct tree tree = {0};
    struct pages *pages = pages_new();
    struct manifest_info info = {0};
    struct digest root;
    tree_make(&tree, &seed, 60000);
    OK(tree_build(&tree, pages, &info, &root, &err));
    uint64_t leaves = 0, bytes = 0, small = 0;
    for (size_t i = 0; i < pages->all.n; i++) {
        const struct stored *stored = &pages->all.p[i];
        if (stored->type != CHUNK_TREE || stored->bytes.p[1] != 0)
            continue;
        leaves++;
        bytes += stored->bytes.n;
        small += stored->bytes.n < 12 * 1024;
        assert_in_range(stored->bytes.n, 1, 140 * 1024);
    }
    printf("%llu leaves of %llu bytes on average\n", (unsigned long long)leaves,
           (unsigned long long)(bytes / leaves));
    assert_in_range(bytes / leaves, 32 * 1024, 64 * 1024);
    assert_in_range(small, 0, 1); /* the last */
    pages_free(pages);
    tree_done(&tree);
}

static void seek_stands_where_a_walk_would(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    for (unsigned round = 0; round < 6; round++) {
        struct tree tree = {0};
        struct pages *pages = pages_new();
        struct manifest_info info = {0};
        struct digest root;
        tree_make(&tree, &seed, random_size(&seed));
        OK(tree_build(&tree, pages, &info, &root, &err));
        struct manifest_reader *reader = manifest_reader_new(&info.tree, pages_load, pages);
        for (unsigned k = 0; k < 60; k++) {
            uint8_t text[5000];
            struct span base = tree.entries.p[seed_below(&seed, tree.entries.n)].path;
            memcpy(text, base.p != NULL ? base.p : text, base.n);
            struct span path = span_of(text, base.n);
            if (path.n > 0 && seed_one_in(&seed, 2))
                text[seed_below(&seed, path.n)] = (uint8_t)seed_u64(&seed);
            if (seed_one_in(&seed, 3))
                text[path.n++] = (uint8_t)seed_u64(&seed);
            if (path.n > 0 && seed_one_in(&seed, 3))
                path.n = seed_below(&seed, path.n);
            size_t at = 0;
            while (at < tree.entries.n && manifest_path_compare(tree.entries.p[at].path, path) < 0)
                at++;
            uint64_t loaded = pages->loaded_n;
            OK(manifest_seek(reader, path, &err));
            assert_in_range(pages->loaded_n - loaded, 1, info.tree.level + 1u);
            for (size_t i = at; i <= tree.entries.n && i < at + 900; i++) {
                const struct entry *entry;
                OK(manifest_next(reader, &entry, &err));
                assert_int_equal(entry == NULL, i == tree.entries.n);
                assert_true(entry == NULL || entry_same(entry, &tree.entries.p[i]));
            }
        }
        manifest_reader_free(reader);
        pages_free(pages);
        tree_done(&tree);
    }
}

/* ---- diff ---- */
struct expected {
    const struct entry *a, *b;
};
struct found {
    VEC(struct expected) list;
    size_t next;
};

static int found_one(void *ctx, const struct entry *a, const struct entry *b, struct err *err) {
    struct found *found = ctx;
    if (found->next == found->list.n)
        return ERR(err, ERR_INTERNAL, "one difference too many");
    struct expected e = found->list.p[found->next++];
    if ((a == NULL) != (e.a == NULL) || (b == NULL) != (e.b == NULL) ||
        (a != NULL && !entry_same(a, e.a)) || (b != NULL && !entry_same(b, e.b)))
        return ERR(err, ERR_INTERNAL, "another difference");
    return 0;
}

static void expect_naive(struct found *found, const struct tree *a, const struct tree *b) {
    for (size_t i = 0, k = 0; i < a->entries.n || k < b->entries.n;) {
        const struct entry *x = i < a->entries.n ? &a->entries.p[i] : NULL;
        const struct entry *y = k < b->entries.n ? &b->entries.p[k] : NULL;
        int order = x == NULL ? 1 : y == NULL ? -1 : manifest_path_compare(x->path, y->path);
        if (order < 0)
            *vec_push(&found->list) = (struct expected){.a = x};
        if (order > 0)
            *vec_push(&found->list) = (struct expected){.b = y};
        if (order == 0 && !manifest_entry_equal(x, y))
            *vec_push(&found->list) = (struct expected){.a = x, .b = y};
        i += order <= 0;
        k += order >= 0;
    }
}

static void tree_copy(struct tree *to, const struct tree *from) {
    for (size_t i = 0; i < from->entries.n; i++)
        *vec_push(&to->entries) = from->entries.p[i];
}

static void diff_finds_what_a_walk_of_both_finds(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    for (unsigned round = 0; round < 14; round++) {
        struct tree a = {0}, b = {0};
        struct pages *pages = pages_new();
        struct manifest_info old = {0}, new = {0};
        struct digest root;
        struct found found = {0};
        tree_make(&a, &seed, random_size(&seed));
        if (round % 4 == 3)
            tree_make(&b, &seed, random_size(&seed));
        else
            tree_copy(&b, &a);
        mutate(&b, &seed, round % 4 == 0 ? 0 : 1 + seed_below(&seed, 30));
        OK(tree_build(&a, pages, &old, &root, &err));
        OK(tree_build(&b, pages, &new, &root, &err));
        expect_naive(&found, &a, &b);
        pages->loaded_n = 0;
        OK(manifest_diff(&old.tree, &new.tree, pages_load, pages, pages, found_one, &found, &err));
        assert_int_equal(found.next, found.list.n);
        if (round % 4 == 0)
            assert_int_equal(pages->loaded_n, 0); /* equal roots: nothing is read */
        vec_done(&found.list);
        pages_free(pages);
        tree_done(&b);
        tree_done(&a);
    }
}

static void diff_reads_what_changed_and_not_the_rest(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    struct tree a = {0}, b = {0};
    struct pages *pages = pages_new();
    struct manifest_info old = {0}, new = {0};
    struct digest root;
    struct found found = {0};
    tree_make(&a, &seed, 60000);
    tree_copy(&b, &a);
    b.entries.p[30000].mtime_ns++;
    OK(tree_build(&a, pages, &old, &root, &err));
    OK(tree_build(&b, pages, &new, &root, &err));
    expect_naive(&found, &a, &b);
    pages->loaded_n = 0;
    OK(manifest_diff(&old.tree, &new.tree, pages_load, pages, pages, found_one, &found, &err));
    assert_int_equal(found.next, 1);
    assert_in_range(pages->loaded_n, 2, 2u * (old.tree.level + 1u));
    vec_done(&found.list);
    pages_free(pages);
    tree_done(&b);
    tree_done(&a);
}

static void leaves_can_be_passed_over(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    struct tree tree = {0};
    struct pages *pages = pages_new();
    struct manifest_info info = {0};
    struct digest root;
    tree_make(&tree, &seed, 20000);
    OK(tree_build(&tree, pages, &info, &root, &err));
    struct manifest_reader *reader = manifest_reader_new(&info.tree, pages_load, pages);
    size_t at = 0, skipped = 0;
    for (const struct entry *entry;; at++) {
        const struct manifest_ref *leaf;
        OK(manifest_peek_leaf(reader, &leaf, &err));
        while (leaf != NULL && seed_one_in(&seed, 2)) {
            assert_true(span_equal(leaf->first_path, tree.entries.p[at].path));
            at += leaf->totals.entries;
            manifest_skip_leaf(reader);
            skipped++;
            OK(manifest_peek_leaf(reader, &leaf, &err));
        }
        OK(manifest_next(reader, &entry, &err));
        if (entry == NULL)
            break;
        assert_true(entry_same(entry, &tree.entries.p[at]));
    }
    assert_int_equal(at, tree.entries.n);
    assert_true(skipped > 0);
    manifest_reader_free(reader);
    pages_free(pages);
    tree_done(&tree);
}

/* The builder stays within the limits that the decoder sets. */
static void long_paths_make_more_pages(void **state) {
    (void)state;
    struct tree tree = {0};
    struct pages *pages = pages_new();
    struct manifest_info info = {0};
    struct digest root;
    uint8_t *path = mem_new(MANIFEST_PATH_MAX);
    *vec_push(&tree.entries) = (struct entry){.kind = ENTRY_DIR};
    memset(path, 'x', MANIFEST_PATH_MAX);
    for (unsigned i = 0; i < 600; i++) {
        be16_put(path + MANIFEST_PATH_MAX - 2, (uint16_t)(0x4141 + i % 26 + i / 26 * 256));
        struct entry *entry = vec_push(&tree.entries);
        *entry = (struct entry){.kind = ENTRY_FILE};
        entry->path = tree_keep(&tree, path, MANIFEST_PATH_MAX);
    }
    OK(tree_build(&tree, pages, &info, &root, &err));
    assert_true(info.tree.level >= 1);
    struct manifest_reader *reader = manifest_reader_new(&info.tree, pages_load, pages);
    for (size_t i = 0; i < tree.entries.n; i++) {
        const struct entry *entry;
        OK(manifest_next(reader, &entry, &err));
        assert_true(entry != NULL && entry_same(entry, &tree.entries.p[i]));
    }
    manifest_reader_free(reader);
    mem_free(path);
    pages_free(pages);
    tree_done(&tree);
}

static void an_empty_manifest_is_an_empty_leaf(void **state) {
    (void)state;
    struct tree tree = {0};
    struct pages *pages = pages_new();
    struct manifest_info info = {0};
    struct digest root;
    const struct entry *entry;
    OK(tree_build(&tree, pages, &info, &root, &err));
    assert_int_equal(info.tree.level, 0);
    struct manifest_reader *reader = manifest_reader_new(&info.tree, pages_load, pages);
    OK(manifest_next(reader, &entry, &err));
    assert_null(entry);
    OK(manifest_seek(reader, span_text("a"), &err));
    OK(manifest_next(reader, &entry, &err));
    assert_null(entry);
    manifest_reader_free(reader);
    pages_free(pages);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_trees_read_back_equal),
        cmocka_unit_test(taking_unchanged_leaves_gives_the_tree_of_a_full_build),
        cmocka_unit_test(an_edit_rewrites_one_leaf_and_the_pages_above),
        cmocka_unit_test(leaves_are_of_the_size_planned),
        cmocka_unit_test(seek_stands_where_a_walk_would),
        cmocka_unit_test(diff_finds_what_a_walk_of_both_finds),
        cmocka_unit_test(diff_reads_what_changed_and_not_the_rest),
        cmocka_unit_test(leaves_can_be_passed_over),
        cmocka_unit_test(long_paths_make_more_pages),
        cmocka_unit_test(an_empty_manifest_is_an_empty_leaf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
