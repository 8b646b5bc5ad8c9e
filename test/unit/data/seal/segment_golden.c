/* Segments of version 1, as docs/format/chunk.md describes them: they must be readable for ever. */
#include "data/seal/seal.h"
#include "golden.h"
#include "unit.h"

static void decode(const char *name, struct segment *segment, struct segment_chunk *chunks,
                   struct buf *bytes) {
    struct err err;
    golden_read(name, bytes);
    assert_int_equal(segment_get(buf_span(bytes), chunks, segment, &err), 0);
}

static void golden_segments_decode(void **state) {
    (void)state;
    struct segment_chunk *chunks = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *chunks);
    struct segment segment;
    struct buf bytes = {0};
    decode("chunk/raw.segment", &segment, chunks, &bytes);
    assert_int_equal(segment.chunk_n, 1);
    assert_int_equal(chunks[0].type, CHUNK_MANIFEST);
    assert_int_equal(segment.plain_bytes, 40);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(segment.payload.p[i], i);

    uint8_t plain[700];
    struct err err;
    struct unsealer *unsealer = unsealer_new();
    decode("chunk/zstd.segment", &segment, chunks, &bytes);
    assert_int_equal(segment.chunk_n, 2);
    assert_int_equal(chunks[1].type, CHUNK_TREE);
    assert_int_equal(chunks[1].length, 400);
    assert_int_equal(
        unsealer_unpack(unsealer, segment.codec, segment.payload, plain, sizeof plain, &err), 0);
    for (uint32_t i = 0; i < sizeof plain; i++)
        assert_int_equal(plain[i], "casemate "[i % 9]);
    unsealer_free(unsealer);
    buf_done(&bytes);
    mem_free(chunks);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden_segments_decode)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
