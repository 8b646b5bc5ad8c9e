#pragma once
/* crypto/hash -- BLAKE3-256 (https://github.com/BLAKE3-team/BLAKE3-specs), the one hash of the
 * project. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"

/* 256 bits that name something: a chunk, a commit, a pack's content. */
struct digest {
    uint8_t b[32];
};

static inline bool digest_equal(const struct digest *a, const struct digest *b) {
    return memcmp(a->b, b->b, sizeof a->b) ==
           0; /* names are not secret: constant time is not needed */
}

/* The name of a chunk: BLAKE3(type byte || bytes).  Content can never pass for structure. */
void hash_typed(uint8_t type, struct span bytes, struct digest *out);
/* Plain BLAKE3. */
void hash_bytes(struct span bytes, struct digest *out);
/* Keyed BLAKE3 (32-byte key). */
void hash_keyed(const uint8_t key[static 32], struct span bytes, struct digest *out);

/* Incremental, plain. */
struct hasher;
struct hasher *hasher_new(void);
void hasher_free(struct hasher *hasher);
void hasher_reset(struct hasher *hasher);
void hasher_add(struct hasher *hasher, struct span bytes);
void hasher_get(const struct hasher *hasher, struct digest *out); /* may go on afterwards */
