/* Any frame under any claimed size: refused, or exactly that many bytes, the same every time. */
#include "data/seal/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cursor c = cursor_of(span_of(data, size));
    uint32_t plain_n = cursor_u32(&c) % (SEGMENT_BYTES_MAX + 2);
    struct span frame = cursor_bytes(&c, cursor_left(&c));
    AUTO(unsealer) *unsealer = unsealer_new();
    MEM_AUTO uint8_t *first = mem_new(plain_n), *second = mem_new(plain_n);
    struct err err = {0};
    if (unsealer_unpack(unsealer, SEGMENT_ZSTD, frame, first, plain_n, &err) != 0) {
        INVARIANT(err.code == ERR_FORMAT);
        return 0;
    }
    INVARIANT(unsealer_unpack(unsealer, SEGMENT_ZSTD, frame, second, plain_n, &err) == 0);
    INVARIANT(memcmp(first, second, plain_n) == 0);
    return 0;
}
