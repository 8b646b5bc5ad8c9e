#include "flow/restore/restore.h"

#include "base/text.h"
#include "flow/restore/restore_int.h"

void restoring_fail(struct restoring *restoring, const struct err *why) {
    os_mutex_lock(&restoring->mutex);
    if (!restoring->failed) {
        restoring->failed = true;
        restoring->failure = *why;
    }
    os_cond_broadcast(&restoring->changed);
    os_mutex_unlock(&restoring->mutex);
    channel_stop_receiving(restoring->channel);
}

int restoring_check(struct restoring *restoring, struct err *err) {
    os_mutex_lock(&restoring->mutex);
    bool failed = restoring->failed;
    if (failed)
        *err = restoring->failure;
    os_mutex_unlock(&restoring->mutex);
    return failed ? -1 : 0;
}

void restoring_note(struct restoring *restoring, struct span path, enum apply_result result,
                    const struct err *why) {
    atomic_fetch_add(&restoring->entries, 1);
    if (result == APPLY_DONE || result == APPLY_SKIPPED)
        return;
    struct err err;
    struct span reason = span_text(why->text);
    path.n = MIN(path.n, (size_t)MANIFEST_PATH_MAX);
    reason.n = MIN(reason.n, (size_t)255);
    if (CHANNEL_SEND(restoring->channel, problem, &err, .errno_value = (uint16_t)why->sys,
                     .path = path, .reason = reason) != 0)
        restoring_fail(restoring, &err);
}

/* A stolen server must not make this machine write what it never held: the point has to carry
 * our own signature. */
static int check_commit(struct restoring *restoring, struct span file, struct err *err) {
    struct commit *commit = &restoring->commit;
    const struct restore_order *order = restoring->order;
    SCOPED(buf) agent_part = {0}, server_part = {0};
    struct signature signature;
    if (commit_get(file, commit, err) != 0)
        return -1;
    commit_agent_part(&agent_part, commit);
    commit_server_part(&server_part, commit);
    memcpy(signature.b, commit->agent_signature, sizeof signature.b);
    if (memcmp(commit->agent_key, order->own_key.b, sizeof commit->agent_key) != 0)
        return ERR(err, ERR_FOREIGN_POINT, "the point of %s is not signed by this computer",
                   commit->computer);
    if (order->only_original && !text_equal(order->target, commit->root_path))
        return ERR(err, ERR_POLICY_DENIED, "the policy permits restoring only to %s",
                   commit->root_path);
    if (sign_verify(&order->own_key, buf_span(&agent_part), &signature, err) != 0)
        return ERR_NOTE(err, "our signature of the point");
    memcpy(signature.b, commit->server_signature, sizeof signature.b);
    return sign_verify(&order->server_key, buf_span(&server_part), &signature, err) != 0
               ? ERR_NOTE(err, "the server's signature of the point")
               : 0;
}

static int begin(struct restoring *restoring, struct err *err) {
    struct span body;
    struct msg_begin_restore begin;
    if (channel_expect(restoring->channel, FRAME_TYPE_begin_restore, &body, CHANNEL_IDLE_MS, err) !=
            0 ||
        msg_begin_restore_get(body, &begin, err) != 0 ||
        check_commit(restoring, begin.commit_file, err) != 0)
        return -1;
    if (begin.existing > APPLY_OVERWRITE || begin.security > APPLY_INHERIT)
        return ERR(err, ERR_PROTOCOL, "unknown way of restoring");
    buf_put_span(&restoring->selection_bytes, begin.selection);
    if (selection_get(buf_span(&restoring->selection_bytes), &restoring->selection, err) != 0)
        return -1;
    struct apply_opts opts = {.existing = (enum apply_existing)begin.existing,
                              .security = (enum apply_security)begin.security,
                              .allow_devices = restoring->order->allow_devices,
                              .allow_set_id = restoring->order->allow_set_id};
    restoring->torn_too = opts.existing != APPLY_OVERWRITE;
    channel_state(restoring->channel, FRAME_RESTORE);
    return apply_open(restoring->order->target, opts, &restoring->apply, err);
}

static int start_workers(struct restoring *restoring, struct err *err) {
    unsigned wanted = restoring->order->workers > 0 ? restoring->order->workers : os_cpu_n();
    while (restoring->worker_n < MIN(wanted, (unsigned)ARRAY_N(restoring->workers))) {
        if (os_thread_start(&restoring->workers[restoring->worker_n], "restore-write", write_main,
                            restoring, err) != 0)
            return -1;
        restoring->worker_n++;
    }
    return 0;
}

static int make_links(struct restoring *restoring) {
    for (size_t i = 0; i < restoring->links.n; i++) {
        struct target_file *link = restoring->links.p[i];
        struct err why = {0};
        enum apply_result result = apply_entry(restoring->apply, &link->entry, &why);
        restoring_note(restoring, link->entry.path, result, &why);
    }
    return 0;
}

static int finish(struct restoring *restoring, struct apply_totals *totals, struct err *err) {
    if (make_links(restoring) != 0 || restoring_check(restoring, err) != 0 ||
        apply_finish(restoring->apply, totals, err) != 0)
        return -1;
    totals->failed += atomic_load(&restoring->unwritten);
    return CHANNEL_SEND(restoring->channel, restored, err, .done = totals->done,
                        .skipped = totals->skipped, .refused = totals->refused,
                        .failed = totals->failed, .bytes = totals->bytes);
}

static void restoring_auto(struct restoring **p) {
    struct restoring *restoring = *p;
    os_queue_close(restoring->work);
    for (unsigned i = 0; i < restoring->worker_n; i++)
        os_thread_join(&restoring->workers[i]);
    window_abandon(restoring);
    for (size_t i = 0; i < restoring->links.n; i++)
        target_file_free(restoring->links.p[i]);
    vec_done(&restoring->links);
    apply_close(restoring->apply);
    selection_done(&restoring->selection);
    buf_done(&restoring->selection_bytes);
    buf_done(&restoring->tree_page);
    buf_done(&restoring->index_page);
    mem_free(restoring->places);
    mem_free(restoring->slots);
    os_queue_free(restoring->work);
    os_cond_done(&restoring->changed);
    os_mutex_done(&restoring->mutex);
    mem_free(restoring);
}

int restore_run(struct channel *channel, const struct restore_order *order,
                struct apply_totals *totals, struct err *err) {
    AUTO(restoring) *restoring = mem_new(sizeof *restoring);
    *totals = (struct apply_totals){0};
    restoring->channel = channel;
    restoring->order = order;
    os_mutex_init(&restoring->mutex);
    os_cond_init(&restoring->changed);
    restoring->work = os_queue_new(RESTORE_QUEUE);
    restoring->places = mem_new_array(RESTORE_WINDOW_CHUNKS, sizeof *restoring->places);
    restoring->slots = mem_new_array(WINDOW_SLOTS, sizeof *restoring->slots);
    int rc = channel_keep_alive(channel, err);
    if (rc == 0)
        rc = begin(restoring, err);
    if (rc == 0)
        rc = start_workers(restoring, err);
    if (rc == 0)
        rc = plan_point(restoring, err);
    if (rc == 0)
        rc = finish(restoring, totals, err);
    if (rc != 0) {
        struct err first;
        if (restoring_check(restoring, &first) != 0)
            *err = first;
        channel_refuse(channel, err);
    }
    return rc;
}
