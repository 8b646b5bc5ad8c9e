/* 32 positions at a time.  The sum over 16 bytes is made in four doublings, from the sums over
 * 1, 2, 4 and 8 bytes of the positions 1, 2, 4 and 8 before. */
#include "data/chunker/chunker_int.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define STEP 32u

/* The sums of the 16 positions before, lowest position first. */
struct before {
    __m256i one, two, four, eight;
};

/* bytes[n] .. of `before` and `now` together, as 16-bit lanes: `now` moved up by N lanes. */
#define MOVED(before, now, N)                                                                      \
    _mm256_alignr_epi8((now), _mm256_permute2x128_si256((before), (now), 0x21), 16 - 2 * (N))

__attribute__((target("avx2"))) static inline __m256i sum16(struct before *before, __m256i one) {
    __m256i two = _mm256_add_epi16(one, _mm256_slli_epi16(MOVED(before->one, one, 1), 1));
    __m256i four = _mm256_add_epi16(two, _mm256_slli_epi16(MOVED(before->two, two, 2), 2));
    __m256i eight = _mm256_add_epi16(four, _mm256_slli_epi16(MOVED(before->four, four, 4), 4));
    __m256i moved = _mm256_permute2x128_si256(before->eight, eight, 0x21);
    *before = (struct before){.one = one, .two = two, .four = four, .eight = eight};
    return _mm256_add_epi16(eight, _mm256_slli_epi16(moved, 8));
}

struct tables {
    __m256i low[2], high[2];
};

__attribute__((target("avx2"))) static inline __m256i table(const uint8_t t[16]) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)t));
}

/* g of 32 bytes: the lower 16 to *a, the upper to *b. */
__attribute__((target("avx2"))) static inline void gear(const struct tables *tables,
                                                        const uint8_t *p, __m256i *a, __m256i *b) {
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p);
    x = _mm256_permute4x64_epi64(x, 0xd8); /* so that unpacking leaves the positions in order */
    __m256i l = _mm256_and_si256(x, nibble);
    __m256i h = _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble);
    __m256i g0 = _mm256_xor_si256(_mm256_shuffle_epi8(tables->low[0], l),
                                  _mm256_shuffle_epi8(tables->high[0], h));
    __m256i g1 = _mm256_xor_si256(_mm256_shuffle_epi8(tables->low[1], l),
                                  _mm256_shuffle_epi8(tables->high[1], h));
    *a = _mm256_unpacklo_epi8(g0, g1);
    *b = _mm256_unpackhi_epi8(g0, g1);
}

/* A bit for each lane below CANDIDATE_BELOW, positions in order. */
__attribute__((target("avx2"))) static inline uint32_t candidates(__m256i a, __m256i b) {
    const __m256i top = _mm256_set1_epi16(CANDIDATE_BELOW - 1), zero = _mm256_setzero_si256();
    __m256i is_a = _mm256_cmpeq_epi16(_mm256_subs_epu16(a, top), zero);
    __m256i is_b = _mm256_cmpeq_epi16(_mm256_subs_epu16(b, top), zero);
    __m256i is = _mm256_permute4x64_epi64(_mm256_packs_epi16(is_a, is_b), 0xd8);
    return (uint32_t)_mm256_movemask_epi8(is);
}

__attribute__((target("avx2"))) size_t chunker_scan_avx2(const struct chunker *chunker,
                                                         const uint8_t *bytes, size_t from,
                                                         size_t to, unsigned shift) {
    struct tables tables;
    for (unsigned i = 0; i < 2; i++) {
        tables.low[i] = table(chunker->low[i]);
        tables.high[i] = table(chunker->high[i]);
    }
    const __m256i top = _mm256_set1_epi16(CANDIDATE_BELOW - 1), zero = _mm256_setzero_si256();
    struct before before = {zero, zero, zero, zero};
    __m256i a, b;
    gear(&tables, bytes + from - 1 - STEP, &a, &b);
    (void)sum16(&before, b);
    size_t length = from;
    for (; length + STEP <= to; length += STEP) {
        gear(&tables, bytes + length - 1, &a, &b);
        a = sum16(&before, a);
        b = sum16(&before, b);
        __m256i least = _mm256_subs_epu16(_mm256_min_epu16(a, b), top);
        if (_mm256_movemask_epi8(_mm256_cmpeq_epi16(least, zero)) == 0)
            continue;
        for (uint32_t bits = candidates(a, b); bits != 0; bits &= bits - 1) {
            size_t at = length + (unsigned)__builtin_ctz(bits);
            if (chunker_boundary(chunker, bytes, at, shift))
                return at;
        }
    }
    return length < to ? chunker_scan_scalar(chunker, bytes, length, to, shift) : 0;
}
#endif
