#include "base/text.h"
#include "control/trust/trust_int.h"

static int check_duplicate(const struct trust_computer *computer, const struct digest *own_spki,
                           const struct trust_computer *known, size_t known_n, struct err *err) {
    if (digest_equal(&computer->spki_sha256, own_spki))
        return ERR(err, ERR_TRUST_DUPLICATE,
                   "computer %.120s uses the key of this server; each machine needs its own",
                   computer->name);
    for (size_t i = 0; i < known_n; i++) {
        if (text_equal_nocase(known[i].name, computer->name))
            return ERR(err, ERR_TRUST_DUPLICATE, "computer %.120s is attached already",
                       computer->name);
        if (digest_equal(&known[i].spki_sha256, &computer->spki_sha256))
            return ERR(err, ERR_TRUST_DUPLICATE,
                       "computer %.120s uses the key of %.120s; each machine needs its own",
                       computer->name, known[i].name);
    }
    return 0;
}

static void record(struct trust_computer *out, const struct cred *cred,
                   const struct x509_info *info, const struct digest *anchor) {
    *out = (struct trust_computer){.mode = TRUST_CERTIFICATE,
                                   .control_port = cred->control_port,
                                   .transfer_port = cred->transfer_port,
                                   .anchor_sha256 = *anchor,
                                   .spki_sha256 = info->spki_sha256,
                                   .certificate_sha256 = info->sha256,
                                   .signing_key = cred->signing_key,
                                   .not_after_s = info->not_after_s,
                                   .generation = cred->generation};
    memcpy(out->certificate_sha1, info->sha1, sizeof out->certificate_sha1);
    trust_text(out->name, sizeof out->name, cred->name);
    (void)text_copy(out->subject, sizeof out->subject, info->subject);
}

int trust_side_attach(const struct trust_side *ours, const struct trust_rules *rules,
                      struct span metadata, const struct trust_computer *known, size_t known_n,
                      struct trust_computer *out, struct err *err) {
    struct cred_file file;
    struct x509_info info;
    struct digest anchor;
    if (trust_judge(ours, metadata, CRED_COMPUTER, rules, &file, &info, &anchor, err) != 0)
        return ERR_NOTE(err, "attach");
    record(out, &file.cred, &info, &anchor);
    out->allow_weak_key = rules->allow_weak_key;
    return check_duplicate(out, &x509_chain_info(ours->chain, 0)->spki_sha256, known, known_n, err);
}
