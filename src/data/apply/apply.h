#pragma once
/* data/apply -- puts entries back into a folder, whatever lives there meanwhile.
 * Owns: the fd-relative restore engine: openat2 beneath the target, no links followed, temp name
 * then rename, all metadata by descriptor, directories' times last. Knows nothing of: where the
 * bytes come from, manifests, policy beyond its options. Threads: apply_dir/special/finish by one
 * thread; apply_file_* on different files by different threads. Lifetime: every apply_file is
 * committed or aborted before apply_close. Limits: APPLY_OPEN_DIRS_MAX cached directory
 * descriptors. */
#include "base/base.h"
#include "format/manifest/manifest.h"

enum apply_existing {
    APPLY_COPY,
    APPLY_SKIP,
    APPLY_OVERWRITE
}; /* copy: keep both, the restored one gets a new name */
enum apply_security {
    APPLY_RESTORE,
    APPLY_INHERIT
}; /* owner, mode, ACL from the point, or from the folder */

struct apply_opts {
    enum apply_existing existing;
    enum apply_security security;
    bool allow_devices; /* device nodes; needs root */
    bool allow_set_id;  /* keep set-uid/gid bits and capabilities */
};

struct apply;
/* `target` is made when missing.  ERR_TARGET (a file, a link, inside a forbidden place),
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
 * hard link. `why` explains REFUSED and FAILED. */
enum apply_result apply_entry(struct apply *apply, const struct entry *entry, struct err *why);

/* A regular file: begin, write in any order from any thread, commit. */
struct apply_file;
enum apply_result apply_file_begin(struct apply *apply, const struct entry *entry,
                                   struct apply_file **out, struct err *why);
[[nodiscard]] int apply_file_write(struct apply_file *file, uint64_t offset, struct span bytes,
                                   struct err *err);
/* Metadata by fd, rename to the final name.  Frees the file. */
enum apply_result apply_file_commit(struct apply_file *file, struct err *why);
void apply_file_abort(struct apply_file *file); /* NULL is fine; removes the temp file */

struct apply_totals {
    uint64_t done, skipped, refused, failed, bytes;
};
/* Directories' metadata, bottom up; then syncfs.  */
[[nodiscard]] int apply_finish(struct apply *apply, struct apply_totals *totals, struct err *err);
/* Remove temp files of an interrupted restore below the target (done by apply_open too). */
