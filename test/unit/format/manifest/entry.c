/* Covers src/format/manifest/manifest_entry.c, manifest_path.c, manifest_info.c, manifest_build.c
 */
#include "unit.h"

#include "died.h"
#include "manifest_fixture.h"

static int sign(int v) {
    return (v > 0) - (v < 0);
}

static void paths_are_in_the_order_of_a_walk(void **state) {
    (void)state;
    static const char *const sorted[] = {"",    "a",   "a/b",   "a/b/c", "a/b-c", "a\x01", "a b",
                                         "a-b", "a.b", "a.b/c", "a0",    "b",     "\xff"};
    for (size_t i = 0; i < ARRAY_N(sorted); i++)
        for (size_t k = 0; k < ARRAY_N(sorted); k++)
            assert_int_equal(
                sign(manifest_path_compare(span_text(sorted[i]), span_text(sorted[k]))),
                (i > k) - (i < k));
}

/* The fast comparison against one byte at a time. */
static void path_order_agrees_with_the_naive_one(void **state) {
    (void)state;
    static const uint8_t few[3] = {'/', '-', 'a'};
    struct seed seed = seed_start(__func__);
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t a[40], b[40];
        size_t an = seed_below(&seed, sizeof a), bn = seed_below(&seed, sizeof b), i = 0;
        for (size_t k = 0; k < sizeof a; k++) {
            a[k] = few[seed_below(&seed, 3)];
            b[k] = seed_one_in(&seed, 20) ? few[seed_below(&seed, 3)] : a[k];
        }
        while (i < an && i < bn && a[i] == b[i])
            i++;
        int x = i == an ? -1 : a[i] == '/' ? 0 : a[i], y = i == bn ? -1 : b[i] == '/' ? 0 : b[i];
        assert_int_equal(sign(manifest_path_compare(span_of(a, an), span_of(b, bn))),
                         (x > y) - (x < y));
    }
}

static void check(struct entry entry, enum err_code code, const char *why) {
    struct err err = {0};
    int rc = manifest_entry_check(&entry, &err);
    assert_int_equal(rc, code == ERR_NONE ? 0 : -1);
    if (rc != 0) {
        assert_int_equal(err.code, code);
        if (strstr(err.text, why) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    }
    struct pages *pages = pages_new();
    struct manifest_builder *builder = manifest_builder_new(pages_emit, pages);
    struct entry root = {.kind = ENTRY_DIR};
    if (entry.path.n > 0)
        assert_int_equal(manifest_add(builder, &root, &err), 0);
    if (entry.path.n < MANIFEST_PATH_MAX && memchr(entry.path.p, '/', entry.path.n) == NULL)
        assert_int_equal(manifest_add(builder, &entry, &err), rc);
    manifest_builder_free(builder);
    pages_free(pages);
}

static struct entry file_of(const char *path, uint64_t size) {
    static const struct chunk_ref ref[1] = {{.name = {{1, 2, 3}}, .length = 100}};
    struct entry entry = {.path = span_text(path), .kind = ENTRY_FILE, .size = size};
    if (size == 100) {
        entry.refs = ref;
        entry.ref_n = 1;
        entry.chunk_n = 1;
    }
    return entry;
}

static void paths_that_cannot_be_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"/",    "/a",  "a/",   "a//b",  ".",      "..",     "a/.",
                                      "a/..", "./a", "../a", "a/./b", "a/../b", "a/..//b"};
    static const char *const good[] = {"a",     "...",  ".a",     "a.", "..a",
                                       "a/...", "a/.b", "\xff\n", "a/b"};
    for (size_t i = 0; i < ARRAY_N(bad); i++)
        check(file_of(bad[i], 0), ERR_FORMAT, "a path that cannot be");
    for (size_t i = 0; i < ARRAY_N(good); i++)
        check(file_of(good[i], 0), ERR_NONE, "");
    struct entry entry = file_of("", 0);
    entry.path = span_of("a\0b", 3);
    check(entry, ERR_FORMAT, "");
    uint8_t *longest = mem_resize(NULL, MANIFEST_PATH_MAX + 1);
    memset(longest, 'x', MANIFEST_PATH_MAX + 1);
    entry.path = span_of(longest, MANIFEST_PATH_MAX);
    check(entry, ERR_NONE, "");
    entry.path.n++;
    check(entry, ERR_FORMAT, "");
    mem_free(longest);
}

static void content_must_add_up(void **state) {
    (void)state;
    static const struct chunk_ref three[3] = {
        {.length = 5}, {.length = CHUNK_BYTES_MAX}, {.length = 1}};
    static const struct digest pages[2] = {{{1}}, {{2}}};
    static const struct extent extents[2] = {{0, 10}, {50, CHUNK_BYTES_MAX - 4}};
    static const struct extent crossed[2] = {{0, 60}, {50, CHUNK_BYTES_MAX - 54}};
    struct entry entry = file_of("f", 100);
    check(entry, ERR_NONE, "");
    entry.size = 99;
    check(entry, ERR_FORMAT, "do not add up");
    entry.size = 101;
    check(entry, ERR_FORMAT, "do not add up");
    entry.flags = ENTRY_UNREADABLE;
    entry.problem = 5;
    check(entry, ERR_NONE, ""); /* reading broke off */
    entry.size = 99;
    check(entry, ERR_FORMAT, "do not add up");
    entry = file_of("f", CHUNK_BYTES_MAX + 6);
    check(entry, ERR_FORMAT, "do not add up");
    entry.refs = three;
    entry.ref_n = 3;
    check(entry, ERR_FORMAT, "chunk count");
    entry.chunk_n = 3;
    check(entry, ERR_NONE, "");
    entry.flags = ENTRY_SPARSE;
    check(entry, ERR_FORMAT, "do not add up");
    entry.extents = extents;
    entry.extent_n = 2;
    check(entry, ERR_FORMAT, "ascend within the size");
    entry.size += 40;
    check(entry, ERR_NONE, "");
    entry.size = UINT64_MAX;
    check(entry, ERR_NONE, "");
    entry.extents = crossed;
    check(entry, ERR_FORMAT, "ascend within the size");
    entry.flags = 0;
    check(entry, ERR_FORMAT, "extents without the flag");
    entry = file_of("f", 1000);
    entry.index_pages = pages;
    entry.index_page_n = 2;
    entry.chunk_n = 64;
    check(entry, ERR_FORMAT, "index pages");
    entry.chunk_n = 65;
    check(entry, ERR_NONE, "");
    entry.chunk_n = 1001;
    check(entry, ERR_FORMAT, "index pages"); /* empty chunks? */
    entry.chunk_n = 65;
    entry.index_level = MANIFEST_INDEX_LEVEL_MAX + 1;
    check(entry, ERR_LIMIT, "too many chunks");
}

static void fields_of_another_kind_are_refused(void **state) {
    (void)state;
    struct entry entry = file_of("f", 0);
    entry.kind = 0;
    check(entry, ERR_FORMAT, "unknown kind");
    entry.kind = ENTRY_HARDLINK + 1;
    check(entry, ERR_FORMAT, "unknown kind");
    entry = file_of("f", 0);
    entry.flags = 16;
    check(entry, ERR_FORMAT, "unknown flag");
    entry.flags = 0;
    entry.mode = 010000;
    check(entry, ERR_FORMAT, "mode");
    entry = file_of("f", 0);
    entry.problem = 2;
    check(entry, ERR_FORMAT, "a problem without the flag");
    entry = file_of("f", 0);
    entry.rdev_minor = 1;
    check(entry, ERR_FORMAT, "device number");
    entry.kind = ENTRY_CHAR;
    check(entry, ERR_NONE, "");
    entry = file_of("f", 100);
    entry.kind = ENTRY_DIR;
    check(entry, ERR_FORMAT, "content without being a file");
    entry = file_of("d", 0);
    entry.kind = ENTRY_DIR;
    entry.flags = ENTRY_CHANGED;
    check(entry, ERR_FORMAT, "only a file has");
    entry.flags = ENTRY_UNREADABLE;
    check(entry, ERR_NONE, "");
}

static void link_targets_are_checked(void **state) {
    (void)state;
    struct entry entry = {.path = span_text("l"), .kind = ENTRY_SYMLINK};
    check(entry, ERR_FORMAT, "link target");
    entry.link = span_of("a\0b", 3);
    check(entry, ERR_FORMAT, "link target");
    entry.link = span_text("/anywhere/../at all");
    check(entry, ERR_NONE, "");
    entry.kind = ENTRY_FIFO;
    check(entry, ERR_FORMAT, "link target");
    entry.kind = ENTRY_HARDLINK;
    check(entry, ERR_FORMAT, "link target");
    entry.link = span_text("k/../x");
    check(entry, ERR_FORMAT, "link target");
    entry.link = span_text("l");
    check(entry, ERR_FORMAT, "link target"); /* itself */
    entry.link = span_text("m");
    check(entry, ERR_FORMAT, "link target"); /* comes later */
    entry.link = span_text("k");
    check(entry, ERR_NONE, "");
    entry =
        (struct entry){.path = span_text("l"), .kind = ENTRY_SYMLINK, .flags = ENTRY_UNREADABLE};
    check(entry, ERR_NONE, ""); /* its target could not be read */
}

static void attribute_lists_are_sorted_and_complete(void **state) {
    (void)state;
    struct buf list = {0};
    struct entry entry = file_of("f", 0);
    entry_xattr_put(&list, span_text("user.a"), span_text(""));
    entry_xattr_put(&list, span_text("user.b"), span_text("value"));
    entry.xattrs = buf_span(&list);
    check(entry, ERR_NONE, "");
    struct cursor c = cursor_of(buf_span(&list));
    struct span name, value;
    assert_true(entry_xattr_next(&c, &name, &value) && span_equal(name, span_text("user.a")));
    assert_true(entry_xattr_next(&c, &name, &value) && span_equal(value, span_text("value")));
    assert_false(entry_xattr_next(&c, &name, &value));
    assert_true(cursor_ended(&c));
    entry.xattrs.n--;
    check(entry, ERR_FORMAT, "sorted list");
    entry_xattr_put(&list, span_text("user.b"), span_text(""));
    entry.xattrs = buf_span(&list);
    check(entry, ERR_FORMAT, "sorted list"); /* a duplicate */
    buf_clear(&list);
    entry_xattr_put(&list, span_text(""), span_text("x"));
    entry.xattrs = buf_span(&list);
    check(entry, ERR_FORMAT, "sorted list");
    buf_done(&list);
}

/* An entry of the greatest size is taken beside others; one byte more is refused, and the builder
 * goes on. */
static void entries_are_limited(void **state) {
    (void)state;
    struct buf list = {0}, value = {0};
    struct entry entry = file_of("f", 0);
    memset(buf_extend(&value, MANIFEST_ENTRY_BYTES_MAX - 200), 9, MANIFEST_ENTRY_BYTES_MAX - 200);
    entry_xattr_put(&list, span_text("user.large"), buf_span(&value));
    entry.xattrs = buf_span(&list);
    check(entry, ERR_NONE, "");
    buf_clear(&list);
    buf_extend(&value, 300);
    entry_xattr_put(&list, span_text("user.large"), buf_span(&value));
    entry.xattrs = buf_span(&list);
    check(entry, ERR_LIMIT, "more attributes or extents");
    buf_done(&list);
    buf_done(&value);
    entry = file_of("f", 0);
    struct extent *extents = mem_new_array(MANIFEST_EXTENTS_MAX + 1, sizeof *extents);
    struct chunk_ref ref = {.length = MANIFEST_EXTENTS_MAX};
    for (uint64_t i = 0; i <= MANIFEST_EXTENTS_MAX; i++)
        extents[i] = (struct extent){.offset = i * 2, .length = 1};
    entry.flags = ENTRY_SPARSE;
    entry.size = 1 << 20;
    entry.refs = &ref;
    entry.ref_n = 1;
    entry.chunk_n = 1;
    entry.extents = extents;
    entry.extent_n = MANIFEST_EXTENTS_MAX;
    check(entry, ERR_NONE, "");
    entry.extent_n++;
    ref.length++;
    check(entry, ERR_LIMIT, "more attributes or extents");
    mem_free(extents);
}

static void equal_entries_restore_to_the_same(void **state) {
    (void)state;
    struct entry a = file_of("f", 100), b = a;
    b.ctime_ns = 5;
    b.ino = 6;
    b.dev = 7;
    b.nlink = 8;
    assert_true(manifest_entry_equal(&a, &b));
    struct entry others[12];
    for (size_t i = 0; i < ARRAY_N(others); i++)
        others[i] = a;
    struct chunk_ref other_name = *a.refs, other_length = *a.refs;
    other_name.name.b[31] ^= 1;
    other_length.length++;
    others[0].path = span_text("g");
    others[1].kind = ENTRY_FIFO;
    others[2].flags = ENTRY_CHANGED;
    others[3].mode = 1;
    others[4].uid = 1;
    others[5].gid = 1;
    others[6].size = 101;
    others[7].mtime_ns = 1;
    others[8].xattrs = span_text("x");
    others[9].link = span_text("x");
    others[10].refs = &other_name;
    others[11].refs = &other_length;
    for (size_t i = 0; i < ARRAY_N(others); i++)
        assert_false(manifest_entry_equal(&a, &others[i]));
}

/* ---- the builder's own rules ---- */
static void add_twice(void *two) {
    const char **path = two;
    struct pages *pages = pages_new();
    struct manifest_builder *builder = manifest_builder_new(pages_emit, pages);
    struct err err = {0};
    struct entry a = file_of(path[0], 0), b = file_of(path[1], 0);
    int rc = manifest_add(builder, &a, &err);
    rc |= manifest_add(builder, &b, &err);
    manifest_builder_free(builder);
    pages_free(pages);
    if (rc != 0)
        abort();
}

static void entries_out_of_order_are_a_bug(void **state) {
    (void)state;
    const char *right[] = {"a", "b"}, *wrong[] = {"b", "a"}, *twice[] = {"a", "a"};
    assert_false(died_in(add_twice, right));
    assert_true(died_in(add_twice, wrong));
    assert_true(died_in(add_twice, twice));
}

static void every_entry_has_a_listed_folder(void **state) {
    (void)state;
    struct pages *pages = pages_new();
    struct manifest_builder *builder = manifest_builder_new(pages_emit, pages);
    struct err err = {0};
    struct entry root = {.kind = ENTRY_DIR}, file = file_of("a", 0), orphan = file_of("a/b", 0),
                 folder = {.path = span_text("c"), .kind = ENTRY_DIR}, deep = file_of("c/d/e", 0),
                 child = file_of("c/d", 0), next = file_of("c-", 0);
    assert_int_equal(manifest_add(builder, &root, &err), 0);
    assert_int_equal(manifest_add(builder, &file, &err), 0);
    assert_int_equal(manifest_add(builder, &orphan, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.text, "entry a/b has no listed parent folder"));
    assert_int_equal(manifest_add(builder, &folder, &err), 0);
    assert_int_equal(manifest_add(builder, &deep, &err), -1);
    assert_int_equal(manifest_add(builder, &child, &err), 0);
    assert_int_equal(manifest_add(builder, &deep, &err), -1); /* c/d is a file */
    assert_int_equal(manifest_add(builder, &next, &err), 0);
    struct manifest_info info = {0};
    struct digest name;
    assert_int_equal(manifest_finish(builder, &info, &name, &err), 0);
    assert_int_equal(info.tree.totals.entries, 5);
    manifest_builder_free(builder);
    pages_free(pages);
}

static void sums_stop_at_their_maximum(void **state) {
    (void)state;
    struct pages *pages = pages_new();
    struct manifest_builder *builder = manifest_builder_new(pages_emit, pages);
    struct err err = {0};
    struct manifest_info info = {0};
    struct digest name;
    for (unsigned i = 0; i < 3; i++) {
        struct entry entry = {.path = span_text((const char *[]){"a", "b", "c"}[i]),
                              .kind = ENTRY_FILE,
                              .flags = ENTRY_SPARSE,
                              .size = UINT64_MAX - 1};
        assert_int_equal(manifest_add(builder, &entry, &err), 0);
    }
    assert_int_equal(manifest_finish(builder, &info, &name, &err), 0);
    assert_true(info.tree.totals.bytes == UINT64_MAX);
    struct manifest_reader *reader = manifest_reader_new(&info.tree, pages_load, pages);
    const struct entry *entry;
    do
        assert_int_equal(manifest_next(reader, &entry, &err), 0);
    while (entry != NULL);
    manifest_reader_free(reader);
    manifest_builder_free(builder);
    pages_free(pages);
}

static int refuse_all(void *, enum chunk_type, const struct digest *, struct span,
                      struct err *err) {
    return ERR(err, ERR_SPACE, "full");
}

static void a_failing_store_ends_the_builder(void **state) {
    (void)state;
    struct manifest_builder *builder = manifest_builder_new(refuse_all, NULL);
    struct entry root = {.kind = ENTRY_DIR};
    struct manifest_info info = {0};
    struct digest name;
    struct err err = {0};
    assert_int_equal(manifest_add(builder, &root, &err), 0);
    assert_int_equal(manifest_finish(builder, &info, &name, &err), -1);
    assert_int_equal(err.code, ERR_SPACE);
    manifest_builder_free(builder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_in_the_order_of_a_walk),
        cmocka_unit_test(path_order_agrees_with_the_naive_one),
        cmocka_unit_test(paths_that_cannot_be_are_refused),
        cmocka_unit_test(content_must_add_up),
        cmocka_unit_test(fields_of_another_kind_are_refused),
        cmocka_unit_test(link_targets_are_checked),
        cmocka_unit_test(attribute_lists_are_sorted_and_complete),
        cmocka_unit_test(entries_are_limited),
        cmocka_unit_test(equal_entries_restore_to_the_same),
        cmocka_unit_test(entries_out_of_order_are_a_bug),
        cmocka_unit_test(every_entry_has_a_listed_folder),
        cmocka_unit_test(sums_stop_at_their_maximum),
        cmocka_unit_test(a_failing_store_ends_the_builder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
