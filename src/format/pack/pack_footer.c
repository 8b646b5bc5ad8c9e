#include "format/pack/pack.h"

#define FIXED_BYTES 16u
#define SEGMENT_ROW_BYTES PACK_FOOTER_SEGMENT_BYTES
#define CHUNK_ROW_BYTES PACK_FOOTER_CHUNK_BYTES

void pack_footer_put(struct buf *out, const struct pack_segment *segments, uint32_t segment_n,
                     const struct pack_chunk *chunks, uint32_t chunk_n) {
    INVARIANT(segment_n > 0 && segment_n <= PACK_SEGMENTS_MAX);
    INVARIANT(chunk_n >= segment_n && chunk_n <= PACK_CHUNKS_MAX);
    uint64_t plain = 0;
    for (uint32_t i = 0; i < chunk_n; i++)
        plain += chunks[i].length;
    buf_reserve(out, FIXED_BYTES + (size_t)segment_n * SEGMENT_ROW_BYTES +
                         (size_t)chunk_n * CHUNK_ROW_BYTES);
    buf_put_u32(out, segment_n);
    buf_put_u32(out, chunk_n);
    buf_put_u64(out, plain);
    for (uint32_t i = 0; i < segment_n; i++) {
        buf_put_u32(out, segments[i].sealed_bytes);
        buf_put_u16(out, segments[i].chunk_n);
    }
    for (uint32_t i = 0; i < chunk_n; i++) {
        buf_put(out, chunks[i].name.b, sizeof chunks[i].name.b);
        buf_put_u32(out, (uint32_t)chunks[i].type << 24 | chunks[i].length);
    }
}

static struct pack_segment segment_row(const struct pack_footer *footer, uint32_t i) {
    const uint8_t *p = footer->segments + (size_t)i * SEGMENT_ROW_BYTES;
    return (struct pack_segment){.sealed_bytes = be32_get(p), .chunk_n = be16_get(p + 4)};
}

static struct pack_chunk chunk_row(const struct pack_footer *footer, uint32_t i) {
    const uint8_t *p = footer->chunks + (size_t)i * CHUNK_ROW_BYTES;
    struct pack_chunk chunk = {.type = p[32], .length = be32_get(p + 32) & 0xffffff};
    memcpy(chunk.name.b, p, sizeof chunk.name.b);
    return chunk;
}

/* The chunks [first, first + n) of one segment. */
static int chunks_check(const struct pack_footer *footer, uint32_t first, uint32_t n,
                        uint64_t *plain, struct err *err) {
    uint32_t sum = 0;
    for (uint32_t i = first; i < first + n; i++) {
        const uint8_t *p = footer->chunks + (size_t)i * CHUNK_ROW_BYTES;
        uint32_t length = be32_get(p + 32) & 0xffffff;
        if (p[32] < CHUNK_DATA || p[32] > CHUNK_INDEX)
            return ERR(err, ERR_FORMAT_VERSION, "footer tells of a chunk of type %u", p[32]);
        if (length == 0 || length > SEGMENT_BYTES_MAX - sum)
            return ERR(err, ERR_FORMAT, "footer tells of an empty chunk or too long a segment");
        sum += length;
    }
    *plain += sum;
    return 0;
}

static int segments_check(struct pack_footer *footer, struct err *err) {
    uint64_t off = PACK_HEADER_BYTES, plain = 0;
    uint32_t chunk_i = 0;
    for (uint32_t i = 0; i < footer->segment_n; i++) {
        struct pack_segment segment = segment_row(footer, i);
        if (segment.chunk_n == 0 || segment.chunk_n > SEGMENT_CHUNKS_MAX ||
            segment.chunk_n > footer->chunk_n - chunk_i || segment.sealed_bytes == 0 ||
            segment.sealed_bytes > SEGMENT_ENCODED_MAX)
            return ERR(err, ERR_FORMAT, "footer tells of segment %u with %u chunks, %u bytes", i,
                       segment.chunk_n, segment.sealed_bytes);
        if (chunks_check(footer, chunk_i, segment.chunk_n, &plain, err) != 0)
            return -1;
        chunk_i += segment.chunk_n;
        off += PACK_RECORD_EXTRA + segment.sealed_bytes;
    }
    if (chunk_i != footer->chunk_n || plain != footer->plain_bytes || off > PACK_BYTES_MAX)
        return ERR(err, ERR_FORMAT, "footer's totals differ from its rows");
    footer->end_off = off;
    return 0;
}

int pack_footer_get(struct span in, struct pack_footer *out, struct err *err) {
    struct cursor c = cursor_of(in);
    *out = (struct pack_footer){.segment_n = cursor_u32(&c)};
    out->chunk_n = cursor_u32(&c);
    out->plain_bytes = cursor_u64(&c);
    if (c.bad || out->segment_n == 0 || out->segment_n > PACK_SEGMENTS_MAX || out->chunk_n == 0 ||
        out->chunk_n > PACK_CHUNKS_MAX)
        return ERR(err, ERR_FORMAT, "footer of %u segments and %u chunks", out->segment_n,
                   out->chunk_n);
    out->segments = cursor_bytes(&c, (size_t)out->segment_n * SEGMENT_ROW_BYTES).p;
    out->chunks = cursor_bytes(&c, (size_t)out->chunk_n * CHUNK_ROW_BYTES).p;
    if (!cursor_ended(&c))
        return ERR(err, ERR_FORMAT, "footer of %zu bytes for %u segments and %u chunks", in.n,
                   out->segment_n, out->chunk_n);
    return segments_check(out, err);
}

struct pack_walk pack_walk_of(const struct pack_footer *footer) {
    return (struct pack_walk){.footer = footer};
}

bool pack_walk_next(struct pack_walk *walk) {
    const struct pack_footer *footer = walk->footer;
    if (walk->segment_off == 0) { /* before the first */
        walk->segment_off = PACK_HEADER_BYTES;
        walk->segment = segment_row(footer, 0);
    } else {
        walk->chunk_i++;
        walk->offset += walk->chunk.length;
        if (walk->chunk_i == footer->chunk_n)
            return false;
        if (walk->chunk_i - walk->segment_first_i == walk->segment.chunk_n) {
            walk->segment_off += PACK_RECORD_EXTRA + walk->segment.sealed_bytes;
            walk->segment = segment_row(footer, ++walk->segment_i);
            walk->segment_first_i = walk->chunk_i;
            walk->offset = 0;
        }
    }
    walk->chunk = chunk_row(footer, walk->chunk_i);
    return true;
}
