#include "crypto/hash.h"

#include <blake3.h>

#include "base/base.h"

static_assert(sizeof(struct digest) == BLAKE3_OUT_LEN);

struct hasher {
    blake3_hasher state;
};

/* BLAKE3 hashes 1 KiB chunks side by side, but only whole aligned subtrees.  A lone type byte in
 * front would leave every subtree misaligned until the tree has grown, so the first subtree is
 * gathered here, type byte included, and the rest follows in place. */
#define FIRST_SUBTREE (8 * 1024)
/* Written before it is read: clearing it first would cost a small chunk as much as its hash. */
#define UNCLEARED __attribute__((uninitialized))

void hash_typed(uint8_t type, struct span bytes, struct digest *out) {
    UNCLEARED blake3_hasher state;
    UNCLEARED uint8_t first[FIRST_SUBTREE];
    size_t head = MIN(bytes.n, sizeof first - 1);
    first[0] = type;
    if (head > 0)
        memcpy(first + 1, bytes.p, head);
    blake3_hasher_init(&state);
    blake3_hasher_update(&state, first, head + 1);
    if (head < bytes.n)
        blake3_hasher_update(&state, bytes.p + head, bytes.n - head);
    blake3_hasher_finalize(&state, out->b, sizeof out->b);
}

void hash_bytes(struct span bytes, struct digest *out) {
    UNCLEARED blake3_hasher state;
    blake3_hasher_init(&state);
    blake3_hasher_update(&state, bytes.p, bytes.n);
    blake3_hasher_finalize(&state, out->b, sizeof out->b);
}

void hash_keyed(const uint8_t key[static 32], struct span bytes, struct digest *out) {
    UNCLEARED blake3_hasher state;
    blake3_hasher_init_keyed(&state, key);
    blake3_hasher_update(&state, bytes.p, bytes.n);
    blake3_hasher_finalize(&state, out->b, sizeof out->b);
}

struct hasher *hasher_new(void) {
    struct hasher *hasher = mem_new(sizeof *hasher);
    blake3_hasher_init(&hasher->state);
    return hasher;
}

void hasher_free(struct hasher *hasher) {
    mem_free(hasher);
}

void hasher_reset(struct hasher *hasher) {
    blake3_hasher_init(&hasher->state);
}

void hasher_add(struct hasher *hasher, struct span bytes) {
    blake3_hasher_update(&hasher->state, bytes.p, bytes.n);
}

void hasher_get(const struct hasher *hasher, struct digest *out) {
    blake3_hasher_finalize(&hasher->state, out->b, sizeof out->b);
}
