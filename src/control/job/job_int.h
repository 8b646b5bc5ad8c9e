#pragma once
/* control/job, inside. */
#include <stdatomic.h>

#include "control/job/job.h"
#include "os/os.h"

#define JOB_SAMPLES 32u              /* of bytes done, for the rate */
#define JOB_VERSION_ENDED (1u << 30) /* of a job that only the catalog knows any more */
#define JOB_TRIM_EVERY 100u          /* ended jobs, then the history is cut */

struct job_problem {
    struct buf path, reason;
};

struct job {
    struct jobs *jobs;
    /* given at the start, never changed */
    struct job_id id;
    enum job_kind kind;
    char group[CATALOG_GROUP_MAX];
    char computer[CATALOG_NAME_MAX];
    char source[CATALOG_NAME_MAX + CATALOG_PATH_MAX];
    int64_t created_s;
    VEC(struct job_need { uint8_t b[16]; }) needs; /* in byte order */
    job_fn *fn;
    void *ctx;
    void (*ctx_free)(void *ctx);

    /* written by the work, read by anybody */
    _Atomic uint64_t counts[JOB_COUNT_N];
    _Atomic uint64_t published_ns; /* when the last version was made for progress */
    atomic_bool cancelled;
    atomic_bool by_shutdown; /* it was not a person who cancelled */

    /* Taken alone: whoever cancels calls out while holding it. */
    struct os_mutex cancel_mutex;
    job_cancel_fn *cancel_fn GUARDED_BY(cancel_mutex);
    void *cancel_ctx GUARDED_BY(cancel_mutex);

    /* all below: guarded by jobs->mutex */
    enum job_state state;
    bool ready;    /* its history has begun: workers may see it */
    bool taken;    /* by a worker, or by whoever ends it before it ran */
    unsigned pins; /* users outside the mutex; it is freed when there is none */
    bool gone;     /* not in the table any more */
    bool unwritten;
    int64_t started_s, finished_s;
    uint64_t version;
    struct err err;
    char current[JOB_PATH_MAX + 1];
    VEC(struct job_problem) problems;
    uint64_t problem_count;
    struct buf result;
    struct job_sample {
        uint64_t ns, bytes;
    } samples[JOB_SAMPLES];
    uint64_t sample_n;
};

struct jobs {
    struct catalog *catalog;
    struct jobs_opts opts;
    struct os_thread workers[JOB_WORKERS_MAX];
    struct os_mutex mutex;
    struct os_cond work;                      /* something may be startable, or all is over */
    struct os_cond changed;                   /* a version grew, a job ended, or all is over */
    VEC(struct job *) list GUARDED_BY(mutex); /* in the order they came */
    unsigned running GUARDED_BY(mutex);       /* workers that have a job */
    uint64_t ended_n GUARDED_BY(mutex);
    bool stopping GUARDED_BY(mutex);
};

/* ---- job_table.c; all with the mutex held ---- */
struct job *jobs_find(struct jobs *jobs, const struct job_id *id);
void jobs_pin(struct job *job);
void jobs_unpin(struct job *job);
/* Out of the table; freed when nobody uses it. */
void jobs_drop(struct job *job);
/* A new version; wakes who waits for one. */
void jobs_changed(struct job *job);
void jobs_move(struct job *job, enum job_state to); /* INVARIANT: job_may_move */
void jobs_info(const struct job *job, struct job_info *info);

/* ---- job_run.c; without the mutex ---- */
void jobs_worker(void *jobs);
/* End a job that was taken: write its history, publish, tell.  The pin of the caller stays. */
void jobs_end(struct job *job, enum job_state state, const struct err *why);
/* Ask it to end, as a person or as the shutdown. */
void jobs_cancel(struct job *job, bool by_shutdown);

/* ---- job_history.c; without the mutex ---- */
/* Write the job as it is, but in `state`. */
[[nodiscard]] int jobs_put(struct job *job, enum job_state state, const struct err *why,
                           struct err *err);
/* The same; what fails goes to opts.trouble. */
bool jobs_write(struct job *job, enum job_state state, const struct err *why);
void jobs_tell(struct job *job);
/* What the catalog says of a job. */
[[nodiscard]] int jobs_find_row(struct jobs *jobs, const struct job_id *id, bool *found,
                                struct job_info *info, struct err *err);
/* A row of the catalog as others see it. */
void jobs_info_of_row(const struct catalog_job *row, struct job_info *info);
void jobs_hex(const struct job_id *id, char hex[static 2 * JOB_ID_BYTES + 1]);
