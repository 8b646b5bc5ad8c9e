#include "control/trust/ca.h"

#include "base/text.h"
#include "control/trust/ca_int.h"

#define FIRST_CRL_DAYS 30
#define RSA_BITS_CA 3072
#define BACKDATE_S 3600 /* clocks of other machines may be slow */

int64_t ca_now(int64_t now_s) {
    return now_s != 0 ? now_s : os_wall_s();
}

struct x509_issuer ca_issuer(const struct ca *ca) {
    return (struct x509_issuer){.certificate_pem = buf_span(&ca->certificate_pem),
                                .key_pem = secret_span(ca->key_pem)};
}

void ca_done(struct ca *ca) {
    buf_done(&ca->certificate_pem);
    secret_free(TAKE(ca->key_pem));
    vec_done(&ca->entries);
    os_close(&ca->lock_fd);
    os_close(&ca->fd);
}

static int take_lock(struct ca *ca, struct err *err) {
    bool exists;
    if (os_exists(ca->fd, CA_LOCK, &exists, err) != 0)
        return -1;
    if (!exists && os_file_create(ca->fd, CA_LOCK, 0600, &ca->lock_fd, err) != 0)
        return -1;
    if (exists && os_file_open_write(ca->fd, CA_LOCK, &ca->lock_fd, err) != 0)
        return -1;
    return os_lock(ca->lock_fd, err);
}

static int load_key(struct ca *ca, struct err *err) {
    struct buf file = {0};
    int rc = os_load(ca->fd, CA_KEY, CA_FILE_MAX, &file, err);
    if (rc == 0)
        ca->key_pem = secret_of(buf_span(&file));
    secret_wipe(file.p, file.n);
    buf_done(&file);
    return rc;
}

int ca_open(const char *dir, bool key_wanted, struct ca *ca, struct err *err) {
    ca->fd = ca->lock_fd = OS_FD_NONE;
    if (os_dir_open(OS_FD_CWD, dir, &ca->fd, err) != 0)
        return ERR_NOTE(err, "certificate authority");
    if (key_wanted && (take_lock(ca, err) != 0 || load_key(ca, err) != 0))
        return ERR_NOTE(err, "certificate authority %s", dir);
    if (os_load(ca->fd, CA_CERTIFICATE, CA_FILE_MAX, &ca->certificate_pem, err) != 0 ||
        ca_index_load(ca, err) != 0)
        return ERR_NOTE(err, "certificate authority %s", dir);
    return 0;
}

/* Make and store the next revocation list. */
static int write_crl(struct ca *ca, uint32_t days, int64_t now_s, struct buf *pem,
                     struct err *err) {
    VEC(struct x509_revoked) revoked = {0};
    struct buf list = {0};
    for (size_t i = 0; i < ca->entries.n; i++) {
        const struct ca_entry *entry = &ca->entries.p[i];
        if (entry->revoked_s == 0)
            continue;
        struct x509_revoked *one = vec_push(&revoked);
        *one = (struct x509_revoked){.when_s = entry->revoked_s};
        INVARIANT(
            text_unhex(entry->serial, CA_SERIAL_DIGITS - 1, one->serial.b, sizeof one->serial.b));
    }
    const struct x509_crl_template template = {.number = ca->crl_number + 1,
                                               .this_update_s = now_s,
                                               .next_update_s = now_s + (int64_t)days * CA_DAY_S,
                                               .revoked = revoked.p,
                                               .revoked_n = revoked.n};
    const struct x509_issuer issuer = ca_issuer(ca);
    int rc = x509_make_crl(&template, &issuer, &list, err);
    vec_done(&revoked);
    ca->crl_number++;
    if (rc == 0) /* the number is used up before anybody can see it */
        rc = ca_index_store(ca, err);
    if (rc == 0)
        rc = durable_write(ca->fd, CA_CRL, buf_span(&list), 0644, true, err);
    if (rc == 0 && pem != NULL)
        buf_put_span(pem, buf_span(&list));
    buf_done(&list);
    return rc;
}

static int make_certificate(struct ca *ca, const struct ca_init_opts *opts, struct err *err) {
    int64_t now = ca_now(opts->now_s);
    struct x509_template template = {.common_name = opts->name,
                                     .not_before_s = now - BACKDATE_S,
                                     .not_after_s = now + (int64_t)opts->days * CA_DAY_S,
                                     .authority = true};
    const struct x509_issuer self = {.certificate_pem = {0}};
    enum x509_make_key kind = opts->key == CA_KEY_RSA ? X509_MAKE_RSA : X509_MAKE_EC;
    x509_make_serial(&template.serial);
    if (x509_make_key(kind, RSA_BITS_CA, &ca->key_pem, err) != 0)
        return -1;
    return x509_make_certificate(&template, secret_span(ca->key_pem), &self, &ca->certificate_pem,
                                 err);
}

/* The certificate comes last: a folder without one is no authority, and may be made again. */
int ca_init(const char *dir, const struct ca_init_opts *opts, struct err *err) {
    SCOPED(ca) ca = {.fd = OS_FD_NONE, .lock_fd = OS_FD_NONE};
    bool exists;
    if (opts->name == NULL || opts->name[0] == 0 || strlen(opts->name) > 64 || opts->days == 0)
        return ERR(err, ERR_USAGE, "an authority needs a name of 1 to 64 bytes and some days");
    if (os_mkdirs(dir, 0700, err) != 0 || os_dir_open(OS_FD_CWD, dir, &ca.fd, err) != 0 ||
        take_lock(&ca, err) != 0 || os_exists(ca.fd, CA_CERTIFICATE, &exists, err) != 0)
        return ERR_NOTE(err, "certificate authority %s", dir);
    if (exists)
        return ERR(err, ERR_EXISTS, "folder %s holds a certificate authority already", dir);
    if (make_certificate(&ca, opts, err) != 0 ||
        os_mkdir(ca.fd, CA_CERTIFICATES, 0755, true, err) != 0 ||
        durable_write(ca.fd, CA_KEY, secret_span(ca.key_pem), 0600, true, err) != 0 ||
        write_crl(&ca, FIRST_CRL_DAYS, ca_now(opts->now_s), NULL, err) != 0)
        return ERR_NOTE(err, "certificate authority %s", dir);
    return durable_write(ca.fd, CA_CERTIFICATE, buf_span(&ca.certificate_pem), 0644, false, err);
}

static bool matches(const struct ca_entry *entry, const char *name_or_serial) {
    return text_equal_nocase(entry->name, name_or_serial) ||
           text_equal_nocase(entry->serial, name_or_serial);
}

int ca_revoke(const char *dir, const char *name_or_serial, uint32_t crl_days, int64_t now_s,
              size_t *revoked_n, struct err *err) {
    SCOPED(ca) ca = {.fd = OS_FD_NONE, .lock_fd = OS_FD_NONE};
    size_t known_n = 0;
    *revoked_n = 0;
    if (ca_open(dir, true, &ca, err) != 0)
        return -1;
    for (size_t i = 0; i < ca.entries.n; i++) {
        struct ca_entry *entry = &ca.entries.p[i];
        if (!matches(entry, name_or_serial))
            continue;
        known_n++;
        if (entry->revoked_s == 0) {
            entry->revoked_s = ca_now(now_s);
            ++*revoked_n;
        }
    }
    if (known_n == 0)
        return ERR(err, ERR_CA_UNKNOWN, "no certificate has name or serial number %.120s",
                   name_or_serial);
    return write_crl(&ca, crl_days, ca_now(now_s), NULL, err);
}

int ca_crl(const char *dir, uint32_t days, int64_t now_s, struct buf *pem, struct err *err) {
    SCOPED(ca) ca = {.fd = OS_FD_NONE, .lock_fd = OS_FD_NONE};
    if (ca_open(dir, true, &ca, err) != 0)
        return -1;
    return write_crl(&ca, days, ca_now(now_s), pem, err);
}

int ca_list(const char *dir, ca_entries *list, struct err *err) {
    SCOPED(ca) ca = {.fd = OS_FD_NONE, .lock_fd = OS_FD_NONE};
    if (ca_open(dir, false, &ca, err) != 0)
        return -1;
    for (size_t i = 0; i < ca.entries.n; i++)
        *vec_push(list) = ca.entries.p[i];
    return 0;
}
