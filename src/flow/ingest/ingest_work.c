/* Workers verify and store segments: nothing an agent says about a chunk is believed, its name is
 * computed here. */
#include "flow/ingest/ingest_int.h"

struct task {
    struct buf encoded;
};

struct worker {
    struct session *session;
    struct unsealer *unsealer;
    uint8_t *plain;
    struct segment_chunk *chunks;
    struct digest *names;
};

/* A point may name only what its own source has sent, now or before (ingest_commit.c). */
static int note_origins(struct session *session, const struct digest *names, uint32_t n,
                        struct err *err) {
    for (uint32_t i = 0; i < n; i++) {
        struct store_origin origin;
        if (store_origin_of(session->store, &names[i], session->order->source, &origin, err) != 0)
            return -1;
        if (!origin.found || origin.own)
            continue;
        os_mutex_lock(&session->mutex);
        (void)tree_seen_add(session->elsewhere, &names[i]);
        os_mutex_unlock(&session->mutex);
    }
    return 0;
}

static int store_segment(struct worker *worker, struct span encoded, struct err *err) {
    struct segment segment;
    uint64_t stored = 0;
    if (segment_get(encoded, worker->chunks, &segment, err) != 0 ||
        unsealer_unpack(worker->unsealer, segment.codec, segment.payload, worker->plain,
                        segment.plain_bytes, err) != 0)
        return -1;
    uint32_t at = 0;
    for (uint32_t i = 0; i < segment.chunk_n; i++) {
        hash_typed(segment.chunks[i].type, span_of(worker->plain + at, segment.chunks[i].length),
                   &worker->names[i]);
        at += segment.chunks[i].length;
    }
    if (store_put(worker->session->writer, &segment, span_of(worker->plain, segment.plain_bytes),
                  worker->names, &stored, err) != 0 ||
        note_origins(worker->session, worker->names, segment.chunk_n, err) != 0)
        return -1;
    atomic_fetch_add(&worker->session->stored_bytes, stored);
    return 0;
}

static void finish(struct session *session, struct task *task) {
    buf_done(&task->encoded);
    mem_free(task);
    os_mutex_lock(&session->mutex);
    session->queued--;
    os_cond_broadcast(&session->changed);
    os_mutex_unlock(&session->mutex);
}

void ingest_work_main(void *arg) {
    struct worker worker = {.session = arg, .unsealer = unsealer_new()};
    worker.plain = mem_resize(NULL, SEGMENT_BYTES_MAX);
    worker.chunks = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *worker.chunks);
    worker.names = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *worker.names);
    struct err err;
    for (struct task *task; (task = os_queue_pop(worker.session->work)) != NULL;) {
        if (session_check(worker.session, &err) == 0 &&
            store_segment(&worker, buf_span(&task->encoded), &err) != 0)
            session_fail(worker.session, &err);
        finish(worker.session, task);
    }
    unsealer_free(worker.unsealer);
    mem_free(worker.plain);
    mem_free(worker.chunks);
    mem_free(worker.names);
}

int ingest_submit(struct session *session, struct span encoded, struct err *err) {
    if (session_check(session, err) != 0)
        return -1;
    session->segment_bytes += encoded.n;
    struct task *task = mem_new(sizeof *task);
    buf_put_span(&task->encoded, encoded);
    os_mutex_lock(&session->mutex);
    session->queued++;
    os_mutex_unlock(&session->mutex);
    INVARIANT(os_queue_push(session->work, task)); /* closed only by this thread */
    return 0;
}

int ingest_settle(struct session *session, struct err *err) {
    os_mutex_lock(&session->mutex);
    while (session->queued > 0 && !session->failed)
        os_cond_wait(&session->changed, &session->mutex);
    os_mutex_unlock(&session->mutex);
    return session_check(session, err);
}
