/* Covers docs/format/manifest.md: pages and records of version 1 are read for ever, and written the
 * same. */
#include "golden.h"
#include "manifest_fixture.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        static struct err err; /* not on the stack: there is one for each use */                   \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s (%s:%d)", #call, err.text, err.func, err.line);                       \
    } while (0)

/* Bytes that follow from `first` alone. */
static struct digest digest_of(uint8_t first) {
    struct digest digest = {0};
    for (size_t i = 0; i < sizeof digest.b; i++)
        digest.b[i] = (uint8_t)(first + i);
    return digest;
}

static struct entry file_of(const char *path, uint8_t flags, uint64_t size) {
    return (struct entry){.path = span_text(path),
                          .kind = ENTRY_FILE,
                          .flags = flags,
                          .mode = 0644,
                          .uid = 1000,
                          .gid = 100,
                          .size = size,
                          .mtime_ns = 1600000000000000000,
                          .ctime_ns = 1700000000123456789,
                          .ino = 12345678901,
                          .dev = 2049,
                          .nlink = 1};
}

static void give_refs(struct tree *tree, struct entry *entry, const uint32_t *lengths, uint32_t n) {
    static struct chunk_ref refs[MANIFEST_CHUNKS_MAX];
    for (uint32_t i = 0; i < n; i++)
        refs[i] = (struct chunk_ref){.name = digest_of((uint8_t)(16 * i)), .length = lengths[i]};
    struct span kept = tree_keep(tree, refs, n * sizeof *refs);
    entry->refs = (const struct chunk_ref *)(const void *)kept.p;
    entry->ref_n = n;
    entry->chunk_n = n;
}

static void add_files(struct tree *tree) {
    static const struct extent extents[2] = {{4096, 8192}, {1 << 20, 100}};
    static struct digest pages[2];
    struct buf list = {0};
    entry_xattr_put(&list, span_text("security.capability"), span_of("\1\0\0\2", 4));
    entry_xattr_put(&list, span_text("system.posix_acl_access"), span_of("\2\0\0\0", 4));
    struct entry *empty = vec_push(&tree->entries);
    *empty = file_of("dir/empty", 0, 0);
    empty->ctime_ns = empty->mtime_ns = -5;
    struct entry *three = vec_push(&tree->entries);
    *three = file_of("dir/three", 0, 303);
    three->mode = 04755;
    three->xattrs = tree_keep(tree, list.p, list.n);
    give_refs(tree, three, (const uint32_t[]){100, 101, 102}, 3);
    struct entry *paged = vec_push(&tree->entries);
    *paged = file_of("dir/vast", ENTRY_FIXED, 1 << 30);
    pages[0] = digest_of(3);
    pages[1] = digest_of(5);
    paged->index_pages = pages;
    paged->index_page_n = 2;
    paged->chunk_n = 65536;
    struct entry *changed = vec_push(&tree->entries);
    *changed = file_of("name \xff\x01\xc3\xa4", ENTRY_CHANGED, 100);
    give_refs(tree, changed, (const uint32_t[]){100}, 1);
    struct entry *sparse = vec_push(&tree->entries);
    *sparse = file_of("sparse", ENTRY_SPARSE, 1 << 24);
    sparse->extents = extents;
    sparse->extent_n = 2;
    give_refs(tree, sparse, (const uint32_t[]){8292}, 1);
    struct entry *torn = vec_push(&tree->entries);
    *torn = file_of("torn", ENTRY_UNREADABLE, 999);
    torn->problem = 5;
    torn->mtime_ns = 1700000000123456780;
    give_refs(tree, torn, (const uint32_t[]){300, 7}, 2);
    buf_done(&list);
}

/* One of each kind, with what each can have. */
static void every_kind(struct tree *tree) {
    static const struct {
        const char *path;
        uint8_t kind;
        const char *link;
        uint32_t major, minor;
    } others[] = {
        {"", ENTRY_DIR, "", 0, 0},
        {"block", ENTRY_BLOCK, "", 8, 1},
        {"char", ENTRY_CHAR, "", 1, 300},
        {"dir", ENTRY_DIR, "", 0, 0},
        {"fifo", ENTRY_FIFO, "", 0, 0},
        {"link", ENTRY_SYMLINK, "../dir", 0, 0},
        {"other", ENTRY_HARDLINK, "name \xff\x01\xc3\xa4", 0, 0},
        {"socket", ENTRY_SOCKET, "", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_N(others); i++)
        *vec_push(&tree->entries) = (struct entry){.path = span_text(others[i].path),
                                                   .kind = others[i].kind,
                                                   .mode = (uint16_t)(0700 + i),
                                                   .nlink = 2,
                                                   .link = span_text(others[i].link),
                                                   .rdev_major = others[i].major,
                                                   .rdev_minor = others[i].minor};
    add_files(tree);
    qsort(tree->entries.p, tree->entries.n, sizeof *tree->entries.p, tree_order);
}

static const struct manifest_info golden_info = {
    .source = "source 16 bytes",
    .job = "job of 16 bytes",
    .started_ns = 1795000000000000000,
    .finished_ns = 1795000100000000001,
    .computer = "branch-7.example",
    .root_path = "/srv/d\xe4ten",
};

static void a_leaf_and_its_record_stay_as_they_are(void **state) {
    (void)state;
    struct tree tree = {0};
    struct pages *pages = pages_new();
    static struct manifest_info again;
    struct manifest_info info = golden_info;
    struct digest root;
    struct buf page = {0}, record = {0};
    every_kind(&tree);
    OK(tree_build(&tree, pages, &info, &root, &err));
    assert_int_equal(pages->all.n, 2);
    golden_equal("manifest/v1-leaf", buf_span(&pages->all.p[0].bytes));
    golden_equal("manifest/v1-record", buf_span(&pages->all.p[1].bytes));

    golden_read("manifest/v1-record", &record);
    OK(manifest_info_get(buf_span(&record), &again, &err));
    assert_memory_equal(&again.tree.page, &pages->all.p[0].name, sizeof again.tree.page);
    assert_string_equal(again.computer, golden_info.computer);
    assert_string_equal(again.root_path, golden_info.root_path);
    assert_int_equal(again.finished_ns, golden_info.finished_ns);
    golden_read("manifest/v1-leaf", &page);
    AUTO(manifest_page) *leaf = NULL;
    OK(manifest_page_open(buf_span(&page), &leaf, &err));
    OK(manifest_page_expect(leaf, &again.tree, &err));
    const struct entry *entry;
    for (size_t i = 0; i < tree.entries.n; i++) {
        OK(manifest_page_next(leaf, &entry, &err));
        assert_true(entry != NULL && entry_same(entry, &tree.entries.p[i]));
    }
    OK(manifest_page_next(leaf, &entry, &err));
    assert_null(entry);
    buf_done(&page);
    buf_done(&record);
    pages_free(pages);
    tree_done(&tree);
}

/* 5000 empty files: also the places of the cuts must stay, or every tree is stored again. */
static void inner_pages_and_cuts_stay_as_they_are(void **state) {
    (void)state;
    struct tree tree = {0};
    struct pages *pages = pages_new();
    struct manifest_info info = golden_info;
    struct digest root;
    struct buf page = {0};
    *vec_push(&tree.entries) = (struct entry){.kind = ENTRY_DIR};
    for (unsigned i = 0; i < 5000; i++) {
        char path[32];
        int n = snprintf(path, sizeof path, "some file %05u.txt", i);
        struct entry *entry = vec_push(&tree.entries);
        *entry = file_of("", 0, 0);
        entry->path = tree_keep(&tree, path, (size_t)n);
    }
    OK(tree_build(&tree, pages, &info, &root, &err));
    assert_int_equal(info.tree.level, 1);
    struct span inner = {0};
    OK(pages_load(pages, CHUNK_TREE, &info.tree.page, &inner, &err));
    golden_equal("manifest/v1-inner", inner);
    golden_read("manifest/v1-inner", &page);
    AUTO(manifest_page) *read = NULL;
    OK(manifest_page_open(buf_span(&page), &read, &err));
    OK(manifest_page_expect(read, &info.tree, &err));
    assert_int_equal(manifest_page_n(read) + 2, pages->all.n);
    for (size_t i = 0; i < manifest_page_n(read); i++)
        assert_memory_equal(&manifest_page_child(read, i)->page, &pages->all.p[i].name,
                            sizeof(struct digest));
    buf_done(&page);
    pages_free(pages);
    tree_done(&tree);
}

static void index_pages_stay_as_they_are(void **state) {
    (void)state;
    struct pages *pages = pages_new();
    struct buf page = {0};
    struct chunk_ref refs[70];
    for (size_t i = 0; i < ARRAY_N(refs); i++)
        refs[i] = (struct chunk_ref){.name = digest_of((uint8_t)i),
                                     .length = i % 3 == 0 ? 1 + (uint32_t)i * 999 : 16384};
    manifest_index_put(&page, refs, ARRAY_N(refs));
    golden_equal("manifest/v1-index-references", buf_span(&page));
    static struct digest names[300];
    for (size_t i = 0; i < ARRAY_N(names); i++)
        names[i] = digest_of((uint8_t)(i * 7));
    struct entry entry = file_of("vast", 0, (uint64_t)1 << 40);
    entry.index_pages = names;
    entry.index_page_n = ARRAY_N(names);
    entry.chunk_n = 300 * 1024;
    struct manifest_builder *builder = manifest_builder_new(pages_emit, pages);
    OK(manifest_add(builder, &entry, &err));
    manifest_builder_free(builder);
    golden_equal("manifest/v1-index-pages", buf_span(&pages->all.p[0].bytes));
    static struct digest read[MANIFEST_INDEX_REFS];
    uint8_t level = 0;
    size_t n = 0;
    golden_read("manifest/v1-index-pages", &page);
    OK(manifest_index_names(buf_span(&page), read, &n, &level, &err));
    assert_int_equal(level, 1);
    assert_memory_equal(read, names, n * sizeof *names);
    buf_done(&page);
    pages_free(pages);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leaf_and_its_record_stay_as_they_are),
        cmocka_unit_test(inner_pages_and_cuts_stay_as_they_are),
        cmocka_unit_test(index_pages_stay_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
