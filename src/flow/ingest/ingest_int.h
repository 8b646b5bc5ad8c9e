#pragma once
/* flow/ingest, inside. */
#include <stdatomic.h>

#include "data/seal/seal.h"
#include "data/tree/tree.h"
#include "data/tree/tree_seen.h"
#include "flow/ingest/ingest.h"
#include "os/os.h"

/* Names this source may ask about: its newest point's chunks and those of its interrupted sessions.
 */
struct own;
[[nodiscard]] int own_build(struct store *store, const uint8_t source[static 16],
                            const struct digest *newest_manifest, struct own **out,
                            struct err *err);
void own_free(struct own *own);
bool own_has(const struct own *own, struct store *store, const struct digest *name);

struct session {
    struct channel *channel;
    struct store *store;
    struct ledger *ledger;
    const struct ingest_order *order;
    const struct ingest_watch *watch;
    struct ingest_result *result;
    struct store_writer *writer;
    int64_t started_s;
    uint64_t segment_bytes; /* what came, whether or not the store had it: the agent may know */

    uint64_t newest_sequence; /* 0 = this will be the first point */
    struct buf newest_file;
    struct commit newest;
    bool has_base;      /* `base` can be walked */
    struct commit base; /* newest point whose chunks are held */
    bool history;
    struct own *own; /* built at the first question */

    struct os_mutex mutex;
    struct tree_seen *elsewhere; /* names that came, and lie in packs of others; under the mutex */
    struct os_cond changed;
    bool failed;
    struct err failure;
    uint32_t queued; /* segments with the workers */
    uint32_t page_credit;
    bool pages_stop;

    struct os_queue *work;
    struct os_thread workers[8];
    unsigned worker_n;
    struct os_thread pages;
    _Atomic uint64_t stored_bytes;
};

void session_fail(struct session *session, const struct err *why);
[[nodiscard]] int session_check(struct session *session,
                                struct err *err); /* -1 when a thread failed */

/* ---- ingest_work.c ---- */
void ingest_work_main(void *session);
[[nodiscard]] int ingest_submit(struct session *session, struct span encoded, struct err *err);
[[nodiscard]] int ingest_settle(struct session *session,
                                struct err *err); /* all submitted segments are stored */
/* ---- ingest_pages.c ---- */
void ingest_pages_main(void *session);
/* ---- ingest_closure.c ---- */
/* I5: every chunk and page that the manifest names is live, in a sealed pack that exists, and its
 * source has shown to have it.  ERR_CLOSURE. */
[[nodiscard]] int ingest_closure(struct session *session, const struct digest *manifest,
                                 struct err *err);
/* ---- ingest_commit.c ---- */
[[nodiscard]] int ingest_commit(struct session *session, const struct msg_commit *message,
                                struct err *err);
