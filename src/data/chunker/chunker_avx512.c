/* As chunker_avx2.c, 64 positions at a time. */
#include "data/chunker/chunker_int.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define STEP 64u
#define TARGET __attribute__((target("avx512f,avx512bw")))

/* The sums of the 32 positions before, lowest position first. */
struct before {
    __m512i one, two, four, eight;
};

TARGET static inline __m512i sum16(struct before *before, __m512i one) {
    __m512i by_lane = _mm512_alignr_epi64(one, before->one, 6);
    __m512i two = _mm512_add_epi16(one, _mm512_slli_epi16(_mm512_alignr_epi8(one, by_lane, 14), 1));
    __m512i four =
        _mm512_add_epi16(two, _mm512_slli_epi16(_mm512_alignr_epi32(two, before->two, 15), 2));
    __m512i eight =
        _mm512_add_epi16(four, _mm512_slli_epi16(_mm512_alignr_epi32(four, before->four, 14), 4));
    __m512i all = _mm512_add_epi16(
        eight, _mm512_slli_epi16(_mm512_alignr_epi32(eight, before->eight, 12), 8));
    *before = (struct before){.one = one, .two = two, .four = four, .eight = eight};
    return all;
}

struct tables {
    __m512i low[2], high[2];
};

TARGET static inline __m512i table(const uint8_t t[16]) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)t));
}

/* g of 64 bytes: the lower 32 to *a, the upper to *b. */
TARGET static inline void gear(const struct tables *tables, const uint8_t *p, __m512i *a,
                               __m512i *b) {
    const __m512i nibble = _mm512_set1_epi8(15), order = _mm512_set_epi64(7, 3, 6, 2, 5, 1, 4, 0);
    __m512i x = _mm512_loadu_si512(p);
    x = _mm512_permutexvar_epi64(order, x); /* so that unpacking leaves the positions in order */
    __m512i l = _mm512_and_si512(x, nibble);
    __m512i h = _mm512_and_si512(_mm512_srli_epi16(x, 4), nibble);
    __m512i g0 = _mm512_xor_si512(_mm512_shuffle_epi8(tables->low[0], l),
                                  _mm512_shuffle_epi8(tables->high[0], h));
    __m512i g1 = _mm512_xor_si512(_mm512_shuffle_epi8(tables->low[1], l),
                                  _mm512_shuffle_epi8(tables->high[1], h));
    *a = _mm512_unpacklo_epi8(g0, g1);
    *b = _mm512_unpackhi_epi8(g0, g1);
}

TARGET size_t chunker_scan_avx512(const struct chunker *chunker, const uint8_t *bytes, size_t from,
                                  size_t to, unsigned shift) {
    struct tables tables;
    for (unsigned i = 0; i < 2; i++) {
        tables.low[i] = table(chunker->low[i]);
        tables.high[i] = table(chunker->high[i]);
    }
    const __m512i below = _mm512_set1_epi16(CANDIDATE_BELOW), zero = _mm512_setzero_si512();
    struct before before = {zero, zero, zero, zero};
    __m512i a, b;
    gear(&tables, bytes + from - 1 - STEP, &a, &b);
    (void)sum16(&before, b);
    size_t length = from;
    for (; length + STEP <= to; length += STEP) {
        gear(&tables, bytes + length - 1, &a, &b);
        a = sum16(&before, a);
        b = sum16(&before, b);
        uint64_t bits = (uint64_t)_mm512_cmplt_epu16_mask(a, below) |
                        (uint64_t)_mm512_cmplt_epu16_mask(b, below) << 32;
        for (; bits != 0; bits &= bits - 1) {
            size_t at = length + (unsigned)__builtin_ctzll(bits);
            if (chunker_boundary(chunker, bytes, at, shift))
                return at;
        }
    }
    return length < to ? chunker_scan_scalar(chunker, bytes, length, to, shift) : 0;
}
#endif
