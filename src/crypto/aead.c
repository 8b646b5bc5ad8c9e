#include "crypto/aead.h"

#include <openssl/evp.h>

#include "crypto/crypto_int.h"

/* Two contexts: each keeps its key schedule, so that a record costs one nonce set-up. */
struct aead {
    EVP_CIPHER_CTX *seal;
    EVP_CIPHER_CTX *open;
};

struct aead *aead_new(const uint8_t key[static AEAD_KEY_BYTES]) {
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    struct aead *aead = mem_new(sizeof *aead);
    aead->seal = EVP_CIPHER_CTX_new();
    aead->open = EVP_CIPHER_CTX_new();
    INVARIANT(cipher != NULL && aead->seal != NULL && aead->open != NULL);
    INVARIANT(EVP_EncryptInit_ex2(aead->seal, cipher, key, NULL, NULL) == 1);
    INVARIANT(EVP_DecryptInit_ex2(aead->open, cipher, key, NULL, NULL) == 1);
    EVP_CIPHER_free(cipher); /* the contexts hold it */
    return aead;
}

void aead_free(struct aead *aead) {
    if (aead == NULL)
        return;
    EVP_CIPHER_CTX_free(aead->seal);
    EVP_CIPHER_CTX_free(aead->open);
    mem_free(aead);
}

int aead_seal(struct aead *aead, const uint8_t nonce[static AEAD_NONCE_BYTES], struct span aad,
              struct span plain, uint8_t *out, struct err *err) {
    if (plain.n > AEAD_PLAIN_MAX || aad.n > AEAD_PLAIN_MAX)
        return ERR(err, ERR_LIMIT, "%zu bytes are too many to seal at once", plain.n);
    int n = 0, tail = 0;
    if (EVP_EncryptInit_ex2(aead->seal, NULL, NULL, nonce, NULL) != 1 ||
        (aad.n > 0 && EVP_EncryptUpdate(aead->seal, NULL, &n, aad.p, (int)aad.n) != 1) ||
        (plain.n > 0 && EVP_EncryptUpdate(aead->seal, out, &n, plain.p, (int)plain.n) != 1) ||
        EVP_EncryptFinal_ex(aead->seal, out + plain.n, &tail) != 1 ||
        EVP_CIPHER_CTX_ctrl(aead->seal, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_BYTES, out + plain.n) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot seal");
    return 0;
}

int aead_open(struct aead *aead, const uint8_t nonce[static AEAD_NONCE_BYTES], struct span aad,
              struct span sealed, uint8_t *out, struct err *err) {
    if (sealed.n < AEAD_TAG_BYTES)
        return ERR(err, ERR_TAMPERED, "sealed bytes are shorter than their tag");
    if (sealed.n > AEAD_PLAIN_MAX + AEAD_TAG_BYTES || aad.n > AEAD_PLAIN_MAX)
        return ERR(err, ERR_LIMIT, "%zu bytes are too many to open at once", sealed.n);
    size_t plain_n = sealed.n - AEAD_TAG_BYTES;
    int n = 0, tail = 0;
    uint8_t tag[AEAD_TAG_BYTES], nothing;
    memcpy(tag, sealed.p + plain_n, sizeof tag);
    if (EVP_DecryptInit_ex2(aead->open, NULL, NULL, nonce, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(aead->open, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_BYTES, tag) != 1 ||
        (aad.n > 0 && EVP_DecryptUpdate(aead->open, NULL, &n, aad.p, (int)aad.n) != 1) ||
        (plain_n > 0 && EVP_DecryptUpdate(aead->open, out, &n, sealed.p, (int)plain_n) != 1))
        return crypto_fail(err, ERR_CRYPTO, "cannot open sealed bytes");
    if (EVP_DecryptFinal_ex(aead->open, &nothing, &tail) != 1) {
        if (plain_n > 0)
            OPENSSL_cleanse(out, plain_n); /* nobody gets to use what was not authentic */
        return crypto_fail(err, ERR_TAMPERED, "sealed bytes do not open");
    }
    return 0;
}
