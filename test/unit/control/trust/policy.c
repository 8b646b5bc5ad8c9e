/* Covers src/control/trust/policy.c. */
#include "unit.h"

#include <sys/stat.h>

#include "base/text.h"
#include "control/trust/policy.h"
#include "scratch.h"

static struct policy *parse(const char *text) {
    struct policy *policy = NULL;
    struct err err;
    if (policy_parse("policy.conf", span_text(text), &policy, &err) != 0)
        fail_msg("%s", err.text);
    return policy;
}

static void an_empty_policy_denies_everything(void **state) {
    (void)state;
    AUTO(policy) *policy = parse("# nothing\n\n   \n");
    static const char *const paths[] = {"/", "/srv", "/srv/data", ""};
    for (size_t i = 0; i < ARRAY_N(paths); i++) {
        assert_false(policy_allows_read(policy, paths[i]));
        assert_false(policy_allows_restore(policy, paths[i]));
        assert_false(policy_allows_original(policy, paths[i]));
    }
    assert_false(policy_allows_devices(policy));
    assert_false(policy_allows_set_id(policy));
}

static void folders_are_judged_by_components(void **state) {
    (void)state;
    AUTO(policy) *policy =
        parse("read = /srv\nread=\"/home/some one/\"\r\nrestore = /srv/restore\n");
    static const struct {
        const char *path;
        bool read, restore;
    } rows[] = {
        {"/srv", true, false},
        {"/srv/data", true, false},
        {"/srv/restore", true, true},
        {"/srv/restore/a/b", true, true},
        {"/srv/restored", true, false},
        {"/srvdata", false, false},
        {"/sr", false, false},
        {"/", false, false},
        {"/home/some one/x", true, false},
        {"/home/some", false, false},
        {"srv/data", false, false},
        {"/srv/../etc", false, false},
        {"/srv/..", false, false},
        {"/srv/./data", false, false},
        {"/srv//data", false, false},
        {"//srv/data", false, false},
        {"/srv/data/", false, false},
        {"/srv/...", true, false},
        {"/srv/.hidden", true, false},
        {"/srv/restore/..", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < ARRAY_N(rows); i++) {
        if (policy_allows_read(policy, rows[i].path) != rows[i].read)
            fail_msg("read \"%s\"", rows[i].path);
        if (policy_allows_restore(policy, rows[i].path) != rows[i].restore)
            fail_msg("restore \"%s\"", rows[i].path);
    }
}

static void the_root_folder_covers_all(void **state) {
    (void)state;
    AUTO(policy) *policy = parse("read = /\n");
    assert_true(policy_allows_read(policy, "/"));
    assert_true(policy_allows_read(policy, "/etc/passwd"));
    assert_false(policy_allows_read(policy, "/etc/../etc"));
    assert_false(policy_allows_read(policy, "etc"));
}

static void the_original_place_needs_its_switch(void **state) {
    (void)state;
    AUTO(policy) *without = parse("read = /srv\nrestore = /tmp/x\n");
    AUTO(policy) *with = parse("read = /srv\noriginal = yes\n");
    assert_false(policy_allows_original(without, "/srv/a"));
    assert_true(policy_allows_original(without, "/tmp/x/a"));
    assert_true(policy_allows_original(with, "/srv/a"));
    assert_false(policy_allows_restore(with, "/srv/a"));
    assert_false(policy_allows_original(with, "/etc"));
}

static void switches_say_yes_or_no(void **state) {
    (void)state;
    AUTO(policy) *policy = parse("devices = yes\nset-id = no\n");
    assert_true(policy_allows_devices(policy));
    assert_false(policy_allows_set_id(policy));
}

static void mistakes_are_told_with_their_line(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *where;
    } rows[] = {
        {"read = /srv\nread /home\n", "policy.conf:2"},
        {"\n\nraed = /srv\n", "policy.conf:3"},
        {"read = srv\n", "policy.conf:1"},
        {"read = /srv/../etc\n", "policy.conf:1"},
        {"read =\n", "policy.conf:1"},
        {"read = \"/srv\n", "policy.conf:1"},
        {"devices = allow\n", "policy.conf:1"},
        {"# ok\noriginal = YES", "policy.conf:2"},
        {"original = no\ndevices = no\noriginal = yes\n", "policy.conf:3"},
    };
    for (size_t i = 0; i < ARRAY_N(rows); i++) {
        struct policy *policy = NULL;
        struct err err;
        assert_int_equal(policy_parse("policy.conf", span_text(rows[i].text), &policy, &err), -1);
        assert_int_equal(err.code, ERR_POLICY);
        assert_non_null(strstr(err.text, rows[i].where));
        assert_null(policy);
    }
    struct policy *policy = NULL;
    struct err err;
    assert_int_equal(policy_parse("p", span_of("read = /a\0b\n", 12), &policy, &err), -1);
    assert_int_equal(err.code, ERR_POLICY);
}

static void too_many_folders_are_refused(void **state) {
    (void)state;
    struct buf text = {0};
    struct policy *policy = NULL;
    struct err err;
    for (unsigned i = 0; i < POLICY_ROOTS_MAX; i++)
        buf_printf(&text, "read = /srv/%u\n", i);
    assert_int_equal(policy_parse("p", buf_span(&text), &policy, &err), 0);
    policy_free(policy);
    buf_printf(&text, "read = /srv/more\n");
    assert_int_equal(policy_parse("p", buf_span(&text), &policy, &err), -1);
    assert_int_equal(err.code, ERR_POLICY);
    buf_done(&text);
}

static void write_file(const char *path, const char *text, mode_t mode) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void files_that_others_may_write_are_refused(void **state) {
    (void)state;
    char folder[SCRATCH_PATH_MAX], path[SCRATCH_PATH_MAX + 16];
    (void)text_format(path, sizeof path, "%s/policy.conf", scratch_make(folder));
    static const mode_t bad[] = {0664, 0646, 0666}, good[] = {0600, 0644, 0400};
    struct policy *policy = NULL;
    struct err err;
    assert_int_equal(policy_load(path, &policy, &err), 0); /* none: denies all */
    assert_false(policy_allows_read(policy, "/srv"));
    policy_free(TAKE(policy));
    for (size_t i = 0; i < ARRAY_N(bad); i++) {
        write_file(path, "read = /srv\n", bad[i]);
        assert_int_equal(policy_load(path, &policy, &err), -1);
        assert_int_equal(err.code, ERR_POLICY);
        assert_int_equal(remove(path), 0);
    }
    for (size_t i = 0; i < ARRAY_N(good); i++) {
        write_file(path, "read = /srv\n", good[i]);
        assert_int_equal(policy_load(path, &policy, &err), 0);
        assert_true(policy_allows_read(policy, "/srv"));
        policy_free(TAKE(policy));
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(policy_load(folder, &policy, &err), -1); /* a folder is no policy */
    scratch_remove(folder);
}

static void too_long_files_are_refused(void **state) {
    (void)state;
    char folder[SCRATCH_PATH_MAX], path[SCRATCH_PATH_MAX + 16];
    (void)text_format(path, sizeof path, "%s/policy.conf", scratch_make(folder));
    struct buf text = {0};
    struct policy *policy = NULL;
    struct err err;
    while (text.n < POLICY_BYTES_MAX)
        buf_put(&text, "#\n", 2);
    write_file(path, buf_text(&text), 0600);
    assert_int_equal(policy_load(path, &policy, &err), 0);
    policy_free(TAKE(policy));
    buf_put(&text, "#", 1);
    write_file(path, buf_text(&text), 0600);
    assert_int_equal(policy_load(path, &policy, &err), -1);
    assert_int_equal(err.code, ERR_POLICY);
    buf_done(&text);
    scratch_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_policy_denies_everything),
        cmocka_unit_test(folders_are_judged_by_components),
        cmocka_unit_test(the_root_folder_covers_all),
        cmocka_unit_test(the_original_place_needs_its_switch),
        cmocka_unit_test(switches_say_yes_or_no),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(too_many_folders_are_refused),
        cmocka_unit_test(files_that_others_may_write_are_refused),
        cmocka_unit_test(too_long_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
