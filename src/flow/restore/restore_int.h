#pragma once
/* flow/restore, inside. */
#include <stdatomic.h>

#include "data/seal/seal.h"
#include "data/select/select.h"
#include "flow/restore/restore.h"
#include "os/os.h"

#define RESTORE_QUEUE 8u
#define WINDOW_SLOTS (4u * RESTORE_WINDOW_CHUNKS)
#define PROGRESS_EVERY_NS 250000000u

/* A copy of an entry: a file that waits for content, or a hard link that waits for its first
 * path. */
struct target_file {
    struct entry entry; /* spans point into `bytes` */
    struct buf bytes;
    struct os_mutex mutex;
    struct apply_file *out;   /* begun at the first chunk */
    bool refused;             /* begin or a write said no, and was told: chunks are passed over */
    _Atomic bool lost;        /* some content did not come */
    _Atomic uint64_t missing; /* chunks not written yet, plus one while it is being planned */
};

/* One place of a chunk: `length` bytes at `offset` of the file. */
struct place {
    struct digest name;
    struct target_file *file;
    uint64_t offset;
    uint32_t length;
    uint32_t next; /* another place of the same chunk: index + 1, or 0 */
    _Atomic bool done;
};

struct restoring {
    struct channel *channel;
    const struct restore_order *order;
    struct apply *apply;
    struct commit commit;
    bool torn_too; /* files of which a part was readable are restored, and told */
    struct buf selection_bytes;
    struct selection selection;
    struct buf tree_page, index_page;

    /* the window: filled by the caller's thread, read by workers until it is done */
    struct restore_window window;
    struct place *places; /* RESTORE_WINDOW_CHUNKS */
    uint32_t place_n;
    uint32_t *slots; /* hash table over places: index + 1 of the first, 0 = empty */

    struct os_mutex mutex;
    struct os_cond changed;
    uint32_t queued;
    bool failed;
    struct err failure;
    struct os_queue *work;
    struct os_thread workers[8];
    unsigned worker_n;

    VEC(struct target_file *) links; /* made at the end, when their first paths exist */
    _Atomic uint64_t entries, files_done, bytes, found;
    _Atomic uint64_t unwritten; /* files that failed before data/apply saw them */
    uint64_t progress_at;
};

void restoring_fail(struct restoring *restoring, const struct err *why);
[[nodiscard]] int restoring_check(struct restoring *restoring, struct err *err);
/* Count what became of an entry and report it unless it is done. */
void restoring_note(struct restoring *restoring, struct span path, enum apply_result result,
                    const struct err *why);

/* ---- restore_plan.c ---- */
[[nodiscard]] int plan_point(struct restoring *restoring, struct err *err);
/* ---- restore_window.c ---- */
void window_add(struct restoring *restoring, struct target_file *file, const struct chunk_ref *ref,
                uint64_t offset);
[[nodiscard]] int window_run(struct restoring *restoring,
                             struct err *err); /* receive until window_done */
struct place *window_find(const struct restoring *restoring, const struct digest *name);
/* Give up every place that has not got its bytes. */
void window_abandon(struct restoring *restoring);
/* ---- restore_write.c ---- */
void write_main(void *restoring);
struct target_file *target_file_new(const struct entry *entry);
void target_file_free(struct target_file *file);
/* One missing thing less; the last one commits the file, or gives it up when content was lost. */
void target_file_release(struct restoring *restoring, struct target_file *file);
