#include "base/text.h"
#include "control/trust/ca_int.h"
#include "crypto/x509.h"
#include "format/cred/cred.h"

#define RSA_BITS_ISSUED 2048
#define BACKDATE_S 3600

void ca_issued_done(struct ca_issued *issued) {
    buf_done(&issued->certificate_pem);
    secret_free(TAKE(issued->key_pem));
}

/* A certificate does not outlive its authority: nobody would accept the rest of it. */
static int validity(const struct ca *ca, uint32_t days, int64_t now_s, struct x509_template *out,
                    struct err *err) {
    AUTO(x509_chain) *chain = NULL;
    struct span no_key = {0};
    if (x509_chain_of_pem(buf_span(&ca->certificate_pem), no_key, &chain, err) != 0)
        return -1;
    int64_t end = x509_chain_info(chain, 0)->not_after_s;
    if (days == 0)
        return ERR(err, ERR_USAGE, "a certificate must be valid for some days");
    if (end <= now_s)
        return ERR(err, ERR_CERTIFICATE, "the authority itself has expired");
    out->not_before_s = now_s - BACKDATE_S;
    out->not_after_s = MIN(now_s + (int64_t)days * CA_DAY_S, end);
    return 0;
}

/* Into certs/, then into the index: what is listed can be renewed. */
static int enter(struct ca *ca, const char *name, const struct x509_template *template,
                 struct span leaf_pem, struct ca_issued *out, struct err *err) {
    AUTO(x509_chain) *chain = NULL;
    OS_FD_AUTO int certs = OS_FD_NONE;
    struct span no_key = {0};
    char file[64];
    if (ca->entries.n == CA_ENTRIES_MAX)
        return ERR(err, ERR_LIMIT, "the authority has issued %u certificates", CA_ENTRIES_MAX);
    if (x509_chain_of_pem(leaf_pem, no_key, &chain, err) != 0)
        return -1;
    struct ca_entry *entry = vec_push(&ca->entries);
    *entry = (struct ca_entry){.issued_s = template->not_before_s + BACKDATE_S,
                               .not_after_s = template->not_after_s,
                               .sha256 = x509_chain_info(chain, 0)->sha256};
    (void)text_copy(entry->name, sizeof entry->name, name);
    text_hex(entry->serial, template->serial.b, sizeof template->serial.b);
    (void)text_copy(out->serial, sizeof out->serial, entry->serial);
    out->not_after_s = template->not_after_s;
    (void)text_format(file, sizeof file, "%s.pem", entry->serial);
    if (os_dir_open(ca->fd, CA_CERTIFICATES, &certs, err) != 0 ||
        durable_write(certs, file, leaf_pem, 0644, false, err) != 0)
        return -1;
    return ca_index_store(ca, err);
}

static int finish(struct ca *ca, const char *name, const struct x509_template *template,
                  struct ca_issued *made, struct ca_issued *out, struct err *err) {
    int rc = enter(ca, name, template, buf_span(&made->certificate_pem), made, err);
    if (rc != 0) {
        ca_issued_done(made);
        return -1;
    }
    buf_put_span(&made->certificate_pem, buf_span(&ca->certificate_pem));
    *out = *made;
    return 0;
}

static int check_names(const char *name, const struct ca_issue_opts *opts, struct err *err) {
    if (!cred_name_allowed(span_text(name)))
        return ERR(err, ERR_USAGE, "%.120s cannot be the name of a machine", name);
    if (opts->alt_names_n > CA_ALT_NAMES_MAX)
        return ERR(err, ERR_LIMIT, "more than %d names besides the first", CA_ALT_NAMES_MAX);
    for (size_t i = 0; i < opts->alt_names_n; i++)
        if (!cred_name_allowed(span_text(opts->alt_names[i])))
            return ERR(err, ERR_USAGE, "%.120s cannot be the name of a machine",
                       opts->alt_names[i]);
    return 0;
}

int ca_issue(const char *dir, const char *name, const struct ca_issue_opts *opts,
             struct ca_issued *out, struct err *err) {
    SCOPED(ca) ca = {.fd = OS_FD_NONE, .lock_fd = OS_FD_NONE};
    struct ca_issued made = {.key_pem = NULL};
    const char *names[CA_ALT_NAMES_MAX + 1] = {name};
    int64_t now = ca_now(opts->now_s);
    if (check_names(name, opts, err) != 0 || ca_open(dir, true, &ca, err) != 0)
        return -1;
    const struct ca_entry *newest = ca_newest(&ca, name);
    if (newest != NULL && newest->not_after_s > now)
        return ERR(err, ERR_EXISTS, "%.120s has a valid certificate: renew it, or revoke it first",
                   name);
    for (size_t i = 0; i < opts->alt_names_n; i++)
        names[i + 1] = opts->alt_names[i];
    struct x509_template template = {.common_name = strlen(name) <= 64 ? name : "host",
                                     .names = names,
                                     .names_n = opts->alt_names_n + 1,
                                     .uses = X509_MAKE_CLIENT | X509_MAKE_SERVER,
                                     .crl_url = opts->crl_url};
    const struct x509_issuer issuer = ca_issuer(&ca);
    enum x509_make_key kind = opts->key == CA_KEY_RSA ? X509_MAKE_RSA : X509_MAKE_EC;
    x509_make_serial(&template.serial);
    if (validity(&ca, opts->days, now, &template, err) != 0 ||
        x509_make_key(kind, RSA_BITS_ISSUED, &made.key_pem, err) != 0)
        return -1;
    if (x509_make_certificate(&template, secret_span(made.key_pem), &issuer, &made.certificate_pem,
                              err) != 0) {
        ca_issued_done(&made);
        return -1;
    }
    return finish(&ca, name, &template, &made, out, err);
}

static int load_old(const struct ca *ca, const struct ca_entry *entry, struct buf *pem,
                    struct err *err) {
    OS_FD_AUTO int certs = OS_FD_NONE;
    char file[64];
    (void)text_format(file, sizeof file, "%s.pem", entry->serial);
    if (os_dir_open(ca->fd, CA_CERTIFICATES, &certs, err) != 0)
        return -1;
    return os_load(certs, file, CA_FILE_MAX, pem, err);
}

/* The new key is of the kind and strength of the old one. */
static int key_like(struct span old_pem, struct secret **key_pem, struct err *err) {
    AUTO(x509_chain) *old = NULL;
    struct span no_key = {0};
    if (x509_chain_of_pem(old_pem, no_key, &old, err) != 0)
        return -1;
    const struct x509_info *info = x509_chain_info(old, 0);
    bool rsa = info->key_kind == X509_KEY_RSA;
    return x509_make_key(rsa ? X509_MAKE_RSA : X509_MAKE_EC, info->key_bits, key_pem, err);
}

int ca_renew(const char *dir, const char *name, const struct ca_renew_opts *opts,
             struct ca_issued *out, struct err *err) {
    SCOPED(ca) ca = {.fd = OS_FD_NONE, .lock_fd = OS_FD_NONE};
    struct ca_issued made = {.key_pem = NULL};
    struct buf old = {0};
    if (ca_open(dir, true, &ca, err) != 0)
        return -1;
    const struct ca_entry *entry = ca_newest(&ca, name);
    if (entry == NULL)
        return ERR(err, ERR_CA_UNKNOWN, "no certificate of %.120s is there to renew", name);
    struct x509_template template = {.uses = X509_MAKE_CLIENT | X509_MAKE_SERVER,
                                     .crl_url = opts->crl_url};
    const struct x509_issuer issuer = ca_issuer(&ca);
    char issued_name[CA_NAME_MAX + 1];
    (void)text_copy(issued_name, sizeof issued_name, entry->name);
    x509_make_serial(&template.serial);
    int rc = validity(&ca, opts->days, ca_now(opts->now_s), &template, err);
    if (rc == 0)
        rc = load_old(&ca, entry, &old, err);
    if (rc == 0)
        rc = key_like(buf_span(&old), &made.key_pem, err);
    if (rc == 0)
        rc = x509_make_renewed(&template, buf_span(&old), secret_span(made.key_pem), &issuer,
                               &made.certificate_pem, err);
    buf_done(&old);
    if (rc != 0) {
        ca_issued_done(&made);
        return -1;
    }
    return finish(&ca, issued_name, &template, &made, out, err);
}

int ca_issued_pkcs12(const struct ca_issued *issued, const char *label, struct span password,
                     struct buf *out, struct err *err) {
    AUTO(x509_chain) *chain = NULL;
    if (x509_chain_of_pem(buf_span(&issued->certificate_pem), secret_span(issued->key_pem), &chain,
                          err) != 0)
        return -1;
    return x509_chain_pkcs12(chain, label, password, out, err);
}
