#pragma once
/* Shared by the x509_*.c files and tls: OpenSSL objects behind the opaque types. */
#include <openssl/x509.h>

#include "crypto/crypto_int.h"
#include "crypto/x509.h"

struct x509_bundle {
    X509 *certificates[X509_CERTIFICATES_MAX];
    size_t certificates_n;
    EVP_PKEY *keys[X509_KEYS_MAX];
    size_t keys_n;
};

/* Both take the object, also on failure. */
[[nodiscard]] int x509_bundle_put_certificate(struct x509_bundle *bundle, X509 *certificate,
                                              struct err *err);
[[nodiscard]] int x509_bundle_put_key(struct x509_bundle *bundle, EVP_PKEY *key, struct err *err);
[[nodiscard]] int x509_bundle_add_pkcs12(struct x509_bundle *bundle, struct span file,
                                         struct span password, struct err *err);
/* One decryption of a password-sealed object: counts its rounds against *rounds_left first. */
[[nodiscard]] int x509_spend_rounds(const X509_ALGOR *algorithm, uint64_t *rounds_left,
                                    struct err *err);

struct x509_link {
    X509 *certificate;
    struct buf der;
    struct x509_info info;
};
struct x509_chain {
    struct x509_link links[X509_DEPTH_MAX + 1];
    size_t n;
    EVP_PKEY *key; /* NULL when not known */
};

[[nodiscard]] int x509_describe(X509 *certificate, struct x509_info *out, struct err *err);

/* The SHA-256 of each certificate of a verified chain, the leaf first. */
struct x509_path {
    struct digest sha256[X509_DEPTH_MAX + 1];
    size_t n;
};
/* The check itself, on OpenSSL's objects; `untrusted` may be NULL.  key NULL = not asked for. */
void x509_check_objects(const struct x509_trust *trust, X509 *leaf, STACK_OF(X509) * untrusted,
                        struct x509_path *path, struct x509_report *report);
int x509_report_fail(const struct x509_report *report, const char *subject, struct err *err);

[[nodiscard]] int x509_put_pem(const X509 *certificate, struct buf *pem, struct err *err);
[[nodiscard]] int x509_key_pem(EVP_PKEY *key, struct secret **out, struct err *err);
typedef int x509_crl_fn(void *arg, X509_CRL *crl, struct err *err);
/* Every list in `pem`, at most X509_CRLS_MAX. */
#define X509_CRLS_MAX 64
[[nodiscard]] int x509_crl_each(struct span pem, x509_crl_fn *fn, void *arg, struct err *err);
/* subjectAltName; false: a name in it is not one that can be compared. */
bool x509_names(X509 *certificate, struct x509_info *out);
int64_t x509_time_s(const ASN1_TIME *time);
/* RFC 2253 text; an empty name gives "".  ERR_CERTIFICATE when it does not fit. */
[[nodiscard]] int x509_name_text(const X509_NAME *name, char to[static X509_SUBJECT_MAX],
                                 struct err *err);
