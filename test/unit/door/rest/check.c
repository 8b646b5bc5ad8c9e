#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "door/rest/rest_int.h"

static void escapes_are_undone_exactly(void **state) {
    (void)state;
    uint8_t bytes[255];
    struct buf text = {0}, back = {0};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i + 1);
    text_escape(&text, span_of(bytes, sizeof bytes));
    assert_true(rest_unescape(buf_text(&text), &back));
    assert_int_equal(back.n, sizeof bytes);
    assert_memory_equal(back.p, bytes, sizeof bytes);
    buf_done(&text);
    buf_done(&back);
}

static void malformed_escapes_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"\\", "\\x", "\\x1", "\\xg0", "\\n", "a\\", "\\x00"};
    for (size_t i = 0; i < ARRAY_N(bad); i++) {
        struct buf out = {0};
        assert_false(rest_unescape(bad[i], &out));
        buf_done(&out);
    }
}

static void every_route_is_found_by_its_own_path(void **state) {
    (void)state;
    for (size_t i = 0; i < REST_ROUTE_N; i++) {
        const struct rest_route_info *info = rest_route_info((enum rest_route)i);
        struct rest_request request = {0};
        struct err err = {0};
        struct buf url = {0};
        for (const char *p = info->path; *p != 0; p++) { /* every parameter becomes "7" */
            if (*p == '{') {
                buf_put_u8(&url, '7');
                p = strchr(p, '}');
            } else {
                buf_put_u8(&url, (uint8_t)*p);
            }
        }
        assert_int_equal(rest_route_find(&request, info->method, buf_text(&url), &err), 0);
        assert_int_equal(request.route, i);
        mem_free(request.url);
        buf_done(&url);
    }
}

static void an_error_with_foreign_bytes_is_valid_json(void **state) {
    (void)state;
    struct err err = {0};
    (void)ERR(&err, ERR_IO, "cannot read %s", "a\xff");
    json_t *json = rest_error_json(&err);
    assert_string_equal(json_string_value(json_object_get(json, "message")), "cannot read a\\xff");
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_undone_exactly),
        cmocka_unit_test(malformed_escapes_are_refused),
        cmocka_unit_test(every_route_is_found_by_its_own_path),
        cmocka_unit_test(an_error_with_foreign_bytes_is_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
