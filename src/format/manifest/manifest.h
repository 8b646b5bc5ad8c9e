#pragma once
/* format/manifest -- what a recovery point lists: sorted entries in a content-defined Merkle
 * tree.
 * Owns: the entry codec, leaf and inner pages, the root record (docs/format/manifest.md).
 * Knows nothing of: how pages are stored or sent (callbacks), files on disk.
 * Threads: a builder or reader by one thread.
 * Lifetime: spans in a struct entry from a reader are valid until the next call on that reader.
 * Limits: MANIFEST_*.
 *
 * Order: pre-order walk, names by byte value; i.e. paths compare with '/' below every other
 * byte. The root is "". */
#include "base/base.h"
#include "crypto/hash.h"
#include "format/chunk/chunk.h"

#define MANIFEST_PATH_MAX 65535u /* bytes of a relative path */
#define MANIFEST_PAGE_BYTES_MAX CHUNK_BYTES_MAX
#define MANIFEST_ENTRY_BYTES_MAX                                                                   \
    (120u * 1024) /* path, link, xattrs and lists of one entry, encoded */
#define MANIFEST_LEAF_ENTRIES_MAX 4096u
#define MANIFEST_CHILDREN_MAX 1024u   /* of an inner page */
#define MANIFEST_DEPTH_MAX 16u        /* tree height */
#define MANIFEST_CHUNKS_MAX 64u       /* more chunk references than this go to index pages */
#define MANIFEST_EXTENTS_MAX 16384u   /* of one entry; the caller joins the nearest of more */
#define MANIFEST_INDEX_REFS 1024u     /* references, or page names, in a full index page */
#define MANIFEST_INDEX_PAGES_MAX 256u /* in an entry as stored; more are folded a level higher */
#define MANIFEST_INDEX_LEVEL_MAX 3u

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
    uint64_t size; /* of a file's content as it was read, holes included */
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
    uint8_t index_level; /* 0: they list references; higher: they list pages one level lower */
    uint64_t chunk_n;    /* references in all (== ref_n without index pages) */
    const struct extent *extents; /* ENTRY_SPARSE */
    uint32_t extent_n;
};

/* Path order. */
int manifest_path_compare(struct span a, struct span b);

/* Would manifest_add() take it?  Path, kind, flags, limits, and that the content adds up: the
 * lengths of the references are the size, or the sum of the extents (at most that when UNREADABLE);
 * with index pages manifest_refs_next() checks it.  ERR_FORMAT, ERR_LIMIT. */
[[nodiscard]] int manifest_entry_check(const struct entry *entry, struct err *err);
/* Would a restore of both put back the same?  (Inode, device, link count and ctime are left out.)
 */
bool manifest_entry_equal(const struct entry *a, const struct entry *b);

/* xattr list: sorted by name, no duplicates. */
void entry_xattr_put(struct buf *out, struct span name, struct span value); /* call in name order */
/* Next pair of an encoded list; false at its end or (bad set) when malformed. */
bool entry_xattr_next(struct cursor *c, struct span *name, struct span *value);

/* ---- the chunk list of a large file ---- */
/* Index page of level 0: references, a CHUNK_INDEX chunk.  1..MANIFEST_INDEX_REFS of them. */
void manifest_index_put(struct buf *out, const struct chunk_ref *refs, size_t n);
[[nodiscard]] int manifest_index_get(struct span page, struct chunk_ref *refs, size_t max,
                                     size_t *n, struct err *err);
/* Any index page: its level, and the names in it: of data chunks (level 0) or of index pages one
 * level lower.  names[MANIFEST_INDEX_REFS].  For closure and mark. */
[[nodiscard]] int manifest_index_names(struct span page, struct digest *names, size_t *n,
                                       uint8_t *level, struct err *err);

/* ---- build ---- */
/* Hand over a finished chunk (page or root record); *name is its typed hash, already computed. */
typedef int manifest_emit_fn(void *ctx, enum chunk_type type, const struct digest *name,
                             struct span bytes, struct err *err);

/* Sums over entries, kept in inner pages and in the root: FILE and HARDLINK are files, bytes are
 * the sizes of FILEs (at most UINT64_MAX), problems the entries that are CHANGED or UNREADABLE. */
struct manifest_totals {
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
/* Entries in strictly ascending path order (else INVARIANT fails: the scanner's bug), every folder
 * before what is in it.  Errors of manifest_entry_check(); the entry is not in then, and the
 * builder may go on without it.  Any other error ends the builder. */
[[nodiscard]] int manifest_add(struct manifest_builder *builder, const struct entry *entry,
                               struct err *err);
/* Whether the builder stands at a leaf boundary, so that an unchanged leaf of an older manifest
 * whose first entry is next may be taken as it is.  Where a leaf ends depends on the entries in it,
 * mostly on their paths, and never on what follows; so after one cut both trees stay in step.  Only
 * the last leaf of a tree ends because nothing follows: taken before further entries it makes a
 * good tree, though not the one that adding every entry would make. */
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
/* Bring the bytes of a page or record, verified against its name; valid until the next call with
 * the same ctx. */
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
/* The leaf that the next manifest_next() would begin, for manifest_add_leaf(); valid until the next
 * call on the reader.  NULL in the middle of one, at the end, and for the last leaf of the tree,
 * which more entries may extend. */
[[nodiscard]] int manifest_peek_leaf(struct manifest_reader *reader,
                                     const struct manifest_ref **leaf, struct err *err);
/* Pass over the leaf that manifest_peek_leaf() showed, without loading it. */
void manifest_skip_leaf(struct manifest_reader *reader);
/* Stand before the first entry whose path is >= path.  O(height) loads. */
[[nodiscard]] int manifest_seek(struct manifest_reader *reader, struct span path, struct err *err);

/* The references of one FILE entry in order, from the entry itself or from its index pages.  Copies
 * what it needs of the entry. */
struct manifest_refs;
struct manifest_refs *manifest_refs_new(const struct entry *entry, manifest_load_fn *load,
                                        void *ctx);
void manifest_refs_free(struct manifest_refs *refs);
static inline void manifest_refs_auto(struct manifest_refs **p) {
    manifest_refs_free(*p);
}
/* *ref = NULL at the end, when number and lengths have been found to agree with the entry. */
[[nodiscard]] int manifest_refs_next(struct manifest_refs *refs, const struct chunk_ref **ref,
                                     struct err *err);

/* One leaf or inner page, checked; borrows the bytes.  For verify, closure and mark. */
struct manifest_page;
[[nodiscard]] int manifest_page_open(struct span bytes, struct manifest_page **out,
                                     struct err *err);
void manifest_page_free(struct manifest_page *page);
static inline void manifest_page_auto(struct manifest_page **p) {
    manifest_page_free(*p);
}
/* Is it the page that `ref` announces (level, first path unless NULL, totals)?  A leaf's sums are
 * compared when manifest_page_next() comes to its end. */
[[nodiscard]] int manifest_page_expect(struct manifest_page *page, const struct manifest_ref *ref,
                                       struct err *err);
uint8_t manifest_page_level(const struct manifest_page *page);
size_t manifest_page_n(const struct manifest_page *page);
/* level > 0 */
const struct manifest_ref *manifest_page_child(const struct manifest_page *page, size_t i);
/* level 0; decoded one after the other; NULL at the end. */
[[nodiscard]] int manifest_page_next(struct manifest_page *page, const struct entry **entry,
                                     struct err *err);

/* Two points: calls fn with (old, NULL) removed, (NULL, new) added, (old, new) when they are not
 * manifest_entry_equal(), in path order.  Equal pages are skipped; a callback that returns -1 ends
 * it. */
typedef int manifest_diff_fn(void *ctx, const struct entry *old_entry,
                             const struct entry *new_entry, struct err *err);
[[nodiscard]] int manifest_diff(const struct manifest_ref *old_tree,
                                const struct manifest_ref *new_tree, manifest_load_fn *load,
                                void *old_ctx, void *new_ctx, manifest_diff_fn *fn, void *ctx,
                                struct err *err);
