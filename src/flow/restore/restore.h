#pragma once
/* flow/restore -- the agent's half of a recovery: verify what the server sends against our own
 * signature, write it.
 * Owns: planning of files from verified manifest pages, matching of chunks to the places that
 *   want them.
 * Knows nothing of: the store, policy (the target was approved before), how entries are put on
 *   disk.
 * Threads: restore_run uses its own workers; the caller's thread receives and plans.
 * Lifetime: everything ends with restore_run.
 * Limits: RESTORE_WINDOW_* (data/select) places are remembered at a time. */
#include "base/base.h"
#include "crypto/sign.h"
#include "data/apply/apply.h"
#include "data/channel/channel.h"
#include "format/commit/commit.h"

struct restore_order {
    const char *target; /* absolute; allowed by the local policy */
    bool only_original; /* the policy permits it only where the point was read */
    bool allow_devices;
    bool allow_set_id;
    struct sign_public own_key;    /* only points signed by it are written */
    struct sign_public server_key; /* pinned at attach */
    unsigned workers;              /* 0 = one per processor, at most 8 */
};

/* Run over an attached channel (state FRAME_ATTACHED), from `begin_restore` to `restored`.
 * ERR_AUTH: the point is not ours.  ERR_TARGET, ERR_PROTOCOL, ... */
[[nodiscard]] int restore_run(struct channel *channel, const struct restore_order *order,
                              struct apply_totals *totals, struct err *err);
