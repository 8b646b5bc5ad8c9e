#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "door/args/args.h"
#include "os/file.h"

static struct args *parsed(const struct args_program *program, int argc, const char *const *argv) {
    struct args *args = NULL;
    struct err err = {0};
    char *copy[8];
    for (int i = 0; i < argc; i++)
        copy[i] = mem_text(argv[i]);
    if (args_parse(program, argc, copy, &args, &err) != 0)
        fail_msg("%s", err.text);
    for (int i = 0; i < argc; i++)
        mem_free(copy[i]);
    return args;
}

static void a_file_gives_values_and_the_command_line_wins(void **state) {
    (void)state;
    const char *const argv[] = {"casemated", "run", "--port", "7000"};
    AUTO(args) *args = parsed(&spec_casemated, 4, argv);
    struct err err = {0};
    const char *text = "# comment\n\n  state =  /srv/case mate \nport=5000\r\nverbose = yes\n"
                       "name = \" spaced \"\nsocket-user = 1000\nsocket-user = 1001";
    assert_int_equal(args_config(args, "f", span_text(text), &err), 0);
    assert_string_equal(args_text(args, "state"), "/srv/case mate");
    assert_string_equal(args_text(args, "name"), " spaced ");
    assert_int_equal(args_number(args, "port", 0), 7000);
    assert_true(args_flag(args, "verbose"));
    assert_int_equal(args_n(args, "socket-user"), 2);
    assert_string_equal(args_item(args, "socket-user", 1), "1001");
}

static void keys_of_other_verbs_are_known(void **state) {
    (void)state;
    const char *const argv[] = {"casemated", "rebuild"};
    AUTO(args) *args = parsed(&spec_casemated, 2, argv);
    struct err err = {0};
    assert_int_equal(args_config(args, "f", span_text("port = 5000\nstate = /s\n"), &err), 0);
    assert_string_equal(args_text(args, "state"), "/s");
}

static void bad(const char *text, size_t n, const char *message) {
    const char *const argv[] = {"casemated"};
    AUTO(args) *args = parsed(&spec_casemated, 1, argv);
    struct err err = {0};
    assert_int_equal(args_config(args, "a.conf", span_of(text, n), &err), -1);
    assert_int_equal(err.code, ERR_CONFIG);
    assert_string_equal(err.text, message);
}

#define BAD(text, message) bad("" text, sizeof(text) - 1, message)

static void mistakes_have_their_line(void **state) {
    (void)state;
    BAD("state /x", "a.conf:1: expected key = value");
    BAD("\n\nstroe = /x\n", "a.conf:3: unknown key stroe; did you mean store?");
    BAD("config = /x\n", "a.conf:1: unknown key config"); /* an option, not a key */
    BAD("port = x\n", "a.conf:1: key port must be a number from 1 to 65535, not \"x\"");
    BAD("rest-port = 65536\n",
        "a.conf:1: key rest-port must be a number from 0 to 65535, not \"65536\"");
    BAD("verbose = 1\n", "a.conf:1: key verbose must be yes or no, not \"1\"");
    BAD("revocation = firm\n", "a.conf:1: key revocation must be one of hard, soft, not \"firm\"");
    BAD("state = /a\nstate = /b\n", "a.conf:2: key state is given twice");
    BAD("state =\n", "a.conf:1: key state must not be empty");
    BAD("state = \"/a\n", "a.conf:1: key state: the closing quote is missing");
    BAD("state = /a\0b\n", "a.conf:1: the line is too long or not text");
}

static void a_line_ends_at_its_limit(void **state) {
    (void)state;
    MEM_AUTO char *line = mem_new(ARGS_LINE_BYTES_MAX + 1);
    memset(line, '#', ARGS_LINE_BYTES_MAX);
    const char *const argv[] = {"casemated"};
    AUTO(args) *args = parsed(&spec_casemated, 1, argv);
    struct err err = {0};
    assert_int_equal(args_config(args, "f", span_of(line, ARGS_LINE_BYTES_MAX - 1), &err), 0);
    assert_int_equal(args_config(args, "f", span_of(line, ARGS_LINE_BYTES_MAX), &err), -1);
}

static void a_missing_file_matters_only_when_it_was_named(void **state) {
    (void)state;
    struct err err = {0};
    const char *const argv[] = {"casemated", "--config", "/nonexistent/casemated.conf"};
    AUTO(args) *named = parsed(&spec_casemated, 3, argv);
    assert_int_equal(args_config_load(named, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_file_is_loaded(void **state) {
    (void)state;
    struct err err = {0};
    char path[] = "/tmp/casemate-args-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(os_write_at(fd, 0, "name = box\n", 11, &err), 0);
    const char *const argv[] = {"casemated", "--config", path};
    AUTO(args) *args = parsed(&spec_casemated, 3, argv);
    assert_int_equal(args_config_load(args, &err), 0);
    assert_string_equal(args_text(args, "name"), "box");
    os_close(&fd);
    assert_int_equal(unlink(path), 0);
}

static void note(void *ctx, const char *name, const char *value, const char *origin) {
    buf_printf(ctx, "%s=%s (%s)\n", name, value != NULL ? value : "", origin);
}

static void values_tell_where_they_come_from(void **state) {
    (void)state;
    const char *const argv[] = {"casemated", "--state", "/s"};
    AUTO(args) *args = parsed(&spec_casemated, 3, argv);
    struct err err = {0};
    struct buf out = {0};
    assert_int_equal(args_config(args, "f", span_text("port = 5000\n"), &err), 0);
    args_values(args, note, &out);
    const char *text = buf_text(&out);
    assert_non_null(strstr(text, "state=/s (command line)\n"));
    assert_non_null(strstr(text, "port=5000 (file)\n"));
    assert_non_null(strstr(text, "rest-port=8443 (default)\n"));
    assert_non_null(strstr(text, "verbose=no (default)\n"));
    buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_gives_values_and_the_command_line_wins),
        cmocka_unit_test(keys_of_other_verbs_are_known),
        cmocka_unit_test(mistakes_have_their_line),
        cmocka_unit_test(a_line_ends_at_its_limit),
        cmocka_unit_test(a_missing_file_matters_only_when_it_was_named),
        cmocka_unit_test(a_file_is_loaded),
        cmocka_unit_test(values_tell_where_they_come_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
