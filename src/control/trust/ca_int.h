#pragma once
/* Shared by ca*.c: the folder and its index. */
#include "control/trust/ca.h"
#include "crypto/x509_make.h"
#include "os/os.h"

#define CA_CERTIFICATE "ca.pem"
#define CA_KEY "ca.key"
#define CA_CRL "crl.pem"
#define CA_INDEX "index"
#define CA_CERTIFICATES "certs" /* SERIAL.pem, for renewal */
#define CA_LOCK "lock"
#define CA_FILE_MAX (64u * 1024)
#define CA_DAY_S 86400

/* The open folder, locked, with its index. */
struct ca {
    int fd;
    int lock_fd;
    struct buf certificate_pem;
    struct secret *key_pem;
    uint64_t crl_number; /* of the newest list */
    ca_entries entries;
};
void ca_done(struct ca *ca);
/* key_wanted false: for looking; neither key nor lock is taken. */
[[nodiscard]] int ca_open(const char *dir, bool key_wanted, struct ca *ca, struct err *err);
[[nodiscard]] int ca_index_load(struct ca *ca, struct err *err);
[[nodiscard]] int ca_index_store(const struct ca *ca, struct err *err);
struct x509_issuer ca_issuer(const struct ca *ca);
int64_t ca_now(int64_t now_s);
/* The newest entry of this name that is not revoked; NULL when there is none. */
const struct ca_entry *ca_newest(const struct ca *ca, const char *name);
