#pragma once
/* format/manifest -- what a recovery point lists: sorted entries in a content-defined Merkle tree.
 * Owns: the entry codec, leaf and inner pages, the root record (docs/format/manifest.md).
 * Knows nothing of: how pages are stored or sent (callbacks), files on disk.
 * Threads: a builder or reader by one thread.
 * Lifetime: spans in a struct entry from a reader are valid until the next call on that reader.
 * Limits: MANIFEST_*.
 *
 * Order: pre-order walk, names by byte value; i.e. paths compare with '/' below every other byte.
 * The root is "". */
#include "base/base.h"
#include "crypto/hash.h"
#include "format/chunk/chunk.h"

#define MANIFEST_PATH_MAX 65535u /* bytes of a relative path */
#define MANIFEST_PAGE_BYTES_MAX CHUNK_BYTES_MAX
#define MANIFEST_DEPTH_MAX 16u    /* tree height */
#define MANIFEST_INLINE_MAX 0u    /* content inlined in the entry: not used by version 1 */
#define MANIFEST_CHUNKS_MAX 64u   /* more chunk references than this go to index pages */
#define MANIFEST_INDEX_REFS 1024u /* references in a full index page */

enum entry_kind {
    ENTRY_FILE = 1,
    ENTRY_DIR,
    ENTRY_SYMLINK,
    ENTRY_CHAR,
    ENTRY_BLOCK,
    ENTRY_FIFO,
    ENTRY_SOCKET,
    ENTRY_HARDLINK
};

enum entry_flag {
    ENTRY_CHANGED = 1,    /* it changed while it was read: content is one read, maybe torn */
    ENTRY_UNREADABLE = 2, /* content or metadata could not be read; `problem` says why */
    ENTRY_SPARSE = 4,     /* extents lists where the data is */
    ENTRY_FIXED = 8,      /* cut in fixed blocks */
};

/* A run of content: `length` plain bytes in chunk `name`. */
struct chunk_ref {
    struct digest name;
    uint32_t length;
};
/* Data of a sparse file: [offset, offset + length); everything else is a hole. */
struct extent {
    uint64_t offset;
    uint64_t length;
};

struct entry {
    struct span path;
    uint8_t kind;  /* enum entry_kind */
    uint8_t flags; /* enum entry_flag */
    uint16_t mode; /* permission bits, set-id, sticky */
    uint32_t uid, gid;
    uint64_t size; /* of a file's content, holes included */
    int64_t mtime_ns, ctime_ns;
    uint64_t ino, dev;
    uint32_t nlink;
    uint32_t rdev_major, rdev_minor; /* CHAR, BLOCK */
    struct span link;   /* SYMLINK: target; HARDLINK: path of the first entry of the group */
    struct span xattrs; /* encoded list, see entry_xattrs_* ; ACLs and capabilities are xattrs */
    uint16_t problem;   /* errno for ENTRY_UNREADABLE */
    /* content of a FILE: either refs (ref_n <= MANIFEST_CHUNKS_MAX) or index pages */
    const struct chunk_ref *refs;
    uint32_t ref_n;
    const struct digest *index_pages; /* names of CHUNK_INDEX chunks, in order */
    uint32_t index_page_n;
    uint64_t chunk_n;             /* references in all (== ref_n without index pages) */
    const struct extent *extents; /* ENTRY_SPARSE */
    uint32_t extent_n;
};

/* Path order. */
int manifest_path_compare(struct span a, struct span b);

/* xattr list: sorted by name, no duplicates. */
void entry_xattr_put(struct buf *out, struct span name, struct span value); /* call in name order */
/* Next pair of an encoded list; false at its end or (bad set) when malformed. */
bool entry_xattr_next(struct cursor *c, struct span *name, struct span *value);

/* Index page: references of a large file, encoded/decoded as a CHUNK_INDEX chunk. */
void manifest_index_put(struct buf *out, const struct chunk_ref *refs, size_t n);
[[nodiscard]] int manifest_index_get(struct span page, struct chunk_ref *refs, size_t max,
                                     size_t *n, struct err *err);

/* ---- build ---- */
/* Hand over a finished chunk (page or root record); *name is its typed hash, already computed. */
typedef int manifest_emit_fn(void *ctx, enum chunk_type type, const struct digest *name,
                             struct span bytes, struct err *err);

struct manifest_totals { /* sums over entries; kept in inner pages and in the root */
    uint64_t entries, files, dirs, bytes, problems;
};

/* A subtree: what an inner page says of a child. */
struct manifest_ref {
    struct digest page;
    uint8_t level; /* 0 = leaf */
    struct manifest_totals totals;
    struct span first_path;
};

struct manifest_builder;
struct manifest_builder *manifest_builder_new(manifest_emit_fn *emit, void *ctx);
void manifest_builder_free(struct manifest_builder *builder);
static inline void manifest_builder_auto(struct manifest_builder **p) {
    manifest_builder_free(*p);
}
/* Entries in strictly ascending path order (else INVARIANT fails: the scanner's bug). */
[[nodiscard]] int manifest_add(struct manifest_builder *builder, const struct entry *entry,
                               struct err *err);
/* Whether the builder stands at a leaf boundary, so that an unchanged leaf of an older manifest
 * whose first entry is next may be taken as it is.  Leaf cuts depend on paths only, so after one
 * cut both trees stay in step. */
bool manifest_at_boundary(const struct manifest_builder *builder);
[[nodiscard]] int manifest_add_leaf(struct manifest_builder *builder,
                                    const struct manifest_ref *leaf, struct err *err);

struct manifest_info { /* the root record */
    uint8_t source[16];
    uint8_t job[16];
    int64_t started_ns, finished_ns; /* agent's wall clock: labels only */
    char computer[256];
    char root_path[4096];
    struct manifest_ref tree; /* first_path empty */
};
/* Flush, emit inner pages and the root record; *root is the root record's name. */
[[nodiscard]] int manifest_finish(struct manifest_builder *builder, struct manifest_info *info,
                                  struct digest *root, struct err *err);

/* ---- read ---- */
/* Bring the bytes of a page or record; valid until the next call with the same ctx. */
typedef int manifest_load_fn(void *ctx, enum chunk_type type, const struct digest *name,
                             struct span *bytes, struct err *err);

[[nodiscard]] int manifest_info_get(struct span record, struct manifest_info *info,
                                    struct err *err);

struct manifest_reader;
/* Walk the tree below `tree` in order. */
struct manifest_reader *manifest_reader_new(const struct manifest_ref *tree, manifest_load_fn *load,
                                            void *ctx);
void manifest_reader_free(struct manifest_reader *reader);
static inline void manifest_reader_auto(struct manifest_reader **p) {
    manifest_reader_free(*p);
}
/* *entry = NULL at the end. */
[[nodiscard]] int manifest_next(struct manifest_reader *reader, const struct entry **entry,
                                struct err *err);
/* The leaf that the next manifest_next() would begin; NULL when in the middle of one.  (For
 * manifest_add_leaf.) */
const struct manifest_ref *manifest_peek_leaf(struct manifest_reader *reader, struct err *err);
/* Pass over the leaf that manifest_peek_leaf() showed, without decoding it. */
void manifest_skip_leaf(struct manifest_reader *reader);
/* Stand before the first entry whose path is >= path.  O(height) loads. */
[[nodiscard]] int manifest_seek(struct manifest_reader *reader, struct span path, struct err *err);

/* One leaf or inner page, checked; entries through the callback (0 = go on).  For verify, closure
 * and mark. */
struct manifest_page;
[[nodiscard]] int manifest_page_open(struct span bytes, struct manifest_page **out,
                                     struct err *err);
void manifest_page_free(struct manifest_page *page);
static inline void manifest_page_auto(struct manifest_page **p) {
    manifest_page_free(*p);
}
uint8_t manifest_page_level(const struct manifest_page *page);
size_t manifest_page_n(const struct manifest_page *page);
/* level > 0 */
const struct manifest_ref *manifest_page_child(const struct manifest_page *page, size_t i);
/* level 0; decoded one after the other; NULL at the end. */
[[nodiscard]] int manifest_page_next(struct manifest_page *page, const struct entry **entry,
                                     struct err *err);

/* Two points: calls fn with (old, NULL) removed, (NULL, new) added, (old, new) different.  Equal
 * pages are skipped. */
typedef int manifest_diff_fn(void *ctx, const struct entry *old_entry,
                             const struct entry *new_entry, struct err *err);
[[nodiscard]] int manifest_diff(const struct manifest_ref *old_tree,
                                const struct manifest_ref *new_tree, manifest_load_fn *load,
                                void *old_ctx, void *new_ctx, manifest_diff_fn *fn, void *ctx,
                                struct err *err);
