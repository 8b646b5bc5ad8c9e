#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/base.h"
#include "base/text.h"
#include "crypto/x509_int.h"

int x509_crl_each(struct span pem, x509_crl_fn *fn, void *arg, struct err *err) {
    if (pem.n == 0)
        return 0;
    if (pem.n > X509_CRL_FILE_MAX)
        return ERR(err, ERR_LIMIT, "revocation lists have %zu bytes", pem.n);
    BIO_AUTO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    crypto_forget();
    for (size_t n = 0;; n++) {
        CRL_AUTO *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
        if (crl == NULL)
            break;
        if (n == X509_CRLS_MAX)
            return ERR(err, ERR_LIMIT, "more than %d revocation lists", X509_CRLS_MAX);
        if (fn(arg, crl, err) != 0)
            return -1;
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read a revocation list");
    crypto_forget();
    return 0;
}

static int append_pem(void *arg, X509_CRL *crl, struct err *err) {
    BIO_AUTO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio == NULL || PEM_write_bio_X509_CRL(bio, crl) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot write the revocation list");
    long n = BIO_get_mem_data(bio, &text);
    buf_put(arg, text, (size_t)n);
    return 0;
}

int x509_crl_import(struct span file, struct buf *pem, struct err *err) {
    size_t before = pem->n;
    if (file.n > X509_CRL_FILE_MAX)
        return ERR(err, ERR_LIMIT, "revocation list has %zu bytes", file.n);
    if (file.n > 0 && file.p[0] == 0x30) {
        const unsigned char *p = file.p;
        CRL_AUTO *crl = d2i_X509_CRL(NULL, &p, (long)file.n);
        if (crl == NULL)
            return crypto_fail(err, ERR_CERTIFICATE, "not a revocation list");
        return append_pem(pem, crl, err);
    }
    if (x509_crl_each(file, append_pem, pem, err) != 0)
        return -1;
    if (pem->n == before)
        return ERR(err, ERR_CERTIFICATE, "the file holds no revocation list");
    return 0;
}

static void number_text(const X509_CRL *crl, char *to, size_t size) {
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    BIGNUM *value = number != NULL ? ASN1_INTEGER_to_BN(number, NULL) : NULL;
    char *text = value != NULL ? BN_bn2dec(value) : NULL;
    to[0] = 0;
    if (text != NULL)
        (void)text_copy(to, size, text);
    OPENSSL_free(text);
    BN_free(value);
    ASN1_INTEGER_free(number);
    crypto_forget();
}

static int describe(void *arg, X509_CRL *crl, struct err *err) {
    x509_crl_infos *list = arg;
    struct x509_crl_info info = {.this_update_s = x509_time_s(X509_CRL_get0_lastUpdate(crl))};
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    int n = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl));
    info.next_update_s = next != NULL ? x509_time_s(next) : 0;
    info.revoked_n = n > 0 ? (size_t)n : 0;
    number_text(crl, info.number, sizeof info.number);
    if (x509_name_text(X509_CRL_get_issuer(crl), info.issuer, err) != 0)
        return -1;
    *vec_push(list) = info;
    return 0;
}

int x509_crl_describe(struct span pem, x509_crl_infos *out, struct err *err) {
    return x509_crl_each(pem, describe, out, err);
}

struct lists {
    X509_CRL *crl[X509_CRLS_MAX];
    size_t n;
};

static void lists_done(struct lists *lists) {
    for (size_t i = 0; i < lists->n; i++)
        X509_CRL_free(lists->crl[i]);
}

static int collect(void *arg, X509_CRL *crl, struct err *err) {
    struct lists *lists = arg;
    if (lists->n == ARRAY_N(lists->crl) || X509_CRL_up_ref(crl) != 1)
        return crypto_fail(err, ERR_LIMIT, "too many revocation lists");
    lists->crl[lists->n++] = crl;
    return 0;
}

/* Authorities may share a name: the signature tells whose list it is. */
static X509 *signer_of(X509_CRL *crl, const struct x509_bundle *authorities) {
    X509 *found = NULL;
    for (size_t i = 0; i < authorities->certificates_n && found == NULL; i++) {
        X509 *authority = authorities->certificates[i];
        EVP_PKEY *key = X509_get0_pubkey(authority);
        if (key != NULL && EVP_PKEY_get_bits(key) <= X509_RSA_BITS_MAX &&
            X509_NAME_cmp(X509_get_subject_name(authority), X509_CRL_get_issuer(crl)) == 0 &&
            X509_CRL_verify(crl, key) == 1)
            found = authority;
    }
    crypto_forget();
    return found;
}

/* <0: a is older.  By number where both have one, else by date. */
static int compare_age(const X509_CRL *a, const X509_CRL *b) {
    ASN1_INTEGER *x = X509_CRL_get_ext_d2i(a, NID_crl_number, NULL, NULL);
    ASN1_INTEGER *y = X509_CRL_get_ext_d2i(b, NID_crl_number, NULL, NULL);
    int order = x != NULL && y != NULL
                    ? ASN1_INTEGER_cmp(x, y)
                    : ASN1_TIME_compare(X509_CRL_get0_lastUpdate(a), X509_CRL_get0_lastUpdate(b));
    ASN1_INTEGER_free(x);
    ASN1_INTEGER_free(y);
    crypto_forget();
    return order;
}

static int take_list(struct lists *held, X509_CRL *offered, const struct x509_bundle *authorities,
                     enum x509_crl_skip skip, struct err *err) {
    char issuer[X509_SUBJECT_MAX];
    if (x509_name_text(X509_CRL_get_issuer(offered), issuer, err) != 0)
        return -1;
    const X509 *signer = signer_of(offered, authorities);
    if (signer == NULL && skip == X509_CRL_SKIP_OLDER_AND_FOREIGN)
        return 0;
    if (signer == NULL)
        return ERR(err, ERR_CERTIFICATE, "revocation list of %.200s is of no trusted authority",
                   issuer);
    for (size_t i = 0; i < held->n; i++) {
        if (signer_of(held->crl[i], authorities) != signer)
            continue;
        int order = compare_age(offered, held->crl[i]);
        if (order < 0 && skip == X509_CRL_SKIP_NONE)
            return ERR(err, ERR_EXISTS, "a newer revocation list of %.200s is here already",
                       issuer);
        if (order > 0) {
            X509_CRL_free(held->crl[i]);
            INVARIANT(X509_CRL_up_ref(offered) == 1);
            held->crl[i] = offered;
        }
        return 0;
    }
    return collect(held, offered, err);
}

int x509_crl_merge(struct span held_pem, struct span offered_pem, struct span authorities_pem,
                   enum x509_crl_skip skip, struct buf *out, struct err *err) {
    SCOPED(lists) held = {.n = 0};
    SCOPED(lists) offered = {.n = 0};
    AUTO(x509_bundle) *authorities = x509_bundle_new();
    struct span no_password = {0};
    if (x509_bundle_add(authorities, authorities_pem, no_password, err) != 0 ||
        x509_crl_each(held_pem, collect, &held, err) != 0 ||
        x509_crl_each(offered_pem, collect, &offered, err) != 0)
        return -1;
    for (size_t i = 0; i < offered.n; i++)
        if (take_list(&held, offered.crl[i], authorities, skip, err) != 0)
            return -1;
    for (size_t i = 0; i < held.n; i++)
        if (append_pem(out, held.crl[i], err) != 0)
            return -1;
    return 0;
}
