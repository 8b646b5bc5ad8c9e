/* Covers src/data/seal/sealer.c, src/data/seal/unsealer.c */
#include "data/seal/seal.h"
#include "os/random.h"
#include "unit.h"

static uint8_t *text_bytes(size_t n) {
    static const char words[] = "static int unsealer_check(struct span frame, size_t plain) { ";
    uint8_t *p = mem_new(n + 1);
    for (size_t i = 0, w = 0; i < n; i++, w++)
        p[i] = (uint8_t)(i % 97 == 0 ? 'a' + i / 97 % 26 : (size_t)words[w % (sizeof words - 1)]);
    return p;
}

static uint8_t *random_bytes(size_t n) {
    uint8_t *p = mem_new(n + 1);
    os_random(p, n);
    return p;
}

static void comes_back(struct sealer *sealer, struct unsealer *unsealer, const uint8_t *p, size_t n,
                       enum segment_codec want) {
    struct buf packed = {0};
    struct err err = {0};
    uint8_t *to = mem_new(n);
    assert_int_equal(sealer_pack(sealer, span_of(p, n), &packed), want);
    assert_int_equal(unsealer_unpack(unsealer, want, buf_span(&packed), to, n, &err), 0);
    assert_memory_equal(to, p, n);
    mem_free(to);
    buf_done(&packed);
}

static void sealer_keeps_bytes_of_every_size_and_level(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 33, 34, 100, 4095, 4096, 4097, 131072, SEGMENT_BYTES_MAX};
    static const int levels[] = {0, 1, 3, SEALER_LEVEL_MAX};
    struct unsealer *unsealer = unsealer_new();
    for (size_t l = 0; l < ARRAY_N(levels); l++) {
        struct sealer *sealer = sealer_new(levels[l]);
        for (size_t i = 0; i < ARRAY_N(sizes); i++) {
            uint8_t *text = text_bytes(sizes[i]), *noise = random_bytes(sizes[i]);
            comes_back(sealer, unsealer, noise, sizes[i], SEGMENT_RAW);
            comes_back(sealer, unsealer, text, sizes[i],
                       sizes[i] < 64 ? SEGMENT_RAW : SEGMENT_ZSTD);
            mem_free(text);
            mem_free(noise);
        }
        sealer_free(sealer);
    }
    unsealer_free(unsealer);
}

static void sealer_keeps_raw_what_gains_less_than_three_percent(void **state) {
    (void)state;
    size_t n = 65536;
    uint8_t *p = random_bytes(n);
    struct sealer *sealer = sealer_new(1);
    struct unsealer *unsealer = unsealer_new();
    memset(p + 4000, 0, n / 50); /* 2 % */
    comes_back(sealer, unsealer, p, n, SEGMENT_RAW);
    memset(p + 4000, 0, n / 20); /* 5 % */
    comes_back(sealer, unsealer, p, n, SEGMENT_ZSTD);
    sealer_free(sealer);
    unsealer_free(unsealer);
    mem_free(p);
}

static void probe_tells_random_from_all_that_can_shrink(void **state) {
    (void)state;
    size_t n = 131072;
    uint8_t *noise = random_bytes(n), *text = text_bytes(n);
    assert_true(sealer_incompressible(span_of(noise, n)));
    assert_false(sealer_incompressible(span_of(noise, 4095))); /* too short to tell */
    assert_false(sealer_incompressible(span_of(text, n)));
    for (size_t i = 0; i < n; i++) /* evenly frequent bytes, yet a table that repeats */
        text[i] = noise[i % 700];
    assert_false(sealer_incompressible(span_of(text, n)));
    for (size_t i = 0; i < n; i++) /* six bits in eight */
        text[i] = noise[i] & 0x3f;
    assert_false(sealer_incompressible(span_of(text, n)));
    mem_free(noise);
    mem_free(text);
}

struct frame {
    struct buf bytes;
    uint8_t *plain;
    size_t n;
};

static struct frame frame_of(size_t n) {
    struct frame frame = {.plain = text_bytes(n), .n = n};
    struct sealer *sealer = sealer_new(0);
    assert_int_equal(sealer_pack(sealer, span_of(frame.plain, n), &frame.bytes), SEGMENT_ZSTD);
    sealer_free(sealer);
    return frame;
}

static void frame_done(struct frame *frame) {
    buf_done(&frame->bytes);
    mem_free(frame->plain);
}

/* In a block of exactly plain_n bytes, so that a sanitizer sees the first one too many. */
static int unpack(struct span bytes, size_t plain_n) {
    struct unsealer *unsealer = unsealer_new();
    struct err err = {0};
    uint8_t *to = mem_new(plain_n);
    int rc = unsealer_unpack(unsealer, SEGMENT_ZSTD, bytes, to, plain_n, &err);
    assert_true(rc == 0 || err.code == ERR_FORMAT);
    mem_free(to);
    unsealer_free(unsealer);
    return rc;
}

static void unsealer_refuses_a_frame_that_claims_another_size(void **state) {
    (void)state;
    struct frame frame = frame_of(5000);
    assert_int_equal(unpack(buf_span(&frame.bytes), 5000), 0);
    assert_int_equal(unpack(buf_span(&frame.bytes), 4999), -1);
    assert_int_equal(unpack(buf_span(&frame.bytes), 5001), -1);
    assert_int_equal(unpack(buf_span(&frame.bytes), 0), -1);
    assert_int_equal(unpack(buf_span(&frame.bytes), SEGMENT_BYTES_MAX + 1), -1);
    frame_done(&frame);
}

static void unsealer_refuses_cut_and_longer_frames(void **state) {
    (void)state;
    struct frame frame = frame_of(5000);
    struct span s = buf_span(&frame.bytes);
    for (size_t n = 0; n < s.n; n++)
        assert_int_equal(unpack(span_of(s.p, n), 5000), -1);
    struct buf twice = {0};
    buf_put_span(&twice, s);
    buf_put_span(&twice, s);
    assert_int_equal(unpack(buf_span(&twice), 5000), -1);
    assert_int_equal(unpack(buf_span(&twice), 10000), -1);
    static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'};
    assert_int_equal(unpack(span_of(skippable, sizeof skippable), 1), -1);
    buf_done(&twice);
    frame_done(&frame);
}

/* Descriptor 0x00, window byte 0xf0: no content size, 64 GiB of window; one last RLE block. */
static void unsealer_refuses_a_bomb(void **state) {
    (void)state;
    static const uint8_t endless[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf0, 0x03, 0x00, 0x20, 'x'};
    assert_int_equal(unpack(span_of(endless, sizeof endless), SEGMENT_BYTES_MAX), -1);
    /* claims 4 bytes, its RLE block yields 2 MiB - 1 */
    static const uint8_t liar[] = {0x28, 0xb5, 0x2f, 0xfd, 0x20, 4, 0xfb, 0xff, 0xff, 'x'};
    assert_int_equal(unpack(span_of(liar, sizeof liar), 4), -1);
}

static void unsealer_never_yields_wrong_sizes_for_flipped_bits(void **state) {
    (void)state;
    struct frame frame = frame_of(700);
    for (size_t bit = 0; bit < frame.bytes.n * 8; bit++) {
        frame.bytes.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        (void)unpack(buf_span(&frame.bytes), 700); /* names and tags tell what it cannot */
        frame.bytes.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    frame_done(&frame);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealer_keeps_bytes_of_every_size_and_level),
        cmocka_unit_test(sealer_keeps_raw_what_gains_less_than_three_percent),
        cmocka_unit_test(probe_tells_random_from_all_that_can_shrink),
        cmocka_unit_test(unsealer_refuses_a_frame_that_claims_another_size),
        cmocka_unit_test(unsealer_refuses_cut_and_longer_frames),
        cmocka_unit_test(unsealer_refuses_a_bomb),
        cmocka_unit_test(unsealer_never_yields_wrong_sizes_for_flipped_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
