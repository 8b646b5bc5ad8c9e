#pragma once
/* flow/check -- is what we promised still there? Packs, commits and their chain, every point
 * down to its chunks.
 * Owns: what verify looks at, in which order, and how damage is named (pack, point, file).
 * Knows nothing of: the catalog, repair (the next backup heals what verify marked).
 * Threads: check_run by one thread; points may be added meanwhile.
 * Lifetime: everything ends with check_run.
 * Limits: CHECK_NAMES_MAX findings are reported in detail; all are counted. */
#include "base/base.h"
#include "crypto/sign.h"
#include "data/ledger/ledger.h"
#include "data/store/store.h"

#define CHECK_NAMES_MAX 10000u

enum check_kind { CHECK_PACK, CHECK_POINT, CHECK_FILE };

struct check_opts {
    bool read_data;
    const struct sign_public *server_key; /* commits must carry its signature */
    void *ctx;
    bool (*cancelled)(void *ctx);
    /* object: pack file, commit name ("SOURCE/SEQUENCE.cmt"), or path in the point named last. */
    void (*damage)(void *ctx, enum check_kind kind, struct span object, const char *reason);
    void (*progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes);
};

struct check_result {
    uint64_t packs, points;
    uint64_t damaged_packs, damaged_points, damaged_files, damaged_chunks;
};

/* 0 also when damage was found: see the result.  -1 only when the check itself could not go on. */
[[nodiscard]] int check_run(struct store *store, struct ledger *ledger,
                            const struct check_opts *opts, struct check_result *result,
                            struct err *err);
