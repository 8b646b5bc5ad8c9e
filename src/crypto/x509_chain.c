#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/base.h"
#include "base/text.h"
#include "crypto/x509_int.h"

void x509_chain_free(struct x509_chain *chain) {
    if (chain == NULL)
        return;
    for (size_t i = 0; i < chain->n; i++) {
        X509_free(chain->links[i].certificate);
        buf_done(&chain->links[i].der);
    }
    EVP_PKEY_free(chain->key);
    mem_free(chain);
}

static int put_link(struct x509_chain *chain, X509 *certificate, struct err *err) {
    struct x509_link *link = &chain->links[chain->n];
    int n = i2d_X509(certificate, NULL);
    if (n <= 0 || n > X509_CHAIN_BYTES_MAX)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read the certificate");
    if (x509_describe(certificate, &link->info, err) != 0)
        return -1;
    unsigned char *p = buf_extend(&link->der, (size_t)n);
    (void)i2d_X509(certificate, &p);
    INVARIANT(X509_up_ref(certificate) == 1);
    link->certificate = certificate;
    chain->n++;
    return 0;
}

static bool issued(X509 *issuer, X509 *certificate) {
    const EVP_PKEY *key = X509_get0_pubkey(issuer);
    bool ok = key != NULL && EVP_PKEY_get_bits(key) <= X509_RSA_BITS_MAX &&
              X509_check_issued(issuer, certificate) == X509_V_OK &&
              X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
    crypto_forget();
    return ok;
}

static bool holds(const struct x509_chain *chain, const X509 *certificate) {
    for (size_t i = 0; i < chain->n; i++)
        if (X509_cmp(chain->links[i].certificate, certificate) == 0)
            return true;
    return false;
}

static X509 *issuer_in(const struct x509_chain *chain, const STACK_OF(X509) * pool) {
    X509 *last = chain->links[chain->n - 1].certificate;
    for (int i = 0; i < sk_X509_num(pool); i++) {
        X509 *candidate = sk_X509_value(pool, i);
        if (!holds(chain, candidate) && issued(candidate, last))
            return candidate;
    }
    return NULL;
}

static int build(X509 *certificate, const STACK_OF(X509) * pool, EVP_PKEY *key,
                 struct x509_chain **out, struct err *err) {
    AUTO(x509_chain) *chain = mem_new(sizeof *chain);
    for (X509 *next = certificate; next != NULL; next = issuer_in(chain, pool)) {
        if (chain->n == ARRAY_N(chain->links))
            return ERR(err, ERR_CERTIFICATE, "more than %d issuers above the certificate",
                       X509_DEPTH_MAX);
        if (put_link(chain, next, err) != 0)
            return -1;
        if (chain->links[chain->n - 1].info.self_issued)
            break;
    }
    if (key != NULL)
        INVARIANT(EVP_PKEY_up_ref(key) == 1);
    chain->key = key;
    *out = TAKE(chain);
    return 0;
}

/* The digits of a thumbprint as people paste it: blanks, colons and the invisible mark that the
 * Windows certificate dialog puts in front are no part of it. */
static int thumbprint_bytes(const char *text, uint8_t to[static 32], size_t *n, struct err *err) {
    char digits[65];
    size_t digits_n = 0;
    for (const char *p = text; *p != 0; p++) {
        bool hex = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f') || (*p >= 'A' && *p <= 'F');
        bool filler = *p == ' ' || *p == ':' || (*p & 0x80) != 0;
        if (!hex && filler)
            continue;
        if (!hex || digits_n == sizeof digits - 1)
            return ERR(err, ERR_USAGE, "thumbprint %.80s is not 40 or 64 hex digits", text);
        digits[digits_n++] = *p;
    }
    *n = digits_n / 2;
    if ((digits_n != 40 && digits_n != 64) || !text_unhex(digits, digits_n, to, *n))
        return ERR(err, ERR_USAGE, "thumbprint %.80s is not 40 or 64 hex digits", text);
    return 0;
}

static bool has_thumbprint(const struct x509_info *info, const uint8_t *p, size_t n) {
    return memcmp(n == sizeof info->sha1 ? info->sha1 : info->sha256.b, p, n) == 0;
}

static EVP_PKEY *key_for(const struct x509_bundle *bundle, const X509 *certificate) {
    EVP_PKEY *found = NULL;
    for (size_t i = 0; i < bundle->keys_n && found == NULL; i++)
        if (X509_check_private_key(certificate, bundle->keys[i]) == 1)
            found = bundle->keys[i];
    crypto_forget();
    return found;
}

static int pick(const struct x509_bundle *bundle, const char *thumbprint, X509 **out,
                struct err *err) {
    uint8_t print[32];
    size_t print_n = 0;
    *out = NULL;
    if (thumbprint != NULL && thumbprint_bytes(thumbprint, print, &print_n, err) != 0)
        return -1;
    for (size_t i = 0; i < bundle->certificates_n; i++) {
        X509 *certificate = bundle->certificates[i];
        struct x509_info info;
        if (thumbprint == NULL && key_for(bundle, certificate) == NULL)
            continue;
        if (thumbprint != NULL &&
            (x509_describe(certificate, &info, err) != 0 || !has_thumbprint(&info, print, print_n)))
            continue;
        if (*out != NULL)
            return ERR(err, ERR_CERTIFICATE,
                       "%s: more than one certificate matches, give the "
                       "SHA-256 thumbprint",
                       thumbprint != NULL ? thumbprint : "private key");
        *out = certificate;
    }
    if (*out == NULL && thumbprint != NULL)
        return ERR(err, ERR_CERTIFICATE, "no certificate has thumbprint %s", thumbprint);
    if (*out == NULL)
        return ERR(err, ERR_CERTIFICATE, "no certificate with its private key is there");
    return 0;
}

int x509_chain_select(const struct x509_bundle *bundle, const char *thumbprint,
                      struct x509_chain **out, struct err *err) {
    X509 *certificate;
    if (pick(bundle, thumbprint, &certificate, err) != 0)
        return -1;
    STACK_OF(X509) *pool = sk_X509_new_reserve(NULL, X509_CERTIFICATES_MAX);
    INVARIANT(pool != NULL);
    for (size_t i = 0; i < bundle->certificates_n; i++)
        (void)sk_X509_push(pool, bundle->certificates[i]);
    int rc = build(certificate, pool, key_for(bundle, certificate), out, err);
    sk_X509_free(pool);
    return rc;
}

static int chain_of_bundle(const struct x509_bundle *bundle, struct x509_chain **out,
                           struct err *err) {
    struct x509_info info;
    char thumbprint[65];
    if (bundle->certificates_n == 0)
        return ERR(err, ERR_CERTIFICATE, "no certificate is there");
    if (x509_describe(bundle->certificates[0], &info, err) != 0)
        return -1;
    text_hex(thumbprint, info.sha256.b, sizeof info.sha256.b);
    return x509_chain_select(bundle, thumbprint, out, err);
}

int x509_chain_of(const struct span *ders, size_t n, struct x509_chain **out, struct err *err) {
    AUTO(x509_bundle) *bundle = x509_bundle_new();
    for (size_t i = 0; i < n; i++) {
        const unsigned char *p = ders[i].p;
        if (ders[i].n > X509_CHAIN_BYTES_MAX)
            return ERR(err, ERR_LIMIT, "certificate has %zu bytes", ders[i].n);
        X509_AUTO *certificate = d2i_X509(NULL, &p, (long)ders[i].n);
        if (certificate != NULL && p != ders[i].p + ders[i].n)
            return ERR(err, ERR_CERTIFICATE, "bytes follow the certificate");
        if (x509_bundle_put_certificate(bundle, TAKE(certificate), err) != 0)
            return -1;
    }
    return chain_of_bundle(bundle, out, err);
}

int x509_chain_of_pem(struct span certificate_pem, struct span key_pem, struct x509_chain **out,
                      struct err *err) {
    AUTO(x509_bundle) *bundle = x509_bundle_new();
    struct span no_password = {0};
    if (x509_bundle_add(bundle, certificate_pem, no_password, err) != 0)
        return -1;
    if (key_pem.n > 0 && x509_bundle_add(bundle, key_pem, no_password, err) != 0)
        return -1;
    return chain_of_bundle(bundle, out, err);
}

size_t x509_chain_n(const struct x509_chain *chain) {
    return chain->n;
}

bool x509_chain_has_root(const struct x509_chain *chain) {
    return chain->links[chain->n - 1].info.self_issued;
}

struct span x509_chain_der(const struct x509_chain *chain, size_t i) {
    INVARIANT(i < chain->n);
    return buf_span(&chain->links[i].der);
}

const struct x509_info *x509_chain_info(const struct x509_chain *chain, size_t i) {
    INVARIANT(i < chain->n);
    return &chain->links[i].info;
}

int x509_chain_find_issuer(const struct x509_chain *chain, const char *thumbprint, size_t *i,
                           struct err *err) {
    uint8_t print[32];
    size_t print_n;
    if (thumbprint_bytes(thumbprint, print, &print_n, err) != 0)
        return -1;
    for (*i = 1; *i < chain->n; (*i)++)
        if (has_thumbprint(&chain->links[*i].info, print, print_n))
            return 0;
    return ERR(err, ERR_CERTIFICATE, "no authority above the certificate has thumbprint %s",
               thumbprint);
}

int x509_put_pem(const X509 *certificate, struct buf *pem, struct err *err) {
    BIO_AUTO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio == NULL || PEM_write_bio_X509(bio, certificate) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot write the certificate as PEM");
    long n = BIO_get_mem_data(bio, &text);
    buf_put(pem, text, (size_t)n);
    return 0;
}

int x509_chain_pem(const struct x509_chain *chain, size_t from_i, struct buf *out,
                   struct err *err) {
    for (size_t i = from_i; i < chain->n; i++)
        if (x509_put_pem(chain->links[i].certificate, out, err) != 0)
            return -1;
    return 0;
}
