/* Covers src/crypto/x509_bundle.c, x509_chain.c, x509_check.c, x509_crl.c, x509_info.c, x509_key.c,
 * x509_make.c, x509_pkcs12.c. */
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/text.h"
#include "crypto/x509.h"
#include "os/clock.h"
#include "trust_fixture.h"

static struct trust_fixture trust;
static const char *const agent_name[] = {"agent.example"};
static const struct span nothing;

static int set_up(void **state) {
    (void)state;
    trust_fixture_init(&trust);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    trust_fixture_done(&trust);
    return 0;
}

static void must(int rc, const struct err *err) {
    if (rc != 0)
        fail_msg("%s", err->text);
}

static struct x509_chain *chain_of(struct span certificate_pem, struct span key_pem) {
    struct x509_chain *chain = NULL;
    struct err err;
    must(x509_chain_of_pem(certificate_pem, key_pem, &chain, &err), &err);
    return chain;
}

static struct x509_trust *trust_of(const struct x509_policy *policy) {
    struct x509_trust *made = NULL;
    struct err err;
    must(x509_trust_new(policy, &made, &err), &err);
    return made;
}

static struct x509_policy policy_of_fixture(void) {
    return (struct x509_policy){.anchors_pem = buf_span(&trust.ca.certificate_pem),
                                .crls_pem = buf_span(&trust.crl_pem),
                                .require_crl = true};
}

/* The bits of what is unmet. */
static uint32_t unmet_under(const struct x509_policy *policy, struct span certificate_pem) {
    AUTO(x509_trust) *judge = trust_of(policy);
    AUTO(x509_chain) *chain = chain_of(certificate_pem, nothing);
    struct x509_report report;
    struct err err;
    int rc = x509_check(judge, chain, X509_PEERS, &report, &err);
    assert_int_equal(rc, report.unmet == 0 ? 0 : -1);
    if (rc != 0)
        assert_int_equal(err.code, ERR_CERTIFICATE);
    return report.unmet;
}

static uint32_t unmet(struct span certificate_pem) {
    struct x509_policy policy = policy_of_fixture();
    return unmet_under(&policy, certificate_pem);
}

#define BIT(requirement) (1u << (requirement))

static void a_good_certificate_meets_every_requirement(void **state) {
    (void)state;
    assert_int_equal(unmet(buf_span(&trust.agent.certificate_pem)), 0);
    static const struct {
        enum x509_make_key kind;
        uint32_t bits;
    } keys[] = {{X509_MAKE_RSA, 2048}, {X509_MAKE_ED25519, 0}, {X509_MAKE_EC, 0}};
    for (size_t i = 0; i < ARRAY_N(keys); i++) {
        struct x509_template template = fixture_template(agent_name);
        struct fixture_side side;
        fixture_issue_with(&trust.ca, &template, keys[i].kind, keys[i].bits, &side);
        assert_int_equal(unmet(buf_span(&side.certificate_pem)), 0);
        fixture_side_done(&side);
    }
}

static void every_unmet_requirement_is_named_in_one_pass(void **state) {
    (void)state;
    struct x509_template template = fixture_template(agent_name);
    template.common_name = template.organisation = NULL;
    template.uses = 0;
    template.not_after_s = os_wall_s() - 10;
    struct fixture_side side;
    fixture_issue_with(NULL, &template, X509_MAKE_RSA, 1024, &side);
    struct x509_policy policy = policy_of_fixture();
    AUTO(x509_trust) *judge = trust_of(&policy);
    AUTO(x509_chain) *chain = chain_of(buf_span(&side.certificate_pem), nothing);
    struct x509_report report;
    struct err err;
    assert_int_equal(x509_check(judge, chain, X509_OURS, &report, &err), -1);
    static const enum x509_requirement expected[] = {
        X509_NOT_SELF_SIGNED, X509_HAS_SUBJECT, X509_HAS_KEY,       X509_KEY_STRONG,
        X509_EKU_BOTH,        X509_IN_DATE,     X509_CHAIN_COMPLETE};
    for (size_t i = 0; i < ARRAY_N(expected); i++) {
        if (!x509_unmet(&report, expected[i]))
            fail_msg("not noticed: %s in %s", x509_requirement_text(expected[i]), err.text);
        assert_non_null(strstr(err.text, x509_requirement_text(expected[i])));
    }
    fixture_side_done(&side);
}

static void our_own_certificate_needs_its_key(void **state) {
    (void)state;
    struct x509_policy policy = policy_of_fixture();
    AUTO(x509_trust) *judge = trust_of(&policy);
    AUTO(x509_chain) *with =
        chain_of(buf_span(&trust.agent.certificate_pem), secret_span(trust.agent.key_pem));
    AUTO(x509_chain) *without = chain_of(buf_span(&trust.agent.certificate_pem), nothing);
    AUTO(x509_chain) *other =
        chain_of(buf_span(&trust.agent.certificate_pem), secret_span(trust.server.key_pem));
    struct x509_report report;
    assert_true(x509_chain_has_key(with));
    assert_int_equal(x509_check(judge, with, X509_OURS, NULL, NULL), 0);
    assert_int_equal(x509_check(judge, without, X509_OURS, &report, NULL), -1);
    assert_int_equal(report.unmet, BIT(X509_HAS_KEY));
    assert_int_equal(x509_check(judge, other, X509_OURS, &report, NULL), -1);
    assert_int_equal(report.unmet, BIT(X509_HAS_KEY));
}

static uint32_t unmet_of_template(const struct x509_template *template, enum x509_make_key kind,
                                  uint32_t bits) {
    struct fixture_side side;
    fixture_issue_with(&trust.ca, template, kind, bits, &side);
    uint32_t found = unmet(buf_span(&side.certificate_pem));
    fixture_side_done(&side);
    return found;
}

static void each_defect_gives_its_own_reason(void **state) {
    (void)state;
    struct x509_template good = fixture_template(agent_name), t = good;
    t.uses = X509_MAKE_SERVER;
    assert_int_equal(unmet_of_template(&t, X509_MAKE_EC, 0), BIT(X509_EKU_BOTH));
    t.uses = 0;
    assert_int_equal(unmet_of_template(&t, X509_MAKE_EC, 0), BIT(X509_EKU_BOTH));
    t = good;
    t.not_after_s = os_wall_s() - 1;
    assert_int_equal(unmet_of_template(&t, X509_MAKE_EC, 0), BIT(X509_IN_DATE));
    t = good;
    t.common_name = t.organisation = NULL;
    /* RFC 5280 wants a critical subjectAltName then, which OpenSSL's strict mode says as well. */
    assert_true((unmet_of_template(&t, X509_MAKE_EC, 0) & BIT(X509_HAS_SUBJECT)) != 0);
    assert_int_equal(unmet_of_template(&good, X509_MAKE_RSA, 1024), BIT(X509_KEY_STRONG));
    assert_int_equal(unmet_of_template(&good, X509_MAKE_RSA, 2040), BIT(X509_KEY_STRONG));
    static const char *const star[] = {"*.example"};
    t = fixture_template(star);
    t.common_name = "agent.example";
    assert_int_equal(unmet_of_template(&t, X509_MAKE_EC, 0), BIT(X509_NAMES_CLEAN));
    t = good;
    t.common_name = "*";
    assert_int_equal(unmet_of_template(&t, X509_MAKE_EC, 0), BIT(X509_NAMES_CLEAN));
}

static void weak_keys_pass_only_with_the_switch_and_never_below_1024(void **state) {
    (void)state;
    struct x509_policy policy = policy_of_fixture();
    policy.allow_weak_key = true;
    static const uint32_t bits[] = {1024, 2040, 1016, 512};
    for (size_t i = 0; i < ARRAY_N(bits); i++) {
        struct x509_template template = fixture_template(agent_name);
        struct fixture_side side;
        fixture_issue_with(&trust.ca, &template, X509_MAKE_RSA, bits[i], &side);
        uint32_t found = unmet_under(&policy, buf_span(&side.certificate_pem));
        assert_int_equal(found, bits[i] >= 1024 ? 0 : BIT(X509_KEY_STRONG));
        fixture_side_done(&side);
    }
}

/* Certificates that x509_make does not make: the good one, changed and signed again. */
typedef void change_fn(X509 *certificate);

static EVP_PKEY *key_of(const struct fixture_side *side) {
    struct span pem = secret_span(side->key_pem);
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(key);
    return key;
}

static uint32_t unmet_after(change_fn *change) {
    struct x509_template template = fixture_template(agent_name);
    struct fixture_side side;
    fixture_issue(&trust.ca, &template, &side);
    BIO *bio = BIO_new_mem_buf(side.certificate_pem.p, (int)side.certificate_pem.n);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    EVP_PKEY *key = key_of(&trust.ca);
    change(certificate);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
    char *text;
    long n = BIO_get_mem_data(bio, &text);
    uint32_t found = unmet(span_of(text, (size_t)n));
    BIO_free(bio);
    EVP_PKEY_free(key);
    X509_free(certificate);
    fixture_side_done(&side);
    return found;
}

static void delete_extension(X509 *certificate, int nid) {
    X509_EXTENSION_free(X509_delete_ext(certificate, X509_get_ext_by_NID(certificate, nid, -1)));
}

static void add_extension(X509 *certificate, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void make_v1(X509 *certificate) {
    while (X509_get_ext_count(certificate) > 0)
        X509_EXTENSION_free(X509_delete_ext(certificate, 0));
    assert_int_equal(X509_set_version(certificate, X509_VERSION_1), 1);
}
static void use_any(X509 *certificate) {
    delete_extension(certificate, NID_ext_key_usage);
    add_extension(certificate, NID_ext_key_usage, "anyExtendedKeyUsage");
}
static void use_twice(X509 *certificate) {
    add_extension(certificate, NID_ext_key_usage, "serverAuth,clientAuth");
}
static void use_for_agreement_only(X509 *certificate) {
    delete_extension(certificate, NID_key_usage);
    add_extension(certificate, NID_key_usage, "critical,keyAgreement");
}
static void demand_the_unknown(X509 *certificate) {
    int nid = OBJ_create("1.2.3.4.5.6.7", "unknown", "unknown");
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    assert_int_equal(ASN1_OCTET_STRING_set(value, (const unsigned char *)"\5\0", 2), 1);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_NID(NULL, nid, 1, value);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
}
static void hide_a_zero_in_the_name(X509 *certificate) {
    X509_NAME *name = X509_get_subject_name(certificate);
    assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC,
                                                (const unsigned char *)"a\0b", 3, -1, 0),
                     1);
}
static void grow_the_key(X509 *certificate) {
    uint8_t modulus[2048];
    memset(modulus, 0xa5, sizeof modulus);
    BIGNUM *n = BN_bin2bn(modulus, sizeof modulus, NULL), *e = BN_new();
    assert_int_equal(BN_set_word(e, 65537), 1);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    assert_int_equal(OSSL_PARAM_BLD_push_BN(build, "n", n), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(build, "e", e), 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
}

static void odd_certificates_are_refused(void **state) {
    (void)state;
    uint32_t v1 = unmet_after(make_v1);
    assert_true((v1 & BIT(X509_IS_V3)) != 0);
    assert_true((v1 & BIT(X509_EKU_BOTH)) != 0);
    assert_int_equal(unmet_after(use_any), BIT(X509_EKU_BOTH));
    assert_true((unmet_after(use_twice) & BIT(X509_EKU_BOTH)) != 0);
    assert_int_equal(unmet_after(use_for_agreement_only), BIT(X509_KEY_SIGNS));
    assert_int_equal(unmet_after(demand_the_unknown), BIT(X509_CHAIN_SOUND));
    assert_int_equal(unmet_after(hide_a_zero_in_the_name), BIT(X509_NAMES_CLEAN));
    assert_int_equal(unmet_after(grow_the_key), BIT(X509_KEY_BOUNDED));
}

/* Certification authorities below each other, [0] the root, and a certificate below the last. */
#define LADDER_MAX 8
struct ladder {
    struct fixture_side authorities[LADDER_MAX];
    size_t n;
    struct fixture_side leaf;
    struct buf chain_pem; /* leaf and all below the root */
    struct buf crls_pem;
};

static void ladder_make(struct ladder *ladder, size_t n) {
    *ladder = (struct ladder){.n = n};
    for (size_t i = 0; i < n; i++) {
        char text[32];
        (void)text_format(text, sizeof text, "Authority %zu", i);
        const char *const name[] = {text};
        struct x509_template template = fixture_template(name);
        template.names_n = 0;
        template.authority = true;
        fixture_issue(i > 0 ? &ladder->authorities[i - 1] : NULL, &template,
                      &ladder->authorities[i]);
        fixture_crl(&ladder->authorities[i], NULL, 60, &ladder->crls_pem);
    }
    struct x509_template template = fixture_template(agent_name);
    fixture_issue(&ladder->authorities[n - 1], &template, &ladder->leaf);
    buf_put_span(&ladder->chain_pem, buf_span(&ladder->leaf.certificate_pem));
    for (size_t i = n - 1; i > 0; i--)
        buf_put_span(&ladder->chain_pem, buf_span(&ladder->authorities[i].certificate_pem));
}

static void ladder_done(struct ladder *ladder) {
    for (size_t i = 0; i < ladder->n; i++)
        fixture_side_done(&ladder->authorities[i]);
    fixture_side_done(&ladder->leaf);
    buf_done(&ladder->chain_pem);
    buf_done(&ladder->crls_pem);
}

static struct x509_policy policy_of_ladder(const struct ladder *ladder) {
    return (struct x509_policy){.anchors_pem = buf_span(&ladder->authorities[0].certificate_pem),
                                .crls_pem = buf_span(&ladder->crls_pem),
                                .require_crl = true};
}

static void chains_are_followed_to_their_bound(void **state) {
    (void)state;
    struct ladder ladder;
    ladder_make(&ladder, X509_DEPTH_MAX);
    struct x509_policy policy = policy_of_ladder(&ladder);
    assert_int_equal(unmet_under(&policy, buf_span(&ladder.chain_pem)), 0);
    /* Without the authorities between, and with a missing list in the middle. */
    assert_true((unmet_under(&policy, buf_span(&ladder.leaf.certificate_pem)) &
                 BIT(X509_CHAIN_COMPLETE)) != 0);
    policy.crls_pem = buf_span(&trust.crl_pem);
    assert_int_equal(unmet_under(&policy, buf_span(&ladder.chain_pem)), BIT(X509_CRL_PRESENT));
    policy.require_crl = false;
    assert_int_equal(unmet_under(&policy, buf_span(&ladder.chain_pem)), 0);
    ladder_done(&ladder);

    ladder_make(&ladder, X509_DEPTH_MAX + 1);
    policy = policy_of_ladder(&ladder);
    assert_true(unmet_under(&policy, buf_span(&ladder.chain_pem)) != 0);
    AUTO(x509_bundle) *bundle = x509_bundle_new();
    struct x509_chain *chain = NULL;
    struct err err;
    must(x509_bundle_add(bundle, buf_span(&ladder.chain_pem), nothing, &err), &err);
    must(x509_bundle_add(bundle, buf_span(&ladder.authorities[0].certificate_pem), nothing, &err),
         &err);
    must(x509_bundle_add(bundle, secret_span(ladder.leaf.key_pem), nothing, &err), &err);
    assert_int_equal(x509_chain_select(bundle, NULL, &chain, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    ladder_done(&ladder);
}

static void an_anchor_in_the_middle_binds_the_chain(void **state) {
    (void)state;
    struct ladder ladder, other;
    ladder_make(&ladder, 3);
    ladder_make(&other, 2);
    struct x509_policy policy = policy_of_ladder(&ladder);
    AUTO(x509_chain) *middle = chain_of(buf_span(&ladder.authorities[1].certificate_pem), nothing);
    AUTO(x509_chain) *stranger = chain_of(buf_span(&other.authorities[1].certificate_pem), nothing);
    AUTO(x509_chain) *leaf = chain_of(buf_span(&ladder.leaf.certificate_pem), nothing);
    policy.anchor_sha256 = &x509_chain_info(middle, 0)->sha256;
    assert_int_equal(unmet_under(&policy, buf_span(&ladder.chain_pem)), 0);
    policy.anchor_sha256 = &x509_chain_info(stranger, 0)->sha256;
    assert_int_equal(unmet_under(&policy, buf_span(&ladder.chain_pem)), BIT(X509_ANCHORED));
    /* A certificate cannot vouch for itself, recorded or not. */
    policy.anchor_sha256 = &x509_chain_info(leaf, 0)->sha256;
    assert_int_equal(unmet_under(&policy, buf_span(&ladder.chain_pem)), BIT(X509_ANCHORED));
    policy = policy_of_ladder(&ladder);
    policy.anchors_pem = buf_span(&ladder.leaf.certificate_pem);
    assert_true((unmet_under(&policy, buf_span(&ladder.leaf.certificate_pem)) &
                 BIT(X509_CHAIN_COMPLETE)) != 0);
    ladder_done(&ladder);
    ladder_done(&other);
}

static void an_ordinary_certificate_issues_nothing(void **state) {
    (void)state;
    struct x509_template template = fixture_template(agent_name);
    struct fixture_side side;
    struct buf pem = {0};
    fixture_issue(&trust.agent, &template, &side);
    buf_put_span(&pem, buf_span(&side.certificate_pem));
    buf_put_span(&pem, buf_span(&trust.agent.certificate_pem));
    assert_true(unmet(buf_span(&pem)) != 0);
    buf_done(&pem);
    fixture_side_done(&side);
}

static void revocation_is_judged_by_the_lists(void **state) {
    (void)state;
    struct buf revoking = {0}, stale = {0};
    struct x509_policy policy = policy_of_fixture();
    fixture_crl(&trust.ca, &trust.agent, 60, &revoking);
    policy.crls_pem = buf_span(&revoking);
    assert_int_equal(unmet_under(&policy, buf_span(&trust.agent.certificate_pem)),
                     BIT(X509_NOT_REVOKED));
    assert_int_equal(unmet_under(&policy, buf_span(&trust.server.certificate_pem)), 0);
    policy.require_crl = false; /* soft about missing lists, not about what they say */
    assert_int_equal(unmet_under(&policy, buf_span(&trust.agent.certificate_pem)),
                     BIT(X509_NOT_REVOKED));
    fixture_crl(&trust.ca, NULL, 2 * 86400, &stale);
    policy.crls_pem = buf_span(&stale);
    assert_int_equal(unmet_under(&policy, buf_span(&trust.agent.certificate_pem)), 0);
    policy.require_crl = true;
    assert_int_equal(unmet_under(&policy, buf_span(&trust.agent.certificate_pem)),
                     BIT(X509_CRL_CURRENT));
    policy.crls_pem = nothing;
    assert_int_equal(unmet_under(&policy, buf_span(&trust.agent.certificate_pem)),
                     BIT(X509_CRL_PRESENT));
    buf_done(&revoking);
    buf_done(&stale);
}

/* Lists of the fixture's authority: which number, made how long ago. */
static void make_list(uint64_t number, int64_t age_s, struct buf *pem) {
    struct err err;
    const struct x509_revoked revoked = {.serial = trust.agent.serial, .when_s = os_wall_s()};
    const struct x509_crl_template template = {.number = number,
                                               .this_update_s = os_wall_s() - age_s,
                                               .next_update_s = os_wall_s() - age_s + 86400,
                                               .revoked = &revoked,
                                               .revoked_n = 1};
    const struct x509_issuer by = {.certificate_pem = buf_span(&trust.ca.certificate_pem),
                                   .key_pem = secret_span(trust.ca.key_pem)};
    buf_clear(pem);
    must(x509_make_crl(&template, &by, pem, &err), &err);
}

static void newer_lists_replace_older_ones_only(void **state) {
    (void)state;
    struct buf held = {0}, offered = {0}, merged = {0};
    struct span authorities = buf_span(&trust.ca.certificate_pem);
    struct err err;
    make_list(300, 7200, &held);
    make_list(301, 7200, &offered);
    must(x509_crl_merge(buf_span(&held), buf_span(&offered), authorities, X509_CRL_SKIP_NONE,
                        &merged, &err),
         &err);
    assert_true(span_equal(buf_span(&merged), buf_span(&offered)));

    make_list(299, 60, &offered); /* made later, but the number says older */
    buf_clear(&merged);
    assert_int_equal(x509_crl_merge(buf_span(&held), buf_span(&offered), authorities,
                                    X509_CRL_SKIP_NONE, &merged, &err),
                     -1);
    assert_int_equal(err.code, ERR_EXISTS);
    must(x509_crl_merge(buf_span(&held), buf_span(&offered), authorities, X509_CRL_SKIP_OLDER,
                        &merged, &err),
         &err);
    assert_true(span_equal(buf_span(&merged), buf_span(&held)));

    x509_crl_infos list = {0};
    must(x509_crl_describe(buf_span(&merged), &list, &err), &err);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.p[0].issuer, "CN=Fixture CA,O=Fixture");
    assert_string_equal(list.p[0].number, "300");
    assert_int_equal(list.p[0].revoked_n, 1);
    assert_int_equal(list.p[0].next_update_s - list.p[0].this_update_s, 86400);
    vec_done(&list);

    struct trust_fixture other;
    trust_fixture_init(&other); /* another authority of the same name */
    assert_int_equal(x509_crl_merge(buf_span(&held), buf_span(&other.crl_pem), authorities,
                                    X509_CRL_SKIP_OLDER, &merged, &err),
                     -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    buf_clear(&merged);
    must(x509_crl_merge(buf_span(&held), buf_span(&other.crl_pem), authorities,
                        X509_CRL_SKIP_OLDER_AND_FOREIGN, &merged, &err),
         &err);
    assert_true(span_equal(buf_span(&merged), buf_span(&held)));
    struct buf both = {0};
    buf_put_span(&both, authorities);
    buf_put_span(&both, buf_span(&other.ca.certificate_pem));
    buf_clear(&merged);
    must(x509_crl_merge(buf_span(&held), buf_span(&other.crl_pem), buf_span(&both),
                        X509_CRL_SKIP_NONE, &merged, &err),
         &err);
    assert_int_equal(merged.n, held.n + other.crl_pem.n);
    trust_fixture_done(&other);
    buf_done(&both);
    buf_done(&held);
    buf_done(&offered);
    buf_done(&merged);
}

static void lists_come_as_pem_or_der(void **state) {
    (void)state;
    struct buf pem = {0};
    struct err err;
    BIO *bio = BIO_new_mem_buf(trust.crl_pem.p, (int)trust.crl_pem.n);
    X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
    unsigned char *der = NULL;
    int n = i2d_X509_CRL(crl, &der);
    must(x509_crl_import(span_of(der, (size_t)n), &pem, &err), &err);
    assert_true(span_equal(buf_span(&pem), buf_span(&trust.crl_pem)));
    must(x509_crl_import(buf_span(&trust.crl_pem), &pem, &err), &err);
    assert_int_equal(pem.n, 2 * trust.crl_pem.n);
    assert_int_equal(x509_crl_import(span_text("no list"), &pem, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    assert_int_equal(x509_crl_import(span_of(der, (size_t)n - 1), &pem, &err), -1);
    OPENSSL_free(der);
    X509_CRL_free(crl);
    BIO_free(bio);
    buf_done(&pem);
}

static void info_names_what_the_certificate_says(void **state) {
    (void)state;
    static const char *const names[] = {"Host.Example", "192.0.2.7", "2001:db8::1"};
    struct x509_template template = fixture_template(names);
    template.names_n = 3;
    template.common_name = "host, the \"first\"";
    struct fixture_side side;
    fixture_issue(&trust.ca, &template, &side);
    AUTO(x509_chain) *chain = chain_of(buf_span(&side.certificate_pem), nothing);
    const struct x509_info *info = x509_chain_info(chain, 0);
    assert_string_equal(info->subject, "CN=host\\, the \\\"first\\\",O=Fixture");
    assert_string_equal(info->issuer, "CN=Fixture CA,O=Fixture");
    assert_int_equal(info->names_n, 3);
    assert_string_equal(info->names[0], "host.example");
    assert_string_equal(info->names[1], "192.0.2.7");
    assert_string_equal(info->names[2], "2001:db8:0:0:0:0:0:1");
    assert_int_equal(info->not_before_s, template.not_before_s);
    assert_int_equal(info->not_after_s, template.not_after_s);
    assert_int_equal(info->key_kind, X509_KEY_EC);
    assert_int_equal(info->key_bits, 256);
    assert_false(info->self_issued);
    struct x509_info again;
    assert_int_equal(x509_info_of(x509_chain_der(chain, 0), &again, NULL), 0);
    assert_true(digest_equal(&again.sha256, &info->sha256));
    assert_string_equal(again.subject, info->subject);
    assert_int_equal(again.names_n, info->names_n);
    struct span der = x509_chain_der(chain, 0);
    assert_int_equal(x509_info_of(span_of(der.p, der.n - 1), &again, NULL), -1);
    fixture_side_done(&side);
}

static void thumbprint_selects_as_people_paste_it(void **state) {
    (void)state;
    AUTO(x509_bundle) *bundle = x509_bundle_new();
    struct err err;
    must(x509_bundle_add(bundle, buf_span(&trust.ca.certificate_pem), nothing, &err), &err);
    must(x509_bundle_add(bundle, buf_span(&trust.agent.certificate_pem), nothing, &err), &err);
    must(x509_bundle_add(bundle, buf_span(&trust.server.certificate_pem), nothing, &err), &err);
    must(x509_bundle_add(bundle, secret_span(trust.agent.key_pem), nothing, &err), &err);

    AUTO(x509_chain) *by_key = NULL;
    must(x509_chain_select(bundle, NULL, &by_key, &err), &err);
    assert_string_equal(x509_chain_info(by_key, 0)->names[0], "agent.example");
    assert_int_equal(x509_chain_n(by_key), 2);
    assert_true(x509_chain_has_root(by_key));

    char sha1[41], sha256[65], pasted[80] = "\xe2\x80\x8e";
    text_hex(sha1, x509_chain_info(by_key, 0)->sha1, 20);
    text_hex(sha256, x509_chain_info(by_key, 0)->sha256.b, 32);
    for (size_t i = 0; i < 20; i++) /* with the mark of the Windows dialog, blanks and colons */
        (void)text_format(pasted + 3 + 3 * i, sizeof pasted - 3 - 3 * i, "%c%c%c", sha1[2 * i],
                          sha1[2 * i + 1] & ~(sha1[2 * i + 1] >= 'a' ? 0x20 : 0),
                          i % 2 == 0 ? ' ' : ':');
    const char *const prints[] = {sha1, sha256, pasted};
    for (size_t i = 0; i < ARRAY_N(prints); i++) {
        AUTO(x509_chain) *chain = NULL;
        must(x509_chain_select(bundle, prints[i], &chain, &err), &err);
        assert_true(span_equal(x509_chain_der(chain, 0), x509_chain_der(by_key, 0)));
        assert_true(x509_chain_has_key(chain));
    }
    struct x509_chain *none = NULL;
    sha256[0] = sha256[0] == 'f' ? '0' : 'f';
    assert_int_equal(x509_chain_select(bundle, sha256, &none, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    assert_int_equal(x509_chain_select(bundle, "1234", &none, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    assert_int_equal(x509_chain_select(bundle, "zz", &none, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    must(x509_bundle_add(bundle, secret_span(trust.server.key_pem), nothing, &err), &err);
    assert_int_equal(x509_chain_select(bundle, NULL, &none, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);

    size_t i;
    text_hex(sha1, x509_chain_info(by_key, 1)->sha1, 20);
    assert_int_equal(x509_chain_find_issuer(by_key, sha1, &i, &err), 0);
    assert_int_equal(i, 1);
    text_hex(sha1, x509_chain_info(by_key, 0)->sha1, 20);
    assert_int_equal(x509_chain_find_issuer(by_key, sha1, &i, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
}

static void pkcs12_gives_back_what_went_in(void **state) {
    (void)state;
    struct buf pem = {0}, file = {0};
    struct err err;
    buf_put_span(&pem, buf_span(&trust.agent.certificate_pem));
    buf_put_span(&pem, buf_span(&trust.ca.certificate_pem));
    AUTO(x509_chain) *chain = chain_of(buf_span(&pem), secret_span(trust.agent.key_pem));
    must(x509_chain_pkcs12(chain, "agent", span_text("pass"), &file, &err), &err);

    AUTO(x509_bundle) *bundle = x509_bundle_new();
    assert_int_equal(x509_bundle_add(bundle, buf_span(&file), span_text("wrong"), &err), -1);
    assert_int_equal(err.code, ERR_AUTH);
    assert_int_equal(x509_bundle_add(bundle, buf_span(&file), nothing, &err), -1);
    assert_int_equal(err.code, ERR_AUTH);
    must(x509_bundle_add(bundle, buf_span(&file), span_text("pass"), &err), &err);
    AUTO(x509_chain) *again = NULL;
    must(x509_chain_select(bundle, NULL, &again, &err), &err);
    assert_int_equal(x509_chain_n(again), 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(span_equal(x509_chain_der(again, i), x509_chain_der(chain, i)));
    AUTO(secret) *key_pem = NULL;
    must(x509_chain_key_pem(again, &key_pem, &err), &err);
    assert_true(span_equal(secret_span(key_pem), secret_span(trust.agent.key_pem)));
    for (size_t n = 0; n < file.n; n += 97) {
        AUTO(x509_bundle) *cut = x509_bundle_new();
        assert_int_equal(x509_bundle_add(cut, span_of(file.p, n), span_text("pass"), &err), -1);
    }
    buf_done(&pem);
    buf_done(&file);
}

/* A file that asks for a long key derivation must be refused before it is computed: its round count
 * is the last integer, grown by two bytes here together with the two sequences around it. */
static void pkcs12_rounds_are_bounded(void **state) {
    (void)state;
    struct err err;
    struct buf changed = {0};
    EVP_PKEY *key = key_of(&trust.agent);
    PKCS12 *file = PKCS12_create("pass", "agent", key, NULL, NULL, 0, 0, 2048, 2048, 0);
    unsigned char *der = NULL;
    int n = i2d_PKCS12(file, &der);
    assert_true(n > 200);
    assert_memory_equal(der, "\x30\x82", 2);
    assert_memory_equal(der + n - 4, "\x02\x02\x08\x00", 4);
    int mac = n - 5;
    while (der[mac] != 0x30 || mac + 2 + der[mac + 1] != n)
        mac--;
    der[mac + 1] = (unsigned char)(der[mac + 1] + 2);
    be16_put(der + 2, (uint16_t)(be16_get(der + 2) + 2));
    buf_put(&changed, der, (size_t)n - 4);
    buf_put(&changed, "\x02\x04\x7f\xff\xff\xff", 6);
    AUTO(x509_bundle) *bundle = x509_bundle_new();
    assert_int_equal(x509_bundle_add(bundle, buf_span(&changed), span_text("pass"), &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    PKCS12_free(file);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    buf_done(&changed);
}

static void sealed_keys_open_with_their_password(void **state) {
    (void)state;
    struct err err;
    EVP_PKEY *key = key_of(&trust.agent);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), "pass", 4, NULL, NULL), 1);
    char *text;
    long n = BIO_get_mem_data(bio, &text);
    AUTO(x509_bundle) *bundle = x509_bundle_new();
    must(x509_bundle_add(bundle, buf_span(&trust.agent.certificate_pem), nothing, &err), &err);
    assert_int_equal(x509_bundle_add(bundle, span_of(text, (size_t)n), span_text("nope"), &err),
                     -1);
    assert_int_equal(err.code, ERR_AUTH);
    must(x509_bundle_add(bundle, span_of(text, (size_t)n), span_text("pass"), &err), &err);
    AUTO(x509_chain) *chain = NULL;
    must(x509_chain_select(bundle, NULL, &chain, &err), &err);
    assert_true(x509_chain_has_key(chain));
    BIO_free(bio);
    EVP_PKEY_free(key);
}

static void files_without_certificates_are_refused(void **state) {
    (void)state;
    struct err err;
    static const char *const texts[] = {"",
                                        "hello\n",
                                        "-----BEGIN CERTIFICATE-----\nAAAA\n",
                                        "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                        "-----END CERTIFICATE-----\n",
                                        "\x30\x03\x02\x01\x03",
                                        "\x30\x80"};
    for (size_t i = 0; i < ARRAY_N(texts); i++) {
        AUTO(x509_bundle) *bundle = x509_bundle_new();
        assert_int_equal(x509_bundle_add(bundle, span_text(texts[i]), nothing, &err), -1);
        assert_int_equal(err.code, ERR_CERTIFICATE);
    }
    AUTO(x509_bundle) *bundle = x509_bundle_new();
    MEM_AUTO uint8_t *large = mem_new(X509_FILE_MAX + 1);
    assert_int_equal(x509_bundle_add(bundle, span_of(large, X509_FILE_MAX + 1), nothing, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
}

static void a_certificate_signs_with_any_of_its_keys(void **state) {
    (void)state;
    static const struct {
        enum x509_make_key kind;
        uint32_t bits;
    } keys[] = {{X509_MAKE_EC, 0}, {X509_MAKE_RSA, 2048}, {X509_MAKE_ED25519, 0}};
    for (size_t i = 0; i < ARRAY_N(keys); i++) {
        struct x509_template template = fixture_template(agent_name);
        struct fixture_side side;
        struct buf signature = {0};
        struct err err;
        fixture_issue_with(&trust.ca, &template, keys[i].kind, keys[i].bits, &side);
        AUTO(x509_chain) *signer =
            chain_of(buf_span(&side.certificate_pem), secret_span(side.key_pem));
        AUTO(x509_chain) *reader = chain_of(buf_span(&side.certificate_pem), nothing);
        must(x509_sign(signer, span_text("metadata"), &signature, &err), &err);
        must(x509_verify(reader, span_text("metadata"), buf_span(&signature), &err), &err);
        assert_int_equal(x509_verify(reader, span_text("Metadata"), buf_span(&signature), &err),
                         -1);
        assert_int_equal(err.code, ERR_TAMPERED);
        assert_int_equal(x509_verify(reader, span_text("metadata"), nothing, &err), -1);
        signature.p[signature.n / 2] ^= 1;
        assert_int_equal(x509_verify(reader, span_text("metadata"), buf_span(&signature), &err),
                         -1);
        assert_int_equal(x509_sign(reader, span_text("metadata"), &signature, &err), -1);
        assert_int_equal(err.code, ERR_CERTIFICATE);
        buf_done(&signature);
        fixture_side_done(&side);
    }
}

static void renewal_keeps_subject_and_names(void **state) {
    (void)state;
    struct x509_template template = fixture_template(agent_name);
    template.common_name = NULL;
    template.names_n = 0;
    struct buf pem = {0};
    struct err err;
    AUTO(secret) *key = NULL;
    const struct x509_issuer by = {.certificate_pem = buf_span(&trust.ca.certificate_pem),
                                   .key_pem = secret_span(trust.ca.key_pem)};
    must(x509_make_key(X509_MAKE_EC, 0, &key, &err), &err);
    must(x509_make_renewed(&template, buf_span(&trust.agent.certificate_pem), secret_span(key), &by,
                           &pem, &err),
         &err);
    AUTO(x509_chain) *old = chain_of(buf_span(&trust.agent.certificate_pem), nothing);
    AUTO(x509_chain) *renewed = chain_of(buf_span(&pem), secret_span(key));
    assert_string_equal(x509_chain_info(renewed, 0)->subject, x509_chain_info(old, 0)->subject);
    assert_string_equal(x509_chain_info(renewed, 0)->names[0], "agent.example");
    assert_false(digest_equal(&x509_chain_info(renewed, 0)->spki_sha256,
                              &x509_chain_info(old, 0)->spki_sha256));
    assert_int_equal(unmet(buf_span(&pem)), 0);
    buf_done(&pem);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_certificate_meets_every_requirement),
        cmocka_unit_test(every_unmet_requirement_is_named_in_one_pass),
        cmocka_unit_test(our_own_certificate_needs_its_key),
        cmocka_unit_test(each_defect_gives_its_own_reason),
        cmocka_unit_test(weak_keys_pass_only_with_the_switch_and_never_below_1024),
        cmocka_unit_test(odd_certificates_are_refused),
        cmocka_unit_test(chains_are_followed_to_their_bound),
        cmocka_unit_test(an_anchor_in_the_middle_binds_the_chain),
        cmocka_unit_test(an_ordinary_certificate_issues_nothing),
        cmocka_unit_test(revocation_is_judged_by_the_lists),
        cmocka_unit_test(newer_lists_replace_older_ones_only),
        cmocka_unit_test(lists_come_as_pem_or_der),
        cmocka_unit_test(info_names_what_the_certificate_says),
        cmocka_unit_test(thumbprint_selects_as_people_paste_it),
        cmocka_unit_test(pkcs12_gives_back_what_went_in),
        cmocka_unit_test(pkcs12_rounds_are_bounded),
        cmocka_unit_test(sealed_keys_open_with_their_password),
        cmocka_unit_test(files_without_certificates_are_refused),
        cmocka_unit_test(a_certificate_signs_with_any_of_its_keys),
        cmocka_unit_test(renewal_keeps_subject_and_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
