#include "crypto/sign.h"

#include "crypto/crypto_int.h"

struct secret *sign_seed_new(void) {
    return secret_new(SIGN_SEED_BYTES);
}

static EVP_PKEY *key_of(const struct secret *seed) {
    struct span s = secret_span(seed);
    return EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, s.p, s.n);
}

int sign_public_of(const struct secret *seed, struct sign_public *out, struct err *err) {
    PKEY_AUTO *key = key_of(seed);
    size_t n = sizeof out->b;
    if (key == NULL || EVP_PKEY_get_raw_public_key(key, out->b, &n) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot use the signing key");
    return 0;
}

int sign_bytes(const struct secret *seed, struct span bytes, struct signature *out,
               struct err *err) {
    PKEY_AUTO *key = key_of(seed);
    MD_CTX_AUTO *ctx = EVP_MD_CTX_new();
    size_t n = sizeof out->b;
    if (key == NULL || ctx == NULL || EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(ctx, out->b, &n, bytes.p, bytes.n) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot sign");
    return 0;
}

int sign_verify(const struct sign_public *public, struct span bytes,
                const struct signature *signature, struct err *err) {
    PKEY_AUTO *key =
        EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, public->b, sizeof public->b);
    MD_CTX_AUTO *ctx = EVP_MD_CTX_new();
    if (key == NULL || ctx == NULL || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot check a signature");
    if (EVP_DigestVerify(ctx, signature->b, sizeof signature->b, bytes.p, bytes.n) != 1)
        return crypto_fail(err, ERR_TAMPERED, "signature does not match");
    return 0;
}
