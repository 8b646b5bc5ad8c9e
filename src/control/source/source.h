#pragma once
/* control/source -- what an agent remembers of the folders it protects: path and rules under the
 * server's id, and the head of the chain it has seen acknowledged.
 * Owns: sources/ and heads/ below the agent's state folder.
 * Knows nothing of: policy (checked by the caller, at every use), how a backup runs.
 * Threads: any; a source is written by one thread at a time.
 * Lifetime: a struct source is done with source_done.
 * Limits: SOURCE_EXCLUDES_MAX, SOURCE_FILE_BYTES_MAX. */
#include "base/base.h"
#include "crypto/hash.h"

#define SOURCE_EXCLUDES_MAX 1000u
#define SOURCE_FILE_BYTES_MAX (128u * 1024)

struct source {
    uint8_t id[16];
    char path[4096]; /* absolute */
    bool one_file_system, exclude_caches;
    struct buf texts; /* the patterns, NUL-terminated, one behind the other */
    VEC(const char *) excludes;
};
void source_done(struct source *source);
bool source_equal(const struct source *a, const struct source *b);

/* Patterns as they travel: each a varint length and bytes.  ERR_USAGE: too many, empty, or with
 * a NUL or a line end. */
[[nodiscard]] int source_set_excludes(struct source *source, struct span encoded, struct err *err);

/* `dirfd`: the agent's state folder. */
[[nodiscard]] int source_save(int dirfd, const struct source *source, struct err *err);
/* ERR_NOT_FOUND: never registered. */
[[nodiscard]] int source_load(int dirfd, const uint8_t id[static 16], struct source *source,
                              struct err *err);

/* Newest acknowledged point; sequence 0 when there is none. */
struct source_head {
    uint64_t sequence;
    struct digest commit;
};
[[nodiscard]] int source_head_load(int dirfd, const uint8_t id[static 16], struct source_head *head,
                                   struct err *err);
[[nodiscard]] int source_head_save(int dirfd, const uint8_t id[static 16],
                                   const struct source_head *head, struct err *err);
