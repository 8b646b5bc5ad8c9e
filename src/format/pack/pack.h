#pragma once
/* format/pack -- what a pack file looks like: header, records, footer, trailer.
 * Owns: the layouts of docs/format/pack.md and their limits.
 * Knows nothing of: files, keys (callers seal and open records), the index.
 * Threads: pure functions.
 * Lifetime: a decoded footer borrows its input.
 * Limits: PACK_*. */
#include "base/base.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "format/chunk/chunk.h"

#define PACK_HEADER_BYTES 96u
#define PACK_RECORD_BYTES 16u /* a record's header */
#define PACK_TRAILER_BYTES 96u
#define PACK_AAD_BYTES (PACK_HEADER_BYTES + PACK_RECORD_BYTES)
#define PACK_BYTES_MAX (512u << 20)
#define PACK_SEGMENTS_MAX 131072u
#define PACK_CHUNKS_MAX 131072u
#define PACK_FOOTER_SEGMENT_BYTES 6u /* what a segment, and each chunk, adds to the footer */
#define PACK_FOOTER_CHUNK_BYTES 36u
#define PACK_FOOTER_BYTES_MAX                                                                      \
    (16u + PACK_SEGMENTS_MAX * PACK_FOOTER_SEGMENT_BYTES +                                         \
     PACK_CHUNKS_MAX * PACK_FOOTER_CHUNK_BYTES)
/* What a record adds to the bytes it seals. */
#define PACK_RECORD_EXTRA (PACK_RECORD_BYTES + AEAD_TAG_BYTES)

struct pack_id {
    uint8_t b[32];
};

struct pack_header {
    uint8_t store[16];
    struct pack_id id;
    uint8_t job[16], source[16];
};
void pack_header_put(uint8_t to[static PACK_HEADER_BYTES], const struct pack_header *header);
/* ERR_FORMAT, ERR_FORMAT_VERSION. */
[[nodiscard]] int pack_header_get(struct span in, struct pack_header *out, struct err *err);

enum pack_record_kind { PACK_SEGMENT = 1, PACK_FOOTER = 2 };
struct pack_record {
    enum pack_record_kind kind;
    uint32_t counter;
    uint32_t sealed_bytes; /* without header and tag */
};
void pack_record_put(uint8_t to[static PACK_RECORD_BYTES], const struct pack_record *record);
/* The first PACK_RECORD_BYTES of `in`; lengths are checked against the kind's limit. ERR_FORMAT,
 * ERR_FORMAT_VERSION. */
[[nodiscard]] int pack_record_get(struct span in, struct pack_record *out, struct err *err);
void pack_nonce(uint8_t to[static AEAD_NONCE_BYTES], uint32_t counter);

struct pack_segment {
    uint32_t sealed_bytes;
    uint16_t chunk_n;
};
struct pack_chunk {
    struct digest name; /* keyed */
    uint32_t length;
    uint8_t type; /* enum chunk_type */
};
/* Append the footer's bytes.  At least one segment and one chunk. */
void pack_footer_put(struct buf *out, const struct pack_segment *segments, uint32_t segment_n,
                     const struct pack_chunk *chunks, uint32_t chunk_n);

/* A decoded footer: every number was checked, so a walk cannot fail. */
struct pack_footer {
    uint32_t segment_n, chunk_n;
    uint64_t plain_bytes;
    uint64_t end_off; /* where the last segment's record ends: the footer's own must begin there */
    const uint8_t *segments, *chunks;
};
/* ERR_FORMAT, ERR_FORMAT_VERSION (a chunk type that is not known). */
[[nodiscard]] int pack_footer_get(struct span in, struct pack_footer *out, struct err *err);

/* Chunk after chunk, in file order. */
struct pack_walk {
    const struct pack_footer *footer;
    uint32_t segment_i, chunk_i; /* of the current chunk */
    struct pack_segment segment; /* its segment */
    uint32_t segment_off;        /* of the segment's record in the file */
    uint32_t segment_first_i;    /* the segment's first chunk */
    uint32_t offset;             /* in the segment's plain bytes */
    struct pack_chunk chunk;
};
struct pack_walk pack_walk_of(const struct pack_footer *footer);
bool pack_walk_next(struct pack_walk *walk);

struct pack_trailer {
    uint64_t footer_off;
    uint32_t footer_bytes; /* sealed_bytes of its record */
    uint32_t segment_n, chunk_n;
    struct digest content;
};
void pack_trailer_put(uint8_t to[static PACK_TRAILER_BYTES], const struct pack_trailer *trailer);
/* ERR_FORMAT: also when its own hash differs. */
[[nodiscard]] int pack_trailer_get(struct span in, struct pack_trailer *out, struct err *err);
