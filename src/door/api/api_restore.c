#include "control/group/group.h"
#include "data/apply/apply.h"
#include "door/api/api_work.h"
#include "flow/serve/serve.h"
#include "os/random.h"

static int order_restore(struct work *work, struct channel *control,
                         const struct rpc_ticket *ticket, void *what, struct err *err) {
    SCOPED(buf) body = {0};
    (void)what;
    struct msg_order_restore order = {.ticket = ticket->secret, .target = span_text(work->target)};
    memcpy(order.job, ticket->job, sizeof order.job);
    msg_order_restore_put(&body, &order);
    if (channel_send(control, FRAME_TYPE_order_restore, buf_span(&body), span_of(NULL, 0), err) !=
        0)
        return -1;
    return work_accepted(control, err);
}

static void restore_progress(void *ctx, const struct msg_progress *progress, uint64_t sent) {
    work_progress(ctx, progress, sent, 0);
}

static int restore_main(void *ctx, struct job *job, struct err *err) {
    struct work *work = ctx;
    struct api_world *world = work->world;
    struct trust_computer trust;
    struct msg_restored restored = {0};
    SCOPED(buf) commit_file = {0};
    enum ledger_state state;
    AUTO(channel) *channel = NULL;
    work->job = job;
    if (ledger_read(world->ledger, work->point.source, work->point.sequence, &state, &commit_file,
                    err) != 0 ||
        work_meet(work, work->computer, order_restore, NULL, &trust, &channel, err) != 0)
        return -1;
    struct serve_order order = {.commit_file = buf_span(&commit_file),
                                .selection = buf_span(&work->selection),
                                .existing = work->existing,
                                .security = work->security};
    struct serve_watch watch = {.ctx = work, .progress = restore_progress, .problem = work_problem};
    if (work->selection.n == 0) {
        job_set(job, JOB_BYTES_TOTAL, work->point.bytes);
        job_set(job, JOB_ENTRIES_FOUND, work->point.entries);
    }
    job_on_cancel(job, work_cancel_channel, channel);
    int rc = serve_restore(channel, world->store, &order, &watch, &restored, err);
    job_on_cancel(job, NULL, NULL);
    json_number(work->result, "entries", restored.done);
    json_number(work->result, "entries_skipped", restored.skipped);
    json_number(work->result, "bytes", restored.bytes);
    json_path(work->result, "target", span_text(work->target));
    if (rc == 0) {
        job_set(job, JOB_ENTRIES_DONE, restored.done);
        job_set(job, JOB_BYTES_DONE, restored.bytes);
    }
    work_publish(work);
    return rc;
}

/* Paths of the request into an encoded selection; a hard link brings the path that holds its
 * content. */
static int take_paths(struct api_world *world, const struct rest_request *request,
                      struct work *work, struct err *err) {
    const json_t *paths = rest_list(request, "paths");
    for (size_t i = 0; i < json_array_size(paths); i++) {
        SCOPED(buf) path = {0};
        const char *text = json_string_value(json_array_get(paths, i));
        if (text == NULL || !rest_unescape(text, &path))
            return ERR(err, ERR_USAGE, "path %zu is not well formed", i + 1);
        struct span relative = api_path_in_point(&work->point, buf_span(&path));
        if (relative.n == 0) {
            buf_clear(&work->selection); /* the root: everything */
            return 0;
        }
        if (api_select_entry(world, &work->point, relative, &work->selection, err) != 0)
            return -1;
    }
    return 0;
}

static uint8_t word_index(const char *word, const char *const *words, size_t n) {
    for (size_t i = 0; i < n && word != NULL; i++)
        if (text_equal(word, words[i]))
            return (uint8_t)i;
    return 0;
}

HANDLER(restore) {
    static const char *const existing[] = {
        [APPLY_COPY] = "copy", [APPLY_SKIP] = "skip", [APPLY_OVERWRITE] = "overwrite"};
    static const char *const security[] = {
        [APPLY_RESTORE] = "restore", [APPLY_INHERIT] = "inherit"};
    struct api_world *world = ctx;
    struct work *work = work_new(world);
    SCOPED(buf) to = {0};
    const char *computer = rest_text(request, "computer");
    uint8_t need[1][16];
    int rc = select_point(world, request, "point", &work->point, err);
    bool elsewhere = rest_path_bytes(request, "to", &to);
    if (rc == 0)
        rc = group_clean_path(elsewhere ? buf_text(&to) : work->point.path, work->target, err);
    if (rc == 0)
        rc = take_paths(world, request, work, err);
    if (rc == 0)
        rc = audit(world, request, err, "restore point %llu of %s:%s to %s",
                   (unsigned long long)work->point.sequence, work->point.computer, work->point.path,
                   work->target);
    if (rc != 0) {
        work_free(work);
        return -1;
    }
    work->existing = word_index(rest_text(request, "existing"), existing, ARRAY_N(existing));
    work->security = word_index(rest_text(request, "security"), security, ARRAY_N(security));
    (void)text_copy(work->computer, sizeof work->computer,
                    computer != NULL ? computer : work->point.computer);
    struct catalog_source source = {0};
    (void)catalog_source(world->catalog, work->point.source, &source, NULL);
    (void)text_copy(work->group, sizeof work->group, source.group);
    os_random(need, sizeof need); /* restores keep nobody from anything */
    return work_start(world, JOB_KIND_RESTORE, work, restore_main, (const uint8_t(*)[16])need, 1,
                      work->computer, answer, err);
}
