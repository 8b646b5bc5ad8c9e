#pragma once
/* control/trust/ca -- a small certificate authority for those who have none.
 *
 * A folder: ca.pem, ca.key (0600), index (what was issued, and the list's number), crl.pem, certs/.
 * Every change is durable before the function returns; a lock keeps two from changing it at once
 * (ERR_LOCKED).  Private keys of issued certificates are handed out and not kept. */
#include "base/base.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#define CA_NAME_MAX 253
#define CA_ENTRIES_MAX 100000u
#define CA_ALT_NAMES_MAX 15
#define CA_SERIAL_DIGITS 33 /* 32 hex digits and NUL */

enum ca_key { CA_KEY_EC, CA_KEY_RSA }; /* P-256; RSA of 3072 bits for the CA, 2048 below it */

struct ca_init_opts {
    const char *name; /* common name of its subject */
    enum ca_key key;
    uint32_t days;
    int64_t now_s; /* 0: the clock; the same below */
};
/* Makes the folder; with the first, empty revocation list.  ERR_EXISTS. */
[[nodiscard]] int ca_init(const char *dir, const struct ca_init_opts *opts, struct err *err);

struct ca_issue_opts {
    const char *const *alt_names; /* DNS names and addresses besides the name itself */
    size_t alt_names_n;
    enum ca_key key;
    uint32_t days;
    const char *crl_url; /* may be NULL */
    int64_t now_s;
};
/* A certificate for client and server authentication, and its key. */
struct ca_issued {
    struct buf certificate_pem; /* it, then the CA */
    struct secret *key_pem;
    char serial[CA_SERIAL_DIGITS];
    int64_t not_after_s;
};
void ca_issued_done(struct ca_issued *issued);
/* ERR_EXISTS: a valid certificate has this name; renew or revoke it. */
[[nodiscard]] int ca_issue(const char *dir, const char *name, const struct ca_issue_opts *opts,
                           struct ca_issued *out, struct err *err);
/* A new key and certificate with subject and names of the newest one of this name, which stays
 * valid.  ERR_CA_UNKNOWN. */
struct ca_renew_opts {
    uint32_t days;
    const char *crl_url;
    int64_t now_s;
};
[[nodiscard]] int ca_renew(const char *dir, const char *name, const struct ca_renew_opts *opts,
                           struct ca_issued *out, struct err *err);
/* As a PKCS#12 file, appended. */
[[nodiscard]] int ca_issued_pkcs12(const struct ca_issued *issued, const char *label,
                                   struct span password, struct buf *out, struct err *err);
/* Every certificate of this name, or the one of this serial number; the list is written anew, valid
 * for `crl_days`.  ERR_CA_UNKNOWN. */
[[nodiscard]] int ca_revoke(const char *dir, const char *name_or_serial, uint32_t crl_days,
                            int64_t now_s, size_t *revoked_n, struct err *err);
/* A fresh revocation list; kept in the folder, and appended to `pem`. */
[[nodiscard]] int ca_crl(const char *dir, uint32_t days, int64_t now_s, struct buf *pem,
                         struct err *err);

struct ca_entry {
    char serial[CA_SERIAL_DIGITS];
    char name[CA_NAME_MAX + 1];
    int64_t issued_s;
    int64_t not_after_s;
    int64_t revoked_s; /* 0: not revoked */
    struct digest sha256;
};
typedef VEC(struct ca_entry) ca_entries;
/* In the order of issue. */
[[nodiscard]] int ca_list(const char *dir, ca_entries *list, struct err *err);
