/* Any bytes: refused, or decoded to a segment whose encoding is those very bytes. */
#include "format/chunk/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    MEM_AUTO struct segment_chunk *chunks = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *chunks);
    struct segment segment;
    struct err err = {0};
    if (segment_get(span_of(data, size), chunks, &segment, &err) != 0) {
        INVARIANT(err.code == ERR_FORMAT || err.code == ERR_FORMAT_VERSION);
        return 0;
    }
    struct buf again = {0};
    segment_put(&again, &segment);
    INVARIANT(span_equal(buf_span(&again), span_of(data, size)));
    buf_done(&again);
    return 0;
}
