#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/base.h"
#include "base/text.h"
#include "crypto/x509_int.h"

CRYPTO_CLEANUP(X509_SIG, sealed_key_auto, X509_SIG_free)
CRYPTO_CLEANUP(PKCS8_PRIV_KEY_INFO, key_info_auto, PKCS8_PRIV_KEY_INFO_free)

struct x509_bundle *x509_bundle_new(void) {
    return mem_new(sizeof(struct x509_bundle));
}

void x509_bundle_free(struct x509_bundle *bundle) {
    if (bundle == NULL)
        return;
    for (size_t i = 0; i < bundle->certificates_n; i++)
        X509_free(bundle->certificates[i]);
    for (size_t i = 0; i < bundle->keys_n; i++)
        EVP_PKEY_free(bundle->keys[i]);
    mem_free(bundle);
}

int x509_bundle_put_certificate(struct x509_bundle *bundle, X509 *certificate, struct err *err) {
    X509_AUTO *owned = certificate;
    if (owned == NULL)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read a certificate");
    for (size_t i = 0; i < bundle->certificates_n; i++)
        if (X509_cmp(bundle->certificates[i], owned) == 0)
            return 0; /* files may repeat each other */
    if (bundle->certificates_n == X509_CERTIFICATES_MAX)
        return ERR(err, ERR_LIMIT, "more than %d certificates", X509_CERTIFICATES_MAX);
    bundle->certificates[bundle->certificates_n++] = TAKE(owned);
    return 0;
}

int x509_bundle_put_key(struct x509_bundle *bundle, EVP_PKEY *key, struct err *err) {
    PKEY_AUTO *owned = key;
    if (owned == NULL)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read a private key");
    if (bundle->keys_n == X509_KEYS_MAX)
        return ERR(err, ERR_LIMIT, "more than %d private keys", X509_KEYS_MAX);
    bundle->keys[bundle->keys_n++] = TAKE(owned);
    return 0;
}

/* PKCS#8, sealed with a password. */
static int add_sealed_key(struct x509_bundle *bundle, struct span der, struct span password,
                          struct err *err) {
    const unsigned char *p = der.p;
    __attribute__((cleanup(sealed_key_auto))) X509_SIG *sealed =
        d2i_X509_SIG(NULL, &p, (long)der.n);
    if (sealed == NULL)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read a sealed private key");
    const X509_ALGOR *algorithm = NULL;
    uint64_t rounds = X509_PKCS12_ROUNDS_MAX;
    X509_SIG_get0(sealed, &algorithm, NULL);
    if (x509_spend_rounds(algorithm, &rounds, err) != 0)
        return -1;
    __attribute__((cleanup(key_info_auto))) PKCS8_PRIV_KEY_INFO *info =
        PKCS8_decrypt(sealed, (const char *)password.p, (int)password.n);
    if (info == NULL)
        return crypto_fail(err, ERR_AUTH, "the password does not open the private key");
    return x509_bundle_put_key(bundle, EVP_PKCS82PKEY(info), err);
}

/* Blocks that are neither certificate nor key (parameters, lists) are passed over. */
static int add_block(struct x509_bundle *bundle, const char *kind, const char *header,
                     struct span der, struct span password, struct err *err) {
    const unsigned char *p = der.p;
    if (text_equal(kind, PEM_STRING_X509) || text_equal(kind, PEM_STRING_X509_OLD))
        return x509_bundle_put_certificate(bundle, d2i_X509(NULL, &p, (long)der.n), err);
    if (text_equal(kind, PEM_STRING_PKCS8))
        return add_sealed_key(bundle, der, password, err);
    if (!text_ends(kind, "PRIVATE KEY"))
        return 0;
    if (header[0] != 0)
        return ERR(err, ERR_CERTIFICATE,
                   "the private key has the old sealed form; convert it with openssl pkcs8");
    return x509_bundle_put_key(bundle, d2i_AutoPrivateKey(NULL, &p, (long)der.n), err);
}

static int add_pem(struct x509_bundle *bundle, struct span file, struct span password,
                   struct err *err) {
    BIO_AUTO *bio = BIO_new_mem_buf(file.p, (int)file.n);
    char *kind = NULL, *header = NULL;
    unsigned char *der = NULL;
    long n = 0;
    int rc = 0;
    while (rc == 0 && PEM_read_bio(bio, &kind, &header, &der, &n) == 1) {
        rc = add_block(bundle, kind, header, span_of(der, (size_t)n), password, err);
        OPENSSL_free(kind);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)n);
    }
    if (rc != 0)
        return -1;
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read the PEM file");
    crypto_forget(); /* no further block: the orderly end */
    return 0;
}

/* PKCS#12 begins with its version, a certificate with another sequence. */
static bool is_pkcs12(struct span file) {
    struct cursor c = cursor_of(file);
    (void)cursor_u8(&c);
    uint8_t length = cursor_u8(&c);
    if (length > 0x80)
        (void)cursor_bytes(&c, length & 0x7fu);
    return cursor_u8(&c) == 2;
}

int x509_bundle_add(struct x509_bundle *bundle, struct span file, struct span password,
                    struct err *err) {
    size_t before = bundle->certificates_n + bundle->keys_n;
    if (file.n > X509_FILE_MAX || password.n > X509_NAME_MAX)
        return ERR(err, ERR_LIMIT, "certificate file has %zu bytes, at most %zu are read", file.n,
                   X509_FILE_MAX);
    crypto_forget();
    int rc;
    if (file.n > 0 && file.p[0] != 0x30) {
        rc = add_pem(bundle, file, password, err);
    } else if (is_pkcs12(file)) {
        rc = x509_bundle_add_pkcs12(bundle, file, password, err);
    } else {
        const unsigned char *p = file.p;
        rc = x509_bundle_put_certificate(bundle, d2i_X509(NULL, &p, (long)file.n), err);
    }
    if (rc == 0 && bundle->certificates_n + bundle->keys_n == before && before == 0)
        return ERR(err, ERR_CERTIFICATE, "the file holds no certificate and no private key");
    return rc;
}

bool x509_bundle_holds(const struct x509_bundle *bundle, const struct digest *sha256) {
    for (size_t i = 0; i < bundle->certificates_n; i++) {
        struct digest found;
        if (X509_digest(bundle->certificates[i], EVP_sha256(), found.b, NULL) == 1 &&
            digest_equal(&found, sha256))
            return true;
    }
    return false;
}

int x509_bundle_authorities(const struct x509_bundle *bundle, struct buf *pem, struct err *err) {
    for (size_t i = 0; i < bundle->certificates_n; i++) {
        X509 *certificate = bundle->certificates[i];
        if (X509_check_ca(certificate) == 1 && x509_put_pem(certificate, pem, err) != 0)
            return -1;
    }
    return 0;
}
