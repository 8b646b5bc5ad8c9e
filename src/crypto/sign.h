#pragma once
/* crypto/sign -- Ed25519 (RFC 8032) with raw keys. */
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "crypto/secret.h"

#define SIGN_SEED_BYTES 32

struct sign_public {
    uint8_t b[32];
};
struct signature {
    uint8_t b[64];
};

/* A new private key. */
struct secret *sign_seed_new(void);
/* ERR_CRYPTO: the seed is not SIGN_SEED_BYTES long. */
[[nodiscard]] int sign_public_of(const struct secret *seed, struct sign_public *out,
                                 struct err *err);
[[nodiscard]] int sign_bytes(const struct secret *seed, struct span bytes, struct signature *out,
                             struct err *err);
/* ERR_TAMPERED: not signed by this key, or changed since. */
[[nodiscard]] int sign_verify(const struct sign_public *key, struct span bytes,
                              const struct signature *signature, struct err *err);

/* Whoever holds a private key and signs with it for others. */
struct signer {
    void *ctx;
    int (*sign)(void *ctx, struct span bytes, struct signature *out, struct err *err);
    struct sign_public key;
};
