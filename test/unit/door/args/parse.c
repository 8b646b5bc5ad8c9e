#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "door/args/args.h"

#define WORDS_MAX 16

/* Parse a line cut at its spaces; "_" stands for an empty word. */
static int parse(const struct args_program *program, const char *line, struct args **out,
                 struct err *err) {
    char *words[WORDS_MAX] = {NULL};
    MEM_AUTO char *copy = mem_text(line);
    int n = 0;
    for (char *p = copy; p != NULL && n < WORDS_MAX; n++) {
        words[n] = p;
        p = strchr(p, ' ');
        if (p != NULL)
            *p++ = 0;
        if (strcmp(words[n], "_") == 0)
            words[n] = copy + strlen(line);
    }
    return args_parse(program, n, words, out, err);
}

static struct args *good(const struct args_program *program, const char *line) {
    struct args *args = NULL;
    struct err err = {0};
    if (parse(program, line, &args, &err) != 0)
        fail_msg("%s: %s", line, err.text);
    return args;
}

static void bad(const struct args_program *program, const char *line, const char *text) {
    struct args *args = NULL;
    struct err err = {0};
    assert_int_equal(parse(program, line, &args, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.text, text);
}

static void values_reach_their_names(void **state) {
    (void)state;
    AUTO(args) *args = good(&spec_casemate, "casemate group create home --member=a:/x --level 7 "
                                            "--member b:/y --one-file-system --json");
    assert_string_equal(args_command_name(args), "group create");
    assert_string_equal(args_text(args, "NAME"), "home");
    assert_int_equal(args_n(args, "member"), 2);
    assert_string_equal(args_item(args, "member", 0), "a:/x");
    assert_string_equal(args_item(args, "member", 1), "b:/y");
    assert_int_equal(args_number(args, "level", 3), 7);
    assert_true(args_flag(args, "one-file-system"));
    assert_false(args_flag(args, "exclude-caches"));
    assert_true(args_flag(args, "json"));
    assert_int_equal(args_n(args, "exclude"), 0);
}

static void options_may_stand_anywhere(void **state) {
    (void)state;
    AUTO(args) *args = good(&spec_casemate, "casemate --json -qv restore --to /t 3f a b -- --odd");
    assert_string_equal(args_command_name(args), "restore");
    assert_string_equal(args_text(args, "POINT"), "3f");
    assert_int_equal(args_n(args, "PATH"), 3);
    assert_string_equal(args_item(args, "PATH", 2), "--odd");
    assert_true(args_flag(args, "quiet"));
    assert_true(args_flag(args, "verbose"));
    assert_string_equal(args_text(args, "existing"), "copy"); /* by default */
    assert_false(args_given(args, "existing"));
}

static void mistakes_are_named_with_what_was_meant(void **state) {
    (void)state;
    const struct args_program *p = &spec_casemate;
    bad(p, "casemate", "no command; see casemate --help");
    bad(p, "casemate bakup home", "unknown command bakup; did you mean backup?");
    bad(p, "casemate xyzzy", "unknown command xyzzy; see casemate --help");
    bad(p, "casemate group", "group needs a verb; see casemate group --help");
    bad(p, "casemate group craete x", "group has no verb craete; did you mean group create?");
    bad(p, "casemate job xyzzy", "job has no verb xyzzy; it has list, show, cancel");
    bad(p, "casemate backup --wiat home", "unknown option --wiat; did you mean --wait?");
    bad(p, "casemate backup --jsno home", "unknown option --jsno; did you mean --json?");
    bad(p, "casemate backup --xyzzy home", "unknown option --xyzzy");
    bad(p, "casemate backup -z home", "unknown option -z");
    bad(p, "casemate backup", "backup needs GROUP: protection group");
    bad(p, "casemate backup home more",
        "backup takes no further \"more\"; see casemate backup --help");
    bad(p, "casemate backup _", "GROUP must not be empty");
    bad(p, "casemate status now", "status takes no further \"now\"; see casemate status --help");
    bad(p, "casemate backup home --wait=yes", "--wait takes no value");
    bad(p, "casemate group create x --member", "--member needs a value: --member COMPUTER:PATH");
    bad(p, "casemate group create x",
        "group create needs --member COMPUTER:PATH: folder to protect");
    bad(p, "casemate group modify x --level 20",
        "--level must be a number from 1 to 19, not \"20\"");
    bad(p, "casemate group modify x --level 0", "--level must be a number from 1 to 19, not \"0\"");
    bad(p, "casemate group modify x --level 3x",
        "--level must be a number from 1 to 19, not \"3x\"");
    bad(p, "casemate restore 1 --existing keep",
        "--existing must be one of copy, skip, overwrite, not \"keep\"");
    bad(p, "casemate restore 1 --to=", "--to must not be empty");
    bad(p, "casemate backup home --=x", "unknown option --=x");
}

static void the_last_of_a_single_option_wins(void **state) {
    (void)state;
    AUTO(args) *args = good(&spec_casemate, "casemate group modify g --level 3 --level 5");
    assert_int_equal(args_number(args, "level", 0), 5);
}

static void help_is_an_answer_even_when_the_rest_is_missing(void **state) {
    (void)state;
    static const char *const lines[] = {"casemate --help",       "casemate -h",
                                        "casemate help",         "casemate help group create",
                                        "casemate group --help", "casemate group create -h"};
    for (size_t i = 0; i < ARRAY_N(lines); i++) {
        AUTO(args) *args = good(&spec_casemate, lines[i]);
        assert_int_equal(args_want(args), ARGS_HELP);
    }
    AUTO(args) *args = good(&spec_casemate, "casemate --version");
    assert_int_equal(args_want(args), ARGS_VERSION);
}

static void the_environment_is_weaker_than_the_command_line(void **state) {
    (void)state;
    assert_int_equal(setenv("CASEMATE_SOCKET", "/from/environment", 1), 0);
    AUTO(args) *by_env = good(&spec_casemate, "casemate status");
    AUTO(args) *by_line = good(&spec_casemate, "casemate status --socket /from/line");
    assert_int_equal(unsetenv("CASEMATE_SOCKET"), 0);
    AUTO(args) *by_default = good(&spec_casemate, "casemate status");
    assert_string_equal(args_text(by_env, "socket"), "/from/environment");
    assert_true(args_given(by_env, "socket"));
    assert_string_equal(args_text(by_line, "socket"), "/from/line");
    assert_string_equal(args_text(by_default, "socket"), "/run/casemate/admin.sock");
    assert_false(args_given(by_default, "socket"));
}

static void a_daemon_runs_its_default_verb(void **state) {
    (void)state;
    AUTO(args) *bare = good(&spec_casemated, "casemated");
    assert_string_equal(args_command_name(bare), "run");
    assert_int_equal(args_number(bare, "port", 0), 5718);
    AUTO(args) *args = good(&spec_casemated, "casemated --state /s --port 7000");
    assert_string_equal(args_command_name(args), "run");
    assert_int_equal(args_number(args, "port", 0), 7000);
    AUTO(args) *rebuild = good(&spec_casemated, "casemated --state /s rebuild");
    assert_string_equal(args_command_name(rebuild), "rebuild");
    bad(&spec_casemated, "casemated --port 7000 rebuild", "unknown option --port");
    bad(&spec_casemated, "casemated rebiuld", "unknown command rebiuld; did you mean rebuild?");
}

static void the_agent_reads_its_verbs(void **state) {
    (void)state;
    AUTO(args) *args = good(&spec_agent, "casemate-agent set-server --credential s.bin --output /o "
                                         "--certificate c.pem --thumbprint 00ff");
    assert_string_equal(args_command_name(args), "set-server");
    assert_string_equal(args_text(args, "thumbprint"), "00ff");
    assert_int_equal(args_number(args, "port", 0), 0);
    AUTO(args) *check = good(&spec_agent, "casemate-agent policy check /home /srv");
    assert_string_equal(args_command_name(check), "policy check");
    assert_int_equal(args_n(check, "PATH"), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_reach_their_names),
        cmocka_unit_test(options_may_stand_anywhere),
        cmocka_unit_test(mistakes_are_named_with_what_was_meant),
        cmocka_unit_test(the_last_of_a_single_option_wins),
        cmocka_unit_test(help_is_an_answer_even_when_the_rest_is_missing),
        cmocka_unit_test(the_environment_is_weaker_than_the_command_line),
        cmocka_unit_test(a_daemon_runs_its_default_verb),
        cmocka_unit_test(the_agent_reads_its_verbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
