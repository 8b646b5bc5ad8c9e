/* Jobs begin, and are asked to end. */
#include "base/text.h"
#include "control/job/job_int.h"

static void free_ctx(const struct job_spec *spec) {
    if (spec->ctx_free != NULL)
        spec->ctx_free(spec->ctx);
}

static int compare_needs(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct job_need));
}

static int check_spec(const struct job_spec *spec, struct err *err) {
    INVARIANT(spec->fn != NULL && (unsigned)spec->kind < JOB_KIND_N);
    if (spec->need_n > JOB_NEEDS_MAX)
        return ERR(err, ERR_LIMIT, "a job of %zu sources, at most %u", spec->need_n, JOB_NEEDS_MAX);
    return 0;
}

static struct job *make_job(struct jobs *jobs, const struct job_spec *spec) {
    struct job *job = mem_new(sizeof *job);
    *job = (struct job){.jobs = jobs,
                        .id = spec->id,
                        .kind = spec->kind,
                        .state = JOB_QUEUED,
                        .created_s = os_wall_s(),
                        .version = 1,
                        .fn = spec->fn,
                        .ctx = spec->ctx,
                        .ctx_free = spec->ctx_free};
    os_mutex_init(&job->cancel_mutex);
    if (spec->group != NULL)
        (void)text_copy(job->group, sizeof job->group, spec->group);
    if (spec->computer != NULL)
        (void)text_copy(job->computer, sizeof job->computer, spec->computer);
    if (spec->source != NULL)
        (void)text_copy(job->source, sizeof job->source, spec->source);
    for (size_t i = 0; i < spec->need_n; i++)
        memcpy(vec_push(&job->needs)->b, spec->needs[i], sizeof spec->needs[i]);
    if (job->needs.n > 1)
        qsort(job->needs.p, job->needs.n, sizeof job->needs.p[0], compare_needs);
    return job;
}

static uint64_t waiting_n(const struct jobs *jobs) {
    uint64_t n = 0;
    for (size_t i = 0; i < jobs->list.n; i++)
        n += jobs->list.p[i]->state == JOB_QUEUED;
    return n;
}

/* Into the table, not yet for workers.  *known: the one that has the id already, or NULL. */
static int enter(struct jobs *jobs, const struct job_spec *spec, struct job **job,
                 struct job **known, struct err *err) {
    *known = jobs_find(jobs, &spec->id);
    if (*known != NULL)
        return 0;
    if (jobs->stopping)
        return ERR(err, ERR_STOPPING, "no job is taken any more");
    if (waiting_n(jobs) >= JOB_WAITING_MAX)
        return ERR(err, ERR_LIMIT, "%u jobs wait already", JOB_WAITING_MAX);
    *job = make_job(jobs, spec);
    *vec_push(&jobs->list) = *job;
    jobs_pin(*job);
    return 0;
}

/* Begin its history, tell, and let workers have it; what was asked for meanwhile is done now. */
static int make_ready(struct job *job, struct err *err) {
    struct jobs *jobs = job->jobs;
    if (jobs_put(job, JOB_QUEUED, NULL, err) != 0)
        return -1;
    jobs_tell(job);
    os_mutex_lock(&jobs->mutex);
    bool over = job_cancelled(job) || jobs->stopping;
    enum job_state end = jobs->stopping ? JOB_INTERRUPTED : JOB_CANCELLED;
    job->ready = true;
    job->taken = over;
    os_cond_signal(&jobs->work);
    os_mutex_unlock(&jobs->mutex);
    if (over)
        jobs_end(job, end, NULL);
    return 0;
}

/* *known: another has the id already, *info is that one. */
static int queue_new(struct jobs *jobs, const struct job_spec *spec, bool *known,
                     struct job_info *info, struct err *err) {
    struct job *job = NULL, *old = NULL;
    os_mutex_lock(&jobs->mutex);
    int rc = enter(jobs, spec, &job, &old, err);
    *known = old != NULL;
    if (*known)
        jobs_info(old, info);
    os_mutex_unlock(&jobs->mutex);
    if (rc != 0 || *known)
        return rc;
    rc = make_ready(job, err);
    os_mutex_lock(&jobs->mutex);
    jobs_info(job, info);
    if (rc != 0) {
        jobs_drop(job);
        os_cond_broadcast(&jobs->work); /* whom it blocked */
    }
    jobs_unpin(job);
    os_mutex_unlock(&jobs->mutex);
    return rc;
}

int job_start(struct jobs *jobs, const struct job_spec *spec, struct job_info *info,
              struct err *err) {
    static const struct job_id none;
    struct job_spec named = *spec;
    struct job_info now = {0};
    bool known = false;
    bool given = memcmp(&spec->id, &none, sizeof none) != 0;
    if (!given)
        job_id_new(&named.id);
    int rc = check_spec(spec, err);
    if (rc == 0 && given)
        rc = jobs_find_row(jobs, &named.id, &known, &now, err);
    if (rc == 0 && !known)
        rc = queue_new(jobs, &named, &known, &now, err);
    if (rc != 0 || known)
        free_ctx(spec);
    if (rc == 0 && info != NULL)
        *info = now;
    return rc;
}

/* ---- cancelling, from outside ---- */

/* *waits: it was taken from those who wait.  Pinned; NULL: not in the table, or ended. */
static struct job *take_named(struct jobs *jobs, const struct job_id *id, bool *here, bool *waits) {
    os_mutex_lock(&jobs->mutex);
    struct job *job = jobs_find(jobs, id);
    *here = job != NULL;
    *waits = false;
    if (job != NULL && job_state_final(job->state))
        job = NULL;
    if (job != NULL) {
        *waits = job->ready && !job->taken;
        job->taken = job->taken || *waits;
        jobs_pin(job);
    }
    os_mutex_unlock(&jobs->mutex);
    return job;
}

int job_cancel(struct jobs *jobs, const struct job_id *id, struct err *err) {
    bool here, waits;
    struct job_info info;
    struct job *job = take_named(jobs, id, &here, &waits);
    if (job == NULL)
        return here ? 0 : job_get(jobs, id, &info, err);
    jobs_cancel(job, false);
    if (waits)
        jobs_end(job, JOB_CANCELLED, NULL);
    os_mutex_lock(&jobs->mutex);
    jobs_unpin(job);
    os_mutex_unlock(&jobs->mutex);
    return 0;
}
