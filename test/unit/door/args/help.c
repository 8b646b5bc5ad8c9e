/* Every help text fits a terminal and equals test/golden/help.txt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "door/args/args.h"
#include "os/file.h"

static const struct args_program *const programs[] = {&spec_casemate, &spec_casemated, &spec_agent};

static void help_of(const struct args_program *program, const char *command, struct buf *out) {
    struct args *args = NULL;
    struct err err = {0};
    MEM_AUTO char *words = mem_text(command);
    char *argv[5] = {words, words};
    int argc = 1;
    for (char *p = words; p != NULL && *p != 0;) {
        argv[argc++] = p;
        p = strchr(p, ' ');
        if (p != NULL)
            *p++ = 0;
    }
    char help[] = "--help";
    argv[argc++] = help;
    if (args_parse(program, argc, argv, &args, &err) != 0)
        fail_msg("%s", err.text);
    buf_printf(out, "===== %s%s%s\n", program->name, command[0] != 0 ? " " : "", command);
    args_help(args, out);
    args_free(args);
}

static void all_help(struct buf *out) {
    char last[64] = "";
    for (size_t i = 0; i < ARRAY_N(programs); i++) {
        help_of(programs[i], "", out);
        for (const struct args_command *c = programs[i]->commands; c->name != NULL; c++) {
            char noun[64];
            (void)text_copy(noun, sizeof noun, c->name);
            noun[strcspn(noun, " ")] = 0;
            if (!text_equal(noun, c->name) && !text_equal(noun, last))
                help_of(programs[i], noun, out);
            (void)text_copy(last, sizeof last, noun);
            help_of(programs[i], c->name, out);
        }
    }
}

static void help_fits_eighty_columns(void **state) {
    (void)state;
    struct buf out = {0};
    all_help(&out);
    for (const char *line = buf_text(&out); *line != 0;) {
        size_t n = strcspn(line, "\n");
        if (n > 79)
            fail_msg("%zu columns: %.*s", n, (int)n, line);
        assert_true(n == 0 || line[n - 1] != ' ');
        line += n + 1;
    }
    buf_done(&out);
}

static void help_is_what_it_was(void **state) {
    (void)state;
    struct buf out = {0}, golden = {0};
    struct err err = {0};
    char path[OS_PATH_MAX];
    const char *tests = getenv("CASEMATE_TESTS");
    all_help(&out);
    assert_non_null(tests);
    (void)text_format(path, sizeof path, "%s/golden/help.txt", tests);
    if (getenv("CASEMATE_GOLDEN_UPDATE") != NULL) { /* after a change of spec/ that is meant */
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(out.p, 1, out.n, file), out.n);
        assert_int_equal(fclose(file), 0);
    }
    if (os_load(OS_FD_CWD, path, 1u << 20, &golden, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(buf_text(&out), buf_text(&golden));
    buf_done(&out);
    buf_done(&golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_fits_eighty_columns),
        cmocka_unit_test(help_is_what_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
