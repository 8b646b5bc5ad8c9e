#pragma once
/* data/seal -- turns plain chunk bytes into compact segments and back. The only home of zstd.
 * Owns: compression, its levels, the test for incompressible data.
 * Knows nothing of: keys (the store seals at rest), the network, chunk names.
 * Threads: one struct sealer / unsealer per thread.
 * Lifetime: encoded bytes belong to the caller's buffer.
 * Limits: SEGMENT_BYTES_MAX plain bytes; a frame that claims or yields more is refused before
 *   memory is given. */
#include "base/base.h"
#include "format/chunk/chunk.h"

/* bench/micro/seal_levels: the ratio of 3, nearly the speed of 1. */
#define SEALER_LEVEL_DEFAULT 2
#define SEALER_LEVEL_MAX 19

struct sealer;
struct sealer *sealer_new(int level); /* zstd level 1..19; 0 = SEALER_LEVEL_DEFAULT */
/* For fixed blocks of disk images and databases: level 3 with tables that stay in the cache. */
struct sealer *sealer_new_for_blocks(void);
void sealer_free(struct sealer *sealer);
static inline void sealer_auto(struct sealer **p) {
    sealer_free(*p);
}
/* Encode plain[0..n) appended to `out`; tells the codec chosen (RAW when compression gains < 3 %).
 */
enum segment_codec sealer_pack(struct sealer *sealer, struct span plain, struct buf *out);
/* Cheap guess that compression is useless (sampled: bytes evenly frequent, nothing repeats). */
bool sealer_incompressible(struct span plain);

struct unsealer;
struct unsealer *unsealer_new(void);
void unsealer_free(struct unsealer *unsealer);
static inline void unsealer_auto(struct unsealer **p) {
    unsealer_free(*p);
}
/* Exactly plain_bytes into to[plain_bytes].  ERR_FORMAT: wrong size, damaged, bomb. */
[[nodiscard]] int unsealer_unpack(struct unsealer *unsealer, enum segment_codec codec,
                                  struct span payload, uint8_t *to, size_t plain_bytes,
                                  struct err *err);
