#include "data/chunker/chunker_int.h"

size_t chunker_scan_scalar(const struct chunker *chunker, const uint8_t *bytes, size_t from,
                           size_t to, unsigned shift) {
    const uint16_t *gear = chunker->gear;
    uint32_t h = 0; /* its low 16 bits count */
    for (size_t i = from - GEAR_BYTES; i + 1 < from; i++)
        h = (h << 1) + gear[bytes[i]];
    for (size_t length = from; length < to; length++) {
        h = (h << 1) + gear[bytes[length - 1]];
        if ((uint16_t)h < CANDIDATE_BELOW && chunker_boundary(chunker, bytes, length, shift))
            return length;
    }
    return 0;
}
