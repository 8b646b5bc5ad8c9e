#pragma once
/* flow/backup, inside: one run, and what its files share.
 *
 *   scan --> sequencer (backup.c, backup_merge.c, backup_stream.c) --> batches --> workers
 * (backup_work.c) --> channel |                                                                   |
 *                 +--> list of nodes (backup_list.c), in manifest order <-- pieces ---+
 *                              |
 *                              v  manifest builder --> tree pages --> batches
 *
 * A node is one entry (or a run of unchanged entries of an old leaf) waiting for its turn.  A piece
 * is the chunk list of one part of a file, filled by a worker.  Only the sequencer touches nodes
 * and the builder; a worker touches the node of an item it is reading until it marks the piece
 * done. */
#include <stdatomic.h>

#include "data/chunker/chunker.h"
#include "data/seal/seal.h"
#include "flow/backup/backup.h"
#include "os/os.h"

#define BATCH_ITEMS_MAX 512u
#define BATCH_CHUNKS_MAX FRAME_NAMES_MAX
#define SMALL_FILE_MAX (256u * 1024) /* larger files are streamed by the sequencer */
#define HOLE_BYTES_MIN 4096u         /* what a file must lack in blocks to be looked at for holes */
#define PAGES_AHEAD 64u
#define SEGMENT_BYTES_CONTENT (128u * 1024) /* what one small file costs to read at most */
/* When the group names no level: content cut by content is mostly text or packed already, where a
 * higher level costs more than it gains; pages of databases and disks gain (docs/performance.md).
 */
#define LEVEL_CONTENT 1
#define PROGRESS_EVERY_NS 250000000u
#define COUNT_AFTER_NS 2000000000u /* a first backup that takes longer counts what lies ahead */

struct piece {
    struct piece *next;
    struct chunk_ref *refs;
    uint32_t ref_n;
    bool done; /* guarded by run.mutex */
};

/* Bytes of an old leaf page, shared by the nodes that take entries from it. */
struct leaf {
    struct manifest_ref ref;
    struct buf bytes;
    struct buf first_path;
    uint32_t entry_n; /* known once it was walked to its end */
    bool walked;
    bool last; /* of the old tree: it was not cut, so it cannot be taken whole */
    unsigned users;
};

enum node_kind { NODE_ENTRY, NODE_RUN };
struct node {
    struct node *next;
    enum node_kind kind;
    /* NODE_ENTRY */
    struct scan_entry *scanned;
    struct entry entry;
    struct buf xattrs, link;
    struct piece *pieces, **pieces_tail; /* not yet taken over, in file order */
    bool content_complete;               /* no more pieces will be added */
    VEC(struct chunk_ref) refs;          /* taken over, not yet in an index page */
    VEC(struct digest) index_pages;
    uint64_t chunk_n;
    VEC(struct extent) extents;
    /* NODE_RUN: entries [from, to) of an old leaf, unchanged */
    struct leaf *leaf;
    uint32_t from, to;
    size_t held_bytes;
};

struct fresh { /* a chunk of a batch */
    struct digest name;
    uint32_t offset, length;
    uint8_t type;
    bool wanted; /* not known on the other side: goes into a segment */
};

struct item {
    struct node *node;
    struct piece *piece;
    uint32_t offset, length;
    bool loaded; /* bytes are in the batch already, cut at `cuts` */
    uint32_t cut_i, cut_n;
};

struct batch {
    struct batch *next;
    uint32_t id;
    uint8_t *bytes;
    uint32_t used;
    struct item items[BATCH_ITEMS_MAX];
    uint32_t item_n;
    struct fresh chunks[BATCH_CHUNKS_MAX];
    uint32_t chunk_n;
    uint32_t cuts[BATCH_CHUNKS_MAX]; /* chunk lengths of loaded items */
    uint32_t cut_n;
    _Atomic bool asked; /* a question about it is with the server: one answer is taken */
    bool answered;      /* `wanted` is final: pack and send */
    bool fixed;         /* blocks of a disk image or database */
    bool tree;          /* chunks are structure, named by the sequencer */
};

struct run {
    struct channel *channel;
    const struct backup_order *order;
    struct backup_result *result;
    struct chunker_params params;
    struct chunker *chunker;
    int level;
    bool history;
    struct commit last; /* newest point, sequence 0 = none */
    bool base;          /* its tree comes as pages */

    struct os_mutex mutex;
    struct os_cond
        changed; /* a batch came back, a piece is done, a page arrived, a failure, the verdict */
    struct batch *batches; /* all, BACKUP_BATCHES */
    struct batch *free_batches;
    uint32_t free_n;
    bool failed;
    struct err failure;
    struct buf pages[PAGES_AHEAD]; /* base pages received, a ring: type byte and content */
    uint32_t page_head, page_n, page_credit;
    bool committed;
    struct buf commit_file;
    bool receiving_ended;

    struct os_queue *work;
    struct os_thread workers[8];
    unsigned worker_n;
    struct os_thread receiver;
    struct seen *seen;

    /* sequencer only */
    struct scan *scan;
    struct manifest_builder *builder;
    struct base *base_walk;
    struct node *head, **tail;
    size_t held_bytes;
    struct batch *filling, *filling_tree;
    struct leaf *decoding; /* leaf whose entries are being re-added */
    struct manifest_page *decoder;
    uint32_t decoded;
    uint64_t started_at, progress_at;
    uint64_t unread_bytes; /* of content passed without reading: unchanged, linked, holes */
    struct counting *counting;

    _Atomic uint64_t read_bytes, files_done, problems;
    _Atomic uint64_t entries_done;
};

/* ---- backup.c ---- */
void run_fail(struct run *run, const struct err *why); /* first failure wins; wakes everyone */
/* Copies the failure; returns -1. */
int run_failure(struct run *run, struct err *err);
/* Report a problem of one entry to the server and count it. */
void run_problem(struct run *run, struct span path, int sys, const char *reason);
void run_progress(struct run *run, struct span current);

/* ---- backup_count.c: how much there is, when nothing else tells ---- */
/* Begin to walk the source a second time, only adding up.  Not an error when it cannot. */
struct counting *counting_start(const struct backup_order *order);
uint64_t counting_bytes(const struct counting *counting); /* 0 = not known yet */
void counting_free(struct counting *counting);            /* stops it */

/* ---- backup_batch.c: the pool and what is being filled ---- */
[[nodiscard]] int batch_pool_open(struct run *run);
void batch_pool_close(struct run *run);
/* A small file: read by a worker. */
[[nodiscard]] int batch_add_file(struct run *run, struct node *node, uint32_t size,
                                 struct err *err);
/* An empty batch for one part of a streamed file; waits for one. */
[[nodiscard]] int batch_take(struct run *run, struct batch **out, struct err *err);
void batch_submit(struct run *run, struct batch *batch);
/* A page or root record. */
[[nodiscard]] int batch_add_tree(struct run *run, enum chunk_type type, const struct digest *name,
                                 struct span bytes, struct err *err);
void batch_flush(struct run *run); /* submit what is being filled */
[[nodiscard]] int batch_drain(struct run *run,
                              struct err *err);          /* flush and wait until all came back */
void batch_return(struct run *run, struct batch *batch); /* by a worker */
struct piece *piece_add(struct node *node);

/* ---- backup_work.c ---- */
void unattributed(struct run *run, struct node *node, int sys);
void work_main(void *run);
/* ---- backup_receive.c ---- */
void receive_main(void *run);
/* Next base page in walk order; *type 0: none will come.  Valid until the next call. */
[[nodiscard]] int receive_page(struct run *run, struct buf *page, uint8_t *type, struct err *err);

/* ---- backup_seen.c: names this session has sent ---- */
struct seen *seen_new(void);
void seen_free(struct seen *seen);
/* Marks chunk->wanted for each chunk not seen before, and remembers it. */
void seen_filter(struct seen *seen, struct fresh *chunks, size_t n);

/* ---- backup_list.c ---- */
struct node *list_add_entry(struct run *run, struct scan_entry *scanned);
void list_add_run(struct run *run, struct leaf *leaf, uint32_t from, uint32_t to);
/* Hand what is ready at the front to the manifest. */
[[nodiscard]] int list_advance(struct run *run, struct err *err);
/* Wait until no more than `bytes` are held. */
[[nodiscard]] int list_wait(struct run *run, size_t bytes, struct err *err);
void list_free(struct run *run);
void leaf_put(struct leaf *leaf);

/* ---- backup_merge.c: the newest point's tree beside the scan ---- */
[[nodiscard]] int base_open(struct run *run, struct err *err);
void base_close(struct base *base);
/* Is this entry in the last point just as it is?  If so it was put on the list. */
[[nodiscard]] int base_take(struct run *run, const struct scan_entry *scanned, bool *taken,
                            struct err *err);
void base_end(struct run *run);

/* ---- backup_stream.c ---- */
[[nodiscard]] int stream_file(struct run *run, struct node *node, struct err *err);
