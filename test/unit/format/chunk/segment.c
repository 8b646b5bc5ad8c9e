/* Covers src/format/chunk/segment.c */
#include "format/chunk/chunk.h"
#include "unit.h"

static struct segment_chunk chunks[SEGMENT_CHUNKS_MAX];

static int decode(const struct buf *buf, struct segment *out) {
    struct err err = {0};
    return segment_get(buf_span(buf), chunks, out, &err) == 0 ? 0 : (int)err.code;
}

static void list_put(struct buf *buf, uint8_t codec, size_t n, uint32_t length) {
    buf_put_u8(buf, codec);
    buf_put_varint(buf, n);
    for (size_t i = 0; i < n; i++)
        buf_put_varint(buf, (uint64_t)length << 3 | CHUNK_DATA);
}

static void segment_comes_back_as_it_was_put(void **state) {
    (void)state;
    const struct segment_chunk in[] = {{CHUNK_DATA, 3}, {CHUNK_TREE, 4}, {CHUNK_INDEX, 200}};
    uint8_t plain[207];
    memset(plain, 7, sizeof plain);
    struct segment raw = {SEGMENT_RAW, sizeof plain, 3, in, span_of(plain, sizeof plain)};
    struct segment zstd = {SEGMENT_ZSTD, sizeof plain, 3, in, span_of(plain, 50)};
    const struct segment *both[] = {&raw, &zstd};
    for (size_t k = 0; k < 2; k++) {
        struct buf buf = {0};
        struct segment out;
        segment_put(&buf, both[k]);
        assert_int_equal(decode(&buf, &out), 0);
        assert_int_equal(out.codec, both[k]->codec);
        assert_int_equal(out.plain_bytes, sizeof plain);
        assert_int_equal(out.chunk_n, 3);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(out.chunks[i].type, in[i].type);
            assert_int_equal(out.chunks[i].length, in[i].length);
        }
        assert_true(span_equal(out.payload, both[k]->payload));
        buf_done(&buf);
    }
}

/* The bytes of docs/format/chunk.md: they may never change. */
static void segment_has_its_documented_bytes(void **state) {
    (void)state;
    const struct segment_chunk in[] = {{CHUNK_DATA, 5}, {CHUNK_MANIFEST, 20}};
    struct segment segment = {SEGMENT_ZSTD, 25, 2, in, span_text("frame")};
    static const uint8_t want[] = {1,   2,   5 << 3 | 1, 0x80 | ((20 << 3 | 3) & 0x7f), 1, 'f', 'r',
                                   'a', 'm', 'e'};
    struct buf buf = {0};
    segment_put(&buf, &segment);
    assert_true(span_equal(buf_span(&buf), span_of(want, sizeof want)));
    buf_done(&buf);
}

struct limit_case {
    uint8_t codec;
    size_t chunk_n;
    uint32_t length;
    size_t payload_n;
    int code;
};

static void segment_is_taken_at_each_limit_and_refused_one_past_it(void **state) {
    (void)state;
    static const struct limit_case cases[] = {
        {SEGMENT_ZSTD, 1, CHUNK_BYTES_MAX, 1, 0},
        {SEGMENT_ZSTD, 1, CHUNK_BYTES_MAX + 1, 1, ERR_FORMAT},
        {SEGMENT_ZSTD, 2, SEGMENT_BYTES_MAX / 2, 1, 0},
        {SEGMENT_ZSTD, 2, SEGMENT_BYTES_MAX / 2 + 1, 1, ERR_FORMAT},
        {SEGMENT_ZSTD, SEGMENT_CHUNKS_MAX, SEGMENT_BYTES_MAX / SEGMENT_CHUNKS_MAX, 1, 0},
        {SEGMENT_ZSTD, SEGMENT_CHUNKS_MAX + 1, 1, 1, ERR_FORMAT},
        {SEGMENT_ZSTD, 0, 0, 1, ERR_FORMAT},
        {SEGMENT_ZSTD, 1, 0, 1, ERR_FORMAT},
        {SEGMENT_ZSTD, 1, 8, 7, 0},
        {SEGMENT_ZSTD, 1, 8, 8, ERR_FORMAT},
        {SEGMENT_ZSTD, 1, 8, 0, ERR_FORMAT},
        {SEGMENT_RAW, 1, 8, 8, 0},
        {SEGMENT_RAW, 1, 8, 7, ERR_FORMAT},
        {SEGMENT_RAW, 1, 8, 9, ERR_FORMAT},
        {SEGMENT_ZSTD + 1, 1, 8, 7, ERR_FORMAT_VERSION},
    };
    for (size_t i = 0; i < ARRAY_N(cases); i++) {
        const struct limit_case *c = &cases[i];
        struct buf buf = {0};
        struct segment out;
        list_put(&buf, c->codec, c->chunk_n, c->length);
        memset(buf_extend(&buf, c->payload_n), 'x', c->payload_n);
        assert_int_equal(decode(&buf, &out), c->code);
        buf_done(&buf);
    }
}

static void segment_with_an_unknown_type_is_of_a_later_version(void **state) {
    (void)state;
    static const uint8_t types[] = {0, CHUNK_INDEX + 1, 7};
    for (size_t i = 0; i < ARRAY_N(types); i++) {
        struct buf buf = {0};
        struct segment out;
        buf_put_u8(&buf, SEGMENT_RAW);
        buf_put_varint(&buf, 1);
        buf_put_varint(&buf, 1u << 3 | types[i]);
        buf_put_u8(&buf, 'x');
        assert_int_equal(decode(&buf, &out), ERR_FORMAT_VERSION);
        buf_done(&buf);
    }
}

static void segment_cut_anywhere_is_refused(void **state) {
    (void)state;
    struct buf buf = {0};
    list_put(&buf, SEGMENT_RAW, 40, 3);
    memset(buf_extend(&buf, 120), 'x', 120);
    struct segment out;
    assert_int_equal(decode(&buf, &out), 0);
    while (buf.n > 0) {
        buf.n--;
        assert_int_equal(decode(&buf, &out), ERR_FORMAT);
    }
    buf_done(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_comes_back_as_it_was_put),
        cmocka_unit_test(segment_has_its_documented_bytes),
        cmocka_unit_test(segment_is_taken_at_each_limit_and_refused_one_past_it),
        cmocka_unit_test(segment_with_an_unknown_type_is_of_a_later_version),
        cmocka_unit_test(segment_cut_anywhere_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
