#pragma once
/* data/chunker -- where content is cut.
 * Owns: the cut function and its parameters.
 * Knows nothing of: files, names of chunks, the store.
 * Threads: one struct chunker per thread; chunker_next is pure.
 * Lifetime: none but the caller's struct.
 * Limits: CHUNKER_BYTES_MIN .. CHUNK_BYTES_MAX. */
#include "base/base.h"
#include "format/chunk/chunk.h"

#define CHUNKER_BYTES_MIN 1024u

extern const struct chunker_params chunker_defaults;
/* Refuse parameters outside the limits (they may come from a peer).  ERR_FORMAT. */
[[nodiscard]] int chunker_params_check(const struct chunker_params *params, struct err *err);

struct chunker; /* tables derived from the parameters; read-only after creation, may be shared */
/* The parameters were checked. */
struct chunker *chunker_new(const struct chunker_params *params);
void chunker_free(struct chunker *chunker);
static inline void chunker_auto(struct chunker **p) {
    chunker_free(*p);
}

/* Length of the first chunk of `bytes`, the same on every processor.  `last` says that the file
 * ends there.  Without `last` the answer 0 means: no cut within these bytes, come again with
 * more (never when bytes.n >= max_bytes). */
size_t chunker_next(const struct chunker *chunker, struct span bytes, bool last);
