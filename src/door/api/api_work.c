/* What all jobs of this room share. */
#include "door/api/api_work.h"

struct work *work_new(struct api_world *world) {
    struct work *work = mem_new(sizeof *work);
    work->world = world;
    work->result = json_object();
    return work;
}

void work_free(void *ctx) {
    struct work *work = ctx;
    json_decref(work->result);
    vec_done(&work->sources);
    buf_done(&work->selection);
    mem_free(work);
}

void work_number(struct work *work, const char *key, uint64_t more) {
    uint64_t before = (uint64_t)json_integer_value(json_object_get(work->result, key));
    json_number(work->result, key, before + more);
}

void work_publish(struct work *work) {
    char *text = json_dumps(work->result, JSON_COMPACT);
    if (text != NULL)
        job_result(work->job, span_text(text));
    mem_free(text);
}

void work_progress(void *ctx, const struct msg_progress *progress, uint64_t sent, uint64_t stored) {
    struct work *work = ctx;
    job_set(work->job, JOB_ENTRIES_FOUND, work->done_entries + progress->found);
    job_set(work->job, JOB_ENTRIES_DONE, work->done_entries + progress->entries);
    job_set(work->job, JOB_BYTES_DONE, work->done_bytes + progress->bytes);
    job_set(work->job, JOB_BYTES_READ, work->read_bytes + progress->read);
    if (progress->total > 0 && work->last)
        job_set(work->job, JOB_BYTES_TOTAL, work->done_bytes + progress->total);
    job_set(work->job, JOB_BYTES_SENT, sent);
    job_set(work->job, JOB_BYTES_STORED, stored);
    job_current(work->job, progress->current);
}

void work_problem(void *ctx, struct span path, int sys, struct span reason) {
    struct work *work = ctx;
    SCOPED(buf) text = {0};
    buf_put_span(&text, reason);
    if (sys != 0)
        buf_printf(&text, ": %s", os_error_text(sys));
    job_problem(work->job, path, buf_span(&text));
}

/* ---- the way to an agent ---- */
void work_cancel_channel(void *ctx) {
    channel_cancel(ctx);
}

/* Dial the agent, order, and wait for its data connection. */
int work_meet(struct work *work, const char *computer, work_order_fn *order, void *what,
              struct trust_computer *trust, struct channel **out, struct err *err) {
    struct api_world *world = work->world;
    struct catalog_computer row;
    struct rpc_peer peer = {0};
    struct rpc_ticket ticket;
    AUTO(channel) *control = NULL;
    if (find_computer(world, computer, &row, trust, err) != 0)
        return -1;
    if (rpc_dial(world->hub, row.name, row.address, row.port, &peer, &control, err) != 0) {
        bool far = err->code == ERR_UNREACHABLE || err->code == ERR_TIMEOUT;
        (void)catalog_computer_seen(world->catalog, computer, far ? "unreachable" : "auth-failed",
                                    NULL, 0, NULL);
        return -1;
    }
    (void)catalog_computer_seen(world->catalog, computer, "ok", peer.software, os_wall_s(), NULL);
    if (api_send_crls(world, control, err) != 0)
        return -1;
    if (rpc_expect(world->hub, job_id(work->job)->b, row.name, &ticket, err) != 0)
        return -1;
    if (order(work, control, &ticket, what, err) != 0) {
        rpc_forget(world->hub, &ticket);
        return ERR_NOTE(err, "%s", row.name);
    }
    return rpc_await(world->hub, &ticket, control, job_cancelled_fn, work->job, out, err);
}

int work_accepted(struct channel *control, struct err *err) {
    struct span body;
    return channel_expect(control, FRAME_TYPE_accepted, &body, CHANNEL_IDLE_MS, err);
}

bool work_cancelled(void *ctx) {
    struct work *work = ctx;
    return job_cancelled(work->job);
}

int work_start(struct api_world *world, enum job_kind kind, struct work *work, job_fn *fn,
               const uint8_t (*needs)[16], size_t need_n, const char *computer,
               struct rest_answer *answer, struct err *err) {
    struct job_info info;
    struct job_spec spec = {.kind = kind,
                            .group = work->group[0] != 0 ? work->group : NULL,
                            .computer = computer,
                            .needs = needs,
                            .need_n = need_n,
                            .fn = fn,
                            .ctx = work,
                            .ctx_free = work_free};
    if (job_start(world->jobs, &spec, &info, err) != 0)
        return -1;
    return answer_job(world, &info.id, answer, err);
}
