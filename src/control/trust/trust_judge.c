#include "base/text.h"
#include "control/trust/trust_int.h"

static int check_role(const struct trust_side *ours, const struct cred *cred, enum cred_role wanted,
                      struct err *err) {
    if (cred->role == wanted)
        return 0;
    int n = (int)MIN(cred->name.n, (size_t)120);
    const char *name = (const char *)cred->name.p;
    bool own = ours->own.cred.role == cred->role &&
               digest_equal(&ours->own.cred.spki_sha256, &cred->spki_sha256);
    if (wanted == CRED_SERVER)
        return ERR(err, ERR_TRUST_ROLE,
                   "this is the metadata file of %s %.*s; set-server takes the server's",
                   own ? "this computer itself," : "the computer", n, name);
    return ERR(
        err, ERR_TRUST_ROLE,
        "this is the metadata file of %s %.*s; attach takes the one that set-server wrote on "
        "the computer; nothing was changed",
        own ? "this server itself," : "the server", n, name);
}

/* Signed by its certificate, and about it. */
static int check_signature(const struct cred_file *file, const struct x509_chain *chain,
                           struct err *err) {
    char name[TRUST_NAME_MAX];
    struct buf tagged = {0};
    const struct x509_info *info = x509_chain_info(chain, 0);
    trust_text(name, sizeof name, file->cred.name);
    cred_signed_part(&tagged, file->unsigned_file);
    int rc = x509_verify(chain, buf_span(&tagged), file->signature, err);
    buf_done(&tagged);
    if (rc != 0)
        return ERR_NOTE(err, "metadata file of %.120s", name);
    if (!digest_equal(&file->cred.spki_sha256, &info->spki_sha256) ||
        file->cred.not_after_s != info->not_after_s || !trust_names_hold(info, name))
        return ERR(err, ERR_TAMPERED, "metadata file of %.120s is not about its certificate", name);
    return 0;
}

/* A file never makes an authority trusted: its anchor must be one of ours. */
static int check_anchor(const struct trust_side *ours, const struct cred_file *file,
                        struct digest *anchor, struct err *err) {
    AUTO(x509_bundle) *trusted = x509_bundle_new();
    struct x509_info info;
    struct span no_password = {0};
    if (x509_info_of(file->cred.chain[file->cred.anchor_i], &info, err) != 0)
        return -1;
    if (ours->anchors_pem.n > 0 &&
        x509_bundle_add(trusted, buf_span(&ours->anchors_pem), no_password, err) != 0)
        return -1;
    if (!x509_bundle_holds(trusted, &info.sha256))
        return ERR(err, ERR_TRUST_ANCHOR,
                   "authority %.200s of the metadata file is neither ours nor named as trusted",
                   info.subject);
    *anchor = info.sha256;
    return 0;
}

int trust_judge(const struct trust_side *ours, struct span metadata, enum cred_role wanted,
                const struct trust_rules *rules, struct cred_file *file, struct x509_info *info,
                struct digest *anchor, struct err *err) {
    AUTO(x509_chain) *chain = NULL;
    AUTO(x509_trust) *trust = NULL;
    if (cred_get(metadata, file, err) != 0 || check_role(ours, &file->cred, wanted, err) != 0 ||
        x509_chain_of(file->cred.chain, file->cred.chain_n, &chain, err) != 0 ||
        check_signature(file, chain, err) != 0 || check_anchor(ours, file, anchor, err) != 0)
        return -1;
    const struct x509_policy policy = {.anchors_pem = buf_span(&ours->anchors_pem),
                                       .crls_pem = buf_span(&ours->crl_pem),
                                       .anchor_sha256 = anchor,
                                       .require_crl = !rules->crl_optional,
                                       .allow_weak_key = rules->allow_weak_key,
                                       .now_s = rules->now_s};
    *info = *x509_chain_info(chain, 0);
    if (x509_trust_new(&policy, &trust, err) != 0)
        return -1;
    return x509_check(trust, chain, X509_PEERS, NULL, err);
}

bool trust_peer_is(const struct tls *tls, const struct x509_info *info,
                   const struct trust_recorded *recorded) {
    return tls_peer_below(tls, recorded->anchor_sha256) &&
           text_equal(info->subject, recorded->subject) && trust_names_hold(info, recorded->name);
}

int trust_mode_ready(enum trust_mode mode, struct err *err) {
    if (mode == TRUST_CERTIFICATE)
        return 0;
    return ERR(err, ERR_TRUST_MODE,
               "authentication by account (NTLM) is not built; use certificates");
}

int trust_write_metadata(const char *folder, struct span metadata, char path[static 4096],
                         struct err *err) {
    struct cred_file file;
    char name[CRED_FILE_NAME_MAX];
    OS_FD_AUTO int fd = OS_FD_NONE;
    if (cred_get(metadata, &file, err) != 0 || os_dir_open(OS_FD_CWD, folder, &fd, err) != 0)
        return -1;
    cred_file_name(name, file.cred.name);
    if (!text_format(path, OS_PATH_MAX, "%s/%s", folder, name))
        return ERR(err, ERR_USAGE, "path of folder %.200s is too long", folder);
    return durable_write(fd, name, metadata, 0644, true, err);
}
