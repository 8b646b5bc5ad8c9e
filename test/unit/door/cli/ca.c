/* The verbs of the small CA, on a folder of their own. */
#include "cli_scene.h"

#include <sys/stat.h>

#include "scratch.h"

static char folder[SCRATCH_PATH_MAX];

static int up_ca(void **state) {
    (void)scratch_make(folder);
    return up(state);
}

static int down_ca(void **state) {
    scratch_remove(folder);
    return fixture_down(state);
}

/* `casemate VERB --dir FOLDER/ca MORE` */
static struct outcome run_ca(const char *verb, const char *more) {
    char line[1024];
    (void)text_format(line, sizeof line, "%s --dir %s/ca%s", verb, folder, more);
    return run(line);
}

static void expect_ca(const char *verb, const char *more, int status) {
    struct outcome o = run_ca(verb, more);
    if (o.status != status)
        fail_msg("%s: exit %d: %s", verb, o.status, (const char *)o.err.p);
    outcome_done(&o);
}

static const char *to_folder(void) {
    static char more[SCRATCH_PATH_MAX + 16];
    (void)text_format(more, sizeof more, " --output %s", folder);
    return more;
}

static unsigned mode_of(const char *name) {
    char path[2 * SCRATCH_PATH_MAX];
    struct stat st;
    (void)text_format(path, sizeof path, "%s/%s", folder, name);
    if (stat(path, &st) != 0)
        return 0;
    return st.st_mode & 0777;
}

/* State of each listed certificate, "valid revoked ...". */
static void expect_states(const char *states) {
    struct outcome o = run_ca("ca list", " --json");
    struct buf seen = {0};
    size_t i;
    const json_t *entry;
    json_t *list = json_loads((const char *)o.out.p, 0, NULL);
    assert_true(json_is_array(list));
    json_array_foreach(list, i, entry) {
        assert_string_equal(json_string_value(json_object_get(entry, "name")), "web01");
        buf_printf(&seen, "%s%s", i > 0 ? " " : "",
                   json_string_value(json_object_get(entry, "state")));
    }
    assert_string_equal(buf_text(&seen), states);
    json_decref(list);
    buf_done(&seen);
    outcome_done(&o);
}

static void a_certificate_is_issued_renewed_and_revoked(void **state) {
    (void)state;
    expect_ca("ca init", "", 0);
    expect_states("");
    expect_ca("ca issue web01", to_folder(), 0);
    assert_int_equal(mode_of("web01.key"), 0600);
    assert_int_equal(mode_of("web01.pem"), 0644);
    expect_states("valid");
    expect_ca("ca renew web01", to_folder(), 0);
    expect_states("valid valid");
    expect_ca("ca revoke web01", "", 0);
    expect_states("revoked revoked");
}

static void the_revocation_list_goes_to_a_file_or_to_standard_output(void **state) {
    (void)state;
    char more[SCRATCH_PATH_MAX + 32];
    expect_ca("ca init", "", 0);
    struct outcome o = run_ca("ca crl", "");
    assert_int_equal(o.status, 0);
    assert_true(text_starts((const char *)o.out.p, "-----BEGIN X509 CRL-----\n"));
    outcome_done(&o);
    (void)text_format(more, sizeof more, " --output %s/ca.crl", folder);
    expect_ca("ca crl", more, 0);
    assert_int_equal(mode_of("ca.crl"), 0644);
}

static void nothing_is_issued_that_cannot_be_saved(void **state) {
    (void)state;
    expect_ca("ca init", "", 0);
    expect_ca("ca issue web01", " --output /nonexistent/folder", 1);
    expect_states("");
}

static void mistakes_are_errors(void **state) {
    (void)state;
    expect_ca("ca list", "", 1); /* there is none yet */
    expect_ca("ca init", "", 0);
    expect_ca("ca init", "", 1);
    expect_ca("ca issue web01", to_folder(), 0);
    expect_ca("ca issue web01", to_folder(), 1);
    expect_ca("ca renew nobody", to_folder(), 1);
    expect_ca("ca revoke nobody", "", 1);
    expect_ca("ca issue a/b", to_folder(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up_ca, down_ca)

int main(int argc, char **argv) {
    if (argc > 1)
        return cli_main(argc, argv);
    const struct CMUnitTest tests[] = {
        TEST(a_certificate_is_issued_renewed_and_revoked),
        TEST(the_revocation_list_goes_to_a_file_or_to_standard_output),
        TEST(nothing_is_issued_that_cannot_be_saved),
        TEST(mistakes_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
