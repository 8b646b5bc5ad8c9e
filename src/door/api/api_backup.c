#include "control/group/group.h"
#include "door/api/api_work.h"
#include "flow/ingest/ingest.h"

static int order_backup(struct work *work, struct channel *control, const struct rpc_ticket *ticket,
                        void *what, struct err *err) {
    const struct catalog_source *source = what;
    SCOPED(group) group = {0};
    SCOPED(buf) excludes = {0}, body = {0};
    if (group_get(work->world->catalog, work->group, &group, err) != 0)
        return -1;
    group_put_excludes(&group, &excludes);
    struct msg_register_source reg = {.path = span_text(source->path),
                                      .one_file_system = group.one_file_system,
                                      .exclude_caches = group.exclude_caches,
                                      .excludes = buf_span(&excludes)};
    memcpy(reg.source, source->id, sizeof reg.source);
    msg_register_source_put(&body, &reg);
    if (channel_send(control, FRAME_TYPE_register_source, buf_span(&body), span_of(NULL, 0), err) !=
            0 ||
        work_accepted(control, err) != 0)
        return -1;
    struct msg_order_backup order = {.ticket = ticket->secret};
    memcpy(order.job, ticket->job, sizeof order.job);
    memcpy(order.source, source->id, sizeof order.source);
    buf_clear(&body);
    msg_order_backup_put(&body, &order);
    if (channel_send(control, FRAME_TYPE_order_backup, buf_span(&body), span_of(NULL, 0), err) != 0)
        return -1;
    return work_accepted(control, err);
}

static int put_point(void *ctx, const struct commit *commit, const struct digest *hash,
                     struct err *err) {
    struct work *work = ctx;
    return catalog_point_add(work->world->catalog, commit, hash, 0, err);
}

static int sign(void *ctx, struct span bytes, struct signature *out, struct err *err) {
    struct api_world *world = ctx;
    if (trust_take(world, err) != 0)
        return -1;
    int rc = trust_server_sign(world->trust, bytes, out, err);
    trust_give(world);
    return rc;
}

/* 0: the agent chooses by the kind of data. */
static uint8_t level_of(struct work *work) {
    struct group group = {0};
    uint8_t level =
        group_get(work->world->catalog, work->group, &group, NULL) == 0 ? group.level : 0;
    group_done(&group);
    return level;
}

static void note_point(struct work *work, const struct ingest_result *result) {
    char hex[2 * sizeof result->hash.b + 1];
    json_t *points = json_object_get(work->result, "points");
    if (points == NULL) {
        points = json_array();
        (void)json_object_set_new(work->result, "points", points);
    }
    text_hex(hex, result->hash.b, sizeof result->hash.b);
    (void)json_array_append_new(points, json_string(hex));
    work_number(work, "entries", result->commit.entries);
    work_number(work, "bytes", result->commit.bytes);
    work_number(work, "read_bytes", result->commit.read_bytes);
    work_number(work, "sent_bytes", result->commit.sent_bytes);
    work_number(work, "stored_bytes", result->stored_bytes);
    work->done_entries += result->commit.entries;
    work->done_bytes += result->commit.bytes;
    work->read_bytes += result->commit.read_bytes;
    job_set(work->job, JOB_ENTRIES_FOUND, work->done_entries);
    job_set(work->job, JOB_ENTRIES_DONE, work->done_entries);
    job_set(work->job, JOB_BYTES_DONE, work->done_bytes);
    job_set(work->job, JOB_BYTES_READ, work->read_bytes);
    work_publish(work);
}

static int backup_once(struct work *work, struct catalog_source *source, bool without_base,
                       uint8_t job[static 16], struct err *err) {
    struct api_world *world = work->world;
    struct trust_computer trust;
    struct trust_identity own;
    struct ingest_result result;
    AUTO(channel) *channel = NULL;
    if (trust_take(world, err) != 0)
        return -1;
    trust_server_identity(world->trust, &own);
    trust_give(world);
    if (work_meet(work, source->computer, order_backup, source, &trust, &channel, err) != 0)
        return -1;
    struct ingest_order order = {.level = level_of(work),
                                 .without_base = without_base,
                                 .agent_key = trust.signing_key,
                                 .signer = {.ctx = world, .sign = sign, .key = own.signing_key},
                                 .computer = source->computer,
                                 .root_path = source->path};
    struct ingest_watch watch = {
        .ctx = work, .progress = work_progress, .problem = work_problem, .committed = put_point};
    memcpy(order.job, job, sizeof order.job);
    memcpy(order.source, source->id, sizeof order.source);
    job_on_cancel(work->job, work_cancel_channel, channel);
    int rc = ingest_run(channel, world->store, world->ledger, &order, &watch, &result, err);
    job_on_cancel(work->job, NULL, NULL);
    if (rc == 0)
        note_point(work, &result);
    return rc;
}

/* An earlier try got as far as I6, and no further. */
static int take_made(struct work *work, const struct catalog_source *source, bool *made,
                     struct err *err) {
    struct ingest_result result;
    if (ingest_made(work->world->ledger, job_id(work->job)->b, source->id, &result, made, err) != 0)
        return -1;
    if (!*made)
        return 0;
    if (put_point(work, &result.commit, &result.hash, err) != 0)
        return -1;
    note_point(work, &result);
    return 0;
}

#define TRIES 3
#define BACKOFF_MS 500u

/* A broken connection is tried again: what the server has of this job it does not ask for twice.  A
 * manifest with missing chunks (a collected or damaged base) is made again without comparing. */
static int backup_source(struct work *work, struct catalog_source *source, struct err *err) {
    bool without_base = false;
    int rc = -1;
    for (int i = 0; i < TRIES; i++) {
        bool made = false;
        if (i > 0) {
            os_sleep_ms(BACKOFF_MS << i);
            rc = take_made(work, source, &made, err);
            if (rc != 0 || made)
                break;
        }
        uint8_t job[16];
        memcpy(job, job_id(work->job)->b, sizeof job);
        rc = backup_once(work, source, without_base, job, err);
        bool broken = rc != 0 && (err->code == ERR_UNREACHABLE || err->code == ERR_TIMEOUT);
        without_base = without_base || (rc != 0 && err->code == ERR_CLOSURE);
        if (rc == 0 || job_cancelled(work->job) || (!broken && err->code != ERR_CLOSURE))
            break;
    }
    return rc != 0 ? ERR_NOTE(err, "%s:%s", source->computer, source->path) : 0;
}

/* Every member, whatever becomes of the others; the first error is the job's. */
static int backup_main(void *ctx, struct job *job, struct err *err) {
    struct work *work = ctx;
    struct err first = {0};
    work->job = job;
    for (size_t i = 0; i < work->sources.n && !job_cancelled(job); i++) {
        work->last = i + 1 == work->sources.n;
        if (backup_source(work, &work->sources.p[i], err) == 0)
            continue;
        if (first.code == ERR_NONE)
            first = *err;
        if (work->sources.n > 1)
            job_problem(job, span_text(work->sources.p[i].path), span_text(err->text));
    }
    work_publish(work);
    *err = first;
    return first.code != ERR_NONE || job_cancelled(job) ? -1 : 0;
}

static int add_source(void *ctx, const struct catalog_source *source, struct err *err) {
    struct work *work = ctx;
    (void)err;
    *vec_push(&work->sources) = *source;
    return 0;
}

HANDLER(backup) {
    struct api_world *world = ctx;
    const char *name = rest_path(request, "group");
    struct group group = {0};
    int rc = group_get(world->catalog, name, &group, err);
    group_done(&group);
    if (rc != 0)
        return -1;
    struct work *work = work_new(world);
    (void)text_copy(work->group, sizeof work->group, name);
    if (catalog_sources(world->catalog, NULL, name, add_source, work, err) != 0 ||
        audit(world, request, err, "backup group %s", name) != 0) {
        work_free(work);
        return -1;
    }
    uint8_t(*needs)[16] = mem_new_array(work->sources.n + 1, sizeof *needs);
    for (size_t i = 0; i < work->sources.n; i++)
        memcpy(needs[i], work->sources.p[i].id, sizeof *needs);
    rc = work_start(world, JOB_KIND_BACKUP, work, backup_main, (const uint8_t(*)[16])needs,
                    work->sources.n, work->sources.n == 1 ? work->sources.p[0].computer : NULL,
                    answer, err);
    mem_free(needs);
    return rc;
}
