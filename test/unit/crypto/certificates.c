/* Covers src/crypto/x509_bundle.c, x509_chain.c, x509_crl.c, x509_info.c, x509_key.c,
 * x509_pkcs12.c. */
#include <openssl/evp.h>
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

static EVP_PKEY *key_of(const struct fixture_side *side) {
    struct span pem = secret_span(side->key_pem);
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(key);
    return key;
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
                                        ("-----BEGIN CERTIFICATE-----\nAAAA\n"
                                         "-----END CERTIFICATE-----\n"),
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newer_lists_replace_older_ones_only),
        cmocka_unit_test(lists_come_as_pem_or_der),
        cmocka_unit_test(info_names_what_the_certificate_says),
        cmocka_unit_test(thumbprint_selects_as_people_paste_it),
        cmocka_unit_test(pkcs12_gives_back_what_went_in),
        cmocka_unit_test(pkcs12_rounds_are_bounded),
        cmocka_unit_test(sealed_keys_open_with_their_password),
        cmocka_unit_test(files_without_certificates_are_refused),
        cmocka_unit_test(a_certificate_signs_with_any_of_its_keys),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
