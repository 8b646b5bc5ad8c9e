#include "flow/backup/backup.h"

#include <errno.h>

#include "base/text.h"
#include "flow/backup/backup_int.h"

void run_fail(struct run *run, const struct err *why) {
    os_mutex_lock(&run->mutex);
    if (!run->failed) {
        run->failed = true;
        run->failure = *why;
    }
    os_cond_broadcast(&run->changed);
    os_mutex_unlock(&run->mutex);
    os_queue_close(run->work);
}

static bool run_failed(struct run *run) {
    os_mutex_lock(&run->mutex);
    bool failed = run->failed;
    os_mutex_unlock(&run->mutex);
    return failed;
}

int run_failure(struct run *run, struct err *err) {
    os_mutex_lock(&run->mutex);
    INVARIANT(run->failed);
    *err = run->failure;
    os_mutex_unlock(&run->mutex);
    return -1;
}

void run_problem(struct run *run, struct span path, int sys, const char *reason) {
    atomic_fetch_add(&run->problems, 1);
    struct err err;
    struct span why = span_text(reason);
    path.n = MIN(path.n, (size_t)MANIFEST_PATH_MAX);
    why.n = MIN(why.n, (size_t)255);
    if (CHANNEL_SEND(run->channel, problem, &err, .errno_value = (uint16_t)sys, .path = path,
                     .reason = why) != 0)
        run_fail(run, &err);
}

/* What all content comes to, 0 = unknown.  The scan is seldom far ahead of the reading: until it
 * has seen the end the last point says, and for a first point, when it takes long, a second walk.
 */
static uint64_t total_bytes(struct run *run, const struct scan_sum *found, uint64_t now) {
    if (found->complete)
        return found->bytes;
    if (run->last.sequence > 0)
        return MAX(run->last.bytes, found->bytes);
    if (run->counting == NULL && now > run->started_at + COUNT_AFTER_NS)
        run->counting = counting_start(run->order);
    return run->counting != NULL ? counting_bytes(run->counting) : 0;
}

void run_progress(struct run *run, struct span current) {
    uint64_t now = os_mono_ns();
    if (now < run->progress_at)
        return;
    run->progress_at = now + PROGRESS_EVERY_NS;
    struct err err;
    struct scan_sum found = scan_found(run->scan);
    uint64_t read = atomic_load(&run->read_bytes);
    current.n = MIN(current.n, (size_t)4096);
    if (CHANNEL_SEND(run->channel, progress, &err, .found = found.entries,
                     .entries = atomic_load(&run->entries_done),
                     .files = atomic_load(&run->files_done), .bytes = run->unread_bytes + read,
                     .read = read, .total = total_bytes(run, &found, now), .current = current) != 0)
        run_fail(run, &err);
}

/* What needs no content read: kinds other than files, and files of no bytes. */
static void read_small_parts(struct run *run, struct node *node) {
    struct scan_entry *scanned = node->scanned;
    struct scan_item none = {.fd = OS_FD_NONE};
    int sys = scanned->problem;
    if (sys == 0 && node->entry.kind == ENTRY_SYMLINK)
        sys = scan_link(scanned, &node->link);
    if (sys == 0 && node->entry.kind != ENTRY_HARDLINK)
        sys = scan_xattrs(scanned, &none, &node->xattrs);
    if (sys != 0) {
        node->entry.flags |= ENTRY_UNREADABLE;
        node->entry.problem = (uint16_t)sys;
        run_problem(run, node->entry.path, sys, "cannot be read");
    }
    node->content_complete = true;
}

static int add_fresh(struct run *run, struct scan_entry *scanned, struct err *err) {
    struct node *node = list_add_entry(run, scanned);
    if (node->entry.kind != ENTRY_FILE || scanned->problem != 0) {
        read_small_parts(run, node);
        return 0;
    }
    bool holes = scanned->blocks * 512 + HOLE_BYTES_MIN <= node->entry.size;
    if (node->entry.size <= SMALL_FILE_MAX && !holes)
        return batch_add_file(run, node, (uint32_t)node->entry.size, err);
    return stream_file(run, node, err);
}

static int walk(struct run *run, struct err *err) {
    for (;;) {
        struct scan_entry *scanned = NULL;
        bool taken = false;
        if (scan_next(run->scan, &scanned, err) != 0)
            return -1;
        if (scanned == NULL)
            break;
        run_progress(run, scanned->meta.path);
        uint64_t size = scanned->meta.size;
        bool linked = scanned->meta.kind == ENTRY_HARDLINK;
        if (base_take(run, scanned, &taken, err) != 0) {
            scan_entry_free(scanned);
            return -1;
        }
        if (taken || linked)
            run->unread_bytes += size;
        if (taken)
            scan_entry_free(scanned);
        else if (add_fresh(run, scanned, err) != 0)
            return -1;
        if (run->held_bytes > BACKUP_HELD_BYTES ? list_wait(run, BACKUP_HELD_BYTES / 2, err) != 0
                                                : list_advance(run, err) != 0)
            return -1;
    }
    base_end(run);
    batch_flush(run);
    return list_wait(run, 0, err);
}

static int emit(void *ctx, enum chunk_type type, const struct digest *name, struct span bytes,
                struct err *err) {
    return batch_add_tree(ctx, type, name, bytes, err);
}

static void describe(const struct run *run, const struct manifest_info *info,
                     struct commit *commit) {
    const struct backup_order *order = run->order;
    memcpy(commit->source, order->source, sizeof commit->source);
    memcpy(commit->job, order->job, sizeof commit->job);
    commit->sequence = run->last.sequence + 1;
    commit->state = info->tree.totals.problems > 0 || run->result->problems > 0 ? COMMIT_PARTIAL
                                                                                : COMMIT_COMPLETE;
    commit->entries = info->tree.totals.entries;
    commit->files = info->tree.totals.files;
    commit->dirs = info->tree.totals.dirs;
    commit->bytes = info->tree.totals.bytes;
    commit->problems = run->result->problems;
    commit->read_bytes = run->result->read_bytes;
    commit->sent_bytes = run->result->sent_bytes;
    (void)text_copy(commit->computer, sizeof commit->computer, order->computer);
    (void)text_copy(commit->root_path, sizeof commit->root_path, order->root);
}

static int finish_manifest(struct run *run, int64_t started_ns, struct commit *commit,
                           struct err *err) {
    struct manifest_info info = {.started_ns = started_ns, .finished_ns = os_wall_ns()};
    memcpy(info.source, run->order->source, sizeof info.source);
    memcpy(info.job, run->order->job, sizeof info.job);
    (void)text_copy(info.computer, sizeof info.computer, run->order->computer);
    (void)text_copy(info.root_path, sizeof info.root_path, run->order->root);
    if (manifest_finish(run->builder, &info, &commit->manifest, err) != 0 ||
        batch_drain(run, err) != 0)
        return -1;
    struct backup_result *result = run->result;
    result->totals = info.tree.totals;
    result->read_bytes = atomic_load(&run->read_bytes);
    result->problems = atomic_load(&run->problems);
    result->sent_bytes = channel_sent_bytes(run->channel);
    describe(run, &info, commit);
    result->partial = commit->state == COMMIT_PARTIAL;
    return 0;
}

static int await_verdict(struct run *run, struct err *err) {
    os_mutex_lock(&run->mutex);
    while (!run->committed && !run->failed)
        os_cond_wait(&run->changed, &run->mutex);
    bool failed = run->failed;
    os_mutex_unlock(&run->mutex);
    return failed ? run_failure(run, err) : 0;
}

/* The commit file must be ours, in the place we asked for, and signed by the server we know. */
static int check_verdict(struct run *run, const struct buf *agent_part, struct backup_head *head,
                         struct err *err) {
    struct commit commit;
    SCOPED(buf) part = {0}, signed_part = {0};
    if (commit_get(buf_span(&run->commit_file), &commit, err) != 0)
        return ERR_NOTE(err, "commit from the server");
    commit_agent_part(&part, &commit);
    if (!span_equal(buf_span(&part), buf_span(agent_part)))
        return ERR(err, ERR_PROTOCOL, "the server committed something else than what was signed");
    commit_server_part(&signed_part, &commit);
    struct signature signature;
    memcpy(signature.b, commit.server_signature, sizeof signature.b);
    if (sign_verify(&run->order->server_key, buf_span(&signed_part), &signature, err) != 0)
        return ERR_NOTE(err, "server's signature of the commit");
    head->sequence = commit.sequence;
    commit_hash(buf_span(&run->commit_file), &head->commit);
    return 0;
}

static int commit(struct run *run, struct commit *commit, struct backup_head *head,
                  struct err *err) {
    SCOPED(buf) part = {0};
    struct signature signature;
    const struct signer *signer = &run->order->signer;
    memcpy(commit->agent_key, signer->key.b, sizeof commit->agent_key);
    commit_agent_part(&part, commit);
    if (signer->sign(signer->ctx, buf_span(&part), &signature, err) != 0)
        return -1;
    struct msg_commit message = {.agent_part = buf_span(&part)};
    memcpy(message.signature, signature.b, sizeof message.signature);
    SCOPED(buf) body = {0};
    msg_commit_put(&body, &message);
    if (channel_send(run->channel, FRAME_TYPE_commit, buf_span(&body), span_of(NULL, 0), err) !=
            0 ||
        await_verdict(run, err) != 0)
        return -1;
    return check_verdict(run, &part, head, err);
}

/* The newest point as the server tells it: our own signature proves that it is one of ours. */
static int read_last_commit(struct run *run, struct span file, const struct backup_head *head,
                            struct err *err) {
    if (file.n == 0) {
        run->result->regressed = head->sequence > 0;
        return 0;
    }
    const struct sign_public key = run->order->signer.key;
    struct signature signature;
    SCOPED(buf) part = {0};
    if (commit_get(file, &run->last, err) != 0)
        return -1;
    commit_agent_part(&part, &run->last);
    memcpy(signature.b, run->last.agent_signature, sizeof signature.b);
    if (memcmp(key.b, run->last.agent_key, sizeof key.b) != 0 ||
        sign_verify(&key, buf_span(&part), &signature, NULL) != 0 ||
        memcmp(run->last.source, run->order->source, sizeof run->last.source) != 0)
        run->base = false; /* another agent's key, e.g. after a re-attach: chain on, but believe
                              nothing of it */
    struct digest hash;
    commit_hash(file, &hash);
    run->result->regressed =
        run->last.sequence < head->sequence ||
        (run->last.sequence == head->sequence && !digest_equal(&hash, &head->commit));
    return 0;
}

static int begin(struct run *run, struct commit *next, const struct backup_head *head,
                 struct err *err) {
    struct span body;
    struct msg_begin_backup begin;
    if (channel_expect(run->channel, FRAME_TYPE_begin_backup, &body, CHANNEL_IDLE_MS, err) != 0 ||
        msg_begin_backup_get(body, &begin, err) != 0)
        return -1;
    if (memcmp(begin.source, run->order->source, sizeof begin.source) != 0)
        return ERR(err, ERR_PROTOCOL, "the server began another source than it ordered");
    run->params = (struct chunker_params){.method = begin.chunk_method,
                                          .min_bytes = begin.chunk_min,
                                          .avg_bytes = begin.chunk_avg,
                                          .max_bytes = begin.chunk_max,
                                          .fixed_bytes = begin.chunk_fixed,
                                          .seed = begin.chunk_seed};
    if (chunker_params_check(&run->params, err) != 0)
        return -1;
    run->level = MIN(begin.level, (uint8_t)19);
    run->history = begin.history != 0;
    run->base = begin.base != 0 && begin.last_commit.n > 0;
    if (read_last_commit(run, begin.last_commit, head, err) != 0)
        return -1;
    memcpy(next->store, begin.store, sizeof next->store);
    if (begin.last_commit.n > 0)
        commit_hash(begin.last_commit, &next->previous);
    run->chunker = chunker_new(&run->params);
    channel_state(run->channel, FRAME_BACKUP);
    return 0;
}

static int start_threads(struct run *run, struct err *err) {
    unsigned wanted = run->order->workers > 0 ? run->order->workers : os_cpu_n();
    run->worker_n = 0;
    while (run->worker_n < MIN(wanted, (unsigned)ARRAY_N(run->workers))) {
        if (os_thread_start(&run->workers[run->worker_n], "backup-work", work_main, run, err) != 0)
            return -1;
        run->worker_n++;
    }
    return os_thread_start(&run->receiver, "backup-receive", receive_main, run, err);
}

static void run_done(struct run *run) {
    os_queue_close(run->work);
    for (unsigned i = 0; i < run->worker_n; i++)
        os_thread_join(&run->workers[i]);
    channel_cancel(
        run->channel); /* the conversation is over, whatever the outcome: free the receiver */
    os_thread_join(&run->receiver);
    list_free(run);
    base_close(run->base_walk);
    manifest_builder_free(run->builder);
    manifest_page_free(run->decoder);
    batch_pool_close(run);
    counting_free(run->counting);
    scan_close(run->scan);
    chunker_free(run->chunker);
    seen_free(run->seen);
    for (size_t i = 0; i < ARRAY_N(run->pages); i++)
        buf_done(&run->pages[i]);
    buf_done(&run->commit_file);
    os_queue_free(run->work);
    os_cond_done(&run->changed);
    os_mutex_done(&run->mutex);
    mem_free(run);
}

static void run_auto(struct run **run) {
    if (*run != NULL)
        run_done(*run);
}

static int run_all(struct run *run, struct backup_head *head, struct err *err) {
    struct commit next = {0};
    int64_t started_ns = os_wall_ns();
    if (channel_keep_alive(run->channel, err) != 0 ||
        scan_open(run->order->root, &run->order->scan, &run->scan, err) != 0 ||
        begin(run, &next, head, err) != 0 || batch_pool_open(run) != 0 ||
        start_threads(run, err) != 0 || base_open(run, err) != 0)
        return -1;
    if (walk(run, err) != 0 || finish_manifest(run, started_ns, &next, err) != 0)
        return -1;
    return commit(run, &next, head, err);
}

int backup_run(struct channel *channel, const struct backup_order *order, struct backup_head *head,
               struct backup_result *result, struct err *err) {
    AUTO(run) *run = mem_new(sizeof *run);
    *result = (struct backup_result){0};
    run->channel = channel;
    run->order = order;
    run->result = result;
    run->started_at = os_mono_ns();
    run->tail = &run->head;
    os_mutex_init(&run->mutex);
    os_cond_init(&run->changed);
    run->work = os_queue_new(BACKUP_BATCHES);
    run->seen = seen_new();
    run->builder = manifest_builder_new(emit, run);
    if (run_all(run, head, err) == 0)
        return 0;
    if (run_failed(run))
        (void)run_failure(run, err);
    channel_refuse(channel, err);
    return -1;
}
