#pragma once
/* crypto/x509_make -- making keys, certificates and revocation lists.
 *
 * What is made is what the template says, also when it breaks a requirement: judging is
 * x509_check's work, and tests need the bad ones.  Errors: ERR_CRYPTO, ERR_USAGE (a template that
 * cannot be written). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "crypto/secret.h"

enum x509_make_key { X509_MAKE_EC, X509_MAKE_RSA, X509_MAKE_ED25519 };
/* rsa_bits 512..X509_RSA_BITS_MAX counts for RSA only; EC is P-256.  PEM, PKCS#8. */
[[nodiscard]] int x509_make_key(enum x509_make_key kind, uint32_t rsa_bits, struct secret **key_pem,
                                struct err *err);

#define X509_SERIAL_BYTES 16
struct x509_serial {
    uint8_t b[X509_SERIAL_BYTES];
};
/* Positive and unpredictable. */
void x509_make_serial(struct x509_serial *serial);

enum x509_make_use { X509_MAKE_CLIENT = 1, X509_MAKE_SERVER = 2 };
struct x509_template {
    const char *common_name;  /* NULL or empty: the subject stays empty */
    const char *organisation; /* may be NULL */
    const char *const *names; /* subjectAltName: DNS names and IP addresses */
    size_t names_n;
    struct x509_serial serial;
    int64_t not_before_s;
    int64_t not_after_s;
    unsigned uses; /* of enum x509_make_use; 0: no extended key usage at all */
    bool authority;
    const char *crl_url; /* may be NULL: no distribution point */
};
/* Signed by the issuer, or by itself when issuer_certificate_pem is empty; PEM appended. */
struct x509_issuer {
    struct span certificate_pem;
    struct span key_pem;
};
[[nodiscard]] int x509_make_certificate(const struct x509_template *template,
                                        struct span subject_key_pem,
                                        const struct x509_issuer *issuer, struct buf *pem,
                                        struct err *err);
/* The same for the public key of an existing certificate, keeping its subject and names. */
[[nodiscard]] int x509_make_renewed(const struct x509_template *template, struct span old_pem,
                                    struct span subject_key_pem, const struct x509_issuer *issuer,
                                    struct buf *pem, struct err *err);

struct x509_revoked {
    struct x509_serial serial;
    int64_t when_s;
};
struct x509_crl_template {
    uint64_t number;
    int64_t this_update_s;
    int64_t next_update_s;
    const struct x509_revoked *revoked;
    size_t revoked_n;
};
[[nodiscard]] int x509_make_crl(const struct x509_crl_template *template,
                                const struct x509_issuer *issuer, struct buf *pem, struct err *err);
