#pragma once
/* format/manifest, inside: paths, leaf and inner pages, each with its two halves (out: encode, in:
 * decode).  The layout is described in docs/format/manifest.md. */
#include "base/vec.h"
#include "format/manifest/manifest.h"

#define PAGE_VERSION 1u

/* Cutting.  A page is closed once it holds more than PAGE_BYTES_SOFT; one entry adds at most
 * MANIFEST_ENTRY_BYTES_MAX and a class row, so that MANIFEST_PAGE_BYTES_MAX is never reached. */
#define PAGE_BYTES_SOFT (128u * 1024)
#define LEAF_WEIGHT_MIN (16u * 1024)
#define LEAF_WEIGHT_TARGET (40u * 1024)
#define LEAF_WEIGHT_MAX (96u * 1024)
#define INNER_CHILDREN_MIN 32u
#define INNER_CHILDREN_TARGET 256u
/* Paths in full: what a small page can be blown up to. */
#define LEAF_PATHS_BYTES_SOFT (4u << 20)
#define LEAF_PATHS_BYTES_MAX (LEAF_PATHS_BYTES_SOFT + MANIFEST_PATH_MAX)
#define INNER_PATHS_BYTES_SOFT (512u * 1024)
#define INNER_PATHS_BYTES_MAX (INNER_PATHS_BYTES_SOFT + MANIFEST_PATH_MAX)

/* ---- manifest_path.c ---- */
/* The path before, as far as the next one is judged by it. */
struct path_walk {
    size_t n;
    size_t start; /* of its last component */
    uint8_t kind;
    bool any; /* there was one */
};
/* NULL when path may follow, of which `shared` bytes are equal to the path before and the order has
 * been checked; else what is wrong with it. */
const char *manifest_path_step(struct path_walk *walk, const uint8_t *path, size_t n, size_t shared,
                               uint8_t kind);
bool manifest_path_valid(struct span path);
size_t manifest_path_shared(struct span a, struct span b);
/* Does `after` sort behind `before` when they stand at the same place of two paths? */
static inline bool path_byte_less(uint8_t before, uint8_t after) {
    return (before == '/' ? 0 : before) < (after == '/' ? 0 : after);
}
uint64_t manifest_path_hash(struct span path);
/* "entry PATH has PROBLEM"; here, so that the way without errors keeps its stack small.  Returns
 * -1. */
#define PATH_TEXT_BYTES 160u
int manifest_refuse(struct err *err, enum err_code code, struct span path, const char *problem);

/* ---- manifest_entry.c ---- */
/* Everything of manifest_entry_check() but the path and the attribute list. */
[[nodiscard]] int entry_content_check(const struct entry *entry, struct err *err);
bool entry_xattrs_valid(struct span list);
/* What is wrong with the combination, or NULL. */
const char *entry_class_problem(uint8_t kind, uint8_t flags, uint16_t mode);
uint64_t entry_weight(const struct entry *entry);
void manifest_totals_add_entry(struct manifest_totals *totals, const struct entry *entry);
void manifest_totals_add(struct manifest_totals *totals, const struct manifest_totals *more);
bool manifest_totals_equal(const struct manifest_totals *a, const struct manifest_totals *b);

/* ---- varints ---- */
static inline uint64_t zigzag(uint64_t delta) {
    return delta << 1 ^ (0 - (delta >> 63));
}
static inline uint64_t unzigzag(uint64_t v) {
    return v >> 1 ^ (0 - (v & 1));
}
#define VARINT_BYTES_MAX 10u
/* cursor_varint() for the inner loop: no bound check per byte where ten bytes are left. */
static inline uint64_t varint_get(struct cursor *c) {
    const uint8_t *p = c->p;
    if (cursor_left(c) < VARINT_BYTES_MAX)
        return cursor_varint(c);
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 56; shift += 7) {
        uint8_t b = *p++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            c->bad |= b == 0 && shift > 0; /* a longer form of a smaller number */
            c->p = p;
            return v;
        }
    }
    return cursor_varint(c);
}
static inline void buf_room(struct buf *buf, size_t n) {
    if (buf->cap - buf->n < n)
        buf_reserve(buf, n);
}
/* There is buf_room(). */
static inline void varint_put(struct buf *buf, uint64_t v) {
    uint8_t *p = buf->p + buf->n;
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    buf->n = (size_t)(p - buf->p);
}

/* ---- leaf pages ---- */
enum leaf_column {
    LEAF_NAMES,   /* shared bytes, own bytes */
    LEAF_CLASSES, /* class << 2 | form of the mtime */
    LEAF_SIZES,
    LEAF_CTIMES,
    LEAF_MTIMES,
    LEAF_INODES,
    LEAF_ROWS,   /* the classes, as they first appear */
    LEAF_XATTRS, /* distinct lists, as they first appear */
    LEAF_CONTENT,
    LEAF_DIGESTS,
    LEAF_COLUMNS
};
#define NS_PER_S 1000000000
enum mtime_form { MTIME_IS_CTIME = 0, MTIME_SECONDS = 1, MTIME_FROM_CTIME = 2 };

/* What many entries have in common. */
struct leaf_class {
    uint64_t dev;
    uint32_t uid, gid, nlink;
    uint32_t xattr; /* 0 none, else number of the list */
    uint16_t mode;
    uint8_t kind, flags;
    uint32_t unused; /* no padding: compared and hashed as bytes */
};
static_assert(sizeof(struct leaf_class) == 32);

/* An attribute list in its column. */
struct leaf_list {
    size_t at, n;
};

#define LEAF_SLOTS (2 * MANIFEST_LEAF_ENTRIES_MAX)
struct leaf_out {
    struct buf column[LEAF_COLUMNS];
    size_t entry_n;
    uint64_t weight, last_weight;
    size_t path_bytes;
    uint64_t ctime, seconds, ino; /* of the entry before; mtime in whole seconds */
    struct manifest_totals totals;
    struct buf first_path;
    struct buf path; /* of the entry before, also of the page before */
    struct path_walk walk;
    VEC(struct leaf_class) classes;
    VEC(struct leaf_list) xattrs;
    uint16_t class_slots[LEAF_SLOTS], xattr_slots[LEAF_SLOTS]; /* 0 free, else index + 1 */
};
void manifest_leaf_out_begin(struct leaf_out *leaf); /* an empty page; keeps the path before */
void manifest_leaf_out_done(struct leaf_out *leaf);
/* `entry` was checked; its first `shared` bytes are those of the path before. */
void manifest_leaf_out_add(struct leaf_out *leaf, const struct entry *entry, size_t shared);
bool manifest_leaf_out_cut(const struct leaf_out *leaf); /* does the page end here? */
void manifest_leaf_out_page(const struct leaf_out *leaf, struct buf *page);

struct leaf_in {
    struct cursor column[LEAF_COLUMNS];
    size_t entry_n, entry_i;
    VEC(struct leaf_class) classes;
    size_t class_seen;
    VEC(struct span) xattrs;
    size_t xattr_seen;
    uint64_t ctime, seconds, ino;
    uint8_t *path; /* MANIFEST_PATH_MAX */
    size_t path_bytes;
    struct path_walk walk;
    struct manifest_totals totals, expected;
    bool expects;
    struct entry entry;
    struct chunk_ref refs[MANIFEST_CHUNKS_MAX];
    struct digest index_pages[MANIFEST_INDEX_PAGES_MAX];
    VEC(struct extent) extents;
};
[[nodiscard]] int manifest_leaf_in_open(struct leaf_in *leaf, struct cursor page, struct err *err);
[[nodiscard]] int manifest_leaf_in_next(struct leaf_in *leaf, const struct entry **entry,
                                        struct err *err);
[[nodiscard]] int manifest_leaf_in_first_path(const struct leaf_in *leaf, struct span *path,
                                              struct err *err);
void manifest_leaf_in_done(struct leaf_in *leaf);
/* Problem, extents, references, link or device of the entry (manifest_content.c). */
void manifest_content_put(struct buf *content, struct buf *digests, const struct entry *entry);
[[nodiscard]] int manifest_content_get(struct leaf_in *leaf, struct entry *entry, struct err *err);

/* Extents are aligned to some block: how many low bits of all but the last length are zero. */
unsigned entry_extents_shift(const struct entry *entry);

/* ---- inner pages ---- */
struct inner_out {
    uint8_t level;
    size_t child_n;
    struct buf names, totals, digests;
    size_t path_bytes;
    struct buf first_path, path; /* of the first child, of the child before */
    struct manifest_totals sum;
    struct digest last_page; /* of the child before */
    struct manifest_totals last_totals;
};
void manifest_inner_out_begin(struct inner_out *inner, uint8_t level);
void manifest_inner_out_done(struct inner_out *inner);
void manifest_inner_out_add(struct inner_out *inner, const struct manifest_ref *child);
bool manifest_inner_out_cut(const struct inner_out *inner);
void manifest_inner_out_page(const struct inner_out *inner, struct buf *page);

struct inner_in {
    VEC(struct manifest_ref) children;
    struct buf paths;
    struct manifest_totals totals;
};
[[nodiscard]] int manifest_inner_in_open(struct inner_in *inner, uint8_t level, struct cursor page,
                                         struct err *err);
void manifest_inner_in_done(struct inner_in *inner);

/* ---- manifest_page.c ---- */
struct manifest_page {
    uint8_t level;
    struct inner_in inner;
    struct leaf_in leaf;
};
struct manifest_page *manifest_page_new(void);
/* Open other bytes in the same object. */
[[nodiscard]] int manifest_page_reopen(struct manifest_page *page, struct span bytes,
                                       struct err *err);

/* ---- manifest_info.c ---- */
void manifest_info_put(struct buf *out, const struct manifest_info *info);

/* ---- manifest_index.c ---- */
/* Put the pages' names into pages of pages until few enough are left for an entry.  *pages belongs
 * to the caller. */
[[nodiscard]] int manifest_index_fold(const struct entry *entry, manifest_emit_fn *emit, void *ctx,
                                      struct digest **pages, struct entry *folded, struct err *err);

/* ---- manifest_read.c, for manifest_diff.c ---- */
/* The subtree that begins where the reader stands, as high as possible; NULL in the middle of a
 * leaf and at the end. */
const struct manifest_ref *manifest_reader_subtree(const struct manifest_reader *reader);
/* Step into it (an inner page's first child, a leaf's first entry), or over it. */
[[nodiscard]] int manifest_reader_enter(struct manifest_reader *reader, struct err *err);
void manifest_reader_skip(struct manifest_reader *reader);
/* The next entry of the leaf the reader is in, not yet passed; NULL at its end and outside. */
[[nodiscard]] int manifest_reader_current(struct manifest_reader *reader,
                                          const struct entry **entry, struct err *err);
void manifest_reader_pass(struct manifest_reader *reader);
