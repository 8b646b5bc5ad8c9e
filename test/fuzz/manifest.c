/* Any bytes: refused, or a page whose entries a builder takes and gives back the same. */
#include "format/manifest/manifest.h"
#include "base/vec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct stored {
    struct digest name;
    struct buf bytes;
};
struct pages {
    VEC(struct stored) all;
};

static int emit(void *ctx, enum chunk_type, const struct digest *name, struct span bytes,
                struct err *) {
    struct pages *pages = ctx;
    struct stored *stored = vec_push(&pages->all);
    *stored = (struct stored){.name = *name};
    buf_put_span(&stored->bytes, bytes);
    return 0;
}

static int load(void *ctx, enum chunk_type, const struct digest *name, struct span *bytes,
                struct err *err) {
    struct pages *pages = ctx;
    for (size_t i = 0; i < pages->all.n; i++)
        if (digest_equal(&pages->all.p[i].name, name)) {
            *bytes = buf_span(&pages->all.p[i].bytes);
            return 0;
        }
    return ERR(err, ERR_NOT_FOUND, "page");
}

/* The leaf's entries up to its end or to what is malformed; how many. */
static size_t build(struct manifest_page *page, struct manifest_builder *builder) {
    const struct entry *entry;
    struct err err = {0};
    for (size_t n = 0;; n++) {
        if (manifest_page_next(page, &entry, &err) != 0) {
            INVARIANT(err.code == ERR_FORMAT || err.code == ERR_LIMIT);
            return n;
        }
        if (entry == NULL)
            return n;
        INVARIANT(manifest_entry_check(entry, &err) == 0);
        INVARIANT(manifest_add(builder, entry, &err) == 0);
    }
}

static void check_leaf(struct span bytes) {
    AUTO(manifest_page) *page = NULL, *again = NULL;
    struct err err = {0};
    struct pages pages = {0};
    struct manifest_info info = {0};
    struct digest root;
    INVARIANT(manifest_page_open(bytes, &page, &err) == 0);
    INVARIANT(manifest_page_open(bytes, &again, &err) == 0);
    AUTO(manifest_builder) *builder = manifest_builder_new(emit, &pages);
    size_t n = build(page, builder);
    INVARIANT(manifest_finish(builder, &info, &root, &err) == 0);
    INVARIANT(info.tree.totals.entries == n);
    AUTO(manifest_reader) *reader = manifest_reader_new(&info.tree, load, &pages);
    for (size_t i = 0; i < n; i++) {
        const struct entry *a, *b;
        INVARIANT(manifest_page_next(again, &a, &err) == 0);
        INVARIANT(manifest_next(reader, &b, &err) == 0);
        INVARIANT(manifest_entry_equal(a, b) && a->ino == b->ino && a->dev == b->dev &&
                  a->ctime_ns == b->ctime_ns && a->nlink == b->nlink);
    }
    for (size_t i = 0; i < pages.all.n; i++)
        buf_done(&pages.all.p[i].bytes);
    vec_done(&pages.all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(manifest_page) *page = NULL;
    struct err err = {0};
    if (manifest_page_open(span_of(data, size), &page, &err) != 0) {
        INVARIANT(err.code == ERR_FORMAT || err.code == ERR_FORMAT_VERSION);
        return 0;
    }
    if (manifest_page_level(page) == 0) {
        check_leaf(span_of(data, size));
        return 0;
    }
    for (size_t i = 1; i < manifest_page_n(page); i++)
        INVARIANT(manifest_path_compare(manifest_page_child(page, i - 1)->first_path,
                                        manifest_page_child(page, i)->first_path) < 0);
    return 0;
}
