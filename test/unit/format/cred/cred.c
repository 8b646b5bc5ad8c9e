/* Covers src/format/cred/cred.c. */
#include "unit.h"

#include "base/text.h"
#include "format/cred/cred.h"
#include "golden.h"

static const char *const ders[] = {"the certificate", "an authority", "the root"};

static struct cred sample(void) {
    struct cred cred = {.role = CRED_COMPUTER,
                        .flags = CRED_WEAK_KEY,
                        .generation = 3,
                        .made_s = 1795000000,
                        .not_after_s = 1826536000,
                        .name = span_text("web01.example.org"),
                        .control_port = 135,
                        .transfer_port = 5719,
                        .chain_n = ARRAY_N(ders),
                        .anchor_i = 2,
                        .crl_url = span_text("http://pki.example.org/ca.crl"),
                        .crl_pem = span_text("-----BEGIN X509 CRL-----\n")};
    memset(cred.signing_key.b, 0x51, sizeof cred.signing_key.b);
    memset(cred.spki_sha256.b, 0x52, sizeof cred.spki_sha256.b);
    for (size_t i = 0; i < cred.chain_n; i++)
        cred.chain[i] = span_text(ders[i]);
    return cred;
}

static void put_whole(struct buf *out, const struct cred *cred) {
    cred_put(out, cred);
    cred_put_signature(out, span_text("signature"));
}

static void file_comes_back_as_it_was_put(void **state) {
    (void)state;
    struct cred in = sample();
    struct buf file = {0};
    struct cred_file out;
    put_whole(&file, &in);
    assert_int_equal(cred_get(buf_span(&file), &out, NULL), 0);
    assert_int_equal(out.cred.role, in.role);
    assert_int_equal(out.cred.flags, in.flags);
    assert_int_equal(out.cred.generation, in.generation);
    assert_int_equal(out.cred.made_s, in.made_s);
    assert_int_equal(out.cred.not_after_s, in.not_after_s);
    assert_int_equal(out.cred.control_port, in.control_port);
    assert_int_equal(out.cred.transfer_port, in.transfer_port);
    assert_memory_equal(out.cred.signing_key.b, in.signing_key.b, 32);
    assert_memory_equal(out.cred.spki_sha256.b, in.spki_sha256.b, 32);
    assert_true(span_equal(out.cred.name, in.name));
    assert_true(span_equal(out.cred.crl_url, in.crl_url));
    assert_true(span_equal(out.cred.crl_pem, in.crl_pem));
    assert_int_equal(out.cred.chain_n, in.chain_n);
    assert_int_equal(out.cred.anchor_i, in.anchor_i);
    for (size_t i = 0; i < in.chain_n; i++)
        assert_true(span_equal(out.cred.chain[i], in.chain[i]));
    assert_true(span_equal(out.signature, span_text("signature")));
    buf_done(&file);
}

static void every_cut_and_every_longer_file_is_refused(void **state) {
    (void)state;
    struct cred in = sample();
    struct buf file = {0};
    struct cred_file out;
    struct err err;
    put_whole(&file, &in);
    for (size_t n = 0; n < file.n; n++) {
        assert_int_equal(cred_get(span_of(file.p, n), &out, &err), -1);
        assert_int_equal(err.code, ERR_FORMAT);
    }
    buf_put_u8(&file, 0);
    assert_int_equal(cred_get(buf_span(&file), &out, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    buf_done(&file);
}

static void newer_versions_and_features_are_refused_as_such(void **state) {
    (void)state;
    static const size_t places[] = {9, 13}; /* the low bytes of version and features */
    for (size_t i = 0; i < ARRAY_N(places); i++) {
        struct cred in = sample();
        struct buf file = {0};
        struct cred_file out;
        struct err err;
        put_whole(&file, &in);
        file.p[places[i]] ^= 2;
        assert_int_equal(cred_get(buf_span(&file), &out, &err), -1);
        assert_int_equal(err.code, ERR_FORMAT_VERSION);
        buf_done(&file);
    }
}

/* One changed byte at a place known to the layout. */
static void expect_refused_with(size_t at, uint8_t value) {
    struct cred in = sample();
    struct buf file = {0};
    struct cred_file out;
    struct err err;
    put_whole(&file, &in);
    file.p[at] = value;
    assert_int_equal(cred_get(buf_span(&file), &out, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    buf_done(&file);
}

static void values_that_cannot_be_are_refused(void **state) {
    (void)state;
    expect_refused_with(0, 'c'); /* magic */
    expect_refused_with(14, 0);  /* role */
    expect_refused_with(14, 3);
    expect_refused_with(18, 2);    /* flags */
    expect_refused_with(26, 0);    /* generation */
    expect_refused_with(27, 0x80); /* made before 1970 */
    expect_refused_with(35, 0x80); /* ended before 1970 */
    size_t name = 47 + 64;         /* length of the name */
    expect_refused_with(name + 1, '/');
    expect_refused_with(name + 1, '.');
    expect_refused_with(name + 1, 0);
    size_t url = name + 18;
    expect_refused_with(url + 1, ' ');
    size_t chain = url + 30;
    expect_refused_with(chain, 1); /* certificates */
    expect_refused_with(chain, 7);
    expect_refused_with(chain, 255);
    expect_refused_with(chain + 1, 0); /* anchor */
    expect_refused_with(chain + 1, 3);
    expect_refused_with(chain + 2, 0); /* an empty certificate */
}

static void limits_hold_and_one_past_them_is_refused(void **state) {
    (void)state;
    MEM_AUTO uint8_t *fill = mem_new(CRED_BYTES_MAX + 1);
    memset(fill, 'x', CRED_BYTES_MAX + 1);
    struct cred in = sample();
    struct cred_file out;
    struct err err;
    struct buf file = {0};
    in.name = span_of(fill, CRED_NAME_MAX);
    in.crl_url = span_of(fill, CRED_URL_MAX);
    in.crl_pem = span_of(fill, CRED_CRL_MAX);
    in.chain_n = CRED_CHAIN_MAX;
    for (size_t i = 0; i < CRED_CHAIN_MAX; i++)
        in.chain[i] = span_of(fill, CRED_CERTIFICATE_MAX);
    cred_put(&file, &in);
    cred_put_signature(&file, span_of(fill, CRED_SIGNATURE_MAX));
    assert_true(file.n <= CRED_BYTES_MAX);
    assert_int_equal(cred_get(buf_span(&file), &out, &err), 0);
    assert_int_equal(cred_get(span_of(fill, CRED_BYTES_MAX + 1), &out, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(cred_name_allowed(span_of(fill, CRED_NAME_MAX + 1)));
    buf_done(&file);
}

static void file_name_carries_the_name(void **state) {
    (void)state;
    char name[CRED_FILE_NAME_MAX];
    cred_file_name(name, span_text("DPM01.contoso.com"));
    assert_string_equal(name, "CertificateConfiguration_DPM01.contoso.com.bin");
    static const char *const bad[] = {"", ".", "..", "a/b", "-rf", "a b", "a\nb", "caf\xe9"};
    for (size_t i = 0; i < ARRAY_N(bad); i++)
        assert_false(cred_name_allowed(span_text(bad[i])));
}

/* Version 1 is read for ever: the file as the first release wrote it. */
static void golden_file_is_read_and_written_the_same(void **state) {
    (void)state;
    struct cred in = sample();
    struct buf file = {0}, signed_part = {0};
    struct cred_file out;
    put_whole(&file, &in);
    golden_equal("cred/v1-computer", buf_span(&file));
    golden_read("cred/v1-computer", &file);
    assert_int_equal(cred_get(buf_span(&file), &out, NULL), 0);
    cred_signed_part(&signed_part, out.unsigned_file);
    golden_equal("cred/v1-computer.signs", buf_span(&signed_part));
    buf_done(&file);
    buf_done(&signed_part);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_comes_back_as_it_was_put),
        cmocka_unit_test(every_cut_and_every_longer_file_is_refused),
        cmocka_unit_test(newer_versions_and_features_are_refused_as_such),
        cmocka_unit_test(values_that_cannot_be_are_refused),
        cmocka_unit_test(limits_hold_and_one_past_them_is_refused),
        cmocka_unit_test(file_name_carries_the_name),
        cmocka_unit_test(golden_file_is_read_and_written_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
