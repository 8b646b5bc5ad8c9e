#pragma once
/* data/scan -- walks a protected folder: every entry, in manifest order, without following
 * anything.
 * Owns: directory reading ahead of the consumer, metadata, exclusion rules, opening and reading
 *   of items.
 * Knows nothing of: chunks, manifests' bytes, the network.
 * Threads: scan_next by one thread; scan_item_* by any.
 * Lifetime: a scan_entry is the consumer's until scan_entry_free (any thread, before
 *   scan_close).
 * Limits: SCAN_AHEAD_ENTRIES; a directory is held whole while it is sorted. */
#include "base/base.h"
#include "format/manifest/manifest.h"

#define SCAN_AHEAD_ENTRIES 32768u

struct scan_opts {
    unsigned threads; /* 0 = choose */
    bool one_file_system;
    bool exclude_caches;         /* folders with a valid CACHEDIR.TAG keep only the tag */
    const char *const *excludes; /* gitignore syntax, relative to the root, later rules win */
    size_t exclude_n;
};

struct scan;

struct scan_entry {
    struct entry
        meta; /* path, kind, mode, ids, times, ino, size; no content, no xattrs, no link target */
    uint64_t blocks; /* of 512 bytes: fewer than size means holes */
    int problem; /* errno: directory not listable, entry vanished between readdir and stat, ...; 0 =
                    fine */
    /* private to the room behind this line */
    struct scan_batch *batch; /* what it was allocated with */
    const char *name;         /* last component, inside meta.path */
    int64_t btime_ns;
};

/* Start walking `root`.  A missing or unreadable root is an error here: ERR_SOURCE_MISSING,
 * ERR_PERMISSION. */
[[nodiscard]] int scan_open(const char *root, const struct scan_opts *opts, struct scan **out,
                            struct err *err);
void scan_close(struct scan *scan);
static inline void scan_auto(struct scan **p) {
    scan_close(*p);
}
/* Next entry in manifest order, the root ("") first; *entry = NULL at the end.  Hard links: the
 * first path of a group is a FILE, later ones are HARDLINK with meta.link set. */
[[nodiscard]] int scan_next(struct scan *scan, struct scan_entry **entry, struct err *err);
void scan_entry_free(struct scan_entry *entry);
/* For progress; grows ahead of scan_next. */
struct scan_sum {
    uint64_t entries;
    uint64_t bytes; /* sizes of all regular files */
    bool complete;  /* there is no more to be found */
};
struct scan_sum scan_found(struct scan *scan);

/* ---- reading one item ---- */
struct scan_item {
    int fd; /* OS_FD_NONE for kinds without content */
};
/* Open a FILE without following links or blocking (a path that became a fifo or link meanwhile
 * fails with ESTALE). Returns 0 or an errno: problems of one item are data, not errors of the job.
 */
int scan_item_open(const struct scan_entry *entry, struct scan_item *item);
/* Look again: the entry was listed a while ago and something else carries its name now (ESTALE), or
 * it changed.  Its metadata becomes that of today; errno when it is gone or of another kind. */
int scan_entry_refresh(struct scan_entry *entry);
void scan_item_close(struct scan_item *item);
/* Read at offset; fewer bytes than n only at the end.  errno or 0. */
int scan_item_read(const struct scan_item *item, uint64_t offset, void *to, size_t n, size_t *got);
/* After reading: does the item still have the size, mtime, ctime, inode it was listed with? */
bool scan_item_unchanged(const struct scan_entry *entry, const struct scan_item *item);
/* xattrs of the open item, or of a directory, symlink or special by name; encoded for struct
 * entry.xattrs (appended).  E2BIG: more than the manifest has room for (half of
 * MANIFEST_ENTRY_BYTES_MAX, the path included). */
int scan_xattrs(const struct scan_entry *entry, const struct scan_item *item, struct buf *out);
/* Target of a SYMLINK, appended. */
int scan_link(const struct scan_entry *entry, struct buf *out);
/* Data extents of a sparse file (SEEK_DATA) below `size`; more than max: joined across the
 * narrowest holes between them.  errno or 0. */
int scan_extents(const struct scan_item *item, uint64_t size, struct extent *extents, size_t max,
                 size_t *n);
/* Is this a disk image or database file, which fixed blocks suit better than content-defined cuts?
 * By name and by the first bytes (SQLite, PostgreSQL and InnoDB pages, QCOW2, VMDK, VHD(X),
 * MBR/GPT, ext superblock). */
bool scan_wants_fixed(const struct scan_entry *entry, struct span first_bytes);
