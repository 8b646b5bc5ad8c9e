#pragma once
/* flow/serve -- the server's half of everything that reads a point: restore, cat, ls, find,
 * diff.
 * Owns: selection by path, the order in which chunks are read, look-up inside a point.
 * Knows nothing of: the catalog, who asked, how the agent writes.
 * Threads: a call uses its own reader; serve_restore has a reading thread of its own.
 * Lifetime: streams are closed by the caller.
 * Limits: RESTORE_WINDOW_* (data/select) are planned at a time. */
#include "base/base.h"
#include "data/channel/channel.h"
#include "data/store/store.h"
#include "format/manifest/manifest.h"

/* ---- look inside ---- */
/* Entries below `path` (relative, "" = root); recursive or one level; after: path to go on behind,
 * empty = start. fn returns 1 to stop early.  ERR_NOT_FOUND. */
typedef int serve_entry_fn(void *ctx, const struct entry *entry, struct err *err);
[[nodiscard]] int serve_list(struct store *store, const struct digest *manifest, struct span path,
                             bool recursive, struct span after, serve_entry_fn *fn, void *ctx,
                             struct err *err);
/* The entry at `path`.  ERR_NOT_FOUND. */
[[nodiscard]] int serve_entry(struct store *store, const struct digest *manifest, struct span path,
                              serve_entry_fn *fn, void *ctx, struct err *err);
/* Every entry whose name (or whole path, when the pattern has a slash) matches the shell pattern.
 */
[[nodiscard]] int serve_find(struct store *store, const struct digest *manifest,
                             const char *pattern, struct span after, serve_entry_fn *fn, void *ctx,
                             struct err *err);
[[nodiscard]] int serve_diff(struct store *store, const struct digest *old_manifest,
                             const struct digest *new_manifest, manifest_diff_fn *fn, void *ctx,
                             struct err *err);

/* ---- content of one file, as a stream ---- */
struct serve_file;
/* ERR_NOT_FOUND, ERR_USAGE (not a file).  Hard links are followed to their first path. */
[[nodiscard]] int serve_file_open(struct store *store, const struct digest *manifest,
                                  struct span path, struct serve_file **out, struct err *err);
/* Up to `size` bytes; *got = 0 at the end. */
[[nodiscard]] int serve_file_read(struct serve_file *file, uint8_t *to, size_t size, size_t *got,
                                  struct err *err);
void serve_file_close(struct serve_file *file);

/* ---- restore ---- */
struct serve_watch {
    void *ctx;
    void (*progress)(void *ctx, const struct msg_progress *progress, uint64_t sent_bytes);
    void (*problem)(void *ctx, struct span path, int sys, struct span reason);
};
struct serve_order {
    struct span commit_file;    /* of the point */
    struct span selection;      /* encoded, see data/select */
    uint8_t existing, security; /* enum apply_existing, apply_security */
};
/* Send the selected part of a point over an attached channel; returns when the agent has said what
 * became of it. */
[[nodiscard]] int serve_restore(struct channel *channel, struct store *store,
                                const struct serve_order *order, const struct serve_watch *watch,
                                struct msg_restored *restored, struct err *err);
