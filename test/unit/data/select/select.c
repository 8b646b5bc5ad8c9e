/* Covers src/data/select/select.c */
#include "must.h"

#include "../../format/manifest/manifest_fixture.h"
#include "data/select/select.h"

/* ---- the list of paths ---- */

static void paths_come_back_in_order(void **state) {
    static const char *const paths[] = {"a", "a/b", "\xff\xfe/x y", ".hidden", "..a/...", "a/..b"};
    struct buf encoded = {0};
    struct selection selection = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_N(paths); i++)
        selection_put(&encoded, span_text(paths[i]));
    OK(selection_get(buf_span(&encoded), &selection, &err));
    assert_int_equal(selection.paths.n, ARRAY_N(paths));
    for (size_t i = 0; i < ARRAY_N(paths); i++)
        assert_true(span_equal(selection.paths.p[i], span_text(paths[i])));
    selection_done(&selection);
    buf_done(&encoded);
}

static void nothing_selected_is_everything(void **state) {
    struct selection selection = {0};
    (void)state;
    OK(selection_get(span_of(NULL, 0), &selection, &err));
    assert_true(selection_has(&selection, span_text("anything/at all")));
    assert_true(selection_has(&selection, span_of(NULL, 0)));
    selection_done(&selection);
}

static void expect_malformed(struct span encoded) {
    struct selection selection = {0};
    FAILS(ERR_PROTOCOL, selection_get(encoded, &selection, &err));
    selection_done(&selection);
}

static void a_path_that_no_manifest_holds_is_refused(void **state) {
    static const struct span paths[] = {
        {(const uint8_t *)"", 0},      {(const uint8_t *)"/", 1},    {(const uint8_t *)"/a", 2},
        {(const uint8_t *)"a/", 2},    {(const uint8_t *)"a//b", 4}, {(const uint8_t *)".", 1},
        {(const uint8_t *)"..", 2},    {(const uint8_t *)"a/..", 4}, {(const uint8_t *)"../a", 4},
        {(const uint8_t *)"a/./b", 5}, {(const uint8_t *)"a\0b", 3},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_N(paths); i++) {
        struct buf encoded = {0};
        selection_put(&encoded, span_text("good"));
        selection_put(&encoded, paths[i]);
        expect_malformed(buf_span(&encoded));
        buf_done(&encoded);
    }
}

static void a_list_that_is_cut_short_is_refused(void **state) {
    struct buf encoded = {0};
    (void)state;
    selection_put(&encoded, span_text("some/path"));
    for (size_t n = 1; n < encoded.n; n++)
        expect_malformed(span_of(encoded.p, n));
    buf_done(&encoded);
}

static void a_selection_holds_as_many_paths_as_its_limit_and_not_one_more(void **state) {
    struct buf encoded = {0};
    struct selection selection = {0};
    (void)state;
    for (size_t i = 0; i < SELECT_PATHS_MAX; i++)
        selection_put(&encoded, span_text("p"));
    OK(selection_get(buf_span(&encoded), &selection, &err));
    assert_int_equal(selection.paths.n, SELECT_PATHS_MAX);
    selection_put(&encoded, span_text("p"));
    expect_malformed(buf_span(&encoded));
    selection_done(&selection);
    buf_done(&encoded);
}

static void a_selected_path_has_what_is_below_it_and_not_its_neighbours(void **state) {
    struct buf encoded = {0};
    struct selection selection = {0};
    (void)state;
    selection_put(&encoded, span_text("a/b"));
    OK(selection_get(buf_span(&encoded), &selection, &err));
    assert_true(selection_has(&selection, span_text("a/b")));
    assert_true(selection_has(&selection, span_text("a/b/c/d")));
    assert_false(selection_has(&selection, span_text("a")));
    assert_false(selection_has(&selection, span_text("")));
    assert_false(selection_has(&selection, span_text("a/bc")));
    assert_false(selection_has(&selection, span_text("a/b.c")));
    assert_false(selection_has(&selection, span_text("a/a")));
    selection_done(&selection);
    buf_done(&encoded);
}

/* ---- the walk ---- */

struct seen {
    struct pages *pages;
    VEC(struct digest) names; /* of pages, in the order they were needed */
    struct buf paths;         /* of entries, each with a NUL */
};

static void seen_done(struct seen *seen) {
    vec_done(&seen->names);
    buf_done(&seen->paths);
}

static int load(void *ctx, enum chunk_type type, const struct digest *name, struct span *bytes,
                struct err *err) {
    struct seen *seen = ctx;
    *vec_push(&seen->names) = *name;
    return pages_load(seen->pages, type, name, bytes, err);
}

static void note_path(struct seen *seen, struct span path) {
    buf_put_span(&seen->paths, path);
    buf_put_u8(&seen->paths, 0);
}

static int note(void *ctx, const struct entry *entry, struct err *) {
    note_path(ctx, entry->path);
    return 0;
}

static bool below(struct span path, struct span root) {
    return root.n == 0 || span_equal(path, root) ||
           (path.n > root.n && path.p[root.n] == '/' && memcmp(path.p, root.p, root.n) == 0);
}

static bool touched(const struct selection *selection, struct span path) {
    bool any = selection->paths.n == 0;
    for (size_t i = 0; i < selection->paths.n; i++)
        any = any || below(path, selection->paths.p[i]) || below(selection->paths.p[i], path);
    return any;
}

/* Looks at everything and keeps the pages below which something is touched. */
static bool choose(struct seen *seen, const struct selection *selection,
                   const struct manifest_ref *ref) {
    size_t before = seen->names.n;
    struct span bytes;
    bool any = false;
    AUTO(manifest_page) *page = NULL;
    OK(load(seen, CHUNK_TREE, &ref->page, &bytes, &err));
    OK(manifest_page_open(bytes, &page, &err));
    for (size_t i = 0; ref->level > 0 && i < manifest_page_n(page); i++)
        any = choose(seen, selection, manifest_page_child(page, i)) || any;
    while (ref->level == 0) {
        const struct entry *entry;
        OK(manifest_page_next(page, &entry, &err));
        if (entry == NULL)
            break;
        if (touched(selection, entry->path)) {
            note_path(seen, entry->path);
            any = true;
        }
    }
    if (!any)
        seen->names.n = before;
    return any;
}

static void compare(struct pages *pages, const struct manifest_ref *tree,
                    const struct selection *selection) {
    struct seen walked = {.pages = pages}, chosen = {.pages = pages};
    OK(selection_walk(selection, tree, load, &walked, note, &walked, &err));
    (void)choose(&chosen, selection, tree);
    assert_true(span_equal(buf_span(&walked.paths), buf_span(&chosen.paths)));
    assert_int_equal(walked.names.n, chosen.names.n);
    assert_memory_equal(walked.names.p, chosen.names.p, chosen.names.n * sizeof *chosen.names.p);
    seen_done(&walked);
    seen_done(&chosen);
}

static void the_walk_loads_the_pages_that_a_naive_choice_needs(void **state) {
    struct seed seed = seed_start("select");
    (void)state;
    for (int round = 0; round < 4; round++) {
        struct tree tree = {0};
        struct pages *pages = pages_new();
        struct manifest_info info = {.computer = "c", .root_path = "/"};
        struct digest root;
        tree_make(&tree, &seed, 1500);
        OK(tree_build(&tree, pages, &info, &root, &err));
        for (int i = 0; i < 30; i++) {
            struct selection selection = {0};
            size_t n = seed_below(&seed, 5);
            for (size_t k = 0; k < n; k++) /* never the root: it cannot be selected */
                *vec_push(&selection.paths) =
                    tree.entries.p[1 + seed_below(&seed, tree.entries.n - 1)].path;
            compare(pages, &info.tree, &selection);
            selection_done(&selection);
        }
        pages_free(pages);
        tree_done(&tree);
    }
}

/* 40000 files in one folder. */
static void flat_build(struct pages *pages, struct manifest_info *info) {
    AUTO(manifest_builder) *builder = manifest_builder_new(pages_emit, pages);
    struct digest root;
    OK(manifest_add(builder, &(struct entry){.kind = ENTRY_DIR}, &err));
    for (int i = 0; i < 40000; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "f%05d", i);
        struct entry entry = {.path = span_text(path), .kind = ENTRY_FILE, .ino = (uint64_t)i};
        OK(manifest_add(builder, &entry, &err));
    }
    OK(manifest_finish(builder, info, &root, &err));
}

static void a_single_path_loads_only_its_branch(void **state) {
    struct pages *pages = pages_new();
    struct manifest_info info = {.computer = "c", .root_path = "/"};
    struct selection selection = {0};
    struct seen seen = {.pages = pages};
    (void)state;
    flat_build(pages, &info);
    assert_true(pages->all.n > 4u * (info.tree.level + 1u)); /* so that few is less than all */
    *vec_push(&selection.paths) = span_text("f13333");
    OK(selection_walk(&selection, &info.tree, load, &seen, note, &seen, &err));
    /* the root folder and the file: a branch each, at most */
    assert_in_range(seen.names.n, 1, 2u * (info.tree.level + 1u));
    assert_true(span_equal(buf_span(&seen.paths), span_of("\0f13333\0", 8)));
    selection_done(&selection);
    seen_done(&seen);
    pages_free(pages);
}

static void a_path_that_does_not_exist_brings_only_folders_on_the_way(void **state) {
    struct pages *pages = pages_new();
    struct manifest_info info = {.computer = "c", .root_path = "/"};
    struct selection selection = {0};
    struct seen seen = {.pages = pages};
    (void)state;
    flat_build(pages, &info);
    *vec_push(&selection.paths) = span_text("f13333x/y");
    OK(selection_walk(&selection, &info.tree, load, &seen, note, &seen, &err));
    assert_true(span_equal(buf_span(&seen.paths), span_of("\0", 1)));
    selection_done(&selection);
    seen_done(&seen);
    pages_free(pages);
}

static int stop(void *ctx, const struct entry *entry, struct err *err) {
    (void)ctx, (void)entry;
    return ERR(err, ERR_INTERRUPTED, "enough");
}

static void a_walk_ends_where_its_callback_or_a_page_fails(void **state) {
    struct pages *pages = pages_new();
    struct manifest_info info = {.computer = "c", .root_path = "/"};
    struct selection all = {0};
    struct seen seen = {.pages = pages};
    (void)state;
    flat_build(pages, &info);
    FAILS(ERR_INTERRUPTED, selection_walk(&all, &info.tree, load, &seen, stop, NULL, &err));
    info.tree.page.b[0] ^= 1;
    FAILS(ERR_NOT_FOUND, selection_walk(&all, &info.tree, load, &seen, note, &seen, &err));
    info.tree.page.b[0] ^= 1;
    info.tree.totals.files++; /* another page than was announced */
    FAILS(ERR_FORMAT, selection_walk(&all, &info.tree, load, &seen, note, &seen, &err));
    seen_done(&seen);
    pages_free(pages);
}

/* ---- windows ---- */

static void a_window_ends_behind_the_chunk_that_fills_it(void **state) {
    struct restore_window window = {0};
    (void)state;
    for (uint32_t i = 1; i < RESTORE_WINDOW_CHUNKS; i++)
        assert_false(restore_window_chunk(&window));
    assert_true(restore_window_chunk(&window));
    assert_false(restore_window_chunk(&window));
}

static void a_window_ends_before_one_file_too_many(void **state) {
    struct restore_window window = {0};
    (void)state;
    for (uint32_t i = 0; i < RESTORE_WINDOW_FILES; i++)
        assert_false(restore_window_file(&window));
    assert_true(restore_window_file(&window));
    assert_int_equal(window.files, 1); /* that file is in the next */
    assert_int_equal(window.chunks, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_come_back_in_order),
        cmocka_unit_test(nothing_selected_is_everything),
        cmocka_unit_test(a_path_that_no_manifest_holds_is_refused),
        cmocka_unit_test(a_list_that_is_cut_short_is_refused),
        cmocka_unit_test(a_selection_holds_as_many_paths_as_its_limit_and_not_one_more),
        cmocka_unit_test(a_selected_path_has_what_is_below_it_and_not_its_neighbours),
        cmocka_unit_test(the_walk_loads_the_pages_that_a_naive_choice_needs),
        cmocka_unit_test(a_single_path_loads_only_its_branch),
        cmocka_unit_test(a_path_that_does_not_exist_brings_only_folders_on_the_way),
        cmocka_unit_test(a_walk_ends_where_its_callback_or_a_page_fails),
        cmocka_unit_test(a_window_ends_behind_the_chunk_that_fills_it),
        cmocka_unit_test(a_window_ends_before_one_file_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
