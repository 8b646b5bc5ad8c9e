/* Covers src/base/text.c. */
#include "unit.h"

#include "base/base.h"
#include "base/text.h"

static void text_format_cuts_and_says_so(void **state) {
    (void)state;
    char to[8];
    assert_true(text_format(to, sizeof to, "%s-%d", "abc", 123));
    assert_string_equal(to, "abc-123");
    assert_false(text_format(to, sizeof to, "%s", "12345678"));
    assert_string_equal(to, "1234567");
    assert_true(text_copy(to, sizeof to, ""));
    assert_string_equal(to, "");
    assert_false(text_copy(to, sizeof to, "longer than eight"));
    assert_string_equal(to, "longer ");
}

static void buf_printf_appends_and_terminates(void **state) {
    (void)state;
    struct buf buf = {0};
    assert_string_equal(buf_text(&buf), "");
    for (int i = 0; i < 1000; i++)
        buf_printf(&buf, "%03d,", i);
    assert_int_equal(buf.n, 4000);
    assert_int_equal(buf.p[4000], 0);
    assert_true(text_starts(buf_text(&buf), "000,001,"));
    assert_true(text_ends(buf_text(&buf), "998,999,"));
    buf_put_u8(&buf, 'x');
    assert_true(text_ends(buf_text(&buf), "999,x"));
    buf_done(&buf);
}

static void text_to_u64_takes_decimal_and_nothing_else(void **state) {
    (void)state;
    uint64_t v = 77;
    assert_true(text_to_u64("0", 0, &v));
    assert_int_equal(v, 0);
    assert_true(text_to_u64("00012", 12, &v));
    assert_int_equal(v, 12);
    assert_true(text_to_u64("18446744073709551615", UINT64_MAX, &v));
    assert_true(v == UINT64_MAX);
    v = 77;
    static const char *const refused[] = {"",    " 1",
                                          "1 ",  "+1",
                                          "-1",  "0x1",
                                          "1.0", "18446744073709551616",
                                          "1e3", "99999999999999999999999"};
    for (size_t i = 0; i < ARRAY_N(refused); i++)
        assert_false(text_to_u64(refused[i], UINT64_MAX, &v));
    assert_false(text_to_u64("13", 12, &v));
    assert_int_equal(v, 77);
}

static void text_to_size_knows_binary_and_decimal_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } rows[] = {
        {"0", 0},
        {"64", 64},
        {"64B", 64},
        {"1K", 1024},
        {"1KiB", 1024},
        {"1kib", 1024},
        {"1KB", 1000},
        {"10MB", 10000000},
        {"3M", 3 << 20},
        {"1.5GiB", 1610612736},
        {"1.5 GiB", 1610612736},
        {"2G", 2147483648},
        {"1GB", 1000000000},
        {"2T", 2199023255552},
        {"4TB", 4000000000000},
        {"0.5K", 512},
        {"1.25KB", 1250},
        {"1.001KB", 1001},
        {"1.0019KB", 1001}, /* beyond thousandths nothing counts */
        {"16777215T", 16777215ULL << 40},
    };
    for (size_t i = 0; i < ARRAY_N(rows); i++) {
        uint64_t bytes = 77;
        assert_true(text_to_size(rows[i].text, &bytes));
        assert_true(bytes == rows[i].bytes);
    }
}

static void text_to_size_refuses_what_is_no_size(void **state) {
    (void)state;
    static const char *const refused[] = {"",
                                          "K",
                                          "-1",
                                          ".5K",
                                          "1X",
                                          "1 K x",
                                          "1KK",
                                          "0x10",
                                          "1,5K",
                                          "16777216T",
                                          "1 .5K",
                                          " 1",
                                          "1.5.5K",
                                          "18446744073709551616",
                                          "99999999999999999999T"};
    for (size_t i = 0; i < ARRAY_N(refused); i++) {
        uint64_t bytes = 77;
        assert_false(text_to_size(refused[i], &bytes));
        assert_int_equal(bytes, 77);
    }
}

static void hex_round_trips_and_refuses_other_digits(void **state) {
    (void)state;
    uint8_t bytes[256], back[256];
    char hex[513];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    text_hex(hex, bytes, sizeof bytes);
    assert_int_equal(strlen(hex), 512);
    assert_true(text_starts(hex, "000102"));
    assert_true(text_unhex(hex, 512, back, 256));
    assert_memory_equal(bytes, back, 256);
    assert_true(text_unhex("aBCd", 4, back, 2));
    assert_memory_equal(back, "\xab\xcd", 2);
    assert_true(text_unhex("", 0, back, 0));
    assert_false(text_unhex("abc", 3, back, 2));
    assert_false(text_unhex("abcdef", 6, back, 2));
    assert_false(text_unhex("ag", 2, back, 1));
    assert_false(text_unhex("ga", 2, back, 1));
    assert_false(text_unhex("0x", 2, back, 1));
}

static void text_comparisons_know_null_and_case(void **state) {
    (void)state;
    assert_true(text_equal(NULL, NULL));
    assert_false(text_equal(NULL, ""));
    assert_false(text_equal("", NULL));
    assert_true(text_equal("a", "a"));
    assert_false(text_equal("a", "A"));
    assert_true(text_equal_nocase("KiB", "kIb"));
    assert_false(text_equal_nocase("KiB", "KiBx"));
    assert_false(text_equal_nocase("[", "{")); /* 32 apart, no letters */
    assert_true(text_equal_nocase(NULL, NULL));
    assert_false(text_equal_nocase(NULL, ""));
    assert_true(text_starts("pack-1", "pack-") && text_starts("x", ""));
    assert_false(text_starts("pa", "pack"));
    assert_true(text_ends("a.pack", ".pack") && text_ends("x", ""));
    assert_false(text_ends("ack", "pack"));
}

static void text_size_and_duration_are_for_people(void **state) {
    (void)state;
    char to[TEXT_SIZE_MAX];
    assert_string_equal(text_size(to, 0), "0 B");
    assert_string_equal(text_size(to, 1023), "1023 B");
    assert_string_equal(text_size(to, 1024), "1.0 KiB");
    assert_string_equal(text_size(to, 1610612736), "1.5 GiB");
    assert_string_equal(text_size(to, UINT64_MAX), "16.0 EiB");
    assert_string_equal(text_duration(to, 0), "0s");
    assert_string_equal(text_duration(to, 59), "59s");
    assert_string_equal(text_duration(to, 60), "1m00s");
    assert_string_equal(text_duration(to, 3599), "59m59s");
    assert_string_equal(text_duration(to, 3720), "1h02m");
    assert_true(strlen(text_duration(to, UINT64_MAX)) < TEXT_SIZE_MAX);
}

static void text_time_is_utc_and_takes_any_number(void **state) {
    (void)state;
    char to[TEXT_SIZE_MAX];
    assert_string_equal(text_time(to, 0), "1970-01-01T00:00:00Z");
    assert_string_equal(text_time(to, 1795224025), "2026-11-21T01:20:25Z");
    assert_string_equal(text_time(to, -1), "1969-12-31T23:59:59Z");
    assert_true(strlen(text_time(to, INT64_MAX)) < TEXT_SIZE_MAX);
    assert_true(strlen(text_time(to, INT64_MIN)) < TEXT_SIZE_MAX);
}

static void expect_escaped(const char *bytes, size_t n, const char *escaped) {
    struct buf out = {0};
    text_escape(&out, span_of(bytes, n));
    assert_string_equal(buf_text(&out), escaped);
    buf_done(&out);
}

static void text_escape_keeps_printable_text(void **state) {
    (void)state;
    expect_escaped("", 0, "");
    expect_escaped("plain /etc/passwd", 17, "plain /etc/passwd");
    expect_escaped("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xbe", 14,
                   "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xbe");
    expect_escaped("\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf");
    expect_escaped("\xed\x9f\xbf\xee\x80\x80", 6, "\xed\x9f\xbf\xee\x80\x80");
}

static void text_escape_writes_everything_else_as_bytes(void **state) {
    (void)state;
    expect_escaped("a\\b", 3, "a\\\\b");
    expect_escaped("a\nb\x1b[31m\x7f", 9, "a\\x0ab\\x1b[31m\\x7f");
    expect_escaped("\0", 1, "\\x00");
    expect_escaped("\x80", 1, "\\x80");
    expect_escaped("\xc3", 1, "\\xc3");                            /* cut */
    expect_escaped("\xc3(", 2, "\\xc3(");                          /* no continuation */
    expect_escaped("\xe2\x82", 2, "\\xe2\\x82");                   /* cut */
    expect_escaped("\xc0\xaf", 2, "\\xc0\\xaf");                   /* overlong */
    expect_escaped("\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf");          /* overlong */
    expect_escaped("\xf0\x80\x80\xaf", 4, "\\xf0\\x80\\x80\\xaf"); /* overlong */
    expect_escaped("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");          /* surrogate */
    expect_escaped("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"); /* above the last code point */
    expect_escaped("\xff\xfe", 2, "\\xff\\xfe");
    expect_escaped("\xc2\x85", 2, "\\xc2\\x85");          /* a control character */
    expect_escaped("\xe2\x80\xae", 3, "\\xe2\\x80\\xae"); /* turns text round */
    expect_escaped("\xe2\x81\xa6", 3, "\\xe2\\x81\\xa6");
}

static int hex_value(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void text_escape_can_be_reversed(void **state) {
    (void)state;
    static const uint8_t troubles[8] = {'\\', 'x', '0', 0xc3, 0xa9, 0xe2, 0x82, 0xac};
    uint32_t seed = 20261121;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 2000; round++) {
        uint8_t bytes[64];
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = round % 2 == 0 ? (uint8_t)(seed >> 24) : troubles[seed >> 29];
        }
        struct buf out = {0}, back = {0};
        text_escape(&out, span_of(bytes, sizeof bytes));
        const char *s = buf_text(&out);
        for (; *s != 0; s++) {
            if (s[0] == '\\' && s[1] == 'x') {
                buf_put_u8(&back, (uint8_t)(hex_value(s[2]) << 4 | hex_value(s[3])));
                s += 3;
            } else {
                s += *s == '\\';
                buf_put_u8(&back, (uint8_t)*s);
            }
        }
        assert_true(span_equal(buf_span(&back), span_of(bytes, sizeof bytes)));
        buf_done(&out);
        buf_done(&back);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_format_cuts_and_says_so),
        cmocka_unit_test(buf_printf_appends_and_terminates),
        cmocka_unit_test(text_to_u64_takes_decimal_and_nothing_else),
        cmocka_unit_test(text_to_size_knows_binary_and_decimal_units),
        cmocka_unit_test(text_to_size_refuses_what_is_no_size),
        cmocka_unit_test(hex_round_trips_and_refuses_other_digits),
        cmocka_unit_test(text_comparisons_know_null_and_case),
        cmocka_unit_test(text_size_and_duration_are_for_people),
        cmocka_unit_test(text_time_is_utc_and_takes_any_number),
        cmocka_unit_test(text_escape_keeps_printable_text),
        cmocka_unit_test(text_escape_writes_everything_else_as_bytes),
        cmocka_unit_test(text_escape_can_be_reversed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
