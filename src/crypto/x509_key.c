#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "crypto/x509_int.h"

bool x509_chain_has_key(const struct x509_chain *chain) {
    return chain->key != NULL;
}

int x509_key_pem(EVP_PKEY *key, struct secret **out, struct err *err) {
    BIO_AUTO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot write the private key as PEM");
    long n = BIO_get_mem_data(bio, &text);
    *out = secret_of(span_of(text, (size_t)n));
    secret_wipe(text, (size_t)n);
    return 0;
}

int x509_chain_key_pem(const struct x509_chain *chain, struct secret **out, struct err *err) {
    if (chain->key == NULL)
        return ERR(err, ERR_CERTIFICATE, "the private key of the certificate is not there");
    return x509_key_pem(chain->key, out, err);
}

/* Ed25519 hashes by itself; RSA signs with PSS, whose salt is as long as the hash. */
static bool prepare(EVP_PKEY_CTX *ctx, const EVP_PKEY *key) {
    if (!EVP_PKEY_is_a(key, "RSA"))
        return true;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static const EVP_MD *hash_for(const EVP_PKEY *key) {
    return EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
}

int x509_sign(const struct x509_chain *chain, struct span bytes, struct buf *out, struct err *err) {
    if (chain->key == NULL)
        return ERR(err, ERR_CERTIFICATE, "the private key of the certificate is not there");
    MD_CTX_AUTO *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx = NULL;
    size_t n = 0;
    if (ctx == NULL ||
        EVP_DigestSignInit(ctx, &key_ctx, hash_for(chain->key), NULL, chain->key) != 1 ||
        !prepare(key_ctx, chain->key) || EVP_DigestSign(ctx, NULL, &n, bytes.p, bytes.n) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot sign with the certificate's key");
    buf_reserve(out, n);
    if (EVP_DigestSign(ctx, out->p + out->n, &n, bytes.p, bytes.n) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot sign with the certificate's key");
    out->n += n;
    return 0;
}

int x509_verify(const struct x509_chain *chain, struct span bytes, struct span signature,
                struct err *err) {
    EVP_PKEY *key = X509_get0_pubkey(chain->links[0].certificate);
    if (key == NULL || EVP_PKEY_get_bits(key) > X509_RSA_BITS_MAX)
        return crypto_fail(err, ERR_CERTIFICATE, "the key of the certificate cannot be used");
    MD_CTX_AUTO *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx = NULL;
    if (ctx == NULL || EVP_DigestVerifyInit(ctx, &key_ctx, hash_for(key), NULL, key) != 1 ||
        !prepare(key_ctx, key))
        return crypto_fail(err, ERR_CERTIFICATE, "the key of the certificate cannot be used");
    if (EVP_DigestVerify(ctx, signature.p, signature.n, bytes.p, bytes.n) != 1)
        return crypto_fail(err, ERR_TAMPERED, "the certificate's key did not sign this");
    return 0;
}
