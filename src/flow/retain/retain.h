#pragma once
/* flow/retain -- what may go: deleted points lose their hold, chunks that nothing holds are
 * collected in two phases.
 * Owns: the mark over all held points, the order condemn, mark again, sweep, empty the trash.
 * Knows nothing of: when a point should be deleted, who asked.
 * Threads: one retain_run at a time per store (the caller's job table sees to it).
 * Lifetime: everything ends with retain_run.
 * Limits: 40 bytes of memory per manifest page of all points. */
#include "base/base.h"
#include "data/ledger/ledger.h"
#include "data/store/store.h"

struct retain_opts {
    int64_t now_s;
    int64_t window_s; /* packs stay in the trash so long */
    bool what_if;     /* mark and count only */
    bool (*cancelled)(void *ctx);
    void (*progress)(void *ctx, uint64_t points_done, uint64_t points_total);
    void *ctx;
};

struct retain_result {
    struct store_collect_result store;
    uint64_t points_held;
    bool postponed; /* condemned, but an older session is open: not swept this time */
};

/* A page that cannot be read ends the run before anything is condemned: a read error is never
 * absence. */
[[nodiscard]] int retain_run(struct store *store, struct ledger *ledger,
                             const struct retain_opts *opts, struct retain_result *result,
                             struct err *err);
