#pragma once
/* data/store -- chunks on disk: packs of sealed segments, their index, what is live, what may
 * go.
 * Owns: packs/, index/, trash/ of a store folder, the store key's use, the order I1..I3.
 * Knows nothing of: files, manifests, points, computers, the network.
 * Threads: struct store by many; a writer, reader or mark by one at a time unless said.
 * Lifetime: close writers, readers and marks before their store.
 * Limits: STORE_PACK_BYTES, STORE_WRITERS_MAX, STORE_WAITING_MAX, STORE_CACHE_BYTES, index <= 2
 *   bytes of RAM per chunk in runs (docs/format/index.md). */
#include "base/base.h"
#include "crypto/secret.h"
#include "format/chunk/chunk.h"

#define STORE_PACK_BYTES (64u << 20) /* a pack is sealed when it reaches this */
#define STORE_WRITERS_MAX 256
#define STORE_WAITING_MAX 2           /* full packs of a writer that wait for the disk */
#define STORE_CACHE_BYTES (16u << 20) /* decoded segments a reader keeps */

struct store;

struct store_id {
    uint8_t b[16];
};

struct store_opts {
    uint64_t pack_bytes;       /* 0 = STORE_PACK_BYTES; tests use less */
    uint32_t memtable_entries; /* 0 = 256 Ki, 11 MB */
    uint64_t reserve_bytes;    /* refuse writes when less disk is free; 0 = 64 MiB */
};

/* Make an empty store in `dir` (created, must be empty): config, folders.  The key is 32 secret
 * bytes kept by the caller. ERR_EXISTS. */
[[nodiscard]] int store_create(const char *dir, const struct secret *key,
                               const struct chunker_params *chunker, struct err *err);
/* Open and recover (docs/format/store.md): temp files of unfinished packs are removed, sealed packs
 * without index rows are indexed, begun deletions are finished.  The key is copied.
 * ERR_STORE_MISSING, ERR_STORE_KEY (wrong key), ERR_LOCKED, ERR_FORMAT_VERSION,
 * ERR_STORE_CORRUPT. */
[[nodiscard]] int store_open(const char *dir, const struct secret *key, struct store_opts opts,
                             struct store **out, struct err *err);
void store_close(struct store *store);
static inline void store_auto(struct store **p) {
    store_close(*p);
}
const struct store_id *store_id(const struct store *store);
const struct chunker_params *store_chunker(const struct store *store);
/* Directory descriptor of the store folder, for its neighbours (commits/, catalog). */
int store_dirfd(const struct store *store);

struct store_stats {
    uint64_t packs, pack_bytes; /* sealed */
    uint64_t chunks;            /* index entries */
    uint64_t index_memory_bytes;
    uint64_t lost_packs;    /* absent, or of another length than recorded */
    uint64_t damaged_packs; /* unreadable in whole or in part */
    uint64_t trash_packs, trash_bytes;
    uint64_t disk_free_bytes;
    uint64_t epoch; /* condemnations so far */
};
void store_stats(struct store *store, struct store_stats *out);
/* Verify found damage that no later write has healed: closure checks must look at everything. */
bool store_has_damage(struct store *store);

/* ---- look up ---- */
/* Is the chunk in a sealed pack that exists with its recorded length?  (I5) */
[[nodiscard]] int store_has(struct store *store, const struct digest *name, bool *has,
                            struct err *err);
/* Where it lies, for sorting reads; found = false when absent. */
struct store_place {
    uint32_t pack;    /* ordinal, meaningful within this run of the program */
    uint32_t segment; /* offset of the segment in the pack */
    uint32_t offset;  /* in the segment's plain bytes */
    uint32_t length;
};
[[nodiscard]] int store_find(struct store *store, const struct digest *name, bool *found,
                             struct store_place *place, struct err *err);

/* Is the chunk in a pack that a session of `source` brought?  False when it lies in another's, in
 * one that a collection made, or nowhere in the index. */
struct store_origin {
    bool found, own;
};
[[nodiscard]] int store_origin_of(struct store *store, const struct digest *name,
                                  const uint8_t source[static 16], struct store_origin *origin,
                                  struct err *err);

/* ---- read ---- */
struct store_reader; /* caches decoded segments (bounded) */
struct store_reader *store_reader_new(struct store *store);
void store_reader_free(struct store_reader *reader);
static inline void store_reader_auto(struct store_reader **p) {
    store_reader_free(*p);
}
/* The plain bytes of a chunk, verified against its name; the span is valid until the next call on
 * this reader. ERR_CHUNK_MISSING, ERR_CHUNK_DAMAGED (never wrong bytes). */
[[nodiscard]] int store_read(struct store_reader *reader, enum chunk_type type,
                             const struct digest *name, struct span *bytes, struct err *err);
/* A whole segment as it rests, opened but still compressed: for sending to a restore without
 * decoding here. `payload` is appended to out. */
struct store_segment {
    enum segment_codec codec;
    uint32_t plain_bytes;
    uint8_t source[16]; /* whose session brought all that is in it; zero = of several */
};
[[nodiscard]] int store_read_segment(struct store_reader *reader, uint32_t pack, uint32_t segment,
                                     struct buf *out, struct store_segment *info, struct err *err);

/* ---- write ---- */
struct store_writer; /* one session's packs; many threads may put at once */
/* `session` (16 bytes, e.g. the job id) is recorded in each pack's footer, with the 16-byte source.
 */
struct store_session {
    uint8_t job[16];
    uint8_t source[16];
};
[[nodiscard]] int store_writer_open(struct store *store, const struct store_session *session,
                                    struct store_writer **out, struct err *err);
/* Known to this writer (put before, sealed or not) or live in the store: no need to put again. */
[[nodiscard]] int store_writer_has(struct store_writer *writer, const struct digest *name,
                                   bool *has, struct err *err);
/* Store a verified segment: names[i] is the (already recomputed) name of segment->chunks[i]. Chunks
 * that are present already are dropped (a segment with none left is not written).  `plain` is the
 * decoded segment, used when only part of it must be kept.  Thread-safe.  *stored_bytes: what was
 * added on disk. ERR_SPACE, ERR_IO: the writer is dead afterwards, abort it. */
[[nodiscard]] int store_put(struct store_writer *writer, const struct segment *segment,
                            struct span plain, const struct digest *names, uint64_t *stored_bytes,
                            struct err *err);
/* Seal everything put so far (I1, I2), then make it visible in the index (I3). */
[[nodiscard]] int store_writer_sync(struct store_writer *writer, struct err *err);
/* Unsynced packs are removed; sealed ones stay (garbage until used or collected). */
void store_writer_close(struct store_writer *writer);
static inline void store_writer_auto(struct store_writer **p) {
    store_writer_close(*p);
}

/* ---- own history: packs sealed by earlier, uncommitted sessions of a source (resume) ---- */
typedef int store_name_fn(void *ctx, const uint8_t keyed_name[static 32]);
/* The store's private name of a chunk: keyed, so that a stolen disk tells nothing. */
void store_keyed_name(const struct store *store, const struct digest *name, struct digest *keyed);
/* Calls fn for every chunk in packs born in a session of `source`, newest packs first, until it
 * returns anything but 0. */
[[nodiscard]] int store_orphans_of(struct store *store, const uint8_t source[static 16],
                                   store_name_fn *fn, void *ctx, struct err *err);

/* ---- delete: two-phase, by logical epoch (the caller, flow/retain, decides what is live) ---- */
struct store_mark; /* a bitmap over all chunks known at its start; chunks added later count as live
                    */
[[nodiscard]] int store_mark_begin(struct store *store, struct store_mark **out, struct err *err);
[[nodiscard]] int store_mark_live(struct store_mark *mark, const struct digest *name,
                                  struct err *err);
void store_mark_free(struct store_mark *mark);
struct store_collect_result {
    uint64_t condemned_chunks, condemned_bytes; /* plain bytes */
    uint64_t trashed_packs, trashed_bytes;
    uint64_t rewritten_packs,
        rewritten_bytes;               /* partly dead packs whose live part moved, old size */
    uint64_t unreadable_packs;         /* kept: a read error is never absence */
    uint64_t freed_packs, freed_bytes; /* removed from the trash for good */
};
/* Phase 1: condemn what is not marked.  Nothing on disk changes; a condemned chunk is resurrected
 * by any use. */
[[nodiscard]] int store_condemn(struct store *store, struct store_mark *mark,
                                struct store_collect_result *result, struct err *err);
/* Phase 2, with a second mark begun after the condemnation: packs in which nothing is live go to
 * the trash (rename), and what is live in packs with more than 30 % garbage moves to new ones.
 * Provided that every writer open now or when the mark began was opened after the condemnation
 * (else ERR_BUSY, nothing changed).  `now_s` dates the trash. */
[[nodiscard]] int store_sweep(struct store *store, struct store_mark *mark, int64_t now_s,
                              struct store_collect_result *result, struct err *err);
/* Undo: every pack of the trash is a pack again, and its chunks are known. */
[[nodiscard]] int store_untrash(struct store *store, uint64_t *packs, struct err *err);
/* Remove packs that lie in the trash longer than window_s; what seems to come from the future
 * stays. */
[[nodiscard]] int store_empty_trash(struct store *store, int64_t now_s, int64_t window_s,
                                    struct store_collect_result *result, struct err *err);

/* ---- verify ---- */
struct store_damage {
    char pack[64];    /* file name */
    const char *what; /* "missing", "length", "header", "trailer", "footer", "segment", "chunk" */
    uint64_t offset;
    uint64_t chunk_n; /* chunks that cannot be read because of it */
};
typedef void store_damage_fn(void *ctx, const struct store_damage *damage);
typedef void store_progress_fn(void *ctx, uint64_t done_bytes, uint64_t total_bytes);
/* Structural: every pack's length, header, footer, trailer.  read_data: also every byte, tag and
 * name, and every page of the index (repaired at once).  Damaged chunks are remembered so that
 * store_has() says no and the next backup heals them.
 */
struct store_verify_opts {
    bool read_data;
    store_damage_fn *damage;
    store_progress_fn *progress;
    void *ctx;
};
[[nodiscard]] int store_verify(struct store *store, struct store_verify_opts opts,
                               uint64_t *damaged_chunks, struct err *err);
