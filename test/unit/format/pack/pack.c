/* Covers src/format/pack/pack.c, src/format/pack/pack_footer.c */
#include "format/pack/pack.h"
#include "os/os.h"
#include "unit.h"

static int code_of(int rc, const struct err *err) {
    return rc == 0 ? 0 : (int)err->code;
}

static void header_comes_back_and_every_other_version_is_refused(void **state) {
    (void)state;
    struct pack_header in, out;
    uint8_t bytes[PACK_HEADER_BYTES];
    struct err err = {0};
    for (size_t i = 0; i < sizeof in; i++)
        ((uint8_t *)&in)[i] = (uint8_t)(i + 1);
    pack_header_put(bytes, &in);
    assert_int_equal(pack_header_get(span_of(bytes, sizeof bytes), &out, &err), 0);
    assert_memory_equal(&in, &out, sizeof in);
    assert_int_equal(pack_header_get(span_of(bytes, sizeof bytes - 1), &out, &err), -1);
    static const struct {
        size_t at;
        int code;
    } flips[] = {{0, ERR_FORMAT},          {7, ERR_FORMAT},         {8, ERR_FORMAT_VERSION},
                 {9, ERR_FORMAT_VERSION},  {10, ERR_FORMAT},        {11, ERR_FORMAT},
                 {12, ERR_FORMAT_VERSION}, {15, ERR_FORMAT_VERSION}};
    for (size_t i = 0; i < ARRAY_N(flips); i++) {
        bytes[flips[i].at] ^= 0x10;
        int rc = pack_header_get(span_of(bytes, sizeof bytes), &out, &err);
        assert_int_equal(code_of(rc, &err), flips[i].code);
        bytes[flips[i].at] ^= 0x10;
    }
}

static void record_is_bounded_by_its_kind(void **state) {
    (void)state;
    static const struct {
        struct pack_record record;
        int code;
    } cases[] = {
        {{PACK_SEGMENT, 7, 1}, 0},
        {{PACK_SEGMENT, UINT32_MAX, SEGMENT_ENCODED_MAX}, 0},
        {{PACK_SEGMENT, 7, SEGMENT_ENCODED_MAX + 1}, ERR_FORMAT},
        {{PACK_SEGMENT, 7, 0}, ERR_FORMAT},
        {{PACK_FOOTER, 7, PACK_FOOTER_BYTES_MAX}, 0},
        {{PACK_FOOTER, 7, PACK_FOOTER_BYTES_MAX + 1}, ERR_FORMAT},
        {{(enum pack_record_kind)3, 7, 1}, ERR_FORMAT_VERSION},
        {{(enum pack_record_kind)0, 7, 1}, ERR_FORMAT_VERSION},
    };
    uint8_t bytes[PACK_RECORD_BYTES];
    struct pack_record out;
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_N(cases); i++) {
        pack_record_put(bytes, &cases[i].record);
        int rc = pack_record_get(span_of(bytes, sizeof bytes), &out, &err);
        assert_int_equal(code_of(rc, &err), cases[i].code);
        if (rc == 0)
            assert_memory_equal(&out, &cases[i].record, sizeof out);
    }
}

static void record_with_any_fixed_bit_flipped_is_refused(void **state) {
    (void)state;
    uint8_t bytes[PACK_RECORD_BYTES];
    struct pack_record record = {PACK_SEGMENT, 1, 100};
    struct err err;
    pack_record_put(bytes, &record);
    for (size_t bit = 0; bit < 64; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(pack_record_get(span_of(bytes, sizeof bytes), &record, &err), -1);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(pack_record_get(span_of(bytes, sizeof bytes - 1), &record, &err), -1);
}

static void trailer_with_any_bit_flipped_is_refused(void **state) {
    (void)state;
    uint8_t bytes[PACK_TRAILER_BYTES];
    struct pack_trailer in = {.footer_off = 500, .footer_bytes = 77, .segment_n = 3, .chunk_n = 9};
    struct pack_trailer out;
    struct err err;
    memset(in.content.b, 0x5a, sizeof in.content.b);
    pack_trailer_put(bytes, &in);
    assert_int_equal(pack_trailer_get(span_of(bytes, sizeof bytes), &out, &err), 0);
    assert_memory_equal(&in, &out, sizeof in);
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(pack_trailer_get(span_of(bytes, sizeof bytes), &out, &err), -1);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    in.footer_off = PACK_HEADER_BYTES - 1; /* its own hash is right, what it says is not */
    pack_trailer_put(bytes, &in);
    assert_int_equal(pack_trailer_get(span_of(bytes, sizeof bytes), &out, &err), -1);
}

static void nonces_of_two_counters_differ(void **state) {
    (void)state;
    static const uint8_t want[AEAD_NONCE_BYTES] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4};
    uint8_t nonce[AEAD_NONCE_BYTES];
    pack_nonce(nonce, 0x01020304);
    assert_memory_equal(nonce, want, sizeof want);
}

static struct pack_chunk chunk_of(uint32_t i, uint32_t length) {
    struct pack_chunk chunk = {.length = length, .type = (uint8_t)(1 + i % 4)};
    memset(chunk.name.b, (int)i, sizeof chunk.name.b);
    return chunk;
}

static void footer_walk_gives_every_chunk_its_place(void **state) {
    (void)state;
    const struct pack_segment segments[] = {{100, 2}, {50, 1}, {7, 3}};
    struct pack_chunk chunks[6];
    static const struct {
        uint32_t segment_off, offset;
    } want[] = {{96, 0}, {96, 10}, {228, 0}, {310, 0}, {310, 13}, {310, 27}};
    struct buf buf = {0};
    struct pack_footer footer;
    struct err err;
    for (uint32_t i = 0; i < 6; i++)
        chunks[i] = chunk_of(i, 10 + i);
    chunks[2].length = CHUNK_BYTES_MAX;
    pack_footer_put(&buf, segments, 3, chunks, 6);
    assert_int_equal(pack_footer_get(buf_span(&buf), &footer, &err), 0);
    assert_int_equal(footer.end_off, 96 + 3 * 32 + 157);
    assert_int_equal(footer.plain_bytes, 10 + 11 + CHUNK_BYTES_MAX + 13 + 14 + 15);
    struct pack_walk walk = pack_walk_of(&footer);
    for (uint32_t i = 0; i < 6; i++) {
        assert_true(pack_walk_next(&walk));
        assert_int_equal(walk.chunk_i, i);
        assert_int_equal(walk.segment_off, want[i].segment_off);
        assert_int_equal(walk.offset, want[i].offset);
        assert_int_equal(walk.chunk.length, chunks[i].length);
        assert_int_equal(walk.chunk.type, chunks[i].type);
        assert_memory_equal(walk.chunk.name.b, chunks[i].name.b, 32);
    }
    assert_false(pack_walk_next(&walk));
    buf_done(&buf);
}

static void footer_cut_or_longer_is_refused(void **state) {
    (void)state;
    const struct pack_segment segments[] = {{100, 1}, {50, 2}};
    struct pack_chunk chunks[3] = {chunk_of(0, 5), chunk_of(1, 6), chunk_of(2, 7)};
    struct buf buf = {0};
    struct pack_footer footer;
    struct err err;
    pack_footer_put(&buf, segments, 2, chunks, 3);
    for (size_t n = 0; n < buf.n; n++)
        assert_int_equal(pack_footer_get(span_of(buf.p, n), &footer, &err), -1);
    buf_put_u8(&buf, 0);
    assert_int_equal(pack_footer_get(buf_span(&buf), &footer, &err), -1);
    buf_done(&buf);
}

/* Rows by hand, so that they may be wrong. */
static int footer_of(uint64_t plain, uint32_t sealed, uint32_t segment_chunk_n, uint32_t chunk_n,
                     uint32_t type_and_length) {
    struct buf buf = {0};
    struct pack_footer footer;
    struct err err = {0};
    buf_put_u32(&buf, 1);
    buf_put_u32(&buf, chunk_n);
    buf_put_u64(&buf, plain);
    buf_put_u32(&buf, sealed);
    buf_put_u16(&buf, (uint16_t)segment_chunk_n);
    for (uint32_t i = 0; i < chunk_n; i++) {
        memset(buf_extend(&buf, 32), 3, 32);
        buf_put_u32(&buf, type_and_length);
    }
    int rc = pack_footer_get(buf_span(&buf), &footer, &err);
    buf_done(&buf);
    return code_of(rc, &err);
}

static void footer_that_lies_is_refused(void **state) {
    (void)state;
    const uint32_t data = (uint32_t)CHUNK_DATA << 24;
    assert_int_equal(footer_of(10, 5, 2, 2, data | 5), 0);
    assert_int_equal(footer_of(11, 5, 2, 2, data | 5), ERR_FORMAT); /* total */
    assert_int_equal(footer_of(10, 0, 2, 2, data | 5), ERR_FORMAT); /* empty record */
    assert_int_equal(footer_of(10, SEGMENT_ENCODED_MAX, 2, 2, data | 5), 0);
    assert_int_equal(footer_of(10, SEGMENT_ENCODED_MAX + 1, 2, 2, data | 5), ERR_FORMAT);
    assert_int_equal(footer_of(10, 5, 1, 2, data | 5), ERR_FORMAT); /* a chunk of no segment */
    assert_int_equal(footer_of(10, 5, 3, 2, data | 5), ERR_FORMAT); /* a segment runs out */
    assert_int_equal(footer_of(10, 5, 0, 2, data | 5), ERR_FORMAT);
    assert_int_equal(footer_of(0, 5, 2, 2, data), ERR_FORMAT); /* empty chunks */
    assert_int_equal(footer_of(10, 5, 2, 2, 5u << 24 | 5), ERR_FORMAT_VERSION);
    assert_int_equal(footer_of(10, 5, 2, 2, 5), ERR_FORMAT_VERSION);
    assert_int_equal(footer_of(2u * 131072, 5, 2, 2, data | 131072), 0);
    assert_int_equal(footer_of(2u * 131073, 5, 2, 2, data | 131073), ERR_FORMAT);
    assert_int_equal(footer_of(CHUNK_BYTES_MAX, 5, 1, 1, data | CHUNK_BYTES_MAX), 0);
    assert_int_equal(footer_of(CHUNK_BYTES_MAX + 1, 5, 1, 1, data | (CHUNK_BYTES_MAX + 1)),
                     ERR_FORMAT);
    assert_int_equal(footer_of(0, 5, 0, 0, 0), ERR_FORMAT);
    assert_int_equal(footer_of(4097, 5, 4097, 4097, data | 1), ERR_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_comes_back_and_every_other_version_is_refused),
        cmocka_unit_test(record_is_bounded_by_its_kind),
        cmocka_unit_test(record_with_any_fixed_bit_flipped_is_refused),
        cmocka_unit_test(trailer_with_any_bit_flipped_is_refused),
        cmocka_unit_test(nonces_of_two_counters_differ),
        cmocka_unit_test(footer_walk_gives_every_chunk_its_place),
        cmocka_unit_test(footer_cut_or_longer_is_refused),
        cmocka_unit_test(footer_that_lies_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
