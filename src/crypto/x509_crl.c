#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/base.h"
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

static int describe_first(void *arg, X509_CRL *crl, struct err *err) {
    struct x509_crl_info *out = arg;
    if (out->this_update_s != 0)
        return 0;
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    int n = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl));
    out->this_update_s = x509_time_s(X509_CRL_get0_lastUpdate(crl));
    out->next_update_s = next != NULL ? x509_time_s(next) : 0;
    out->revoked_n = n > 0 ? (size_t)n : 0;
    return x509_name_text(X509_CRL_get_issuer(crl), out->issuer, err);
}

int x509_crl_info_of(struct span pem, struct x509_crl_info *out, struct err *err) {
    *out = (struct x509_crl_info){0};
    if (x509_crl_each(pem, describe_first, out, err) != 0)
        return -1;
    if (out->this_update_s == 0)
        return ERR(err, ERR_CERTIFICATE, "there is no revocation list");
    return 0;
}
