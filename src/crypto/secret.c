#include "crypto/secret.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/base.h"
#include "crypto/crypto_int.h"
#include "os/lockmem.h"
#include "os/random.h"

#define DERIVED_BYTES 32

struct secret {
    uint8_t *p; /* locked */
    size_t n;
};

static struct secret *secret_room(size_t n) {
    struct secret *secret = mem_new(sizeof *secret);
    *secret = (struct secret){.p = os_lockmem_new(n), .n = n};
    return secret;
}

struct secret *secret_new(size_t n) {
    struct secret *secret = secret_room(n);
    os_random(secret->p, n);
    return secret;
}

struct secret *secret_of(struct span bytes) {
    struct secret *secret = secret_room(bytes.n);
    if (bytes.n > 0)
        memcpy(secret->p, bytes.p, bytes.n);
    return secret;
}

void secret_free(struct secret *secret) {
    if (secret == NULL)
        return;
    os_lockmem_free(secret->p, secret->n);
    mem_free(secret);
}

struct span secret_span(const struct secret *secret) {
    return span_of(secret->p, secret->n);
}

void secret_wipe(void *p, size_t n) {
    OPENSSL_cleanse(p, n);
}

CRYPTO_CLEANUP(EVP_KDF, kdf_auto, EVP_KDF_free)
CRYPTO_CLEANUP(EVP_KDF_CTX, kdf_ctx_auto, EVP_KDF_CTX_free)

/* OpenSSL's parameters want mutable pointers but only read what they are given. */
static OSSL_PARAM octets(const char *name, struct span bytes) {
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)bytes.p, bytes.n);
}

int secret_derive(const struct secret *key, const char *label, struct span context,
                  struct secret **out, struct err *err) {
    __attribute__((cleanup(kdf_auto))) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    __attribute__((cleanup(kdf_ctx_auto))) EVP_KDF_CTX *ctx =
        kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    char digest[] = "SHA256";
    OSSL_PARAM params[5], *p = params;
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    *p++ = octets(OSSL_KDF_PARAM_KEY, secret_span(key));
    *p++ = octets(OSSL_KDF_PARAM_INFO, span_text(label));
    if (context.n > 0) /* without a salt RFC 5869 takes zeros */
        *p++ = octets(OSSL_KDF_PARAM_SALT, context);
    *p = OSSL_PARAM_construct_end();
    struct secret *derived = secret_room(DERIVED_BYTES);
    if (ctx == NULL || EVP_KDF_derive(ctx, derived->p, derived->n, params) != 1) {
        secret_free(derived);
        return crypto_fail(err, ERR_CRYPTO, "cannot derive a key");
    }
    *out = derived;
    return 0;
}
