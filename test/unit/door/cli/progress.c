#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "door/cli/cli_int.h"

static void expect_line(struct cli_progress progress, size_t columns, const char *expected) {
    struct buf out = {0};
    cli_progress_line(&progress, columns, &out);
    assert_string_equal(buf_text(&out), expected);
    assert_true(cli_width(buf_text(&out)) <= columns);
    buf_done(&out);
}

static void the_end_is_told_only_when_it_is_known(void **state) {
    (void)state;
    struct cli_progress p = {.kind = "backup",
                             .entries_done = 10,
                             .entries_found = 40,
                             .bytes_done = 1u << 20,
                             .rate_bps = 1u << 20,
                             .current = "anna/mail"};
    expect_line(p, 100, "backup  10/40 files  1.0 MiB  1.0 MiB/s  anna/mail");
    p.total_known = true;
    p.bytes_total = 4u << 20;
    expect_line(p, 100, "backup 25%  10/40 files  1.0 MiB/4.0 MiB  1.0 MiB/s  ETA 3s  anna/mail");
    p.bytes_done = 4u << 20;
    p.entries_done = 40;
    expect_line(p, 100, "backup 100%  40 files  4.0 MiB/4.0 MiB  1.0 MiB/s  anna/mail");
}

static void a_job_without_bytes_counts_entries(void **state) {
    (void)state;
    struct cli_progress p = {
        .kind = "gc", .entries_done = 1, .entries_found = 3, .total_known = true, .current = ""};
    expect_line(p, 100, "gc 33%  1/3 files  0 B  0 B/s");
}

static void more_than_all_is_all(void **state) {
    (void)state;
    struct cli_progress p = {
        .kind = "backup", .bytes_done = 9, .bytes_total = 8, .total_known = true, .current = ""};
    expect_line(p, 100, "backup 100%  0 files  9 B/8 B  0 B/s");
}

static void a_long_path_keeps_its_end(void **state) {
    (void)state;
    struct cli_progress p = {.kind = "backup",
                             .current = "this/is/a/rather/long/path/to/a/file.txt"};
    expect_line(p, 60, "backup  0 files  0 B  0 B/s  ...ther/long/path/to/a/file.txt");
    expect_line(p, 35, "backup  0 files  0 B  0 B/s");
    expect_line(p, 10, "backup  0 ");
}

static void characters_are_not_cut(void **state) {
    (void)state;
    struct cli_progress p = {.kind = "backup",
                             .current = "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4"
                                        "\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6"};
    expect_line(p, 41,
                "backup  0 files  0 B  0 B/s  ...\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6"
                "\xc3\xbc\xc3\xa4\xc3\xb6");
}

static void a_job_gives_its_progress(void **state) {
    (void)state;
    struct cli_progress p = {0};
    json_t *job = json_loads("{\"kind\": \"restore\", \"progress\": {\"entries_done\": 3, "
                             "\"entries_found\": 4, \"bytes_done\": 5, \"bytes_total\": null, "
                             "\"current\": null}}",
                             0, NULL);
    assert_non_null(job);
    cli_progress_of(job, &p);
    assert_string_equal(p.kind, "restore");
    assert_int_equal(p.entries_done, 3);
    assert_int_equal(p.bytes_done, 5);
    assert_false(p.total_known);
    assert_string_equal(p.current, "");
    json_decref(job);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_told_only_when_it_is_known),
        cmocka_unit_test(a_job_without_bytes_counts_entries),
        cmocka_unit_test(more_than_all_is_all),
        cmocka_unit_test(a_long_path_keeps_its_end),
        cmocka_unit_test(characters_are_not_cut),
        cmocka_unit_test(a_job_gives_its_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
