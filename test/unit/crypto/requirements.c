/* Covers src/crypto/x509_check.c, x509_make.c. */
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
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

static EVP_PKEY *key_of(const struct fixture_side *side) {
    struct span pem = secret_span(side->key_pem);
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(key);
    return key;
}

/* Certificates that x509_make does not make: the good one, changed and signed again. */
typedef void change_fn(X509 *certificate);

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
        cmocka_unit_test(renewal_keeps_subject_and_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
