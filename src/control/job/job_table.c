/* The table: who is in it, opened, shut down. */
#include "base/text.h"
#include "control/job/job_int.h"
#include "os/random.h"

struct job *jobs_find(struct jobs *jobs, const struct job_id *id) {
    for (size_t i = 0; i < jobs->list.n; i++)
        if (memcmp(jobs->list.p[i]->id.b, id->b, sizeof id->b) == 0)
            return jobs->list.p[i];
    return NULL;
}

static void free_job(struct job *job) {
    for (size_t i = 0; i < job->problems.n; i++) {
        buf_done(&job->problems.p[i].path);
        buf_done(&job->problems.p[i].reason);
    }
    vec_done(&job->problems);
    vec_done(&job->needs);
    buf_done(&job->result);
    os_mutex_done(&job->cancel_mutex);
    mem_free(job);
}

void jobs_pin(struct job *job) {
    job->pins++;
}

void jobs_unpin(struct job *job) {
    INVARIANT(job->pins > 0);
    if (--job->pins == 0 && job->gone)
        free_job(job);
}

void jobs_drop(struct job *job) {
    struct jobs *jobs = job->jobs;
    size_t i = 0;
    while (jobs->list.p[i] != job)
        i++;
    jobs->list.n--;
    memmove(&jobs->list.p[i], &jobs->list.p[i + 1], (jobs->list.n - i) * sizeof jobs->list.p[0]);
    job->gone = true;
    if (job->pins == 0)
        free_job(job);
}

void jobs_changed(struct job *job) {
    job->version++;
    os_cond_broadcast(&job->jobs->changed);
}

void jobs_move(struct job *job, enum job_state to) {
    INVARIANT(job_may_move(job->state, to));
    job->state = to;
    jobs_changed(job);
}

/* Between the oldest sample kept and now: some seconds. */
static uint64_t rate_of(const struct job *job) {
    if (job->state != JOB_RUNNING || job->sample_n == 0)
        return 0;
    uint64_t first = job->sample_n > JOB_SAMPLES ? job->sample_n % JOB_SAMPLES : 0;
    const struct job_sample *old = &job->samples[first];
    uint64_t bytes = atomic_load(&job->counts[JOB_BYTES_DONE]);
    uint64_t passed_ms = (os_mono_ns() - old->ns) / 1'000'000;
    return bytes <= old->bytes || passed_ms == 0 ? 0 : (bytes - old->bytes) * 1000 / passed_ms;
}

void jobs_info(const struct job *job, struct job_info *info) {
    *info = (struct job_info){.id = job->id,
                              .kind = job->kind,
                              .state = job->state,
                              .created_s = job->created_s,
                              .started_s = job->started_s,
                              .finished_s = job->finished_s,
                              .problem_count = job->problem_count,
                              .err = job->err,
                              .version = job->version};
    memcpy(info->group, job->group, sizeof info->group);
    memcpy(info->computer, job->computer, sizeof info->computer);
    memcpy(info->source, job->source, sizeof info->source);
    memcpy(info->progress.current, job->current, sizeof info->progress.current);
    for (size_t i = 0; i < JOB_COUNT_N; i++)
        info->progress.count[i] = atomic_load(&job->counts[i]);
    info->progress.rate_bps = rate_of(job);
}

/* ---- from opening to closing ---- */

int jobs_open(struct catalog *catalog, const struct jobs_opts *opts, struct jobs **out,
              struct err *err) {
    const struct catalog_jobs_keep keep = {.jobs = JOB_HISTORY_MAX,
                                           .with_problems = JOB_HISTORY_PROBLEMS_MAX};
    if (catalog_jobs_interrupt(catalog, os_wall_s(), err) != 0 ||
        catalog_jobs_trim(catalog, keep, err) != 0)
        return ERR_NOTE(err, "history of jobs");
    AUTO(jobs) *jobs = mem_new(sizeof *jobs);
    jobs->catalog = catalog;
    jobs->opts = *opts;
    os_mutex_init(&jobs->mutex);
    os_cond_init(&jobs->work);
    os_cond_init(&jobs->changed);
    unsigned workers = opts->workers > 0 ? MIN(opts->workers, JOB_WORKERS_MAX) : JOB_WORKERS;
    for (unsigned i = 0; i < workers; i++)
        if (os_thread_start(&jobs->workers[i], "job", jobs_worker, jobs, err) != 0)
            return -1;
    *out = TAKE(jobs);
    return 0;
}

/* A job of the table that waits, or runs without having been asked to end; pinned; NULL: none. */
static struct job *take_one(struct jobs *jobs, bool waiting) {
    struct job *found = NULL;
    os_mutex_lock(&jobs->mutex);
    for (size_t i = 0; i < jobs->list.n && found == NULL; i++) {
        struct job *job = jobs->list.p[i];
        if (waiting ? job->ready && !job->taken : job->taken && !job->gone && !job_cancelled(job))
            found = job;
    }
    if (found != NULL) {
        found->taken = true;
        jobs_pin(found);
    }
    os_mutex_unlock(&jobs->mutex);
    return found;
}

static void let_go(struct jobs *jobs, struct job *job) {
    os_mutex_lock(&jobs->mutex);
    jobs_unpin(job);
    os_mutex_unlock(&jobs->mutex);
}

/* Until nothing runs, or the time is over. */
static void drain(struct jobs *jobs, uint32_t drain_ms) {
    uint64_t end_ns = os_mono_ns() + drain_ms * 1'000'000ull;
    os_mutex_lock(&jobs->mutex);
    while (jobs->running > 0) {
        uint64_t now = os_mono_ns();
        if (now >= end_ns)
            break;
        (void)os_cond_wait_ms(&jobs->changed, &jobs->mutex,
                              (uint32_t)((end_ns - now) / 1'000'000) + 1);
    }
    os_mutex_unlock(&jobs->mutex);
}

void jobs_shutdown(struct jobs *jobs, uint32_t drain_ms) {
    struct job *job;
    os_mutex_lock(&jobs->mutex);
    jobs->stopping = true;
    os_cond_broadcast(&jobs->work);
    os_cond_broadcast(&jobs->changed);
    os_mutex_unlock(&jobs->mutex);
    while ((job = take_one(jobs, true)) != NULL) {
        jobs_end(job, JOB_INTERRUPTED, NULL);
        let_go(jobs, job);
    }
    drain(jobs, drain_ms);
    while ((job = take_one(jobs, false)) != NULL) {
        jobs_cancel(job, true);
        let_go(jobs, job);
    }
    for (size_t i = 0; i < JOB_WORKERS_MAX; i++)
        os_thread_join(&jobs->workers[i]);
}

void jobs_close(struct jobs *jobs) {
    if (jobs == NULL)
        return;
    jobs_shutdown(jobs, 0);
    os_mutex_lock(&jobs->mutex);
    while (jobs->list.n > 0) /* those whose history could not be written */
        jobs_drop(jobs->list.p[0]);
    os_mutex_unlock(&jobs->mutex);
    vec_done(&jobs->list);
    os_cond_done(&jobs->changed);
    os_cond_done(&jobs->work);
    os_mutex_done(&jobs->mutex);
    mem_free(jobs);
}
