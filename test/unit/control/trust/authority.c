/* Covers src/control/trust/ca.c, ca_index.c, ca_make.c. */
#include "unit.h"

#include <sys/stat.h>

#include "base/text.h"
#include "control/trust/ca.h"
#include "crypto/x509.h"
#include "os/clock.h"
#include "os/file.h"
#include "scratch.h"

#define DAY_S 86400
#define NOW_S 1795000000 /* the time of these tests */

static const struct span nothing;

static void must(int rc, const struct err *err) {
    if (rc != 0)
        fail_msg("%s", err->text);
}

static void make_ca(const char *dir, enum ca_key key) {
    struct err err;
    const struct ca_init_opts opts = {.name = "Test CA", .key = key, .days = 3650, .now_s = NOW_S};
    must(ca_init(dir, &opts, &err), &err);
}

static void issue(const char *dir, const char *name, struct ca_issued *out) {
    struct err err;
    static const char *const alt[] = {"192.0.2.9"};
    const struct ca_issue_opts opts = {
        .alt_names = alt, .alt_names_n = 1, .days = 365, .now_s = NOW_S};
    must(ca_issue(dir, name, &opts, out, &err), &err);
}

static void load(const char *dir, const char *name, struct buf *out) {
    struct err err;
    OS_FD_AUTO int fd = OS_FD_NONE;
    must(os_dir_open(OS_FD_CWD, dir, &fd, &err), &err);
    must(os_load(fd, name, 1 << 20, out, &err), &err);
}

/* What is unmet of a certificate by the folder's own certificate and list. */
static uint32_t unmet(const char *dir, const struct ca_issued *issued, int64_t now_s) {
    struct buf ca = {0}, crl = {0};
    struct err err;
    AUTO(x509_trust) *trust = NULL;
    AUTO(x509_chain) *chain = NULL;
    struct x509_report report = {0};
    load(dir, "ca.pem", &ca);
    load(dir, "crl.pem", &crl);
    const struct x509_policy policy = {.anchors_pem = buf_span(&ca),
                                       .crls_pem = buf_span(&crl),
                                       .require_crl = true,
                                       .now_s = now_s};
    must(x509_trust_new(&policy, &trust, &err), &err);
    must(x509_chain_of_pem(buf_span(&issued->certificate_pem), secret_span(issued->key_pem), &chain,
                           &err),
         &err);
    int rc = x509_check(trust, chain, X509_OURS, &report, &err);
    assert_int_equal(rc, report.unmet == 0 ? 0 : -1);
    buf_done(&ca);
    buf_done(&crl);
    return report.unmet;
}

static void what_it_issues_meets_every_requirement(void **state) {
    (void)state;
    static const enum ca_key keys[] = {CA_KEY_EC, CA_KEY_RSA};
    for (size_t i = 0; i < ARRAY_N(keys); i++) {
        char dir[SCRATCH_PATH_MAX];
        struct ca_issued issued;
        struct err err;
        make_ca(scratch_make(dir), keys[i]);
        const struct ca_issue_opts opts = {.key = keys[i], .days = 30, .now_s = NOW_S};
        must(ca_issue(dir, "web01.example.org", &opts, &issued, &err), &err);
        assert_int_equal(unmet(dir, &issued, NOW_S + 60), 0);
        assert_int_equal(issued.not_after_s, NOW_S + 30 * DAY_S);
        ca_issued_done(&issued);
        scratch_remove(dir);
    }
}

static void private_parts_are_private(void **state) {
    (void)state;
    char dir[SCRATCH_PATH_MAX], path[SCRATCH_PATH_MAX + 16];
    struct stat st;
    struct err err;
    make_ca(scratch_make(dir), CA_KEY_EC);
    (void)text_format(path, sizeof path, "%s/ca.key", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    const struct ca_init_opts opts = {.name = "Other", .days = 10};
    assert_int_equal(ca_init(dir, &opts, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    scratch_remove(dir);
}

static void one_valid_certificate_per_name(void **state) {
    (void)state;
    char dir[SCRATCH_PATH_MAX];
    struct ca_issued first, again;
    struct err err;
    size_t n;
    make_ca(scratch_make(dir), CA_KEY_EC);
    issue(dir, "web01.example.org", &first);
    const struct ca_issue_opts opts = {.days = 365, .now_s = NOW_S};
    assert_int_equal(ca_issue(dir, "WEB01.example.org", &opts, &again, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    must(ca_revoke(dir, "web01.example.org", 30, NOW_S, &n, &err), &err);
    assert_int_equal(n, 1);
    must(ca_issue(dir, "web01.example.org", &opts, &again, &err), &err);
    ca_issued_done(&again);
    ca_issued_done(&first);
    scratch_remove(dir);
}

static void renewal_keeps_the_names_and_changes_the_key(void **state) {
    (void)state;
    char dir[SCRATCH_PATH_MAX];
    struct ca_issued old, renewed;
    struct err err;
    AUTO(x509_chain) *before = NULL;
    AUTO(x509_chain) *after = NULL;
    make_ca(scratch_make(dir), CA_KEY_EC);
    issue(dir, "web01.example.org", &old);
    const struct ca_renew_opts opts = {.days = 365, .now_s = NOW_S + 300 * DAY_S};
    must(ca_renew(dir, "web01.example.org", &opts, &renewed, &err), &err);
    must(x509_chain_of_pem(buf_span(&old.certificate_pem), nothing, &before, &err), &err);
    must(x509_chain_of_pem(buf_span(&renewed.certificate_pem), nothing, &after, &err), &err);
    const struct x509_info *a = x509_chain_info(before, 0), *b = x509_chain_info(after, 0);
    assert_string_equal(a->subject, b->subject);
    assert_int_equal(b->names_n, 2);
    assert_string_equal(b->names[0], "web01.example.org");
    assert_string_equal(b->names[1], "192.0.2.9");
    assert_false(digest_equal(&a->spki_sha256, &b->spki_sha256));
    assert_int_equal(b->not_after_s, NOW_S + 665 * DAY_S);
    assert_int_equal(ca_renew(dir, "nobody.example.org", &opts, &renewed, &err), -1);
    assert_int_equal(err.code, ERR_CA_UNKNOWN);
    ca_issued_done(&old);
    ca_issued_done(&renewed);
    scratch_remove(dir);
}

static void revocation_takes_effect_by_name_and_by_serial(void **state) {
    (void)state;
    char dir[SCRATCH_PATH_MAX];
    struct ca_issued web, mail;
    struct err err;
    size_t n;
    make_ca(scratch_make(dir), CA_KEY_EC);
    issue(dir, "web.example.org", &web);
    issue(dir, "mail.example.org", &mail);
    must(ca_revoke(dir, "web.example.org", 30, NOW_S, &n, &err), &err);
    assert_int_equal(n, 1);
    assert_int_equal(unmet(dir, &web, NOW_S + 60), 1u << X509_NOT_REVOKED);
    assert_int_equal(unmet(dir, &mail, NOW_S + 60), 0);
    must(ca_revoke(dir, mail.serial, 30, NOW_S, &n, &err), &err);
    assert_int_equal(n, 1);
    assert_int_equal(unmet(dir, &mail, NOW_S + 60), 1u << X509_NOT_REVOKED);
    must(ca_revoke(dir, mail.serial, 30, NOW_S, &n, &err), &err);
    assert_int_equal(n, 0);
    assert_int_equal(ca_revoke(dir, "nobody", 30, NOW_S, &n, &err), -1);
    assert_int_equal(err.code, ERR_CA_UNKNOWN);

    ca_entries list = {0};
    must(ca_list(dir, &list, &err), &err);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.p[0].name, "web.example.org");
    assert_string_equal(list.p[0].serial, web.serial);
    assert_int_equal(list.p[0].issued_s, NOW_S);
    assert_int_equal(list.p[0].not_after_s, NOW_S + 365 * DAY_S);
    assert_int_equal(list.p[1].revoked_s, NOW_S);
    vec_done(&list);
    ca_issued_done(&web);
    ca_issued_done(&mail);
    scratch_remove(dir);
}

static void lists_are_numbered_and_end(void **state) {
    (void)state;
    char dir[SCRATCH_PATH_MAX];
    struct buf first = {0}, second = {0}, kept = {0}, both = {0};
    struct err err;
    make_ca(scratch_make(dir), CA_KEY_EC);
    must(ca_crl(dir, 7, NOW_S, &first, &err), &err);
    must(ca_crl(dir, 9, NOW_S, &second, &err), &err);
    load(dir, "crl.pem", &kept);
    assert_true(span_equal(buf_span(&kept), buf_span(&second)));
    buf_put_span(&both, buf_span(&first));
    buf_put_span(&both, buf_span(&second));
    x509_crl_infos list = {0};
    must(x509_crl_describe(buf_span(&both), &list, &err), &err);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.p[0].number, "2"); /* 1 was made with the authority */
    assert_string_equal(list.p[1].number, "3");
    assert_int_equal(list.p[1].next_update_s, NOW_S + 9 * DAY_S);
    vec_done(&list);
    buf_done(&first);
    buf_done(&second);
    buf_done(&kept);
    buf_done(&both);
    scratch_remove(dir);
}

static void certificates_do_not_outlive_the_authority(void **state) {
    (void)state;
    char dir[SCRATCH_PATH_MAX];
    struct ca_issued issued;
    struct err err;
    const struct ca_init_opts init = {.name = "Short CA", .days = 10, .now_s = NOW_S};
    must(ca_init(scratch_make(dir), &init, &err), &err);
    const struct ca_issue_opts opts = {.days = 365, .now_s = NOW_S};
    must(ca_issue(dir, "web.example.org", &opts, &issued, &err), &err);
    assert_int_equal(issued.not_after_s, NOW_S + 10 * DAY_S);
    ca_issued_done(&issued);
    const struct ca_issue_opts late = {.days = 1, .now_s = NOW_S + 11 * DAY_S};
    assert_int_equal(ca_issue(dir, "mail.example.org", &late, &issued, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    scratch_remove(dir);
}

static void pkcs12_carries_the_whole_identity(void **state) {
    (void)state;
    char dir[SCRATCH_PATH_MAX];
    struct ca_issued issued;
    struct buf file = {0};
    struct err err;
    AUTO(x509_bundle) *bundle = x509_bundle_new();
    AUTO(x509_chain) *chain = NULL;
    make_ca(scratch_make(dir), CA_KEY_EC);
    issue(dir, "web.example.org", &issued);
    must(ca_issued_pkcs12(&issued, "web", span_text("secret"), &file, &err), &err);
    must(x509_bundle_add(bundle, buf_span(&file), span_text("secret"), &err), &err);
    must(x509_chain_select(bundle, NULL, &chain, &err), &err);
    assert_int_equal(x509_chain_n(chain), 2);
    assert_true(x509_chain_has_key(chain));
    buf_done(&file);
    ca_issued_done(&issued);
    scratch_remove(dir);
}

static void odd_names_and_missing_folders_are_refused(void **state) {
    (void)state;
    char dir[SCRATCH_PATH_MAX];
    struct ca_issued issued;
    struct err err;
    make_ca(scratch_make(dir), CA_KEY_EC);
    static const char *const names[] = {"", "../x", "a b", "*.example.org", "a,b"};
    const struct ca_issue_opts opts = {.days = 1, .now_s = NOW_S};
    for (size_t i = 0; i < ARRAY_N(names); i++) {
        assert_int_equal(ca_issue(dir, names[i], &opts, &issued, &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
    }
    assert_int_equal(ca_issue("/nonexistent/ca", "web", &opts, &issued, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    scratch_remove(dir);
}

static void a_damaged_index_is_noticed(void **state) {
    (void)state;
    static const char *const texts[] = {"", "casemate-ca 2\ncrl 1\n", "casemate-ca 1\n",
                                        "casemate-ca 1\ncrl x\n",
                                        "casemate-ca 1\ncrl 1\n00 1 2 3 4 name\n"};
    char dir[SCRATCH_PATH_MAX], path[SCRATCH_PATH_MAX + 16];
    make_ca(scratch_make(dir), CA_KEY_EC);
    (void)text_format(path, sizeof path, "%s/index", dir);
    for (size_t i = 0; i < ARRAY_N(texts); i++) {
        FILE *file = fopen(path, "w");
        struct err err;
        ca_entries list = {0};
        assert_non_null(file);
        assert_true(fputs(texts[i], file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(ca_list(dir, &list, &err), -1);
        assert_int_equal(err.code, ERR_FORMAT);
        vec_done(&list);
    }
    scratch_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_issues_meets_every_requirement),
        cmocka_unit_test(private_parts_are_private),
        cmocka_unit_test(one_valid_certificate_per_name),
        cmocka_unit_test(renewal_keeps_the_names_and_changes_the_key),
        cmocka_unit_test(revocation_takes_effect_by_name_and_by_serial),
        cmocka_unit_test(lists_are_numbered_and_end),
        cmocka_unit_test(certificates_do_not_outlive_the_authority),
        cmocka_unit_test(pkcs12_carries_the_whole_identity),
        cmocka_unit_test(odd_names_and_missing_folders_are_refused),
        cmocka_unit_test(a_damaged_index_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
