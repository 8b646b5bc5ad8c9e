#pragma once
/* Random trees of entries, and a place for the pages made of them. */
#include "base/vec.h"
#include "format/manifest/manifest.h"
#include "seed.h"

/* ---- pages ---- */
struct stored {
    struct digest name;
    enum chunk_type type;
    struct buf bytes;
};
#define PAGES_SLOTS 65536u
struct pages {
    VEC(struct stored) all;
    uint32_t slots[PAGES_SLOTS]; /* 0 free, else index + 1 */
    uint64_t emitted_n, emitted_bytes, loaded_n;
};

static inline uint32_t *pages_slot(struct pages *pages, const struct digest *name) {
    uint32_t slot = be32_get(name->b) % PAGES_SLOTS;
    while (pages->slots[slot] != 0 &&
           !digest_equal(&pages->all.p[pages->slots[slot] - 1].name, name))
        slot = (slot + 1) % PAGES_SLOTS;
    return &pages->slots[slot];
}

static inline int pages_emit(void *ctx, enum chunk_type type, const struct digest *name,
                             struct span bytes, struct err *err) {
    struct pages *pages = ctx;
    struct digest check;
    hash_typed((uint8_t)type, bytes, &check);
    if (!digest_equal(&check, name) || bytes.n > CHUNK_BYTES_MAX)
        return ERR(err, ERR_INTERNAL, "a page of %zu bytes under a wrong name", bytes.n);
    uint32_t *slot = pages_slot(pages, name);
    pages->emitted_n++;
    pages->emitted_bytes += bytes.n;
    if (*slot != 0)
        return 0;
    struct stored *stored = vec_push(&pages->all);
    *stored = (struct stored){.name = *name, .type = type};
    buf_put_span(&stored->bytes, bytes);
    *slot = (uint32_t)pages->all.n;
    return 0;
}

static inline int pages_load(void *ctx, enum chunk_type type, const struct digest *name,
                             struct span *bytes, struct err *err) {
    struct pages *pages = ctx;
    uint32_t i = *pages_slot(pages, name);
    if (i == 0 || pages->all.p[i - 1].type != type)
        return ERR(err, ERR_NOT_FOUND, "page");
    *bytes = buf_span(&pages->all.p[i - 1].bytes);
    pages->loaded_n++;
    return 0;
}

static inline struct pages *pages_new(void) {
    return mem_new(sizeof(struct pages));
}

static inline void pages_free(struct pages *pages) {
    for (size_t i = 0; i < pages->all.n; i++)
        buf_done(&pages->all.p[i].bytes);
    vec_done(&pages->all);
    mem_free(pages);
}

/* ---- entries ---- */
struct tree {
    VEC(struct entry) entries; /* in path order */
    VEC(void *) kept;          /* what they point to */
};

static inline struct span tree_keep(struct tree *tree, const void *p, size_t n) {
    if (n == 0)
        return span_of(NULL, 0);
    void *copy = mem_copy(p, n);
    *vec_push(&tree->kept) = copy;
    return span_of(copy, n);
}

static inline void tree_done(struct tree *tree) {
    for (size_t i = 0; i < tree->kept.n; i++)
        mem_free(tree->kept.p[i]);
    vec_done(&tree->kept);
    vec_done(&tree->entries);
}

static inline int tree_order(const void *a, const void *b) {
    return manifest_path_compare(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

/* A path below `parent` that no other call with another `number` makes. */
static inline struct span tree_path(struct tree *tree, struct seed *seed, struct span parent,
                                    unsigned number) {
    struct buf path = {0};
    buf_put_span(&path, parent);
    if (parent.n > 0)
        buf_put_u8(&path, '/');
    size_t n = seed_one_in(seed, 200) ? 200 : seed_below(seed, 14);
    for (size_t i = 0; i < n; i++) {
        uint8_t b = seed_one_in(seed, 4) ? (uint8_t)seed_u64(seed) : (uint8_t)('a' + i);
        buf_put_u8(&path, b == 0 || b == '/' ? '.' : b);
    }
    char tail[16];
    int tail_n = snprintf(tail, sizeof tail, "%c%x", "-._~a"[seed_below(seed, 5)], number);
    buf_put(&path, tail, (size_t)tail_n);
    struct span kept = tree_keep(tree, path.p, path.n);
    buf_done(&path);
    return kept;
}

static inline struct span tree_xattrs(struct tree *tree, struct seed *seed) {
    struct buf list = {0};
    uint8_t value[300];
    size_t n = seed_one_in(seed, 10) ? sizeof value : seed_below(seed, 24);
    seed_fill(seed, value, sizeof value);
    if (seed_one_in(seed, 2))
        memset(value, 7, sizeof value);
    entry_xattr_put(&list, span_text("security.selinux"), span_text("system_u:object_r:etc_t:s0"));
    if (seed_one_in(seed, 2))
        entry_xattr_put(&list, span_text("user.mark"), span_of(value, n));
    struct span kept = tree_keep(tree, list.p, list.n);
    buf_done(&list);
    return kept;
}

/* Content of `bytes` plain bytes. */
static inline void tree_content(struct tree *tree, struct seed *seed, struct entry *entry,
                                uint64_t bytes) {
    static struct chunk_ref refs[MANIFEST_CHUNKS_MAX];
    while (bytes > 0) {
        struct chunk_ref *ref = &refs[entry->ref_n++];
        uint64_t n = MIN(bytes, (uint64_t)CHUNK_BYTES_MAX);
        if (entry->ref_n < MANIFEST_CHUNKS_MAX / 2)
            n = 1 + seed_below(seed, n);
        seed_fill(seed, ref->name.b, sizeof ref->name.b);
        ref->length = (uint32_t)n;
        bytes -= n;
    }
    entry->chunk_n = entry->ref_n;
    entry->refs =
        (const struct chunk_ref *)(const void *)tree_keep(tree, refs, entry->ref_n * sizeof *refs)
            .p;
}

static inline void tree_file(struct tree *tree, struct seed *seed, struct entry *entry) {
    struct extent extents[20];
    uint64_t data = seed_one_in(seed, 3) ? seed_below(seed, 4u << 20) : seed_below(seed, 4096);
    if (seed_one_in(seed, 12)) {
        entry->flags |= ENTRY_SPARSE;
        entry->extent_n = (uint32_t)seed_below(seed, ARRAY_N(extents) + 1);
        uint64_t at = 0, unit = (uint64_t)1 << seed_below(seed, 14);
        data = 0;
        for (uint32_t i = 0; i < entry->extent_n; i++) {
            extents[i].offset = at + unit * seed_below(seed, 1u << seed_below(seed, 24));
            extents[i].length = unit * (1 + seed_below(seed, 20));
            if (i + 1 == entry->extent_n)
                extents[i].length += seed_below(seed, 999);
            at = extents[i].offset + extents[i].length;
            data += extents[i].length;
        }
        entry->size = at + (seed_one_in(seed, 2) ? 0 : seed_below(seed, 1 << 20));
        entry->extents = (const struct extent *)(const void *)tree_keep(
                             tree, extents, entry->extent_n * sizeof *extents)
                             .p;
    } else {
        entry->size = data;
    }
    if (seed_one_in(seed, 20))
        entry->flags |= ENTRY_FIXED;
    if (seed_one_in(seed, 50))
        entry->flags |= ENTRY_CHANGED;
    if (seed_one_in(seed, 50)) {
        entry->flags |= ENTRY_UNREADABLE;
        entry->problem = (uint16_t)seed_below(seed, 130);
        data = seed_below(seed, data + 1);
    }
    tree_content(tree, seed, entry, data);
}

static inline int64_t tree_time(struct seed *seed) {
    int64_t base = 1700000000;
    switch (seed_below(seed, 8)) {
    case 0:
        return (int64_t)seed_u64(seed);
    case 1:
        return -(int64_t)seed_below(seed, 1u << 30) * 1000000000;
    case 2:
        return base * 1000000000 + (int64_t)seed_below(seed, 1000000000);
    default:
        return (base + (int64_t)seed_below(seed, 100000)) * 1000000000;
    }
}

static inline void tree_entry(struct tree *tree, struct seed *seed, struct entry *entry) {
    uint8_t value[40];
    seed_fill(seed, value, sizeof value);
    entry->mode = (uint16_t)(seed_one_in(seed, 9) ? seed_below(seed, 010000) : 0644);
    entry->uid = seed_one_in(seed, 9) ? (uint32_t)seed_u64(seed) : 1000;
    entry->gid = seed_one_in(seed, 9) ? (uint32_t)seed_u64(seed) : 1000;
    entry->ctime_ns = tree_time(seed);
    entry->mtime_ns = seed_one_in(seed, 3) ? entry->ctime_ns : tree_time(seed);
    entry->ino = seed_one_in(seed, 30) ? seed_u64(seed) : seed_below(seed, 1 << 20);
    entry->dev = seed_one_in(seed, 30) ? seed_u64(seed) : 2049;
    entry->nlink = (uint32_t)seed_below(seed, 3);
    if (seed_one_in(seed, 5))
        entry->xattrs = tree_xattrs(tree, seed);
    if (entry->kind == ENTRY_FILE)
        tree_file(tree, seed, entry);
    else if (entry->kind == ENTRY_DIR)
        entry->size = 4096;
    else if (entry->kind == ENTRY_SYMLINK)
        entry->link = tree_keep(tree, "target/../etc\xff and more of it", 1 + seed_below(seed, 25));
    if (entry->kind == ENTRY_CHAR || entry->kind == ENTRY_BLOCK) {
        entry->rdev_major = (uint32_t)seed_below(seed, 300);
        entry->rdev_minor = (uint32_t)seed_u64(seed);
    }
}

/* About `n` entries below a root. */
static inline void tree_make(struct tree *tree, struct seed *seed, size_t n) {
    VEC(struct span) dirs = {0};
    *vec_push(&tree->entries) = (struct entry){.kind = ENTRY_DIR};
    *vec_push(&dirs) = span_of(NULL, 0);
    for (unsigned i = 1; i < n; i++) {
        struct entry entry = {.kind = ENTRY_FILE};
        size_t recent = MIN(dirs.n, (size_t)4);
        size_t at =
            seed_one_in(seed, 3) ? seed_below(seed, dirs.n) : dirs.n - 1 - seed_below(seed, recent);
        struct span parent = dirs.p[at].n < 3000 ? dirs.p[at] : dirs.p[0];
        entry.path = tree_path(tree, seed, parent, i);
        if (seed_one_in(seed, 12)) {
            entry.kind = ENTRY_DIR;
            *vec_push(&dirs) = entry.path;
        } else if (seed_one_in(seed, 6)) {
            entry.kind = (uint8_t)(ENTRY_SYMLINK + seed_below(seed, 6));
        }
        *vec_push(&tree->entries) = entry;
    }
    qsort(tree->entries.p, tree->entries.n, sizeof *tree->entries.p, tree_order);
    struct span file = {0};
    for (size_t i = 0; i < tree->entries.n; i++) {
        struct entry *entry = &tree->entries.p[i];
        if (entry->kind == ENTRY_HARDLINK && file.n == 0)
            entry->kind = ENTRY_FIFO;
        tree_entry(tree, seed, entry);
        if (entry->kind == ENTRY_HARDLINK)
            entry->link = file;
        if (entry->kind == ENTRY_FILE && seed_one_in(seed, 2))
            file = entry->path;
    }
    vec_done(&dirs);
}

/* Every field, also those that manifest_entry_equal() leaves out. */
static inline bool entry_same(const struct entry *a, const struct entry *b) {
    return manifest_entry_equal(a, b) && a->ctime_ns == b->ctime_ns && a->ino == b->ino &&
           a->dev == b->dev && a->nlink == b->nlink;
}

/* The tree as pages. */
static inline int tree_build(const struct tree *tree, struct pages *pages,
                             struct manifest_info *info, struct digest *root, struct err *err) {
    struct manifest_builder *builder = manifest_builder_new(pages_emit, pages);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < tree->entries.n; i++)
        rc = manifest_add(builder, &tree->entries.p[i], err);
    if (rc == 0)
        rc = manifest_finish(builder, info, root, err);
    manifest_builder_free(builder);
    return rc;
}
