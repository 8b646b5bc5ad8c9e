/* Pieces of the output: cells, targets, bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "door/cli/cli_int.h"
#include "os/file.h"

static void expect_cell(const char *json, struct cli_column column, bool verbose,
                        const char *expected) {
    struct buf out = {0};
    json_t *object = json_loads(json, 0, NULL);
    assert_non_null(object);
    cli_cell(object, &column, verbose, &out);
    assert_string_equal(buf_text(&out), expected);
    buf_done(&out);
    json_decref(object);
}

static void cells_show_values_for_people(void **state) {
    (void)state;
    expect_cell("{\"a\": \"x\"}", (struct cli_column){"A", "a", CLI_TEXT, false}, false, "x");
    expect_cell("{\"a\": \"\"}", (struct cli_column){"A", "a", CLI_TEXT, false}, false, "-");
    expect_cell("{\"a\": null}", (struct cli_column){"A", "a", CLI_TEXT, false}, false, "-");
    expect_cell("{}", (struct cli_column){"A", "a", CLI_TEXT, false}, false, "-");
    expect_cell("{\"a\": true}", (struct cli_column){"A", "a", CLI_FLAG, false}, false, "yes");
    expect_cell("{\"a\": 1536}", (struct cli_column){"A", "a", CLI_SIZE, false}, false, "1.5 KiB");
    expect_cell("{\"a\": 7}", (struct cli_column){"A", "a", CLI_NUMBER, false}, false, "7");
    expect_cell("{\"a\": {\"b\": 7}}", (struct cli_column){"A", "a.b", CLI_NUMBER, false}, false,
                "7");
}

static void long_ids_are_shortened_unless_asked_for(void **state) {
    (void)state;
    const char *json = "{\"id\": \"0123456789abcdef0123456789abcdef0123456789abcdef\"}";
    struct cli_column column = {"ID", "id", CLI_ID, false};
    expect_cell(json, column, false, "0123456789ab");
    expect_cell(json, column, true, "0123456789abcdef0123456789abcdef0123456789abcdef");
    expect_cell("{\"id\": \"4e17a0\"}", column, false, "4e17a0");
}

static void entries_look_like_ls(void **state) {
    (void)state;
    struct cli_column mode = {"MODE", "", CLI_MODE, false}, item = {"NAME", "", CLI_ITEM, false};
    struct cli_column path = {"PATH", "", CLI_PATH, false};
    expect_cell("{\"kind\": \"dir\", \"mode\": 493}", mode, false, "drwxr-xr-x");
    expect_cell("{\"kind\": \"file\", \"mode\": 2541}", mode, false, "-rwsr-xr-x");
    expect_cell("{\"kind\": \"file\", \"mode\": 2048}", mode, false, "---S------");
    expect_cell("{\"kind\": \"dir\", \"mode\": 1023}", mode, false, "drwxrwxrwt");
    expect_cell("{\"kind\": \"file\", \"name\": \"a\", \"path\": \"b/a\"}", item, false, "a");
    expect_cell("{\"kind\": \"file\", \"name\": \"a\", \"path\": \"b/a\"}", path, false, "b/a");
    expect_cell("{\"kind\": \"dir\", \"name\": \".\", \"path\": \"\"}", path, false, "./");
    expect_cell("{\"kind\": \"symlink\", \"name\": \"a\", \"link\": \"/x\"}", item, false,
                "a -> /x");
    expect_cell("{\"kind\": \"file\", \"name\": \"a\", \"problem\": \"Permission denied\"}", item,
                false, "a  [Permission denied]");
}

static void a_target_is_escaped(void **state) {
    (void)state;
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/groups/", "a b/../c?", "/backup", NULL);
    cli_url_text(&url, "none", NULL);
    cli_url_flag(&url, "off", false);
    cli_url_flag(&url, "on", true);
    cli_url_number(&url, "n", 12);
    cli_url_bytes(&url, "path", "a\xff&\\");
    assert_string_equal(buf_text(&url.text), "/v1/groups/a%20b%2F..%2Fc%3F/backup"
                                             "?on=true&n=12&path=a%5Cxff%26%5C%5C");
    cli_url_done(&url);
}

static struct args *parsed(int argc, const char *const *argv) {
    struct args *args = NULL;
    struct err err = {0};
    char *copy[8];
    for (int i = 0; i < argc; i++)
        copy[i] = mem_text(argv[i]);
    if (args_parse(&spec_casemate, argc, copy, &args, &err) != 0)
        fail_msg("%s", err.text);
    for (int i = 0; i < argc; i++)
        mem_free(copy[i]);
    return args;
}

static void members_are_cut_at_the_first_colon_before_a_path(void **state) {
    (void)state;
    const char *const argv[] = {"casemate", "group", "create", "g", "--member", "web:/a:/b"};
    AUTO(args) *args = parsed(6, argv);
    struct err err = {0};
    json_t *body = json_object();
    assert_int_equal(cli_body_members(body, "members", args, "member", &err), 0);
    const json_t *member = json_array_get(json_object_get(body, "members"), 0);
    assert_string_equal(cli_field_text(member, "computer"), "web");
    assert_string_equal(cli_field_text(member, "path"), "/a:/b");
    json_decref(body);
}

static void a_member_without_a_path_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"web", "web:", "web:a", ":/a"};
    for (size_t i = 0; i < ARRAY_N(bad); i++) {
        const char *const argv[] = {"casemate", "group", "create", "g", "--member", bad[i]};
        AUTO(args) *args = parsed(6, argv);
        struct err err = {0};
        json_t *body = json_object();
        assert_int_equal(cli_body_members(body, "members", args, "member", &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
        json_decref(body);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_show_values_for_people),
        cmocka_unit_test(long_ids_are_shortened_unless_asked_for),
        cmocka_unit_test(entries_look_like_ls),
        cmocka_unit_test(a_target_is_escaped),
        cmocka_unit_test(members_are_cut_at_the_first_colon_before_a_path),
        cmocka_unit_test(a_member_without_a_path_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
