#pragma once
/* data/apply -- puts entries back into a folder, whatever lives there meanwhile.
 * Owns: the fd-relative restore engine: openat2 beneath the target, no links followed, temp name
 *   then rename, all metadata by descriptor, directories' times last.
 * Knows nothing of: where the bytes come from, manifests, policy beyond its options.
 * Threads: apply_entry/finish by one thread; apply_file_* on different files by different
 *   threads. One thread of its own syncs what is complete while the rest is written.
 * Lifetime: every apply_file is committed or aborted before apply_finish.
 * Limits: APPLY_OPEN_DIRS_MAX cached directory descriptors. */
#include "base/base.h"
#include "format/manifest/manifest.h"

#define APPLY_OPEN_DIRS_MAX 128u
/* What an interrupted restore leaves behind begins with this; the next one into the same folders
 * removes it. */
#define APPLY_TEMP_PREFIX ".casemate-tmp-"

/* Something that exists already (folders are merged):
 * copy: both stay, the restored one is called "name (restored 2026-11-21 12.30.05)";
 * skip: the existing one stays; overwrite: replaced by a new inode, so that other hard links of
 * the old one keep what they have. */
enum apply_existing { APPLY_COPY, APPLY_SKIP, APPLY_OVERWRITE };
/* Owner, mode, ACL and attributes from the point; or owner and mode from the folder that an entry
 * lands in (files stay executable), its default ACL, and only user attributes from the point. */
enum apply_security { APPLY_RESTORE, APPLY_INHERIT };

/* Something was restored without what policy or system do not allow: the owner, set-id bits, an
 * attribute; or, in apply_finish, a folder's metadata not at all.  Called by the thread that
 * restores the entry. */
typedef void apply_note_fn(void *ctx, struct span path, const struct err *what);

struct apply_opts {
    enum apply_existing existing;
    enum apply_security security;
    bool allow_devices;  /* device nodes and sockets; devices need root */
    bool allow_set_id;   /* keep set-uid/gid bits and security.* attributes (capabilities) */
    apply_note_fn *note; /* may be NULL */
    void *note_ctx;
};

struct apply;
/* `target` is made when missing.  ERR_TARGET (a file, a link, a place like /proc),
 * ERR_PERMISSION. */
[[nodiscard]] int apply_open(const char *target, struct apply_opts opts, struct apply **out,
                             struct err *err);
void apply_close(struct apply *apply);
static inline void apply_auto(struct apply **p) {
    apply_close(*p);
}

/* What happened to one entry; problems of one entry are reported and the rest goes on. */
enum apply_result { APPLY_DONE, APPLY_SKIPPED, APPLY_REFUSED, APPLY_FAILED };

/* A directory (made or reused; its mode, owner, times are set in apply_finish), symlink, special or
 * hard link. `why` explains REFUSED and FAILED; ERR_ENTRY_LINK: the first path of the group is not
 * there to be linked to, restoring this one's content would help. */
[[nodiscard]] enum apply_result apply_entry(struct apply *apply, const struct entry *entry,
                                            struct err *why);

/* A regular file: begin, write in any order from any thread, commit.  Only data is written: bytes
 * outside the entry's extents (ENTRY_SPARSE) are holes. */
struct apply_file;
/* *out is set only with APPLY_DONE.  The entry is copied. */
[[nodiscard]] enum apply_result apply_file_begin(struct apply *apply, const struct entry *entry,
                                                 struct apply_file **out, struct err *why);
[[nodiscard]] int apply_file_write(struct apply_file *file, uint64_t offset, struct span bytes,
                                   struct err *err);
/* Metadata by fd, rename to the final name.  Frees the file.  FAILED when bytes are missing. */
[[nodiscard]] enum apply_result apply_file_commit(struct apply_file *file, struct err *why);
/* NULL is fine; removes the temp file; counts as failed. */
void apply_file_abort(struct apply_file *file);

struct apply_totals {
    uint64_t done, skipped, refused, failed; /* entries */
    uint64_t reduced;                        /* of the done ones: with a note */
    uint64_t bytes;
};
/* Directories' metadata, bottom up; then syncfs.  */
[[nodiscard]] int apply_finish(struct apply *apply, struct apply_totals *totals, struct err *err);
