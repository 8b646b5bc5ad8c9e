#pragma once
/* crypto/aead -- AES-256-GCM: bytes sealed under one key.
 *
 * An object is one key for one thread; make one per thread.  A nonce must never repeat under one
 * key: callers count records below a key of their own (docs/format/pack.md). */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define AEAD_KEY_BYTES 32
#define AEAD_NONCE_BYTES 12
#define AEAD_TAG_BYTES 16
#define AEAD_PLAIN_MAX ((size_t)1 << 30)

struct aead;
/* Never NULL; aborts when OpenSSL has no AES-256-GCM. */
struct aead *aead_new(const uint8_t key[static AEAD_KEY_BYTES]);
void aead_free(struct aead *aead);
static inline void aead_auto(struct aead **p) {
    aead_free(*p);
}
/* plain.n + AEAD_TAG_BYTES bytes into `out`, which may be plain.p itself.  ERR_LIMIT above
 * AEAD_PLAIN_MAX. */
[[nodiscard]] int aead_seal(struct aead *aead, const uint8_t nonce[static AEAD_NONCE_BYTES],
                            struct span aad, struct span plain, uint8_t *out, struct err *err);
/* sealed.n - AEAD_TAG_BYTES bytes into `out`, which may be sealed.p itself.  ERR_TAMPERED: changed,
 * cut, or sealed with another key, nonce or aad; `out` then holds zeros. */
[[nodiscard]] int aead_open(struct aead *aead, const uint8_t nonce[static AEAD_NONCE_BYTES],
                            struct span aad, struct span sealed, uint8_t *out, struct err *err);
