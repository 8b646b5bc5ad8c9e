/* The first byte chooses the decoder of a pack's part; what it accepts encodes to the same
 * bytes. */
#include "format/pack/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void footer(struct span in) {
    struct pack_footer footer;
    if (pack_footer_get(in, &footer, NULL) != 0)
        return;
    struct buf again = {0};
    VEC(struct pack_segment) segments = {0};
    VEC(struct pack_chunk) chunks = {0};
    struct pack_walk walk = pack_walk_of(&footer);
    while (pack_walk_next(&walk)) {
        INVARIANT(walk.segment_off < footer.end_off);
        if (walk.chunk_i == walk.segment_first_i)
            *vec_push(&segments) = walk.segment;
        *vec_push(&chunks) = walk.chunk;
    }
    pack_footer_put(&again, segments.p, (uint32_t)segments.n, chunks.p, (uint32_t)chunks.n);
    INVARIANT(span_equal(buf_span(&again), in));
    vec_done(&segments);
    vec_done(&chunks);
    buf_done(&again);
}

static void fixed(uint8_t which, struct span in) {
    uint8_t again[PACK_HEADER_BYTES];
    struct pack_header header;
    struct pack_record record;
    struct pack_trailer trailer;
    if (which == 1 && pack_header_get(in, &header, NULL) == 0) {
        pack_header_put(again, &header);
        INVARIANT(memcmp(again, in.p, PACK_HEADER_BYTES) == 0);
    } else if (which == 2 && pack_record_get(in, &record, NULL) == 0) {
        pack_record_put(again, &record);
        INVARIANT(memcmp(again, in.p, PACK_RECORD_BYTES) == 0);
    } else if (which == 3 && pack_trailer_get(in, &trailer, NULL) == 0) {
        pack_trailer_put(again, &trailer);
        INVARIANT(memcmp(again, in.p, PACK_TRAILER_BYTES) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    if (data[0] % 4 == 0)
        footer(span_of(data + 1, size - 1));
    else
        fixed(data[0] % 4, span_of(data + 1, size - 1));
    return 0;
}
