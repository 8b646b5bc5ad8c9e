#include "format/chunk/chunk.h"

#define TYPE_BITS 3
#define TYPE_MASK ((1u << TYPE_BITS) - 1)

static bool type_known(uint64_t type) {
    return type >= CHUNK_DATA && type <= CHUNK_INDEX;
}

/* What both directions hold to: a payload is raw, or shorter than what it stands for. */
static bool payload_fits(enum segment_codec codec, size_t payload_n, size_t plain_n) {
    return codec == SEGMENT_RAW ? payload_n == plain_n : payload_n > 0 && payload_n < plain_n;
}

void segment_put(struct buf *out, const struct segment *segment) {
    INVARIANT(segment->codec == SEGMENT_RAW || segment->codec == SEGMENT_ZSTD);
    INVARIANT(segment->chunk_n > 0 && segment->chunk_n <= SEGMENT_CHUNKS_MAX);
    INVARIANT(payload_fits(segment->codec, segment->payload.n, segment->plain_bytes));
    uint32_t plain = 0;
    buf_reserve(out, 16 + (size_t)segment->chunk_n * 3 + segment->payload.n);
    buf_put_u8(out, (uint8_t)segment->codec);
    buf_put_varint(out, segment->chunk_n);
    for (uint32_t i = 0; i < segment->chunk_n; i++) {
        const struct segment_chunk *chunk = &segment->chunks[i];
        INVARIANT(type_known(chunk->type));
        INVARIANT(chunk->length > 0 && chunk->length <= CHUNK_BYTES_MAX);
        buf_put_varint(out, (uint64_t)chunk->length << TYPE_BITS | chunk->type);
        plain += chunk->length;
    }
    INVARIANT(plain == segment->plain_bytes);
    INVARIANT(plain <= SEGMENT_BYTES_MAX);
    buf_put_span(out, segment->payload);
}

static int chunks_get(struct cursor *c, struct segment_chunk *chunks, struct segment *out,
                      struct err *err) {
    uint64_t chunk_n = cursor_varint(c);
    if (c->bad || chunk_n == 0 || chunk_n > SEGMENT_CHUNKS_MAX)
        return ERR(err, ERR_FORMAT, "segment of %llu chunks", (unsigned long long)chunk_n);
    uint32_t plain = 0;
    for (uint32_t i = 0; i < chunk_n; i++) {
        uint64_t v = cursor_varint(c), length = v >> TYPE_BITS, type = v & TYPE_MASK;
        if (c->bad)
            return ERR(err, ERR_FORMAT, "segment ends in its list of chunks");
        if (!type_known(type))
            return ERR(err, ERR_FORMAT_VERSION, "segment has a chunk of type %u", (unsigned)type);
        if (length == 0 || length > SEGMENT_BYTES_MAX - plain)
            return ERR(err, ERR_FORMAT, "segment of more than %u plain bytes, or an empty chunk",
                       SEGMENT_BYTES_MAX);
        chunks[i] = (struct segment_chunk){.type = (uint8_t)type, .length = (uint32_t)length};
        plain += (uint32_t)length;
    }
    out->chunk_n = (uint32_t)chunk_n;
    out->plain_bytes = plain;
    out->chunks = chunks;
    return 0;
}

int segment_get(struct span in, struct segment_chunk *chunks, struct segment *out,
                struct err *err) {
    struct cursor c = cursor_of(in);
    uint8_t codec = cursor_u8(&c);
    if (codec > SEGMENT_ZSTD)
        return ERR(err, ERR_FORMAT_VERSION, "segment is encoded with codec %u", codec);
    *out = (struct segment){.codec = (enum segment_codec)codec};
    if (chunks_get(&c, chunks, out, err) != 0)
        return -1;
    out->payload = cursor_bytes(&c, cursor_left(&c));
    if (!payload_fits(out->codec, out->payload.n, out->plain_bytes))
        return ERR(err, ERR_FORMAT, "segment of %u plain bytes has a payload of %zu",
                   out->plain_bytes, out->payload.n);
    return 0;
}
