#pragma once
/* Numbers for property tests: the same for the same seed.  The seed is printed, so that a failure
 * can be had again with CASEMATE_SEED=<number>. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct seed {
    uint64_t state;
};

static inline uint64_t seed_u64(struct seed *seed) { /* splitmix64 */
    uint64_t z = seed->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* 0 .. n-1 */
static inline uint64_t seed_below(struct seed *seed, uint64_t n) {
    return seed_u64(seed) % n;
}

static inline bool seed_one_in(struct seed *seed, uint64_t n) {
    return seed_below(seed, n) == 0;
}

static inline void seed_fill(struct seed *seed, void *to, size_t n) {
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = seed_u64(seed);
        memcpy((uint8_t *)to + i, &v, n - i < 8 ? n - i : 8);
    }
}

static inline struct seed seed_start(const char *test) {
    const char *given = getenv("CASEMATE_SEED");
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t v = given != NULL ? strtoull(given, NULL, 0)
                               : (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15 ^ (uint64_t)now.tv_sec;
    printf("%s: CASEMATE_SEED=%llu\n", test, (unsigned long long)v);
    return (struct seed){.state = v};
}
