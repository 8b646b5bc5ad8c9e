#pragma once
/* flow/ingest -- the server's half of a backup: verify, store, check, commit, acknowledge.
 * Owns: the durable order I4..I7 (I1..I3 are the store's, I6 the ledger's), answers to `have`,
 *   the closure check.
 * Knows nothing of: sockets, groups, schedules, how the agent reads files.
 * Threads: ingest_run uses its own workers and a page sender; the caller's thread receives.
 * Lifetime: everything ends with ingest_run.
 * Limits: INGEST_QUEUE segments wait for workers; own history of INGEST_OWN_MAX names. */
#include "base/base.h"
#include "crypto/sign.h"
#include "data/channel/channel.h"
#include "data/ledger/ledger.h"
#include "data/store/store.h"

#define INGEST_QUEUE 12u
#define INGEST_OWN_MAX (4u << 20)
#define INGEST_SENT_MAX                                                                            \
    (1u << 18) /* of them, from the newest packs when there is a point to compare with */

struct ingest_order {
    uint8_t job[16];
    uint8_t source[16];
    uint8_t level;                /* zstd level the agent shall use; 0 = by the kind of data */
    bool without_base;            /* read everything again: after a closure failure */
    struct sign_public agent_key; /* pinned at attach */
    struct signer signer;
    const char *computer; /* what the commit must say */
    const char *root_path;
};

/* Told while it runs; members may be NULL.  Called from the caller's thread. */
struct ingest_watch {
    void *ctx;
    void (*progress)(void *ctx, const struct msg_progress *progress, uint64_t received_bytes,
                     uint64_t stored_bytes);
    void (*problem)(void *ctx, struct span path, int sys, struct span reason);
    /* I7: put the point into the catalog; after this the agent is told. */
    int (*committed)(void *ctx, const struct commit *commit, const struct digest *hash,
                     struct err *err);
};

struct ingest_result {
    struct commit commit;
    struct digest hash; /* the point's id */
    uint64_t received_bytes, stored_bytes;
};

/* Did this job make a point of the source already?  Asked before a job is tried again: its
 * connection may have ended between I6 and the answer, and the same job makes one point. */
[[nodiscard]] int ingest_made(struct ledger *ledger, const uint8_t job[static 16],
                              const uint8_t source[static 16], struct ingest_result *result,
                              bool *made, struct err *err);

/* Run over an attached channel (state FRAME_ATTACHED).
 * ERR_CLOSURE: the manifest names chunks that are not here: run again with without_base. */
[[nodiscard]] int ingest_run(struct channel *channel, struct store *store, struct ledger *ledger,
                             const struct ingest_order *order, const struct ingest_watch *watch,
                             struct ingest_result *result, struct err *err);
