/* A job's way: taken in turn, run, ended. */
#include "base/text.h"
#include "control/job/job_int.h"

/* ---- whose turn it is ---- */

/* Both lists are in byte order. */
static bool share_a_need(const struct job *a, const struct job *b) {
    size_t i = 0, k = 0;
    while (i < a->needs.n && k < b->needs.n) {
        int order = memcmp(a->needs.p[i].b, b->needs.p[k].b, sizeof a->needs.p[i].b);
        if (order == 0)
            return true;
        if (order < 0)
            i++;
        else
            k++;
    }
    return false;
}

/* Everybody before it that has not ended comes first, running or not: nobody is overtaken for
 * ever by jobs that need less. */
static bool is_blocked(const struct jobs *jobs, size_t at) {
    for (size_t i = 0; i < at; i++)
        if (!job_state_final(jobs->list.p[i]->state) &&
            share_a_need(jobs->list.p[i], jobs->list.p[at]))
            return true;
    return false;
}

static struct job *next_job(const struct jobs *jobs) {
    for (size_t i = 0; i < jobs->list.n; i++)
        if (jobs->list.p[i]->ready && !jobs->list.p[i]->taken && !is_blocked(jobs, i))
            return jobs->list.p[i];
    return NULL;
}

/* ---- the end ---- */

static void trim_history(struct jobs *jobs, const struct job *job) {
    const struct catalog_jobs_keep keep = {.jobs = JOB_HISTORY_MAX,
                                           .with_problems = JOB_HISTORY_PROBLEMS_MAX};
    struct err err = {0};
    if (catalog_jobs_trim(jobs->catalog, keep, &err) != 0 && jobs->opts.trouble != NULL)
        jobs->opts.trouble(jobs->opts.ctx, &job->id, &err);
}

/* What the catalog has need not stay here; what it could not take stays while there is room. */
static void leave_table(struct job *job, bool written) {
    struct jobs *jobs = job->jobs;
    struct job *oldest = NULL;
    unsigned unwritten = 0;
    job->unwritten = !written;
    if (written) {
        jobs_drop(job);
        return;
    }
    for (size_t i = jobs->list.n; i-- > 0;)
        if (jobs->list.p[i]->unwritten) {
            unwritten++;
            oldest = jobs->list.p[i];
        }
    if (unwritten > JOB_UNWRITTEN_MAX)
        jobs_drop(oldest);
}

/* The history is written first: nobody is told of an end that a crash could undo. */
void jobs_end(struct job *job, enum job_state state, const struct err *why) {
    struct jobs *jobs = job->jobs;
    if (job->ctx_free != NULL)
        job->ctx_free(job->ctx);
    os_mutex_lock(&jobs->mutex);
    job->finished_s = os_wall_s();
    os_mutex_unlock(&jobs->mutex);
    bool written = jobs_write(job, state, why);
    os_mutex_lock(&jobs->mutex);
    if (why != NULL)
        job->err = *why;
    job->current[0] = 0;
    jobs_move(job, state);
    bool trim = ++jobs->ended_n % JOB_TRIM_EVERY == 0;
    os_cond_broadcast(&jobs->work);
    os_mutex_unlock(&jobs->mutex);
    jobs_tell(job);
    os_mutex_lock(&jobs->mutex);
    leave_table(job, written);
    os_mutex_unlock(&jobs->mutex);
    if (trim)
        trim_history(jobs, job);
}

void jobs_cancel(struct job *job, bool by_shutdown) {
    if (by_shutdown)
        atomic_store(&job->by_shutdown, true);
    atomic_store(&job->cancelled, true);
    os_mutex_lock(&job->cancel_mutex);
    job_cancel_fn *fn = job->cancel_fn;
    job->cancel_fn = NULL;
    if (fn != NULL)
        fn(job->cancel_ctx);
    os_mutex_unlock(&job->cancel_mutex);
}

/* ---- a worker ---- */

static enum job_state ended_as(struct job *job, int rc, struct err *err) {
    if (rc != 0 && job_cancelled(job))
        return atomic_load(&job->by_shutdown) ? JOB_INTERRUPTED : JOB_CANCELLED;
    if (rc != 0) {
        if (err->code == ERR_NONE)
            (void)ERR(err, ERR_INTERNAL, "the work ended without saying why");
        return JOB_FAILED;
    }
    os_mutex_lock(&job->jobs->mutex);
    bool problems = job->problem_count > 0;
    os_mutex_unlock(&job->jobs->mutex);
    return problems ? JOB_PARTIAL : JOB_DONE;
}

static void run(struct job *job) {
    struct jobs *jobs = job->jobs;
    struct err err = {0};
    os_mutex_lock(&jobs->mutex);
    job->started_s = os_wall_s();
    os_mutex_unlock(&jobs->mutex);
    (void)jobs_write(job, JOB_RUNNING, NULL);
    os_mutex_lock(&jobs->mutex);
    jobs_move(job, JOB_RUNNING);
    os_mutex_unlock(&jobs->mutex);
    jobs_tell(job);
    int rc = job_cancelled(job) ? -1 : job->fn(job->ctx, job, &err);
    enum job_state state = ended_as(job, rc, &err);
    jobs_end(job, state, state == JOB_FAILED ? &err : NULL);
}

void jobs_worker(void *arg) {
    struct jobs *jobs = arg;
    os_mutex_lock(&jobs->mutex);
    while (!jobs->stopping) {
        struct job *job = next_job(jobs);
        if (job == NULL) {
            os_cond_wait(&jobs->work, &jobs->mutex);
            continue;
        }
        job->taken = true;
        jobs_pin(job);
        jobs->running++;
        os_mutex_unlock(&jobs->mutex);
        run(job);
        os_mutex_lock(&jobs->mutex);
        jobs_unpin(job);
        jobs->running--;
        os_cond_broadcast(&jobs->changed);
    }
    os_mutex_unlock(&jobs->mutex);
}
