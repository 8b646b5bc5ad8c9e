#pragma once
/* data/chunker, inside: the boundary predicate and its three engines, which cut the same.
 *
 *   g(b)  = low[b & 15] ^ high[b >> 4]                      16 bit, tables drawn from the seed
 *   h(i)  = sum over k = 0..15 of g(byte i-k) << k          16 bit: gear over the last 16 bytes
 *   i is a candidate when h(i) < CANDIDATE_BELOW            one position in 1024
 *   a candidate is a boundary when a hash of the last 64 bytes is below the limit
 *
 * The first test is made for SIMD, the second decides how often.  Only the 64 bytes before a
 * boundary have a say in it. */
#include "data/chunker/chunker.h"

#define WINDOW_BYTES 64u
#define GEAR_BYTES 16u
#define CANDIDATE_BELOW 64u
#define CANDIDATE_BITS 10u /* 2^16 / CANDIDATE_BELOW */

struct chunker {
    struct chunker_params params;
    uint8_t low[2][16], high[2][16]; /* low and high byte of g's tables */
    uint16_t gear[256];              /* g itself */
    uint64_t key;
    unsigned strict_shift, easy_shift; /* a boundary when hash >> shift is 0 */
    /* The first length in [from, to) at which `bytes` has a boundary, or 0.  from >=
     * WINDOW_BYTES. */
    size_t (*scan)(const struct chunker *chunker, const uint8_t *bytes, size_t from, size_t to,
                   unsigned shift);
};

/* Is the candidate that ends at bytes[length - 1] a boundary? */
bool chunker_boundary(const struct chunker *chunker, const uint8_t *bytes, size_t length,
                      unsigned shift);

size_t chunker_scan_scalar(const struct chunker *chunker, const uint8_t *bytes, size_t from,
                           size_t to, unsigned shift);
#if defined(__x86_64__)
size_t chunker_scan_avx2(const struct chunker *chunker, const uint8_t *bytes, size_t from,
                         size_t to, unsigned shift);
size_t chunker_scan_avx512(const struct chunker *chunker, const uint8_t *bytes, size_t from,
                           size_t to, unsigned shift);
#endif

/* What this processor has; engines of tests. */
enum chunker_engine { CHUNKER_SCALAR, CHUNKER_AVX2, CHUNKER_AVX512, CHUNKER_ENGINES };
bool chunker_engine_use(struct chunker *chunker, enum chunker_engine engine);
