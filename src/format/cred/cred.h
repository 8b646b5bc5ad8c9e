#pragma once
/* format/cred -- the metadata file by which one side introduces itself to the other.
 * Owns: the bytes of CertificateConfiguration_<FQDN>.bin and what its signature covers
 *   (docs/format/cred.md).
 * Knows nothing of: whether certificate and signature are good, files, keys.
 * Threads: pure functions.
 * Lifetime: spans of a decoded struct point into its input.
 * Limits: CRED_*_MAX. */
#include "base/base.h"
#include "crypto/hash.h"
#include "crypto/sign.h"

#define CRED_BYTES_MAX (128u * 1024)
#define CRED_NAME_MAX 253
#define CRED_CHAIN_MAX 6
#define CRED_CERTIFICATE_MAX 8192
#define CRED_URL_MAX 512
#define CRED_CRL_MAX (64u * 1024)
#define CRED_SIGNATURE_MAX 1024

enum cred_role { CRED_SERVER = 1, CRED_COMPUTER = 2 };
enum cred_flag { CRED_WEAK_KEY = 1 }; /* RSA 1024..2047 was allowed on this side */

struct cred {
    enum cred_role role;
    uint32_t flags;      /* of enum cred_flag */
    uint64_t generation; /* from 1, one more each time the side writes its file */
    int64_t made_s;
    int64_t not_after_s;            /* of the certificate */
    struct span name;               /* host name or address, as in the certificate */
    uint16_t control_port;          /* 0: this side does not listen for it */
    uint16_t transfer_port;         /* 0: the same */
    struct sign_public signing_key; /* of manifests and commits */
    struct digest spki_sha256;
    struct span chain[CRED_CHAIN_MAX]; /* DER: the certificate, its issuers, the root last */
    size_t chain_n;                    /* at least 2 */
    size_t anchor_i;                   /* the authority peers shall trust: 1..chain_n-1 */
    struct span crl_url;               /* may be empty */
    struct span crl_pem;               /* may be empty */
};

/* The file up to its signature; appended.  The fields must be within their limits. */
void cred_put(struct buf *out, const struct cred *cred);
/* The signature that makes it whole; appended to the same buffer. */
void cred_put_signature(struct buf *out, struct span signature);
/* What is signed: a tag and the file up to its signature; appended. */
void cred_signed_part(struct buf *out, struct span unsigned_file);
/* Accepts exactly the bytes that the two put functions write.  The signature is not checked here.
 * ERR_FORMAT, ERR_FORMAT_VERSION, ERR_LIMIT. */
struct cred_file {
    struct cred cred;
    struct span unsigned_file;
    struct span signature;
};
[[nodiscard]] int cred_get(struct span file, struct cred_file *out, struct err *err);
/* "CertificateConfiguration_<name>.bin" */
#define CRED_FILE_NAME_MAX 288
void cred_file_name(char to[static CRED_FILE_NAME_MAX], struct span name);
/* A name a machine may have: letters, digits, dots, hyphens, underscores, colons; not a path. */
bool cred_name_allowed(struct span name);
