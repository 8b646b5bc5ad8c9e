#pragma once
/* data/ledger -- the commit files: one per recovery point, the truth about what points exist.
 * Owns: commits/<source>/<sequence>.<state> below the store folder, and the order in which they
 *   change.
 * Knows nothing of: chunks, manifests, the catalog (which is a cache of this), keys.
 * Threads: one struct ledger may be used by many threads.
 * Lifetime: close before the store whose folder it uses.
 * Limits: COMMIT_BYTES_MAX per file.
 *
 * A commit file is never rewritten and never removed: a point that goes is renamed, so that the
 * chain of its source can always be followed.  Layout: docs/format/store.md. */
#include "base/base.h"
#include "format/commit/commit.h"

enum ledger_state {
    LEDGER_LIVE = 1,    /* .cmt: a recovery point */
    LEDGER_DELETED = 2, /* .del: soft-deleted, can come back */
    LEDGER_PURGED = 3,  /* .old: a link of the chain only; its chunks may be gone */
};

struct ledger;
/* `dirfd`: the store folder; commits/ is made when missing. */
[[nodiscard]] int ledger_open(int dirfd, struct ledger **out, struct err *err);
void ledger_close(struct ledger *ledger);
static inline void ledger_auto(struct ledger **p) {
    ledger_close(*p);
}

/* I6: write the commit as the source's newest.  Its sequence must follow the newest one and
 * `previous` be its hash.
 * ERR_EXISTS: the sequence is taken.  ERR_CHAIN: it does not follow. */
[[nodiscard]] int ledger_append(struct ledger *ledger, const struct commit *commit,
                                struct digest *hash, struct err *err);

/* The newest commit of the source, whatever its state, appended to file; *sequence = 0 when
 * there is none. */
[[nodiscard]] int ledger_newest(struct ledger *ledger, const uint8_t source[static 16],
                                uint64_t *sequence, struct buf *file, struct err *err);
/* One commit's bytes (appended) and state.  ERR_NOT_FOUND. */
[[nodiscard]] int ledger_read(struct ledger *ledger, const uint8_t source[static 16],
                              uint64_t sequence, enum ledger_state *state, struct buf *file,
                              struct err *err);
/* LIVE <-> DELETED -> PURGED. */
[[nodiscard]] int ledger_move(struct ledger *ledger, const uint8_t source[static 16],
                              uint64_t sequence, enum ledger_state from, enum ledger_state to,
                              struct err *err);

/* Every commit, by source and sequence.  `hash` is of the file; a file that cannot be decoded
 * is an error of the walk
 * unless fn is told: then commit is NULL and `name` says which. */
typedef int ledger_fn(void *ctx, const char *name, const struct commit *commit,
                      const struct digest *hash, enum ledger_state state, struct err *err);
[[nodiscard]] int ledger_walk(struct ledger *ledger, ledger_fn *fn, void *ctx, struct err *err);
