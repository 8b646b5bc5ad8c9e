/* Jobs as others see them: those of the table, then those of the catalog. */
#include "base/text.h"
#include "control/job/job_int.h"

static int not_found(const struct job_id *id, struct err *err) {
    char hex[2 * JOB_ID_BYTES + 1];
    jobs_hex(id, hex);
    return ERR(err, ERR_NOT_FOUND, "there is no job %s", hex);
}

/* An ended job's progress is what it did: nothing of it changes any more. */
static int get_row(struct jobs *jobs, const struct job_id *id, struct job_info *info,
                   struct err *err) {
    bool found;
    if (jobs_find_row(jobs, id, &found, info, err) != 0)
        return -1;
    return found ? 0 : not_found(id, err);
}

int job_get(struct jobs *jobs, const struct job_id *id, struct job_info *info, struct err *err) {
    os_mutex_lock(&jobs->mutex);
    const struct job *job = jobs_find(jobs, id);
    if (job != NULL)
        jobs_info(job, info);
    os_mutex_unlock(&jobs->mutex);
    return job != NULL ? 0 : get_row(jobs, id, info, err);
}

static bool worth_waiting(struct jobs *jobs, const struct job *job, uint64_t seen) {
    return job != NULL && job->version <= seen && !job_state_final(job->state) && !jobs->stopping;
}

int job_wait(struct jobs *jobs, const struct job_id *id, uint64_t seen, uint32_t timeout_ms,
             struct job_info *info, struct err *err) {
    uint64_t end_ns = os_mono_ns() + timeout_ms * 1'000'000ull;
    os_mutex_lock(&jobs->mutex);
    struct job *job = jobs_find(jobs, id);
    while (worth_waiting(jobs, job, seen)) {
        uint64_t now = os_mono_ns();
        if (now >= end_ns)
            break;
        (void)os_cond_wait_ms(&jobs->changed, &jobs->mutex,
                              (uint32_t)((end_ns - now) / 1'000'000) + 1);
        job = jobs_find(jobs, id);
    }
    if (job != NULL)
        jobs_info(job, info);
    os_mutex_unlock(&jobs->mutex);
    return job != NULL ? 0 : get_row(jobs, id, info, err);
}

/* ---- results and problems ---- */

static int take_result(void *ctx, const struct catalog_job *row, struct err *err) {
    (void)err;
    buf_put_span(ctx, row->result);
    return 0;
}

int job_result_get(struct jobs *jobs, const struct job_id *id, struct buf *out, struct err *err) {
    char hex[2 * JOB_ID_BYTES + 1];
    os_mutex_lock(&jobs->mutex);
    const struct job *job = jobs_find(jobs, id);
    if (job != NULL)
        buf_put_span(out, buf_span(&job->result));
    os_mutex_unlock(&jobs->mutex);
    jobs_hex(id, hex);
    return job != NULL ? 0 : catalog_job(jobs->catalog, hex, take_result, out, err);
}

struct told {
    job_problem_fn *fn;
    void *ctx;
};

static int tell_problem(void *ctx, const struct catalog_problem *problem, struct err *err) {
    const struct told *told = ctx;
    (void)err;
    told->fn(told->ctx, problem->path, problem->reason);
    return 0;
}

/* Problems are only ever added, so those below `n` may be read without the mutex; their array may
 * move, so each is looked up under it. */
static void tell_problems(struct jobs *jobs, struct job *job, uint64_t skip, job_problem_fn *fn,
                          void *ctx) {
    for (uint64_t i = skip;; i++) {
        os_mutex_lock(&jobs->mutex);
        bool more = i < job->problems.n;
        struct job_problem problem = more ? job->problems.p[i] : (struct job_problem){0};
        os_mutex_unlock(&jobs->mutex);
        if (!more)
            return;
        fn(ctx, buf_span(&problem.path), buf_span(&problem.reason));
    }
}

int job_problems(struct jobs *jobs, const struct job_id *id, uint64_t skip, job_problem_fn *fn,
                 void *ctx, struct err *err) {
    struct told told = {.fn = fn, .ctx = ctx};
    struct job_info info;
    char hex[2 * JOB_ID_BYTES + 1];
    os_mutex_lock(&jobs->mutex);
    struct job *job = jobs_find(jobs, id);
    if (job != NULL)
        jobs_pin(job);
    os_mutex_unlock(&jobs->mutex);
    if (job != NULL) {
        tell_problems(jobs, job, skip, fn, ctx);
        os_mutex_lock(&jobs->mutex);
        jobs_unpin(job);
        os_mutex_unlock(&jobs->mutex);
        return 0;
    }
    jobs_hex(id, hex);
    if (get_row(jobs, id, &info, err) != 0)
        return -1;
    return catalog_job_problems(jobs->catalog, hex, skip, tell_problem, &told, err);
}

/* ---- lists ---- */

struct listing {
    struct jobs *jobs;
    job_list_fn *fn;
    void *ctx;
};

/* The row, with what the table knows better: how far it is. */
static int list_row(void *ctx, const struct catalog_job *row, struct err *err) {
    const struct listing *listing = ctx;
    struct job_info info, now;
    jobs_info_of_row(row, &info);
    os_mutex_lock(&listing->jobs->mutex);
    const struct job *job = jobs_find(listing->jobs, &info.id);
    if (job != NULL) {
        jobs_info(job, &now);
        info.progress = now.progress;
        info.problem_count = now.problem_count;
        info.version = now.version;
    }
    os_mutex_unlock(&listing->jobs->mutex);
    return listing->fn(listing->ctx, &info, err);
}

int job_list(struct jobs *jobs, const struct job_filter *filter, job_list_fn *fn, void *ctx,
             struct err *err) {
    struct listing listing = {.jobs = jobs, .fn = fn, .ctx = ctx};
    const struct catalog_job_filter rows = {.id = filter->id_prefix,
                                            .kind = filter->kind,
                                            .state = filter->state,
                                            .group = filter->group,
                                            .computer = filter->computer,
                                            .skip = filter->skip,
                                            .limit = filter->limit};
    return catalog_jobs(jobs->catalog, &rows, list_row, &listing, err);
}

void job_load(struct jobs *jobs, uint64_t *queued, uint64_t *running) {
    *queued = *running = 0;
    os_mutex_lock(&jobs->mutex);
    for (size_t i = 0; i < jobs->list.n; i++) {
        *queued += jobs->list.p[i]->state == JOB_QUEUED;
        *running += jobs->list.p[i]->state == JOB_RUNNING;
    }
    os_mutex_unlock(&jobs->mutex);
}

static bool has_need(const struct job *job, const uint8_t need[16]) {
    for (size_t i = 0; i < job->needs.n; i++)
        if (memcmp(job->needs.p[i].b, need, 16) == 0)
            return true;
    return false;
}

bool job_busy(struct jobs *jobs, const uint8_t *need, const char *group) {
    bool busy = false;
    os_mutex_lock(&jobs->mutex);
    for (size_t i = 0; i < jobs->list.n && !busy; i++) {
        const struct job *job = jobs->list.p[i];
        busy = !job_state_final(job->state) &&
               ((need != NULL && has_need(job, need)) ||
                (group != NULL && text_equal_nocase(job->group, group)));
    }
    os_mutex_unlock(&jobs->mutex);
    return busy;
}
