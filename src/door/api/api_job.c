/* Jobs as others see them, and the audit trail. */
#include <stdarg.h>

#include "door/api/api_int.h"

static void add_problem(void *ctx, struct span path, struct span reason) {
    json_t *json = json_object();
    json_path(json, "path", path);
    json_path(json, "reason", reason);
    (void)json_array_append_new(ctx, json);
}

static json_t *json_of_progress(const struct job_progress *progress) {
    json_t *json = json_object();
    json_number(json, "entries_done", progress->count[JOB_ENTRIES_DONE]);
    json_number(json, "entries_found", progress->count[JOB_ENTRIES_FOUND]);
    json_number(json, "bytes_done", progress->count[JOB_BYTES_DONE]);
    json_number(json, "bytes_read", progress->count[JOB_BYTES_READ]);
    if (progress->count[JOB_BYTES_TOTAL] > 0)
        json_number(json, "bytes_total", progress->count[JOB_BYTES_TOTAL]);
    else
        json_text(json, "bytes_total", NULL);
    if (progress->current[0] != 0)
        json_path(json, "current", span_text(progress->current));
    else
        json_text(json, "current", NULL);
    return json;
}

static json_t *result_of(struct api_world *world, const struct job_id *id) {
    SCOPED(buf) text = {0};
    json_t *json = NULL;
    if (job_result_get(world->jobs, id, &text, NULL) == 0 && text.n > 0)
        json = json_loadb((const char *)text.p, text.n, 0, NULL);
    return json != NULL ? json : json_object();
}

static json_t *json_of_job(struct api_world *world, const struct job_info *info, bool whole) {
    json_t *json = json_object();
    json_hex(json, "id", info->id.b, sizeof info->id.b);
    json_text(json, "kind", job_kind_name(info->kind));
    json_text(json, "state", job_state_name(info->state));
    json_text(json, "group", info->group);
    json_text(json, "computer", info->computer);
    json_text(json, "source", info->source);
    json_time(json, "started", info->started_s);
    json_time(json, "finished", info->finished_s);
    (void)json_object_set_new(json, "progress", json_of_progress(&info->progress));
    (void)json_object_set_new(json, "result", whole ? result_of(world, &info->id) : json_object());
    json_t *problems = json_array();
    if (whole && info->problem_count > 0)
        (void)job_problems(world->jobs, &info->id, 0, add_problem, problems, NULL);
    (void)json_object_set_new(json, "problems", problems);
    json_number(json, "problem_count", info->problem_count);
    (void)json_object_set_new(
        json, "error", info->err.code != ERR_NONE ? rest_error_json(&info->err) : json_null());
    json_number(json, "version", info->version);
    return json;
}

int answer_job(struct api_world *world, const struct job_id *id, struct rest_answer *answer,
               struct err *err) {
    struct job_info info;
    if (job_get(world->jobs, id, &info, err) != 0)
        return -1;
    answer->json = json_of_job(world, &info, true);
    return 0;
}

struct listing {
    struct api_world *world;
    struct page page;
};

static int list_job(void *ctx, const struct job_info *info, struct err *err) {
    struct listing *listing = ctx;
    (void)err;
    if (json_array_size(listing->page.items) == listing->page.limit)
        listing->page.more = true;
    else
        (void)json_array_append_new(listing->page.items, json_of_job(listing->world, info, false));
    return 0;
}

HANDLER(job_list) {
    struct listing listing = {.world = ctx};
    struct job_filter filter = {.kind = rest_text(request, "kind"),
                                .state = rest_text(request, "state"),
                                .group = rest_text(request, "group")};
    if (page_begin(&listing.page, request, err) != 0)
        return -1;
    filter.skip = listing.page.skip;
    filter.limit = listing.page.limit + 1;
    if (job_list(listing.world->jobs, &filter, list_job, &listing, err) != 0) {
        json_decref(listing.page.items);
        return -1;
    }
    page_answer(&listing.page, answer);
    return 0;
}

struct chosen {
    struct job_id id;
    unsigned n;
};

static int choose(void *ctx, const struct job_info *info, struct err *err) {
    struct chosen *chosen = ctx;
    (void)err;
    chosen->id = info->id;
    chosen->n++;
    return 0;
}

/* A full id, or a prefix that fits only one. */
static int find_job(struct api_world *world, const char *text, struct job_id *id, struct err *err) {
    if (text_unhex(text, strlen(text), id->b, sizeof id->b))
        return 0;
    struct job_filter filter = {.id_prefix = text, .limit = 2};
    struct chosen chosen = {0};
    if (job_list(world->jobs, &filter, choose, &chosen, err) != 0)
        return -1;
    if (chosen.n != 1)
        return ERR(err, chosen.n == 0 ? ERR_NOT_FOUND : ERR_AMBIGUOUS, "%s job begins with %s",
                   chosen.n == 0 ? "no" : "more than one", text);
    *id = chosen.id;
    return 0;
}

HANDLER(job_show) {
    struct api_world *world = ctx;
    struct job_id id;
    struct job_info info;
    if (find_job(world, rest_path(request, "job"), &id, err) != 0 ||
        job_wait(world->jobs, &id, rest_number(request, "seen", 0),
                 (uint32_t)rest_number(request, "wait_ms", 0), &info, err) != 0)
        return -1;
    answer->json = json_of_job(
        world, &info, job_state_final(info.state) || rest_number(request, "wait_ms", 0) == 0);
    return 0;
}

HANDLER(job_cancel) {
    struct api_world *world = ctx;
    struct job_id id;
    if (find_job(world, rest_path(request, "job"), &id, err) != 0 ||
        audit(world, request, err, "cancel job %s", rest_path(request, "job")) != 0 ||
        job_cancel(world->jobs, &id, err) != 0)
        return -1;
    return answer_job(world, &id, answer, err);
}

int audit(struct api_world *world, const struct rest_request *request, struct err *err,
          const char *format, ...) {
    char who[256], what[1024];
    const struct rest_caller *caller = rest_caller(request);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (caller->way == REST_BY_SOCKET)
        (void)text_format(who, sizeof who, "uid %u", caller->uid);
    else
        (void)text_format(who, sizeof who, "token %s", caller->token);
    return catalog_audit(world->catalog, os_wall_s(), who, what, err);
}
