#pragma once
/* format/chunk -- what a chunk is, and the segment in which chunks travel and rest.
 * Owns: chunk types and limits; the segment header (docs/format/chunk.md).
 * Knows nothing of: where chunks are stored, keys, the network.
 * Threads: pure functions.
 * Lifetime: spans in a decoded segment borrow the input.
 * Limits: CHUNK_*, SEGMENT_*. */
#include "base/base.h"
#include "crypto/hash.h"

enum chunk_type {
    CHUNK_DATA = 1,     /* file content */
    CHUNK_TREE = 2,     /* a page of the manifest tree */
    CHUNK_MANIFEST = 3, /* the root record of a point */
    CHUNK_INDEX = 4,    /* a page of a large file's chunk list */
};

#define CHUNK_BYTES_MAX (256u * 1024)     /* plain bytes of one chunk, any type */
#define SEGMENT_BYTES_MAX CHUNK_BYTES_MAX /* plain bytes of its chunks together */
#define SEGMENT_CHUNKS_MAX 4096u
/* Bytes of an encoded segment: codec, count, list (three bytes a chunk, four for the longest),
 * payload. */
#define SEGMENT_ENCODED_MAX (3 + SEGMENT_CHUNKS_MAX * 3 + SEGMENT_BYTES_MAX)

/* Recorded in the store and sent to the agent, so that they can change later. */
struct chunker_params {
    uint8_t method;       /* enum chunker_method */
    uint32_t min_bytes;   /* 16 KiB */
    uint32_t avg_bytes;   /* 64 KiB, a power of two */
    uint32_t max_bytes;   /* 256 KiB */
    uint32_t fixed_bytes; /* 16 KiB: block size for images and database files */
    uint64_t seed;        /* of the gear table */
};
enum chunker_method { CHUNKER_GEAR_NC2 = 1 };

enum segment_codec { SEGMENT_RAW = 0, SEGMENT_ZSTD = 1 };

struct segment_chunk {
    uint8_t type;    /* enum chunk_type */
    uint32_t length; /* plain bytes, 1..CHUNK_BYTES_MAX */
};

/* A segment: its chunks lie one after the other in the plain bytes; `payload` is those bytes,
 * encoded. */
struct segment {
    enum segment_codec codec;
    uint32_t plain_bytes; /* sum of lengths */
    uint32_t chunk_n;     /* 1..SEGMENT_CHUNKS_MAX */
    const struct segment_chunk *chunks;
    struct span payload;
};

/* Append the encoded segment to `out`. */
void segment_put(struct buf *out, const struct segment *segment);
/* Decode and check every limit; chunks are written to chunks[SEGMENT_CHUNKS_MAX].  ERR_FORMAT,
 * ERR_FORMAT_VERSION (unknown codec or type). */
[[nodiscard]] int segment_get(struct span in, struct segment_chunk *chunks, struct segment *out,
                              struct err *err);
