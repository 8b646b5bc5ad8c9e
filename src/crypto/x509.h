#pragma once
/* crypto/x509 -- certificates: reading them, naming them, and the one list of requirements that
 * every certificate of ours and of a peer must meet.
 *
 * Bytes from outside are bounded before they cost anything: X509_FILE_MAX, X509_PKCS12_ROUNDS_MAX,
 * X509_CERTIFICATES_MAX, RSA keys above X509_RSA_BITS_MAX.  ERR_CERTIFICATE: not a certificate, not
 * found, ambiguous, or requirements not met. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "base/vec.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#define X509_FILE_MAX ((size_t)1 << 20)
#define X509_CRL_FILE_MAX ((size_t)10 << 20)
#define X509_CERTIFICATES_MAX 64         /* in one bundle */
#define X509_KEYS_MAX 16                 /* in one bundle */
#define X509_DEPTH_MAX 5                 /* issuers above a certificate, root included */
#define X509_CHAIN_BYTES_MAX 65536       /* DER of a whole chain */
#define X509_RSA_BITS_MAX 8192           /* refused before anything is computed with it */
#define X509_PKCS12_ROUNDS_MAX 10000000u /* all key derivations of a file together */
#define X509_SUBJECT_MAX 512
#define X509_NAMES_MAX 16
#define X509_NAME_MAX 256

/* What a certificate says, and how it is named. */
enum x509_key_kind { X509_KEY_OTHER, X509_KEY_RSA, X509_KEY_EC, X509_KEY_ED25519 };
struct x509_info {
    struct digest sha256;           /* of the DER: what is stored and compared */
    uint8_t sha1[20];               /* a look-up alias, never more */
    struct digest spki_sha256;      /* of the public key */
    char subject[X509_SUBJECT_MAX]; /* RFC 2253; empty when the certificate has none */
    char issuer[X509_SUBJECT_MAX];
    char names[X509_NAMES_MAX]
              [X509_NAME_MAX]; /* subjectAltName: dNSName in lower case, addresses */
    size_t names_n;
    int64_t not_before_s;
    int64_t not_after_s;
    enum x509_key_kind key_kind;
    uint32_t key_bits;
    bool self_issued;
};
[[nodiscard]] int x509_info_of(struct span der, struct x509_info *out, struct err *err);

/* Certificates and private keys as they lie in files. */
struct x509_bundle;
struct x509_bundle *x509_bundle_new(void);
void x509_bundle_free(struct x509_bundle *bundle);
static inline void x509_bundle_auto(struct x509_bundle **p) {
    x509_bundle_free(*p);
}
/* PEM, DER or PKCS#12, told by content.  `password` may be empty; a wrong one is ERR_AUTH. */
[[nodiscard]] int x509_bundle_add(struct x509_bundle *bundle, struct span file,
                                  struct span password, struct err *err);

/* What is in it: the SHA-256 of a certificate is, and the certification authorities among them as
 * PEM (appended). */
bool x509_bundle_holds(const struct x509_bundle *bundle, const struct digest *sha256);
[[nodiscard]] int x509_bundle_authorities(const struct x509_bundle *bundle, struct buf *pem,
                                          struct err *err);

/* One certificate, its issuers upwards as far as known, and its private key if known. */
struct x509_chain;
void x509_chain_free(struct x509_chain *chain);
static inline void x509_chain_auto(struct x509_chain **p) {
    x509_chain_free(*p);
}
/* The certificate with this thumbprint (SHA-256 or SHA-1 hex; blanks and colons are ignored), or,
 * with NULL, the only one whose private key is there.  Two that match are refused. */
[[nodiscard]] int x509_chain_select(const struct x509_bundle *bundle, const char *thumbprint,
                                    struct x509_chain **out, struct err *err);
/* From DER, the certificate first; issuers in any order. */
[[nodiscard]] int x509_chain_of(const struct span *ders, size_t n, struct x509_chain **out,
                                struct err *err);
/* From our own PEM files; key_pem may be empty. */
[[nodiscard]] int x509_chain_of_pem(struct span certificate_pem, struct span key_pem,
                                    struct x509_chain **out, struct err *err);
size_t x509_chain_n(const struct x509_chain *chain); /* at least 1: the certificate itself */
bool x509_chain_has_key(const struct x509_chain *chain);
bool x509_chain_has_root(const struct x509_chain *chain);
struct span x509_chain_der(const struct x509_chain *chain, size_t i); /* borrowed */
const struct x509_info *x509_chain_info(const struct x509_chain *chain, size_t i);
/* Index of the issuer with this thumbprint; ERR_CERTIFICATE when it is none of the chain's CAs. */
[[nodiscard]] int x509_chain_find_issuer(const struct x509_chain *chain, const char *thumbprint,
                                         size_t *i, struct err *err);
/* Certificates from_i and above as PEM, appended. */
[[nodiscard]] int x509_chain_pem(const struct x509_chain *chain, size_t from_i, struct buf *out,
                                 struct err *err);
[[nodiscard]] int x509_chain_key_pem(const struct x509_chain *chain, struct secret **out,
                                     struct err *err);
/* A PKCS#12 file with certificate, key and issuers. */
[[nodiscard]] int x509_chain_pkcs12(const struct x509_chain *chain, const char *label,
                                    struct span password, struct buf *out, struct err *err);
/* Sign with the private key (RSA-PSS, ECDSA with SHA-256, or Ed25519); appended to `out`. */
[[nodiscard]] int x509_sign(const struct x509_chain *chain, struct span bytes, struct buf *out,
                            struct err *err);
/* ERR_TAMPERED: not signed by the certificate's key, or changed since. */
[[nodiscard]] int x509_verify(const struct x509_chain *chain, struct span bytes,
                              struct span signature, struct err *err);

/* Whom we trust, prepared once and used for many checks; read-only, so shared by threads. */
struct x509_trust;
struct x509_policy {
    struct span anchors_pem; /* trusted roots, and CAs below them that chains may need */
    struct span crls_pem;
    const struct digest *anchor_sha256; /* the chain must pass through this CA; NULL: any root */
    bool require_crl;    /* every link needs a valid list; else lists are used where they exist */
    bool allow_weak_key; /* RSA 1024..2047 */
    int64_t now_s;       /* 0: the clock */
};
[[nodiscard]] int x509_trust_new(const struct x509_policy *policy, struct x509_trust **out,
                                 struct err *err);
void x509_trust_free(struct x509_trust *trust);
static inline void x509_trust_auto(struct x509_trust **p) {
    x509_trust_free(*p);
}

/* The requirements; a report has one bit for each that is not met. */
enum x509_requirement {
    X509_IS_V3,
    X509_NOT_SELF_SIGNED,
    X509_HAS_SUBJECT,
    X509_ROOT_HAS_SUBJECT,
    X509_HAS_KEY,
    X509_KEY_STRONG,
    X509_KEY_BOUNDED,
    X509_KEY_SIGNS,
    X509_EKU_BOTH,
    X509_NAMES_CLEAN,
    X509_CHAIN_COMPLETE,
    X509_CHAIN_SOUND,
    X509_CHAIN_BOUNDED,
    X509_ANCHORED,
    X509_IN_DATE,
    X509_CRL_PRESENT,
    X509_CRL_CURRENT,
    X509_NOT_REVOKED,
    X509_REQUIREMENTS_N
};
struct x509_report {
    uint32_t unmet;
};
static inline bool x509_unmet(const struct x509_report *report, enum x509_requirement which) {
    return (report->unmet >> which & 1u) != 0;
}
/* What is wrong when it is not met, for people. */
const char *x509_requirement_text(enum x509_requirement which);
enum x509_whose { X509_OURS, X509_PEERS }; /* ours needs its private key */
/* Check everything in one pass.  -1 with ERR_CERTIFICATE names every unmet requirement; `report`
 * (may be NULL) has them as bits. */
[[nodiscard]] int x509_check(const struct x509_trust *trust, const struct x509_chain *chain,
                             enum x509_whose whose, struct x509_report *report, struct err *err);

/* Certificate revocation lists: PEM (several) or DER to PEM; appended. */
[[nodiscard]] int x509_crl_import(struct span file, struct buf *pem, struct err *err);
struct x509_crl_info {
    char issuer[X509_SUBJECT_MAX];
    char number[64]; /* decimal; empty when it has none */
    int64_t this_update_s;
    int64_t next_update_s; /* 0: none given */
    size_t revoked_n;
};
typedef VEC(struct x509_crl_info) x509_crl_infos;
/* Every list of `pem`, in its order; appended. */
[[nodiscard]] int x509_crl_describe(struct span pem, x509_crl_infos *out, struct err *err);
/* Take the offered lists into those held, one for each authority, into `out` (appended).  Each must
 * be signed by one of the authorities, else ERR_CERTIFICATE; one older than the list held is
 * ERR_EXISTS; unless such ones are to be left out. */
enum x509_crl_skip { X509_CRL_SKIP_NONE, X509_CRL_SKIP_OLDER, X509_CRL_SKIP_OLDER_AND_FOREIGN };
[[nodiscard]] int x509_crl_merge(struct span held_pem, struct span offered_pem,
                                 struct span authorities_pem, enum x509_crl_skip skip,
                                 struct buf *out, struct err *err);
