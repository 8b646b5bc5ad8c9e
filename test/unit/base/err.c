/* Covers src/base/err.c. */
#include "unit.h"

#include "base/base.h"
#include "base/text.h"

static void err_set_keeps_code_text_and_place(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(ERR(&err, ERR_NOT_FOUND, "no %s number %d", "pack", 7), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(err.sys, 0);
    assert_string_equal(err.text, "no pack number 7");
    assert_string_equal(err.func, __func__);
    assert_int_equal(err.line, __LINE__ - 5);
}

static void err_sys_appends_the_reason_in_words(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(ERR_SYS(&err, ERR_IO, 5, "cannot read a"), -1);
    assert_int_equal(err.sys, 5);
    assert_string_equal(err.text, "cannot read a: Input/output error");
    assert_int_equal(ERR_SYS(&err, ERR_IO, 99999, "cannot read a"), -1);
    assert_true(text_starts(err.text, "cannot read a: "));
}

static void err_note_puts_context_in_front(void **state) {
    (void)state;
    struct err err = {0};
    (void)ERR(&err, ERR_FORMAT, "magic is wrong");
    assert_int_equal(ERR_NOTE(&err, "pack %d", 3), -1);
    assert_int_equal(ERR_NOTE(&err, "store %s", "/srv/a"), -1);
    assert_string_equal(err.text, "store /srv/a: pack 3: magic is wrong");
    assert_int_equal(err.code, ERR_FORMAT);
}

static void err_text_is_cut_at_its_limit_and_terminated(void **state) {
    (void)state;
    char longest[2 * ERR_TEXT_MAX];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    struct err err = {0};
    (void)ERR_SYS(&err, ERR_IO, 5, "%s", longest);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    (void)ERR_NOTE(&err, "%s", longest);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    (void)ERR_SYS(&err, ERR_IO, 5, "%.*s", ERR_TEXT_MAX - 1, longest);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

static void err_of_nobody_is_still_a_failure(void **state) {
    (void)state;
    assert_int_equal(ERR(NULL, ERR_IO, "x"), -1);
    assert_int_equal(ERR_NOTE(NULL, "x"), -1);
    err_clear(NULL);
}

static void err_clear_leaves_none(void **state) {
    (void)state;
    struct err err = {0};
    (void)ERR_SYS(&err, ERR_IO, 5, "x");
    err_clear(&err);
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(err.sys, 0);
    assert_string_equal(err.text, "");
}

static void err_info_gives_the_declared_row(void **state) {
    (void)state;
    const struct err_info *info = err_info(ERR_SPACE);
    assert_string_equal(info->symbol, "space");
    assert_int_equal(info->number, 103);
    assert_int_equal(info->exit_status, 15);
    assert_int_equal(info->http_status, 507);
    assert_true(strlen(info->cause) > 0 && strlen(info->action) > 0);
    assert_ptr_equal(err_info_by_symbol("space"), info);
    assert_null(err_info_by_symbol("no-such-symbol"));
    assert_null(err_info_by_symbol(""));
}

static void err_info_of_an_unknown_code_is_internal(void **state) {
    (void)state;
    assert_string_equal(err_info((enum err_code)987654)->symbol, "internal");
    assert_string_equal(err_info(ERR_NONE)->symbol, "internal");
}

static void err_rows_have_exit_and_http_status_of_a_failure(void **state) {
    (void)state;
    for (unsigned number = 1; number < 1100; number++) {
        const struct err_info *info = err_info((enum err_code)number);
        if (info->code != (enum err_code)number)
            continue;
        assert_int_equal(info->number, number);
        assert_in_range(info->exit_status, 1, 143);
        assert_true(info->http_status == 200 ||
                    info->http_status >= 400); /* 200: done, with warnings */
        assert_ptr_equal(err_info_by_symbol(info->symbol), info);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_set_keeps_code_text_and_place),
        cmocka_unit_test(err_sys_appends_the_reason_in_words),
        cmocka_unit_test(err_note_puts_context_in_front),
        cmocka_unit_test(err_text_is_cut_at_its_limit_and_terminated),
        cmocka_unit_test(err_of_nobody_is_still_a_failure),
        cmocka_unit_test(err_clear_leaves_none),
        cmocka_unit_test(err_info_gives_the_declared_row),
        cmocka_unit_test(err_info_of_an_unknown_code_is_internal),
        cmocka_unit_test(err_rows_have_exit_and_http_status_of_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
