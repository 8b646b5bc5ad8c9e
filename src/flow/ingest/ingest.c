#include "flow/ingest/ingest.h"

#include "flow/ingest/ingest_int.h"

void session_fail(struct session *session, const struct err *why) {
    os_mutex_lock(&session->mutex);
    if (!session->failed) {
        session->failed = true;
        session->failure = *why;
    }
    os_cond_broadcast(&session->changed);
    os_mutex_unlock(&session->mutex);
    channel_stop_receiving(session->channel);
}

int session_check(struct session *session, struct err *err) {
    os_mutex_lock(&session->mutex);
    bool failed = session->failed;
    if (failed)
        *err = session->failure;
    os_mutex_unlock(&session->mutex);
    return failed ? -1 : 0;
}

/* The newest commit links the chain; the newest one whose chunks are still held is what the agent
 * compares with. */
static int find_base(struct session *session, struct err *err) {
    const uint8_t *source = session->order->source;
    if (ledger_newest(session->ledger, source, &session->newest_sequence, &session->newest_file,
                      err) != 0)
        return -1;
    if (session->newest_sequence == 0)
        return 0;
    if (commit_get(buf_span(&session->newest_file), &session->newest, err) != 0)
        return ERR_NOTE(err, "newest commit of the source");
    for (uint64_t s = session->newest_sequence; s > 0 && !session->has_base; s--) {
        SCOPED(buf) file = {0};
        enum ledger_state state;
        if (ledger_read(session->ledger, source, s, &state, &file, err) != 0)
            return -1;
        session->has_base =
            state != LEDGER_PURGED && commit_get(buf_span(&file), &session->base, NULL) == 0;
    }
    return 0;
}

static int mark_orphan(void *ctx, const uint8_t keyed_name[static 32]) {
    (void)keyed_name;
    *(bool *)ctx = true;
    return 1; /* one is enough */
}

static int send_begin(struct session *session, struct err *err) {
    const struct chunker_params *params = store_chunker(session->store);
    const struct ingest_order *order = session->order;
    bool orphans = false;
    if (store_orphans_of(session->store, order->source, mark_orphan, &orphans, err) != 0)
        return -1;
    session->history = session->has_base || orphans;
    struct msg_begin_backup begin = {
        .chunk_method = params->method,
        .chunk_min = params->min_bytes,
        .chunk_avg = params->avg_bytes,
        .chunk_max = params->max_bytes,
        .chunk_fixed = params->fixed_bytes,
        .chunk_seed = params->seed,
        .level = order->level,
        .history = session->history,
        .base = session->has_base && session->base.sequence == session->newest_sequence &&
                !order->without_base,
        .last_commit = buf_span(&session->newest_file),
    };
    memcpy(begin.store, store_id(session->store)->b, sizeof begin.store);
    memcpy(begin.source, order->source, sizeof begin.source);
    SCOPED(buf) body = {0};
    msg_begin_backup_put(&body, &begin);
    if (channel_send(session->channel, FRAME_TYPE_begin_backup, buf_span(&body), span_of(NULL, 0),
                     err) != 0)
        return -1;
    channel_state(session->channel, FRAME_BACKUP);
    if (begin.base == 0)
        return 0;
    return os_thread_start(&session->pages, "ingest-pages", ingest_pages_main, session, err);
}

/* Only what the source itself has stored is admitted to be here; the index is asked too, since a
 * chunk may have been damaged or collected since. */
static int answer(struct session *session, struct span body, struct err *err) {
    struct msg_have have;
    uint8_t bits[FRAME_NAMES_MAX / 8] = {0};
    if (msg_have_get(body, &have, err) != 0)
        return -1;
    if (have.names.n % sizeof(struct digest) != 0)
        return ERR(err, ERR_PROTOCOL, "malformed have message");
    if (session->own == NULL &&
        own_build(session->store, session->order->source,
                  session->has_base ? &session->base.manifest : NULL, &session->own, err) != 0)
        return -1;
    size_t n = have.names.n / sizeof(struct digest);
    for (size_t i = 0; i < n; i++) {
        struct digest name;
        bool has = false;
        memcpy(name.b, have.names.p + i * sizeof name.b, sizeof name.b);
        if (own_has(session->own, session->store, &name) &&
            store_writer_has(session->writer, &name, &has, err) != 0)
            return -1;
        if (has)
            bits[i / 8] |= (uint8_t)(0x80u >> i % 8);
    }
    return CHANNEL_SEND(session->channel, have_reply, err, .batch = have.batch,
                        .bits = span_of(bits, (n + 7) / 8));
}

static int more_pages(struct session *session, struct span body, struct err *err) {
    struct msg_want_pages want;
    if (msg_want_pages_get(body, &want, err) != 0)
        return -1;
    os_mutex_lock(&session->mutex);
    if (want.count < 1u << 16)
        session->page_credit += want.count;
    os_cond_broadcast(&session->changed);
    os_mutex_unlock(&session->mutex);
    return 0;
}

static int problem(struct session *session, struct span body, struct err *err) {
    struct msg_problem message;
    if (msg_problem_get(body, &message, err) != 0)
        return -1;
    if (session->watch->problem != NULL)
        session->watch->problem(session->watch->ctx, message.path, message.errno_value,
                                message.reason);
    return 0;
}

static int progress(struct session *session, struct span body, struct err *err) {
    struct msg_progress message;
    if (msg_progress_get(body, &message, err) != 0)
        return -1;
    if (session->watch->progress != NULL)
        session->watch->progress(session->watch->ctx, &message,
                                 channel_received_bytes(session->channel),
                                 atomic_load(&session->stored_bytes));
    return 0;
}

static int segment(struct session *session, struct span body, struct err *err) {
    struct msg_segment message;
    if (msg_segment_get(body, &message, err) != 0)
        return -1;
    return ingest_submit(session, message.encoded, err);
}

static int commit(struct session *session, struct span body, struct err *err) {
    struct msg_commit message;
    if (msg_commit_get(body, &message, err) != 0)
        return -1;
    return ingest_commit(session, &message, err);
}

static int handle(struct session *session, enum frame_type type, struct span body, bool *ended,
                  struct err *err) {
    *ended = type == FRAME_TYPE_commit;
    if (type == FRAME_TYPE_segment)
        return segment(session, body, err);
    if (type == FRAME_TYPE_have)
        return answer(session, body, err);
    if (type == FRAME_TYPE_want_pages)
        return more_pages(session, body, err);
    if (type == FRAME_TYPE_problem)
        return problem(session, body, err);
    if (type == FRAME_TYPE_progress)
        return progress(session, body, err);
    if (type == FRAME_TYPE_commit)
        return commit(session, body, err);
    return ERR(err, ERR_UNREACHABLE, "the agent closed the connection before the end");
}

static int converse(struct session *session, struct err *err) {
    for (bool ended = false; !ended;) {
        enum frame_type type;
        struct span body;
        if (channel_receive(session->channel, &type, &body, CHANNEL_IDLE_MS, err) != 0 ||
            handle(session, type, body, &ended, err) != 0) {
            struct err first;
            if (session_check(session, &first) != 0)
                *err = first; /* a worker failed */
            return -1;
        }
    }
    return 0;
}

static int start_workers(struct session *session, struct err *err) {
    unsigned wanted = MIN(os_cpu_n(), (unsigned)ARRAY_N(session->workers));
    while (session->worker_n < wanted) {
        if (os_thread_start(&session->workers[session->worker_n], "ingest-work", ingest_work_main,
                            session, err) != 0)
            return -1;
        session->worker_n++;
    }
    return 0;
}

static void session_auto(struct session **p) {
    struct session *session = *p;
    os_queue_close(session->work);
    for (unsigned i = 0; i < session->worker_n; i++)
        os_thread_join(&session->workers[i]);
    os_mutex_lock(&session->mutex);
    session->pages_stop = true;
    os_cond_broadcast(&session->changed);
    os_mutex_unlock(&session->mutex);
    os_thread_join(&session->pages);
    store_writer_close(session->writer);
    own_free(session->own);
    tree_seen_free(session->elsewhere);
    buf_done(&session->newest_file);
    os_queue_free(session->work);
    os_cond_done(&session->changed);
    os_mutex_done(&session->mutex);
    mem_free(session);
}

int ingest_run(struct channel *channel, struct store *store, struct ledger *ledger,
               const struct ingest_order *order, const struct ingest_watch *watch,
               struct ingest_result *result, struct err *err) {
    AUTO(session) *session = mem_new(sizeof *session);
    *result = (struct ingest_result){0};
    session->channel = channel;
    session->store = store;
    session->ledger = ledger;
    session->order = order;
    session->watch = watch;
    session->result = result;
    session->started_s = os_wall_s();
    os_mutex_init(&session->mutex);
    os_cond_init(&session->changed);
    session->elsewhere = tree_seen_new();
    session->work = os_queue_new(INGEST_QUEUE);
    struct store_session born;
    memcpy(born.job, order->job, sizeof born.job);
    memcpy(born.source, order->source, sizeof born.source);
    int rc = channel_keep_alive(channel, err);
    if (rc == 0) /* before the base is chosen: a collection waits for sessions older than itself */
        rc = store_writer_open(store, &born, &session->writer, err);
    if (rc == 0)
        rc = find_base(session, err);
    if (rc == 0)
        rc = start_workers(session, err);
    if (rc == 0)
        rc = send_begin(session, err);
    if (rc == 0)
        rc = converse(session, err);
    result->received_bytes = channel_received_bytes(channel);
    result->stored_bytes = atomic_load(&session->stored_bytes);
    if (rc != 0)
        channel_refuse(channel, err);
    return rc;
}
