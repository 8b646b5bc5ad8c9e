#include "base/text.h"
#include "control/trust/trust_int.h"
#include "os/proc.h"

void trust_text(char *to, size_t size, struct span text) {
    INVARIANT(text.n < size);
    if (text.n > 0)
        memcpy(to, text.p, text.n);
    to[text.n] = 0;
}

bool trust_names_hold(const struct x509_info *info, const char *name) {
    for (size_t i = 0; i < info->names_n; i++)
        if (text_equal_nocase(info->names[i], name))
            return true;
    return false;
}

/* A name nobody gave: the host's if the certificate has it, else its first. */
static int choose_name(const struct x509_info *info, const char *given,
                       char to[static TRUST_NAME_MAX], struct err *err) {
    char host[256];
    if (info->names_n == 0)
        return ERR(err, ERR_CERTIFICATE,
                   "certificate %.120s names no host: it needs a DNS name or an address as "
                   "subject alternative name",
                   info->subject);
    const char *name = given;
    if (name == NULL)
        name = trust_names_hold(info, os_host_name(host)) ? host : info->names[0];
    if (!trust_names_hold(info, name))
        return ERR(err, ERR_CERTIFICATE,
                   "%.120s is no name of the certificate; its first is %.120s", name,
                   info->names[0]);
    if (!text_copy(to, TRUST_NAME_MAX, name) || !cred_name_allowed(span_text(to)))
        return ERR(err, ERR_USAGE, "%.120s cannot be the name of a machine", name);
    return 0;
}

/* The authority that peers shall trust; the root unless another was chosen. */
static int choose_anchor(const struct x509_chain *chain, const char *thumbprint, size_t *i,
                         struct err *err) {
    if (thumbprint != NULL)
        return x509_chain_find_issuer(chain, thumbprint, i, err);
    *i = x509_chain_n(chain) - 1;
    return 0;
}

static int describe(const struct trust_side *side, const struct trust_opts *opts, struct cred *cred,
                    char name[static TRUST_NAME_MAX], struct err *err) {
    const struct x509_info *info = x509_chain_info(side->chain, 0);
    if (choose_name(info, opts->name, name, err) != 0 ||
        choose_anchor(side->chain, opts->anchor_thumbprint, &cred->anchor_i, err) != 0)
        return -1;
    if (opts->crl_url != NULL && strlen(opts->crl_url) > CRED_URL_MAX)
        return ERR(err, ERR_LIMIT, "the address of the list is longer than %d bytes", CRED_URL_MAX);
    cred->flags = opts->allow_weak_key ? CRED_WEAK_KEY : 0;
    cred->name = span_text(name);
    cred->control_port = opts->control_port;
    cred->transfer_port = opts->transfer_port;
    cred->crl_url = opts->crl_url != NULL ? span_text(opts->crl_url) : (struct span){0};
    return 0;
}

/* What follows from the certificate, whatever was described. */
static int add_chain(const struct trust_side *side, struct cred *cred, struct err *err) {
    const struct x509_info *info = x509_chain_info(side->chain, 0);
    cred->chain_n = x509_chain_n(side->chain);
    cred->not_after_s = info->not_after_s;
    cred->spki_sha256 = info->spki_sha256;
    cred->signing_key = side->signing_key;
    cred->crl_pem = side->crl_pem.n <= CRED_CRL_MAX ? buf_span(&side->crl_pem) : (struct span){0};
    for (size_t i = 0; i < cred->chain_n; i++) {
        cred->chain[i] = x509_chain_der(side->chain, i);
        if (cred->chain[i].n > CRED_CERTIFICATE_MAX)
            return ERR(err, ERR_LIMIT, "a certificate of the chain has %zu bytes",
                       cred->chain[i].n);
    }
    if (cred->chain_n < 2 || cred->anchor_i >= cred->chain_n)
        return ERR(err, ERR_CERTIFICATE, "the authorities above the certificate are not known");
    return 0;
}

int trust_side_introduce(struct trust_side *side, enum cred_role role,
                         const struct trust_opts *opts, struct err *err) {
    char name[TRUST_NAME_MAX];
    struct cred cred = side->own.cred; /* zero when there was none */
    if (opts != NULL && describe(side, opts, &cred, name, err) != 0)
        return -1;
    if (add_chain(side, &cred, err) != 0)
        return -1;
    cred.role = role;
    cred.generation = side->own.cred.generation + 1;
    cred.made_s = opts != NULL && opts->now_s != 0 ? opts->now_s : os_wall_s();
    struct buf file = {0}, tagged = {0}, signature = {0};
    cred_put(&file, &cred);
    cred_signed_part(&tagged, buf_span(&file));
    int rc = x509_sign(side->chain, buf_span(&tagged), &signature, err);
    if (rc == 0) {
        cred_put_signature(&file, buf_span(&signature));
        buf_done(&side->metadata);
        side->metadata = file;
        file = (struct buf){0};
        rc = cred_get(buf_span(&side->metadata), &side->own, err); /* what we write, we can read */
    }
    buf_done(&file);
    buf_done(&tagged);
    buf_done(&signature);
    return rc;
}

void trust_side_identity(const struct trust_side *side, struct trust_identity *out) {
    const struct cred *cred = &side->own.cred;
    const struct x509_info *info = x509_chain_info(side->chain, 0);
    *out = (struct trust_identity){.certificate_sha256 = info->sha256,
                                   .spki_sha256 = info->spki_sha256,
                                   .signing_key = side->signing_key,
                                   .not_after_s = info->not_after_s,
                                   .generation = cred->generation,
                                   .control_port = cred->control_port,
                                   .transfer_port = cred->transfer_port};
    trust_text(out->name, sizeof out->name, cred->name);
    (void)text_copy(out->subject, sizeof out->subject, info->subject);
    if (cred->anchor_i < x509_chain_n(side->chain))
        out->anchor_sha256 = x509_chain_info(side->chain, cred->anchor_i)->sha256;
}

int trust_side_public_context(const struct trust_side *side, struct tls_context **out,
                              struct err *err) {
    AUTO(secret) *key_pem = NULL;
    SCOPED(buf) certificate_pem = {0};
    if (x509_chain_key_pem(side->chain, &key_pem, err) != 0 ||
        x509_chain_pem(side->chain, 0, &certificate_pem, err) != 0)
        return -1;
    return tls_context_new_public(buf_span(&certificate_pem), secret_span(key_pem), out, err);
}

int trust_side_context(const struct trust_side *side, const struct trust_rules *rules,
                       const struct digest *anchor, struct tls_context **out, struct err *err) {
    AUTO(secret) *key_pem = NULL;
    struct buf certificate_pem = {0};
    if (x509_chain_key_pem(side->chain, &key_pem, err) != 0)
        return -1;
    int rc = x509_chain_pem(side->chain, 0, &certificate_pem, err);
    const struct tls_config config = {.certificate_pem = buf_span(&certificate_pem),
                                      .key_pem = secret_span(key_pem),
                                      .anchors_pem = buf_span(&side->anchors_pem),
                                      .crls_pem = buf_span(&side->crl_pem),
                                      .anchor_sha256 = anchor,
                                      .require_crl = !rules->crl_optional,
                                      .allow_weak_key = rules->allow_weak_key ||
                                                        (side->own.cred.flags & CRED_WEAK_KEY) != 0,
                                      .now_s = rules->now_s};
    if (rc == 0)
        rc = tls_context_new(&config, out, err);
    buf_done(&certificate_pem);
    return rc;
}
