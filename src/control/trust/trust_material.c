#include "base/text.h"
#include "control/trust/trust_int.h"

static int read_material(const struct trust_material *material, struct x509_bundle *bundle,
                         struct err *err) {
    struct span no_password = {0};
    if (x509_bundle_add(bundle, material->certificate, material->password, err) != 0)
        return ERR_NOTE(err, "certificate");
    if (material->key.n > 0 && x509_bundle_add(bundle, material->key, material->password, err) != 0)
        return ERR_NOTE(err, "private key");
    if (material->anchors.n > 0 &&
        x509_bundle_add(bundle, material->anchors, no_password, err) != 0)
        return ERR_NOTE(err, "authorities");
    return 0;
}

/* Those above our certificate, those named, and those trusted before: peers attached below an
 * earlier authority stay attached. */
static int gather_anchors(struct trust_side *side, const struct trust_material *material,
                          struct err *err) {
    AUTO(x509_bundle) *bundle = x509_bundle_new();
    struct span no_password = {0};
    struct buf pem = {0};
    int rc = x509_chain_pem(side->chain, 1, &pem, err);
    if (rc == 0 && pem.n > 0)
        rc = x509_bundle_add(bundle, buf_span(&pem), no_password, err);
    if (rc == 0 && material->anchors.n > 0)
        rc = x509_bundle_add(bundle, material->anchors, no_password, err);
    if (rc == 0 && side->anchors_pem.n > 0)
        rc = x509_bundle_add(bundle, buf_span(&side->anchors_pem), no_password, err);
    buf_clear(&pem);
    if (rc == 0)
        rc = x509_bundle_authorities(bundle, &pem, err);
    if (rc == 0) {
        buf_clear(&side->anchors_pem);
        buf_put_span(&side->anchors_pem, buf_span(&pem));
    }
    buf_done(&pem);
    return rc;
}

int trust_side_merge_crl(struct trust_side *side, struct span offered, enum x509_crl_skip skip,
                         bool *news, struct err *err) {
    struct buf pem = {0}, merged = {0};
    *news = false;
    int rc = offered.n > 0 ? x509_crl_import(offered, &pem, err) : 0;
    if (rc == 0 && pem.n > 0)
        rc = x509_crl_merge(buf_span(&side->crl_pem), buf_span(&pem), buf_span(&side->anchors_pem),
                            skip, &merged, err);
    if (rc == 0 && pem.n > 0 && !span_equal(buf_span(&merged), buf_span(&side->crl_pem))) {
        buf_clear(&side->crl_pem);
        buf_put_span(&side->crl_pem, buf_span(&merged));
        *news = true;
    }
    buf_done(&pem);
    buf_done(&merged);
    return rc;
}

/* Every requirement, also those that would keep a chain from being built. */
static int check_ours(const struct trust_side *side, const struct trust_opts *opts,
                      struct err *err) {
    AUTO(x509_trust) *trust = NULL;
    const struct x509_policy policy = {.anchors_pem = buf_span(&side->anchors_pem),
                                       .crls_pem = buf_span(&side->crl_pem),
                                       .require_crl = !opts->crl_optional,
                                       .allow_weak_key = opts->allow_weak_key,
                                       .now_s = opts->now_s};
    if (x509_trust_new(&policy, &trust, err) != 0)
        return -1;
    return x509_check(trust, side->chain, X509_OURS, NULL, err);
}

int trust_side_take(struct trust_side *side, const struct trust_material *material,
                    const struct trust_opts *opts, struct span hinted_crl, struct err *err) {
    AUTO(x509_bundle) *bundle = x509_bundle_new();
    if (read_material(material, bundle, err) != 0 ||
        x509_chain_select(bundle, material->thumbprint, &side->chain, err) != 0 ||
        gather_anchors(side, material, err) != 0)
        return -1;
    bool news;
    if (trust_side_merge_crl(side, material->crl, X509_CRL_SKIP_OLDER, &news, err) != 0)
        return ERR_NOTE(err, "revocation list");
    /* A hint that cannot be read is none. */
    (void)trust_side_merge_crl(side, hinted_crl, X509_CRL_SKIP_OLDER_AND_FOREIGN, &news, NULL);
    if (check_ours(side, opts, err) != 0)
        return -1;
    if (side->seed != NULL)
        return 0;
    side->seed = sign_seed_new();
    return sign_public_of(side->seed, &side->signing_key, err);
}
