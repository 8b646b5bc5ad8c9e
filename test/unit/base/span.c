/* Covers src/base/span.c, span.h. */
#include "unit.h"

#include "base/base.h"
#include "died.h"

static void span_compare_is_byte_order_with_prefixes_first(void **state) {
    (void)state;
    static const char *const sorted[] = {"", "a", "a/b", "aa", "b", "b\x80", "\xff"};
    for (size_t i = 0; i < ARRAY_N(sorted); i++)
        for (size_t k = 0; k < ARRAY_N(sorted); k++) {
            int order = span_compare(span_text(sorted[i]), span_text(sorted[k]));
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
            assert_int_equal(span_equal(span_text(sorted[i]), span_text(sorted[k])), i == k);
        }
    assert_true(span_equal(span_of(NULL, 0), span_text("")));
    assert_int_equal(span_compare(span_of(NULL, 0), span_text("")), 0);
}

static void buf_put_and_cursor_agree_on_every_type(void **state) {
    (void)state;
    struct buf buf = {0};
    buf_put_u8(&buf, 0xfe);
    buf_put_u16(&buf, 0x0102);
    buf_put_u32(&buf, 0x03040506);
    buf_put_u64(&buf, 0x0708090a0b0c0d0e);
    buf_put_varint(&buf, 300);
    buf_put_lstr(&buf, span_text("name"));
    buf_put(&buf, "tail", 4);
    static const uint8_t wire[] = "\xfe\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"
                                  "\xac\x02\x04nametail";
    assert_true(span_equal(buf_span(&buf), span_of(wire, sizeof wire - 1)));

    struct cursor c = cursor_of(buf_span(&buf));
    char tail[4];
    assert_int_equal(cursor_u8(&c), 0xfe);
    assert_int_equal(cursor_u16(&c), 0x0102);
    assert_int_equal(cursor_u32(&c), 0x03040506);
    assert_true(cursor_u64(&c) == 0x0708090a0b0c0d0e);
    assert_int_equal(cursor_varint(&c), 300);
    assert_true(span_equal(cursor_lstr(&c, 4), span_text("name")));
    assert_false(cursor_ended(&c));
    cursor_copy(&c, tail, sizeof tail);
    assert_memory_equal(tail, "tail", 4);
    assert_true(cursor_ended(&c));
    buf_done(&buf);
}

static void cursor_cut_anywhere_is_bad_and_stays_bad(void **state) {
    (void)state;
    static const uint8_t wire[15 + 2] = {1,  2,  3,  4,  5,  6,  7,    8, 9,
                                         10, 11, 12, 13, 14, 15, 0x80, 1};
    for (size_t n = 0; n <= sizeof wire; n++) {
        struct cursor c = cursor_of(span_of(wire, n));
        uint64_t sum = cursor_u8(&c);
        sum += cursor_u16(&c) + cursor_u32(&c) + cursor_u64(&c) + cursor_varint(&c);
        assert_int_equal(c.bad, n < sizeof wire);
        assert_int_equal(cursor_ended(&c), n == sizeof wire);
        assert_true(sum > 0 || n == 0);
        if (c.bad) {
            assert_int_equal(cursor_u8(&c), 0);
            assert_int_equal(cursor_u64(&c), 0);
            assert_int_equal(cursor_varint(&c), 0);
            assert_null(cursor_bytes(&c, 0).p);
            char zeroed[3] = "abc";
            cursor_copy(&c, zeroed, sizeof zeroed);
            assert_memory_equal(zeroed, "\0\0\0", 3);
            assert_true(c.bad);
        }
    }
}

static void cursor_bytes_borrows_exactly_what_is_left(void **state) {
    (void)state;
    static const uint8_t bytes[4] = "abcd";
    struct cursor c = cursor_of(span_of(bytes, 4));
    assert_ptr_equal(cursor_bytes(&c, 4).p, bytes);
    assert_int_equal(cursor_left(&c), 0);
    assert_int_equal(cursor_bytes(&c, 0).n, 0);
    assert_true(cursor_ended(&c));
    assert_int_equal(cursor_bytes(&c, 1).n, 0);
    assert_true(c.bad);
    c = cursor_of(span_of(bytes, 4));
    assert_int_equal(cursor_bytes(&c, SIZE_MAX).n, 0);
    assert_true(c.bad);
}

static uint64_t varint_of(const char *bytes, size_t n, bool *good) {
    struct cursor c = cursor_of(span_of(bytes, n));
    uint64_t v = cursor_varint(&c);
    *good = cursor_ended(&c);
    return v;
}

static void varint_round_trips_at_every_width(void **state) {
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++)
        for (uint64_t step = 0; step < 3; step++) {
            uint64_t v = ((uint64_t)1 << bit) - 1 + step;
            struct buf buf = {0};
            buf_put_varint(&buf, v);
            assert_in_range(buf.n, 1, 10);
            bool good;
            assert_true(varint_of((const char *)buf.p, buf.n, &good) == v);
            assert_true(good);
            buf_done(&buf);
        }
}

static void varint_in_a_longer_form_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } forms[] = {
        {"\x80\x00", 2},                                      /* 0 in two bytes */
        {"\xff\x00", 2},                                      /* 127 in two bytes */
        {"\x80\x80\x00", 3},                                  /* 0 in three */
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", 10},     /* 2^64 */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10},     /* more than 64 bits */
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11}, /* eleven bytes */
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 10},     /* 0 in ten */
        {"\xff", 1},                                          /* cut */
    };
    for (size_t i = 0; i < ARRAY_N(forms); i++) {
        bool good;
        assert_int_equal(varint_of(forms[i].bytes, forms[i].n, &good), 0);
        assert_false(good);
    }
    bool good;
    assert_true(varint_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, &good) == UINT64_MAX);
    assert_true(good);
}

static void lstr_longer_than_its_limit_is_refused(void **state) {
    (void)state;
    struct cursor c = cursor_of(span_of("\x04name", 5));
    assert_int_equal(cursor_lstr(&c, 3).n, 0);
    assert_true(c.bad);
    c = cursor_of(span_of("\x05name", 5));
    assert_int_equal(cursor_lstr(&c, 100).n, 0);
    assert_true(c.bad);
    c = cursor_of(span_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 11));
    assert_int_equal(cursor_lstr(&c, SIZE_MAX).n, 0);
    assert_true(c.bad);
    c = cursor_of(span_of("\x00", 1));
    assert_int_equal(cursor_lstr(&c, 0).n, 0);
    assert_true(cursor_ended(&c));
}

static void buf_grows_and_starts_anew_after_done(void **state) {
    (void)state;
    struct buf buf = {0};
    for (unsigned i = 0; i < 100000; i++)
        buf_put_u32(&buf, i);
    assert_int_equal(buf.n, 400000);
    for (unsigned i = 0; i < 100000; i += 997)
        assert_int_equal(be32_get(buf.p + 4 * (size_t)i), i);
    size_t cap = buf.cap;
    buf_clear(&buf);
    assert_int_equal(buf.n, 0);
    assert_int_equal(buf.cap, cap);
    buf_done(&buf);
    assert_null(buf.p);
    buf_put_span(&buf, span_text("again"));
    assert_true(span_equal(buf_span(&buf), span_text("again")));
    buf_put(&buf, NULL, 0);
    assert_int_equal(buf.n, 5);
    buf_done(&buf);
    buf_done(&buf);
}

static void reserve_too_much(void *arg) {
    struct buf buf = {0};
    buf_reserve(&buf, *(const size_t *)arg);
    buf_done(&buf);
}

static void buf_above_its_limit_aborts(void **state) {
    (void)state;
    size_t sizes[] = {BUF_BYTES_MAX + 1, SIZE_MAX};
    for (size_t i = 0; i < ARRAY_N(sizes); i++)
        assert_true(died_in(reserve_too_much, &sizes[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(span_compare_is_byte_order_with_prefixes_first),
        cmocka_unit_test(buf_put_and_cursor_agree_on_every_type),
        cmocka_unit_test(cursor_cut_anywhere_is_bad_and_stays_bad),
        cmocka_unit_test(cursor_bytes_borrows_exactly_what_is_left),
        cmocka_unit_test(varint_round_trips_at_every_width),
        cmocka_unit_test(varint_in_a_longer_form_is_refused),
        cmocka_unit_test(lstr_longer_than_its_limit_is_refused),
        cmocka_unit_test(buf_grows_and_starts_anew_after_done),
        cmocka_unit_test(buf_above_its_limit_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
