/* Names, moves, and what the work says of itself. */
#include "control/job/job.h"

#include "base/text.h"
#include "control/job/job_int.h"
#include "os/random.h"

/* ---- spec/job.yaml ---- */

static const struct {
    const char *name;
    bool final;
    int exit;
} states[] = {
#define JOB_STATE(state, name, final, exit) [state] = {name, final, exit},
#include "spec_job.inc"
};

static const char *const kinds[] = {
#define JOB_KIND(kind, name) [kind] = name,
#include "spec_job.inc"
};

static const bool moves[JOB_STATE_N][JOB_STATE_N] = {
#define JOB_MOVE(from, to) [from][to] = true,
#include "spec_job.inc"
};

const char *job_state_name(enum job_state state) {
    return states[state].name;
}

const char *job_kind_name(enum job_kind kind) {
    return kinds[kind];
}

bool job_state_of(const char *name, enum job_state *state) {
    for (size_t i = 0; i < JOB_STATE_N; i++)
        if (text_equal(states[i].name, name)) {
            *state = (enum job_state)i;
            return true;
        }
    return false;
}

bool job_kind_of(const char *name, enum job_kind *kind) {
    for (size_t i = 0; i < JOB_KIND_N; i++)
        if (text_equal(kinds[i], name)) {
            *kind = (enum job_kind)i;
            return true;
        }
    return false;
}

bool job_state_final(enum job_state state) {
    return states[state].final;
}

int job_state_exit(enum job_state state) {
    return states[state].exit;
}

bool job_may_move(enum job_state from, enum job_state to) {
    return moves[from][to];
}

void job_id_new(struct job_id *id) {
    os_random(id->b, sizeof id->b);
}

/* ---- progress ---- */

static void sample(struct job *job, uint64_t now) {
    job->samples[job->sample_n++ % JOB_SAMPLES] =
        (struct job_sample){.ns = now, .bytes = atomic_load(&job->counts[JOB_BYTES_DONE])};
}

/* At most ten versions a second come from progress: of the many threads that count, the one that
 * moves the time forward makes the next. */
static void publish(struct job *job) {
    uint64_t now = os_mono_ns();
    uint64_t last = atomic_load_explicit(&job->published_ns, memory_order_relaxed);
    if (now < last + JOB_PUBLISH_MS * 1'000'000ull ||
        !atomic_compare_exchange_strong(&job->published_ns, &last, now))
        return;
    os_mutex_lock(&job->jobs->mutex);
    sample(job, now);
    jobs_changed(job);
    os_mutex_unlock(&job->jobs->mutex);
}

void job_add(struct job *job, enum job_count count, uint64_t more) {
    (void)atomic_fetch_add_explicit(&job->counts[count], more, memory_order_relaxed);
    publish(job);
}

void job_set(struct job *job, enum job_count count, uint64_t value) {
    atomic_store_explicit(&job->counts[count], value, memory_order_relaxed);
    publish(job);
}

void job_current(struct job *job, struct span path) {
    size_t n = MIN(path.n, (size_t)JOB_PATH_MAX);
    os_mutex_lock(&job->jobs->mutex);
    if (n > 0)
        memcpy(job->current, path.p, n);
    job->current[n] = 0;
    os_mutex_unlock(&job->jobs->mutex);
    publish(job);
}

void job_problem(struct job *job, struct span path, struct span reason) {
    os_mutex_lock(&job->jobs->mutex);
    if (job->problem_count++ < JOB_PROBLEMS_MAX) {
        struct job_problem *problem = vec_push(&job->problems);
        *problem = (struct job_problem){0};
        buf_put(&problem->path, path.p, MIN(path.n, (size_t)JOB_PROBLEM_PATH_MAX));
        buf_put(&problem->reason, reason.p, MIN(reason.n, (size_t)JOB_PROBLEM_REASON_MAX));
    }
    os_mutex_unlock(&job->jobs->mutex);
    publish(job);
}

void job_result(struct job *job, struct span result) {
    INVARIANT(result.n <= JOB_RESULT_BYTES_MAX);
    os_mutex_lock(&job->jobs->mutex);
    buf_clear(&job->result);
    buf_put_span(&job->result, result);
    os_mutex_unlock(&job->jobs->mutex);
}

const struct job_id *job_id(const struct job *job) {
    return &job->id;
}

/* ---- cancelling, the work's side ---- */

bool job_cancelled(const struct job *job) {
    return atomic_load(&job->cancelled);
}

bool job_cancelled_fn(void *job) {
    return job_cancelled(job);
}

void job_on_cancel(struct job *job, job_cancel_fn *fn, void *ctx) {
    os_mutex_lock(&job->cancel_mutex);
    bool now = fn != NULL && job_cancelled(job);
    job->cancel_fn = now ? NULL : fn;
    job->cancel_ctx = ctx;
    if (now)
        fn(ctx);
    os_mutex_unlock(&job->cancel_mutex);
}
