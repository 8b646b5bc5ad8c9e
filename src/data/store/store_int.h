#pragma once
/* data/store, inside: the pieces of a store and who may touch them under which lock.
 *
 * Locks, in order (never take an earlier one while holding a later one):
 *   collect   one of condemn, sweep, verify, empty trash at a time
 *   insert    one thread changes the set of runs, or fills the memtable
 *   save      one thread writes the state file
 *   mutex     everything in struct store marked so; held for memory work only, never for the disk
 */
#include <stdatomic.h>

#include "base/text.h"
#include "crypto/aead.h"
#include "data/blob/blob.h"
#include "data/seal/seal.h"
#include "data/store/store.h"
#include "data/store/store_table.h"
#include "format/pack/pack.h"
#include "os/os.h"

#define STORE_MEMTABLE_ENTRIES (256u << 10)
#define STORE_RESERVE_BYTES (64ull << 20)
#define STORE_RESERVE_FILE_BYTES (4u << 20)
#define STORE_FILE_MODE 0600u
#define STORE_RUN_ROWS_PER_PAGE 127u
#define STORE_PAGE_BYTES 4096u
#define STORE_MERGE_RUNS 4u

/* ---- rows of the index (store_memtable.c, store_run*.c, store_index.c) ---- */

struct store_row {
    uint8_t name[STORE_NAME_BYTES];
    uint32_t pack; /* ordinal; inside a run file: position in its own list */
    uint32_t segment;
    uint32_t offset;
    uint32_t length; /* 0: empty slot of the memtable */
};

struct store_memtable {
    struct store_row *slots;
    uint32_t slot_n, n;
};
void store_memtable_init(struct store_memtable *table);
void store_memtable_done(struct store_memtable *table);
void store_memtable_put(struct store_memtable *table, const struct store_row *row);
const struct store_row *store_memtable_get(const struct store_memtable *table,
                                           const uint8_t name[static STORE_NAME_BYTES]);
/* A sorted copy of all rows; the caller frees it. */
struct store_row *store_memtable_sorted(const struct store_memtable *table);

/* An immutable sorted file.  Shared by views, never changed after it is opened. */
struct store_run {
    atomic_uint refs;
    atomic_uint pins; /* marks that count bits by this run's rows: it may not be merged */
    int fd;
    uint64_t low, high, row_n;
    uint32_t page_n, pack_n, filter_n;
    uint8_t page_key[32];
    uint64_t *fences;
    uint8_t *filter;
    uint32_t *ordinals; /* of the run's packs */
};
/* Where a row stands in its run: page * 127 + slot. */
#define STORE_ROW_NOWHERE UINT64_MAX

void store_run_name(char to[static OS_NAME_MAX], uint64_t low, uint64_t high);
bool store_run_parse(const char *name, uint64_t *low, uint64_t *high);
void store_run_unref(struct store_run *run);
uint64_t store_run_memory(const struct store_run *run);
/* A page of a run as it was read; row_n = 0: none yet. */
struct store_run_page {
    uint32_t page_i, row_n;
    uint8_t bytes[STORE_PAGE_BYTES];
};
/* position = STORE_ROW_NOWHERE when absent.  `page` keeps the page that was looked at, for the next
 * name in order.  ERR_STORE_CORRUPT: a page does not verify. */
[[nodiscard]] int store_run_find(const struct store_run *run,
                                 const uint8_t name[static STORE_NAME_BYTES],
                                 struct store_run_page *page, struct store_row *row,
                                 uint64_t *position, struct err *err);
/* All rows of one page, with ordinals. */
[[nodiscard]] int store_run_rows(const struct store_run *run, uint32_t page_i,
                                 struct store_row rows[static STORE_RUN_ROWS_PER_PAGE], uint32_t *n,
                                 struct err *err);
/* ERR_STORE_CORRUPT, ERR_FORMAT_VERSION; the run's packs are given to `pack`, which answers with
 * their ordinals. */
typedef uint32_t store_run_pack_fn(void *ctx, const struct store_pack *pack);
[[nodiscard]] int store_run_open(struct store *store, const char *name, store_run_pack_fn *pack,
                                 void *ctx, struct store_run **out, struct err *err);

/* Writes a run row by row, in ascending order of names. */
struct store_run_plan {
    uint64_t low, high;
    uint64_t row_n_max;
    const uint32_t *packs; /* ordinals that the run covers, whether or not a row is in them */
    size_t pack_n;
};
struct store_run_writer;
[[nodiscard]] int store_run_writer_new(struct store *store, const struct store_run_plan *plan,
                                       struct store_run_writer **out, struct err *err);
/* row->pack is an ordinal of the plan. */
[[nodiscard]] int store_run_writer_add(struct store_run_writer *writer, const struct store_row *row,
                                       struct err *err);
/* Durable under its name; store_run_open reads it. */
[[nodiscard]] int store_run_writer_finish(struct store_run_writer *writer, struct err *err);
void store_run_writer_free(struct store_run_writer *writer);
static inline void store_run_writer_auto(struct store_run_writer **p) {
    store_run_writer_free(*p);
}

/* Split-block Bloom filter. */
#define STORE_FILTER_BLOCK_BYTES 32u
uint32_t store_filter_blocks(uint64_t row_n);
void store_filter_add(uint8_t *filter, uint32_t block_n,
                      const uint8_t name[static STORE_NAME_BYTES]);
bool store_filter_may_have(const uint8_t *filter, uint32_t block_n,
                           const uint8_t name[static STORE_NAME_BYTES]);

/* A set of runs, newest first. */
struct store_view {
    atomic_uint refs;
    size_t run_n;
    struct store_run *runs[];
};
struct store_view *store_view_new(struct store_run *const *runs, size_t run_n); /* refs the runs */
struct store_view *store_view_ref(struct store_view *view);
void store_view_unref(struct store_view *view);

/* ---- liveness: one bit for each row of the runs of a view (store_mark.c) ---- */
struct store_live {
    struct store_view *view;
    uint8_t **bits; /* by run */
};
/* Takes the reference and pins the runs.  Under the mutex. */
void store_live_init(struct store_live *live, struct store_view *view);
void store_live_done(struct store_live *live);
/* True when it was not set before. */
bool store_live_set(struct store_live *live, size_t run_i, uint64_t position);
bool store_live_get(const struct store_live *live, size_t run_i, uint64_t position);

struct store_mark {
    struct store *store;
    struct store_live live;
    uint64_t epoch;           /* of the store when the mark began */
    uint64_t oldest_writer;   /* start epoch of the oldest writer open then */
    uint64_t damage_revision; /* what was known to be damaged then */
    VEC(struct digest) names; /* marked, not yet looked up */
};
[[nodiscard]] int store_mark_apply(struct store_mark *mark, struct err *err);

/* What the last condemnation found dead: everything in `live` without a bit. */
struct store_condemned {
    uint64_t epoch;
    struct store_live live;
    bool *touched; /* by ordinal: used since, or no longer counted; left alone by this collection */
    size_t pack_n;
};

void store_condemned_free(struct store_condemned *condemned);
/* Under the mutex; NULL is fine. */
void store_condemned_touch(struct store_condemned *condemned, uint32_t pack);

/* ---- start-up (store_recover.c) ---- */
[[nodiscard]] int store_recover(struct store *store, struct err *err);

/* ---- packs on disk (store_pack.c) ---- */
struct store_pack_file {
    uint32_t ordinal;
    uint64_t used;
    struct blob_object *object;
    uint8_t header[PACK_HEADER_BYTES];
    struct aead *aead;
};
[[nodiscard]] int store_pack_key(struct store *store, const struct pack_id *id, struct secret **key,
                                 struct err *err);
/* ERR_NOT_FOUND, ERR_FORMAT, ERR_IO. */
[[nodiscard]] int store_pack_open(struct store *store, uint32_t ordinal,
                                  struct store_pack_file *file, struct err *err);
void store_pack_file_done(struct store_pack_file *file);
/* Open the record at `off`: its sealed bytes, opened, replace out's content.  *counter as found;
 * hasher (may be NULL) receives the record as it lies on disk. */
[[nodiscard]] int store_pack_record(struct store_pack_file *file, uint64_t off,
                                    enum pack_record_kind kind, struct buf *out, uint32_t *counter,
                                    struct hasher *hasher, struct err *err);
[[nodiscard]] int store_pack_trailer(struct store_pack_file *file, struct pack_trailer *trailer,
                                     struct err *err);
/* Checked against the trailer; borrows `bytes`. */
[[nodiscard]] int store_pack_footer(struct store_pack_file *file,
                                    const struct pack_trailer *trailer, struct buf *bytes,
                                    struct pack_footer *footer, struct hasher *hasher,
                                    struct err *err);
/* The footer; where it does not open (*whole = false) the same told again from the segments, as far
 * as they open. */
[[nodiscard]] int store_pack_rows(struct store *store, struct store_pack_file *file,
                                  struct buf *bytes, struct pack_footer *footer, bool *whole,
                                  struct err *err);
/* A failure that tells of this pack's bytes, not of memory or descriptors. */
bool store_pack_is_damage(const struct err *err);

/* ---- a pack being built (store_build.c) ---- */
struct store_build {
    struct store *store;
    struct store_build *next;
    struct blob_temp *temp;
    struct pack_header header;
    uint8_t header_bytes[PACK_HEADER_BYTES];
    struct secret *key;
    uint64_t end_off;
    VEC(struct pack_segment) segments;
    VEC(struct pack_chunk) chunks;
    VEC(struct digest) digests; /* of the segments' records */
    VEC(struct aead *) aeads;   /* free ones */
    uint32_t *slots;            /* hash of chunk names: index + 1 */
    uint32_t slot_n;
    uint32_t busy; /* records that are claimed and not yet written */
};
struct store_claim {
    struct store_build *build;
    uint32_t counter;
    uint64_t off, n; /* the record in the file */
    struct aead *aead;
};
[[nodiscard]] int store_build_new(struct store *store, const struct store_session *session,
                                  struct store_build **out, struct err *err);
void store_build_free(struct store_build *build); /* drops what is not sealed */
/* The next three under the lock of whoever shares the build. */
bool store_build_has(const struct store_build *build, const struct digest *keyed);
bool store_build_fits(const struct store_build *build, size_t sealed_bytes, size_t chunk_n);
/* Reserves counter and place for a record of `sealed_bytes`; its chunks are known from now on.
 * False: some were known already; drop[i] tells which, and nothing is reserved. */
bool store_build_claim(struct store_build *build, const struct pack_chunk *chunks, size_t chunk_n,
                       size_t sealed_bytes, bool *drop, struct store_claim *claim);
/* Without the lock: `record` is a record's header (not yet filled), sealed_bytes plain ones, room
 * for the tag. */
[[nodiscard]] int store_build_write(struct store_claim *claim, struct buf *record,
                                    struct digest *digest, struct err *err);
/* Under the lock again. */
void store_build_written(struct store_claim *claim, const struct digest *digest);
/* Footer, trailer, I1, I2, index rows, I3.  No claim is open. */
[[nodiscard]] int store_build_seal(struct store_build *build, struct err *err);

/* ---- the store ---- */
struct store {
    struct store_id id;
    struct store_opts opts;
    struct chunker_params chunker;
    int dirfd, lock_fd, index_fd;
    struct blob *blob;
    struct secret *key, *name_key, *file_key;

    struct os_mutex collect, insert, save, mutex;

    /* under `mutex` */
    struct store_table table;
    struct store_memtable memtable;
    struct store_view *view;
    struct store_condemned *condemned; /* NULL outside of a collection */
    uint64_t epoch;
    uint64_t damage_revision;
    VEC(struct store_gone) gone;
    struct store_writer *writers;
    size_t writer_n;
    uint32_t generation; /* raised by each sync: packs are looked at again before a commit */

    /* under `insert` */
    VEC(uint32_t) fresh; /* packs whose rows are in the memtable */
    uint64_t run_last;   /* highest number of a run */

    /* merging, its own thread */
    struct os_thread keeper;
    struct os_cond keeper_wake; /* with `mutex` */
    bool keeper_asked, keeper_stop;
};

void store_pack_name(char to[static BLOB_NAME_DIGITS + 1], const uint8_t id[static 16]);
/* ERR_SPACE when less than the reserve is free. */
[[nodiscard]] int store_space_check(struct store *store, struct err *err);

/* Blocks set aside for the state file and the index, which deleting must be able to write. */
[[nodiscard]] int store_reserve_make(int dirfd, struct err *err);
/* The disk was full: give them back; true when there is reason to try again. */
bool store_reserve_use(struct store *store, const struct err *why);

/* ---- authenticated files (store_file.c) ---- */
void store_file_close(struct buf *body, const struct secret *file_key); /* append the two hashes */
/* ERR_STORE_CORRUPT, ERR_STORE_KEY. */
[[nodiscard]] int store_file_open(struct span in, const struct secret *file_key, struct span *body,
                                  struct err *err);
[[nodiscard]] int store_config_get(struct span body, struct store_id *id,
                                   struct chunker_params *chunker, struct err *err);
void store_config_put(struct buf *out, const struct store_id *id,
                      const struct chunker_params *chunker);
[[nodiscard]] int store_state_get(struct span body, struct store_state *out, struct err *err);
void store_state_put(struct buf *out, const struct store_state *state);
/* Write the state file from what the store knows now. */
[[nodiscard]] int store_state_save(struct store *store, struct err *err);

/* ---- index (store_index.c, store_merge.c) ---- */
/* Newest row of the name whose bytes are there and not known to be damaged.  `use`: it is
 * resurrected if it was condemned. */
enum store_find { STORE_FIND_LOOK, STORE_FIND_USE };
[[nodiscard]] int store_index_find(struct store *store, const struct digest *keyed,
                                   enum store_find how, bool *found, struct store_row *row,
                                   struct err *err);
/* The next four under `insert`, except where they take it (heal).  Rows of a pack of the table. */
void store_index_add(struct store *store, uint32_t ordinal, const struct pack_footer *footer);
/* Memtable to a run; nothing to do is fine. */
[[nodiscard]] int store_index_flush(struct store *store, struct err *err);
/* A run does not verify: its packs' footers take its place.  Takes `insert`. */
[[nodiscard]] int store_index_heal(struct store *store, struct store_run *run, struct err *err);
/* Read a pack's footer (or its segments) and index it; damage is noted, not an error. */
[[nodiscard]] int store_index_pack(struct store *store, uint32_t ordinal, struct err *err);
/* The run as it was just written. */
[[nodiscard]] int store_index_open_run(struct store *store, uint64_t low, uint64_t high,
                                       struct store_run **out, struct err *err);
struct store_view *store_view_current(struct store *store); /* a reference */
/* Under `insert`: install the runs as the current view. */
void store_view_install(struct store *store, struct store_run *const *runs, size_t run_n);
[[nodiscard]] int store_keeper_start(struct store *store, struct err *err);
void store_keeper_stop(struct store *store);
void store_keeper_ask(struct store *store); /* under `mutex` */

/* ---- deleting (store_sweep.c, store_repack.c) ---- */
/* Packs whose rows may be forgotten: state file first (G1), then the trash (G2). */
[[nodiscard]] int store_give_up(struct store *store, const uint32_t *ordinals, size_t n,
                                int64_t now_s, struct store_collect_result *result,
                                struct err *err);
/* Copy what the condemnation left live out of `ordinals`, then give them up; live_n (by ordinal)
 * tells how many live chunks each is known to have. */
[[nodiscard]] int store_repack(struct store *store, const uint32_t *ordinals, size_t n,
                               const uint32_t *live_n, int64_t now_s,
                               struct store_collect_result *result, struct err *err);

/* ---- writers (store_write.c) ---- */
struct store_writer {
    struct store *store;
    struct store_writer *next; /* of all open writers */
    struct store_session session;
    uint64_t epoch; /* of the store when it was opened */
    struct os_mutex mutex;
    struct os_cond changed;
    struct store_build *current; /* NULL before the first chunk of a pack */
    struct store_build *waiting, **waiting_end;
    size_t waiting_n;
    uint64_t turned_n, sealed_n;   /* packs handed to the sealing thread; those done with */
    struct store_scratch *scratch; /* free ones */
    bool dead, closing;
    struct err error; /* why it is dead */
    struct os_thread sealer;
};
void store_writer_run(void *writer); /* the sealing thread */
/* Under the writer's mutex: the current pack is handed to the sealing thread; waits while
 * STORE_WAITING_MAX others do.  ERR: the writer is dead. */
[[nodiscard]] int store_writer_turn(struct store_writer *writer, struct err *err)
    REQUIRES(writer->mutex);
/* Under the writer's mutex: no more is written; -1 with the first error. */
int store_writer_die(struct store_writer *writer, const struct err *why, struct err *err)
    REQUIRES(writer->mutex);
