#include "data/chunker/chunker_int.h"

#define AVERAGE_BYTES_MIN (4u * 1024)
#define AVERAGE_BYTES_MAX (128u * 1024)
#define NORMALISATION 2u /* below the average a boundary is 2^2 times rarer, above it commoner */

const struct chunker_params chunker_defaults = {
    .method = CHUNKER_GEAR_NC2,
    .min_bytes = 16 * 1024,
    .avg_bytes = 64 * 1024,
    .max_bytes = 256 * 1024,
    .fixed_bytes = 16 * 1024,
    .seed = 0x43617365, /* any number; every store records its own */
};

static bool power_of_two(uint32_t n) {
    return n > 0 && (n & (n - 1)) == 0;
}

int chunker_params_check(const struct chunker_params *params, struct err *err) {
    if (params->method != CHUNKER_GEAR_NC2)
        return ERR(err, ERR_FORMAT, "chunker: method %u is not known", params->method);
    if (!power_of_two(params->avg_bytes) || params->avg_bytes < AVERAGE_BYTES_MIN ||
        params->avg_bytes > AVERAGE_BYTES_MAX)
        return ERR(err, ERR_FORMAT, "chunker: an average of %u bytes is out of range",
                   params->avg_bytes);
    if (params->min_bytes < CHUNKER_BYTES_MIN || params->min_bytes > params->avg_bytes ||
        params->max_bytes < params->avg_bytes || params->max_bytes > CHUNK_BYTES_MAX)
        return ERR(err, ERR_FORMAT, "chunker: %u to %u bytes are out of range", params->min_bytes,
                   params->max_bytes);
    if (!power_of_two(params->fixed_bytes) || params->fixed_bytes < CHUNKER_BYTES_MIN ||
        params->fixed_bytes > CHUNK_BYTES_MAX)
        return ERR(err, ERR_FORMAT, "chunker: blocks of %u bytes are out of range",
                   params->fixed_bytes);
    return 0;
}

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void draw_tables(struct chunker *chunker, uint64_t *state) {
    for (unsigned i = 0; i < 16; i++) {
        uint64_t v = splitmix(state);
        chunker->low[0][i] = (uint8_t)v;
        chunker->low[1][i] = (uint8_t)(v >> 8);
        chunker->high[0][i] = (uint8_t)(v >> 16);
        chunker->high[1][i] = (uint8_t)(v >> 24);
    }
    for (unsigned b = 0; b < 256; b++) {
        unsigned l = b & 15, h = b >> 4;
        chunker->gear[b] = (uint16_t)((chunker->low[0][l] ^ chunker->high[0][h]) |
                                      (chunker->low[1][l] ^ chunker->high[1][h]) << 8);
    }
}

/* A run of one byte b makes h = -g(b).  It must not be a candidate: zeros would be cut at the
 * minimum, and the second test made at every position. */
static bool runs_are_no_candidates(const struct chunker *chunker) {
    for (unsigned b = 0; b < 256; b++)
        if ((uint16_t)-chunker->gear[b] < CANDIDATE_BELOW)
            return false;
    return true;
}

bool chunker_engine_use(struct chunker *chunker, enum chunker_engine engine) {
    if (engine == CHUNKER_SCALAR)
        chunker->scan = chunker_scan_scalar;
#if defined(__x86_64__)
    else if (engine == CHUNKER_AVX2 && __builtin_cpu_supports("avx2"))
        chunker->scan = chunker_scan_avx2;
    else if (engine == CHUNKER_AVX512 && __builtin_cpu_supports("avx512bw"))
        chunker->scan = chunker_scan_avx512;
#endif
    else
        return false;
    return true;
}

struct chunker *chunker_new(const struct chunker_params *params) {
    INVARIANT(chunker_params_check(params, NULL) == 0);
    struct chunker *chunker = mem_new(sizeof *chunker);
    chunker->params = *params;
    uint64_t state = params->seed;
    chunker->key = splitmix(&state);
    do
        draw_tables(chunker, &state);
    while (!runs_are_no_candidates(chunker));
    unsigned average_bits = (unsigned)__builtin_ctz(params->avg_bytes);
    chunker->strict_shift = 64 - (average_bits + NORMALISATION - CANDIDATE_BITS);
    chunker->easy_shift = 64 - (average_bits - NORMALISATION - CANDIDATE_BITS);
    for (int engine = CHUNKER_ENGINES - 1;
         !chunker_engine_use(chunker, (enum chunker_engine)engine);)
        engine--;
    return chunker;
}

void chunker_free(struct chunker *chunker) {
    mem_free(chunker);
}

bool chunker_boundary(const struct chunker *chunker, const uint8_t *bytes, size_t length,
                      unsigned shift) {
    const uint64_t odd = 0x9e3779b97f4a7c15;
    const uint8_t *window = bytes + length - WINDOW_BYTES;
    uint64_t h = chunker->key;
    for (unsigned i = 0; i < WINDOW_BYTES; i += 8)
        h = ((h << 29 | h >> 35) ^ be64_get(window + i)) * odd;
    h = (h ^ h >> 32) * odd;
    h ^= h >> 29;
    return shift > 63 || h >> shift == 0;
}

size_t chunker_next(const struct chunker *chunker, struct span bytes, bool last) {
    const struct chunker_params *params = &chunker->params;
    size_t end = MIN(bytes.n, (size_t)params->max_bytes);
    size_t average = MIN(end, (size_t)params->avg_bytes), cut = 0;
    if (end > params->min_bytes)
        cut = chunker->scan(chunker, bytes.p, params->min_bytes, average, chunker->strict_shift);
    if (cut == 0 && end > params->avg_bytes)
        cut = chunker->scan(chunker, bytes.p, params->avg_bytes, end, chunker->easy_shift);
    if (cut == 0 && (last || bytes.n >= params->max_bytes))
        cut = end;
    return cut;
}
