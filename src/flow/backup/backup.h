#pragma once
/* flow/backup -- the agent's half of a backup: scan, compare with the last point, read, chunk,
 * seal, send, sign.
 * Owns: the order in which entries reach the manifest while their content is read in parallel.
 * Knows nothing of: the store, who may ask (door/rpc checked), how the server keeps points.
 * Threads: backup_run uses its own workers and a receiver; the caller's thread is the sequencer.
 * Lifetime: everything ends with backup_run.
 * Limits: BACKUP_BATCHES batches of BACKUP_BATCH_BYTES hold plain content at a time;
 *   BACKUP_HELD_BYTES of listing. */
#include "base/base.h"
#include "crypto/sign.h"
#include "data/channel/channel.h"
#include "data/scan/scan.h"
#include "format/commit/commit.h"

#define BACKUP_BATCH_BYTES (1u << 20)
#define BACKUP_BATCHES 20u
#define BACKUP_HELD_BYTES (24u << 20)

/* What the agent remembers of a source's newest acknowledged point: detects a server that went back
 * in time. */
struct backup_head {
    uint64_t sequence; /* 0 = none */
    struct digest commit;
};

struct backup_order {
    uint8_t job[16];
    uint8_t source[16];
    const char *computer; /* own name, a label */
    const char *root;     /* absolute path of the source */
    struct scan_opts scan;
    struct signer signer;
    struct sign_public server_key; /* pinned at attach */
    unsigned workers;              /* 0 = one per processor, at most 8 */
};

struct backup_result {
    struct manifest_totals totals;
    uint64_t read_bytes; /* of content */
    uint64_t sent_bytes;
    uint64_t problems;
    bool regressed; /* the server's newest point is older than the head we remember */
    bool partial;
};

/* Run a backup over an attached channel (state FRAME_ATTACHED): from `begin_backup` to `committed`.
 * *head is read, and replaced when the point exists.  ERR_SOURCE_MISSING, ERR_PROTOCOL,
 * ERR_UNREACHABLE, ... */
[[nodiscard]] int backup_run(struct channel *channel, const struct backup_order *order,
                             struct backup_head *head, struct backup_result *result,
                             struct err *err);
