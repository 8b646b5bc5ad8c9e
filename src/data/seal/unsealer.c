#include <zstd.h>

#include "data/seal/seal.h"

struct unsealer {
    ZSTD_DCtx *zstd;
};

struct unsealer *unsealer_new(void) {
    struct unsealer *unsealer = mem_new(sizeof *unsealer);
    unsealer->zstd = ZSTD_createDCtx();
    INVARIANT(unsealer->zstd != NULL);
    return unsealer;
}

void unsealer_free(struct unsealer *unsealer) {
    if (unsealer == NULL)
        return;
    (void)ZSTD_freeDCtx(unsealer->zstd);
    mem_free(unsealer);
}

/* One frame, nothing behind it, that says the size it should have: then decoding writes into the
 * given room only and keeps no window of its own, whatever window the frame asks for. */
static int frame_check(struct span frame, size_t plain_bytes, struct err *err) {
    unsigned long long claimed = ZSTD_getFrameContentSize(frame.p, frame.n);
    if (claimed == ZSTD_CONTENTSIZE_ERROR || claimed == ZSTD_CONTENTSIZE_UNKNOWN)
        return ERR(err, ERR_FORMAT, "compressed bytes are no frame of known size");
    if (claimed != plain_bytes)
        return ERR(err, ERR_FORMAT, "compressed frame claims %llu bytes instead of %zu", claimed,
                   plain_bytes);
    if (ZSTD_findFrameCompressedSize(frame.p, frame.n) != frame.n)
        return ERR(err, ERR_FORMAT, "compressed frame is cut or has bytes behind it");
    return 0;
}

int unsealer_unpack(struct unsealer *unsealer, enum segment_codec codec, struct span payload,
                    uint8_t *to, size_t plain_bytes, struct err *err) {
    if (plain_bytes == 0 || plain_bytes > SEGMENT_BYTES_MAX)
        return ERR(err, ERR_FORMAT, "segment of %zu plain bytes", plain_bytes);
    if (codec == SEGMENT_RAW) {
        if (payload.n != plain_bytes)
            return ERR(err, ERR_FORMAT, "raw segment has %zu bytes instead of %zu", payload.n,
                       plain_bytes);
        memcpy(to, payload.p, plain_bytes);
        return 0;
    }
    if (codec != SEGMENT_ZSTD)
        return ERR(err, ERR_FORMAT_VERSION, "segment is encoded with codec %d", (int)codec);
    if (frame_check(payload, plain_bytes, err) != 0)
        return -1;
    size_t n = ZSTD_decompressDCtx(unsealer->zstd, to, plain_bytes, payload.p, payload.n);
    if (ZSTD_isError(n))
        return ERR(err, ERR_FORMAT, "compressed frame is damaged: %s", ZSTD_getErrorName(n));
    if (n != plain_bytes)
        return ERR(err, ERR_FORMAT, "compressed frame yields %zu bytes instead of %zu", n,
                   plain_bytes);
    return 0;
}
