/* Split-block Bloom filter (docs/format/index.md): one cache line a question. */
#include "data/store/store_int.h"

#define BITS_PER_ROW 12u
#define WORDS 8u

static const uint32_t salts[WORDS] = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                      0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};

uint32_t store_filter_blocks(uint64_t row_n) {
    uint64_t blocks = row_n * BITS_PER_ROW / (STORE_FILTER_BLOCK_BYTES * 8) + 1;
    INVARIANT(blocks <= UINT32_MAX);
    return (uint32_t)blocks;
}

static size_t block_off(uint32_t block_n, const uint8_t name[static 16]) {
    return (size_t)(((uint64_t)be32_get(name + 8) * block_n) >> 32) * STORE_FILTER_BLOCK_BYTES;
}

void store_filter_add(uint8_t *filter, uint32_t block_n,
                      const uint8_t name[static STORE_NAME_BYTES]) {
    uint8_t *block = filter + block_off(block_n, name);
    uint32_t h = be32_get(name + 12);
    for (size_t w = 0; w < WORDS; w++) {
        uint32_t bit = (h * salts[w]) >> 27;
        block[w * 4 + bit / 8] |= (uint8_t)(1u << bit % 8);
    }
}

bool store_filter_may_have(const uint8_t *filter, uint32_t block_n,
                           const uint8_t name[static STORE_NAME_BYTES]) {
    const uint8_t *block = filter + block_off(block_n, name);
    uint32_t h = be32_get(name + 12), missing = 0;
    for (size_t w = 0; w < WORDS; w++) {
        uint32_t bit = (h * salts[w]) >> 27;
        missing |= ~(uint32_t)block[w * 4 + bit / 8] >> bit % 8 & 1;
    }
    return missing == 0;
}
