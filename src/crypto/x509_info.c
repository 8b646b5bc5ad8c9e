#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/base.h"
#include "base/text.h"
#include "crypto/x509_int.h"

CRYPTO_CLEANUP(GENERAL_NAMES, names_auto, GENERAL_NAMES_free)

int64_t x509_time_s(const ASN1_TIME *time) {
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool ok = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;
    ASN1_TIME_free(epoch);
    return ok ? (int64_t)days * 86400 + seconds : 0;
}

int x509_name_text(const X509_NAME *name, char to[static X509_SUBJECT_MAX], struct err *err) {
    BIO_AUTO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio == NULL || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read a name of the certificate");
    long n = BIO_get_mem_data(bio, &text);
    if (n < 0 || n >= X509_SUBJECT_MAX)
        return ERR(err, ERR_CERTIFICATE, "a name of the certificate is longer than %d bytes",
                   X509_SUBJECT_MAX - 1);
    if (n > 0)
        memcpy(to, text, (size_t)n);
    to[n] = 0;
    return 0;
}

static void read_key(X509 *certificate, struct x509_info *out) {
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    if (key == NULL) {
        crypto_forget(); /* an unknown algorithm is a requirement not met, not a broken file */
        return;
    }
    int bits = EVP_PKEY_get_bits(key);
    out->key_bits = bits > 0 ? (uint32_t)bits : 0;
    if (EVP_PKEY_is_a(key, "RSA"))
        out->key_kind = X509_KEY_RSA;
    else if (EVP_PKEY_is_a(key, "EC"))
        out->key_kind = X509_KEY_EC;
    else if (EVP_PKEY_is_a(key, "ED25519"))
        out->key_kind = X509_KEY_ED25519;
}

/* A dNSName is ASCII by its standard; anything else is dropped here and unmet in the check. */
static bool dns_text(const ASN1_STRING *string, char to[static X509_NAME_MAX]) {
    const unsigned char *p = ASN1_STRING_get0_data(string);
    int n = ASN1_STRING_length(string);
    if (n <= 0 || n >= X509_NAME_MAX)
        return false;
    for (int i = 0; i < n; i++) {
        unsigned char c = p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool other = (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
        if (!letter && !other)
            return false;
        to[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    to[n] = 0;
    return true;
}

static bool address_text(const ASN1_OCTET_STRING *string, char to[static X509_NAME_MAX]) {
    const unsigned char *p = ASN1_STRING_get0_data(string);
    int n = ASN1_STRING_length(string);
    if (n == 4)
        return text_format(to, X509_NAME_MAX, "%u.%u.%u.%u", (unsigned)p[0], (unsigned)p[1],
                           (unsigned)p[2], (unsigned)p[3]);
    if (n != 16)
        return false;
    char *end = to;
    for (int i = 0; i < 16; i += 2)
        end += snprintf(end, 6, "%s%x", i > 0 ? ":" : "", (unsigned)be16_get(p + i));
    return true;
}

bool x509_names(X509 *certificate, struct x509_info *out) {
    int critical = 0;
    __attribute__((cleanup(names_auto))) GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    crypto_forget();
    out->names_n = 0;
    if (names == NULL)
        return critical == -1; /* -1: there is none; else twice, or broken */
    bool clean = true;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS && name->type != GEN_IPADD)
            continue; /* other kinds name no computer */
        char text[X509_NAME_MAX];
        bool good = name->type == GEN_DNS ? dns_text(name->d.dNSName, text)
                                          : address_text(name->d.iPAddress, text);
        if (good && out->names_n < X509_NAMES_MAX)
            (void)text_copy(out->names[out->names_n++], X509_NAME_MAX, text);
        else
            clean = false;
    }
    return clean;
}

int x509_describe(X509 *certificate, struct x509_info *out, struct err *err) {
    *out = (struct x509_info){0};
    unsigned n = 0;
    unsigned char *spki = NULL;
    int spki_n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
    bool ok = spki_n > 0 &&
              EVP_Digest(spki, (size_t)spki_n, out->spki_sha256.b, &n, EVP_sha256(), NULL) == 1 &&
              X509_digest(certificate, EVP_sha256(), out->sha256.b, &n) == 1 &&
              X509_digest(certificate, EVP_sha1(), out->sha1, &n) == 1;
    OPENSSL_free(spki);
    if (!ok)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read the certificate");
    if (x509_name_text(X509_get_subject_name(certificate), out->subject, err) != 0 ||
        x509_name_text(X509_get_issuer_name(certificate), out->issuer, err) != 0)
        return -1;
    (void)x509_names(certificate, out);
    read_key(certificate, out);
    out->not_before_s = x509_time_s(X509_get0_notBefore(certificate));
    out->not_after_s = x509_time_s(X509_get0_notAfter(certificate));
    out->self_issued =
        X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0;
    return 0;
}

int x509_info_of(struct span der, struct x509_info *out, struct err *err) {
    const unsigned char *p = der.p;
    if (der.n > X509_CHAIN_BYTES_MAX)
        return ERR(err, ERR_LIMIT, "certificate has %zu bytes", der.n);
    X509_AUTO *certificate = d2i_X509(NULL, &p, (long)der.n);
    if (certificate == NULL || p != der.p + der.n)
        return crypto_fail(err, ERR_CERTIFICATE, "not a certificate");
    return x509_describe(certificate, out, err);
}
