/* Any bytes as a peer's certificate, as a file of certificates and as revocation lists: refused
 * with an error of ours, or read; what is read never passes for trusted. */
#include "crypto/x509.h"
#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_certificate(struct span in) {
    AUTO(x509_chain) *chain = NULL;
    AUTO(x509_trust) *trust = NULL;
    struct x509_report report;
    struct x509_info info;
    if (x509_info_of(in, &info, NULL) != 0 || x509_chain_of(&in, 1, &chain, NULL) != 0)
        return;
    const struct x509_policy policy = {.require_crl = true, .now_s = 1795000000};
    INVARIANT(x509_trust_new(&policy, &trust, NULL) == 0);
    INVARIANT(x509_check(trust, chain, X509_PEERS, &report, NULL) == -1);
    INVARIANT(report.unmet != 0);
    (void)x509_verify(chain, span_text("bytes"), span_text("signature"), NULL);
}

static void as_file(struct span in) {
    AUTO(x509_bundle) *bundle = x509_bundle_new();
    AUTO(x509_chain) *chain = NULL;
    if (x509_bundle_add(bundle, in, span_text("pass"), NULL) != 0)
        return;
    struct buf pem = {0};
    if (x509_chain_select(bundle, NULL, &chain, NULL) == 0)
        INVARIANT(x509_chain_pem(chain, 0, &pem, NULL) == 0);
    buf_done(&pem);
}

static void as_lists(struct span in) {
    struct buf pem = {0};
    x509_crl_infos infos = {0};
    if (x509_crl_import(in, &pem, NULL) == 0)
        (void)x509_crl_describe(buf_span(&pem), &infos, NULL);
    vec_done(&infos);
    buf_done(&pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct span in = span_of(data, size);
    as_certificate(in);
    as_file(in);
    as_lists(in);
    return 0;
}
