/* verify and gc: work on the store itself. */
#include "door/api/api_work.h"
#include "flow/check/check.h"
#include "flow/retain/retain.h"

static const uint8_t store_need[1][16] = {"the chunk store"};

/* ---- verify ---- */
static void add_damage(void *ctx, enum check_kind kind, struct span object, const char *reason) {
    static const char *const kinds[] = {
        [CHECK_PACK] = "pack", [CHECK_POINT] = "point", [CHECK_FILE] = "file"};
    struct work *work = ctx;
    json_t *list = json_object_get(work->result, "damaged");
    if (list == NULL) {
        list = json_array();
        (void)json_object_set_new(work->result, "damaged", list);
    }
    json_t *json = json_object();
    json_text(json, "kind", kinds[kind]);
    json_path(json, "object", object);
    json_text(json, "reason", reason);
    if (json_array_size(list) < JOB_PROBLEMS_MAX)
        (void)json_array_append_new(list, json);
    else
        json_decref(json);
    job_problem(work->job, object, span_text(reason));
}

static void verify_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes) {
    struct work *work = ctx;
    job_set(work->job, JOB_BYTES_DONE, done_bytes);
    job_set(work->job, JOB_BYTES_TOTAL, total_bytes);
}

static int verify_main(void *ctx, struct job *job, struct err *err) {
    struct work *work = ctx;
    struct api_world *world = work->world;
    struct trust_identity own;
    struct check_result result;
    work->job = job;
    if (trust_take(world, err) != 0)
        return -1;
    trust_server_identity(world->trust, &own);
    trust_give(world);
    struct check_opts opts = {.read_data = work->read_data,
                              .server_key = &own.signing_key,
                              .ctx = work,
                              .cancelled = work_cancelled,
                              .damage = add_damage,
                              .progress = verify_progress};
    int rc = check_run(world->store, world->ledger, &opts, &result, err);
    json_number(work->result, "checked_packs", result.packs);
    json_number(work->result, "checked_points", result.points);
    work_publish(work);
    if (rc != 0)
        return -1;
    uint64_t damaged = result.damaged_packs + result.damaged_points + result.damaged_files;
    if (damaged > 0)
        return ERR(err, ERR_STORE_CORRUPT, "%llu packs, %llu points and %llu files are damaged",
                   (unsigned long long)result.damaged_packs,
                   (unsigned long long)result.damaged_points,
                   (unsigned long long)result.damaged_files);
    return 0;
}

HANDLER(verify) {
    struct api_world *world = ctx;
    struct work *work = work_new(world);
    work->read_data = rest_flag(request, "read_data");
    if (audit(world, request, err, "verify%s", work->read_data ? " all data" : "") != 0) {
        work_free(work);
        return -1;
    }
    return work_start(world, JOB_KIND_VERIFY, work, verify_main, store_need, 1, NULL, answer, err);
}

/* ---- gc ---- */
/* A point whose soft-delete window is over loses its hold: from now on only its link of the chain
 * is kept. */
static int purge_point(void *ctx, const struct catalog_point *point, struct err *err) {
    struct api_world *world = ctx;
    if (ledger_move(world->ledger, point->source, point->sequence, LEDGER_DELETED, LEDGER_PURGED,
                    err) != 0)
        return -1;
    return catalog_point_drop(world->catalog, &point->id, err);
}

static void gc_progress(void *ctx, uint64_t done, uint64_t total) {
    struct work *work = ctx;
    job_set(work->job, JOB_ENTRIES_DONE, done);
    if (total > 0)
        job_set(work->job, JOB_ENTRIES_FOUND, total);
}

static int gc_main(void *ctx, struct job *job, struct err *err) {
    struct work *work = ctx;
    struct api_world *world = work->world;
    struct retain_result result = {0};
    int64_t now = os_wall_s();
    struct catalog_point_filter deleted = {.deleted = true,
                                           .deleted_before_s = now - world->trash_window_s + 1};
    work->job = job;
    if (!work->what_if && catalog_points(world->catalog, &deleted, purge_point, world, err) != 0)
        return -1;
    struct retain_opts opts = {.now_s = now,
                               .window_s = world->trash_window_s,
                               .what_if = work->what_if,
                               .cancelled = work_cancelled,
                               .progress = gc_progress,
                               .ctx = work};
    int rc = retain_run(world->store, world->ledger, &opts, &result, err);
    json_number(work->result, "checked_points", result.points_held);
    json_number(work->result, "condemned_chunks", result.store.condemned_chunks);
    json_number(work->result, "trashed_packs", result.store.trashed_packs);
    json_number(work->result, "rewritten_packs", result.store.rewritten_packs);
    json_number(work->result, "freed_packs", result.store.freed_packs);
    json_number(work->result, "freed_bytes", result.store.freed_bytes);
    work_publish(work);
    return rc;
}

HANDLER(gc) {
    struct api_world *world = ctx;
    struct work *work = work_new(world);
    work->what_if = rest_flag(request, "what_if");
    if (audit(world, request, err, "gc%s", work->what_if ? " (what if)" : "") != 0) {
        work_free(work);
        return -1;
    }
    return work_start(world, JOB_KIND_GC, work, gc_main, store_need, 1, NULL, answer, err);
}
