#pragma once
/* A table of jobs over a catalog of its own, and work that waits until it is let go. */
#include "unit.h"

#include "base/base.h"
#include "base/text.h"
#include "control/job/job.h"
#include "os/os.h"
#include "scratch.h"

#define OK(f, call)                                                                                \
    do {                                                                                           \
        (f)->err = (struct err){0};                                                                \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, (f)->err.text);                                              \
    } while (0)
#define FAILS(f, wanted, call)                                                                     \
    do {                                                                                           \
        (f)->err = (struct err){0};                                                                \
        assert_int_equal((call), -1);                                                              \
        if ((f)->err.code != (wanted))                                                             \
            fail_msg("%s: %s, not %s", #call, (f)->err.text, #wanted);                             \
    } while (0)

#define WAIT_MS 20000u /* longer than anything here takes */

struct fixture {
    char dir[SCRATCH_PATH_MAX];
    struct catalog *catalog;
    struct jobs *jobs;
    struct os_mutex mutex;
    struct os_cond cond;
    struct buf log; /* "KEY:state " of each move; "KEY " of each work that ran */
    struct buf order;
    uint64_t started, freed, troubles;
    struct err err;
};

/* What the work of a job does. */
struct work {
    struct fixture *f;
    char key;
    bool open;         /* it may end */
    bool until_cancel; /* it ends when it is cancelled */
    int rc;
    enum err_code code;
    unsigned problems;
    job_fn *first; /* may be NULL */
    struct job_id id;
};

static inline void fixture_log(void *ctx, const struct job_info *info) {
    struct fixture *f = ctx;
    os_mutex_lock(&f->mutex);
    buf_printf(&f->log, "%s:%s ", info->computer, job_state_name(info->state));
    os_cond_broadcast(&f->cond);
    os_mutex_unlock(&f->mutex);
}

static inline void fixture_trouble(void *ctx, const struct job_id *id, const struct err *err) {
    struct fixture *f = ctx;
    (void)id;
    assert_int_not_equal(err->code, ERR_NONE);
    os_mutex_lock(&f->mutex);
    f->troubles++;
    os_mutex_unlock(&f->mutex);
}

static inline void fixture_open(struct fixture *f, unsigned workers) {
    struct jobs_opts opts = {
        .workers = workers, .event = fixture_log, .trouble = fixture_trouble, .ctx = f};
    OK(f, catalog_open(f->dir, &f->catalog, &f->err));
    OK(f, jobs_open(f->catalog, &opts, &f->jobs, &f->err));
}

static inline void fixture_close(struct fixture *f) {
    jobs_close(f->jobs);
    f->jobs = NULL;
    catalog_close(f->catalog);
    f->catalog = NULL;
}

static inline int fixture_setup(void **state) {
    struct fixture *f = mem_new(sizeof *f);
    (void)scratch_make(f->dir);
    os_mutex_init(&f->mutex);
    os_cond_init(&f->cond);
    fixture_open(f, 0);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state) {
    struct fixture *f = *state;
    fixture_close(f);
    buf_done(&f->log);
    buf_done(&f->order);
    os_cond_done(&f->cond);
    os_mutex_done(&f->mutex);
    scratch_remove(f->dir);
    mem_free(f);
    return 0;
}

static inline void work_woken(void *ctx) {
    struct work *work = ctx;
    os_mutex_lock(&work->f->mutex);
    work->open = true;
    os_cond_broadcast(&work->f->cond);
    os_mutex_unlock(&work->f->mutex);
}

static inline int work_run(void *ctx, struct job *job, struct err *err) {
    struct work *work = ctx;
    struct fixture *f = work->f;
    if (work->until_cancel)
        job_on_cancel(job, work_woken, work);
    os_mutex_lock(&f->mutex);
    f->started++;
    buf_printf(&f->order, "%c", work->key);
    os_cond_broadcast(&f->cond);
    while (!work->open)
        os_cond_wait(&f->cond, &f->mutex);
    os_mutex_unlock(&f->mutex);
    job_on_cancel(job, NULL, NULL);
    for (unsigned i = 0; i < work->problems; i++)
        job_problem(job, span_text("path"), span_text("gone"));
    if (work->first != NULL && work->first(ctx, job, err) != 0)
        return -1;
    if (work->rc != 0 && work->code != ERR_NONE)
        return ERR(err, work->code, "told to fail");
    return work->rc;
}

static inline void work_freed(void *ctx) {
    struct work *work = ctx;
    os_mutex_lock(&work->f->mutex);
    work->f->freed++;
    os_mutex_unlock(&work->f->mutex);
}

static inline struct work work_of(struct fixture *f, char key) {
    return (struct work){.f = f, .key = key};
}

/* The job's computer is its key. */
static inline int work_try(struct work *work, const char *needs, struct err *err) {
    uint8_t ids[64][16] = {0};
    char key[2] = {work->key, 0};
    struct job_info info;
    struct job_spec spec = {.id = work->id,
                            .kind = JOB_KIND_BACKUP,
                            .computer = key,
                            .needs = (const uint8_t(*)[16])ids,
                            .need_n = strlen(needs),
                            .fn = work_run,
                            .ctx = work,
                            .ctx_free = work_freed};
    for (size_t i = 0; i < spec.need_n; i++)
        ids[i][0] = (uint8_t)needs[i];
    if (job_start(work->f->jobs, &spec, &info, err) != 0)
        return -1;
    work->id = info.id;
    return 0;
}

static inline void work_start(struct work *work, const char *needs) {
    OK(work->f, work_try(work, needs, &work->f->err));
}

static inline void work_let_go(struct work *work) {
    work_woken(work);
}

/* Until n pieces of work have begun in all. */
static inline void wait_started(struct fixture *f, uint64_t n) {
    os_mutex_lock(&f->mutex);
    while (f->started < n)
        assert_true(os_cond_wait_ms(&f->cond, &f->mutex, WAIT_MS));
    os_mutex_unlock(&f->mutex);
}

/* Until the job has ended; how. */
static inline struct job_info wait_end(struct work *work) {
    struct job_info info;
    uint64_t seen = 0;
    do {
        OK(work->f, job_wait(work->f->jobs, &work->id, seen, WAIT_MS, &info, &work->f->err));
        assert_true(info.version > seen || job_state_final(info.state));
        seen = info.version;
    } while (!job_state_final(info.state));
    return info;
}

static inline void expect_end(struct work *work, enum job_state state) {
    struct job_info info = wait_end(work);
    assert_string_equal(job_state_name(info.state), job_state_name(state));
}

/* The text of moves, once it ends with `last`. */
static inline void expect_log(struct fixture *f, const char *wanted) {
    os_mutex_lock(&f->mutex);
    while (f->log.n < strlen(wanted))
        assert_true(os_cond_wait_ms(&f->cond, &f->mutex, WAIT_MS));
    assert_string_equal(buf_text(&f->log), wanted);
    os_mutex_unlock(&f->mutex);
}
