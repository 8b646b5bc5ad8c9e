#pragma once
/* control/job -- long work: what waits, what runs, how far it is, how it ended.
 * Owns: the jobs of this run of the server, their moves from state to state (spec/job.yaml), the
 *   worker threads, cancelling, the order of jobs that need the same thing; history is the
 *   catalog's.
 * Knows nothing of: what a job does (a job_fn), who asked for it, what its result says.
 * Threads: any; a struct job is lent to its job_fn, which may share it with threads of its own.
 * Lifetime: jobs_close before the catalog; a job_fn has ended when jobs_close returns.
 * Limits: JOB_*_MAX. */
#include "base/base.h"
#include "data/catalog/catalog.h"
#include "spec_job.h"

#define JOB_ID_BYTES 16u
#define JOB_WORKERS 4u /* the default */
#define JOB_WORKERS_MAX 64u
#define JOB_WAITING_MAX 1000u  /* queued at one time */
#define JOB_NEEDS_MAX 1024u    /* things one job keeps others from */
#define JOB_PROBLEMS_MAX 1000u /* kept in detail; all are counted */
#define JOB_RESULT_BYTES_MAX (1u << 20)
#define JOB_UNWRITTEN_MAX                                                                          \
    100u                       /* ended jobs in memory because their history could not be written  \
                                */
#define JOB_HISTORY_MAX 10000u /* jobs the catalog remembers, problems of the newest of them */
#define JOB_HISTORY_PROBLEMS_MAX 200u
#define JOB_PROBLEM_PATH_MAX 4096u
#define JOB_PROBLEM_REASON_MAX 512u
#define JOB_PUBLISH_MS 100u /* progress makes a new version at most so often */

struct job_id {
    uint8_t b[JOB_ID_BYTES];
};
/* A random one. */
void job_id_new(struct job_id *id);

const char *job_state_name(enum job_state state);
const char *job_kind_name(enum job_kind kind);
bool job_state_of(const char *name, enum job_state *state); /* false: no such name */
bool job_kind_of(const char *name, enum job_kind *kind);
bool job_state_final(enum job_state state);
/* The exit status of a command that waited for it; of a failed job see its error. */
int job_state_exit(enum job_state state);
/* Does spec/job.yaml allow this move? */
bool job_may_move(enum job_state from, enum job_state to);

/* ---- what the work says of itself ---- */
struct job; /* inside a job_fn */

/* The work.  0: done, or partial when problems were told; -1: failed, or cancelled when that was
 * asked for. */
typedef int job_fn(void *ctx, struct job *job, struct err *err);

enum job_count {
    JOB_ENTRIES_FOUND,
    JOB_ENTRIES_DONE,
    JOB_FILES_DONE,
    JOB_BYTES_DONE,
    JOB_BYTES_TOTAL, /* 0 = not known yet */
    JOB_BYTES_READ,
    JOB_BYTES_SENT,
    JOB_BYTES_STORED,
    JOB_COUNT_N
};
/* Any thread, cheap: an atomic and, when the last version is old enough, a new one. */
void job_add(struct job *job, enum job_count count, uint64_t more);
void job_set(struct job *job, enum job_count count, uint64_t value);
/* What is worked on; copied, cut at JOB_PATH_MAX. */
#define JOB_PATH_MAX 1024u
void job_current(struct job *job, struct span path);
/* An item that was not read, kept or put back: the job will be `partial`. */
void job_problem(struct job *job, struct span path, struct span reason);
/* What the job did, a text for its kind's reader; replaces an earlier one.  INVARIANT: at most
 * JOB_RESULT_BYTES_MAX. */
void job_result(struct job *job, struct span result);

const struct job_id *job_id(const struct job *job);
/* Polled by the work; once true it stays so. */
bool job_cancelled(const struct job *job);
/* The same as a callback for others: ctx is a struct job. */
bool job_cancelled_fn(void *job);
/* Call fn(ctx) once when the job is cancelled (now, when it is already); NULL takes it back and
 * waits for one that is being called.  fn must not call job_on_cancel. */
typedef void job_cancel_fn(void *ctx);
void job_on_cancel(struct job *job, job_cancel_fn *fn, void *ctx);

/* ---- the table ---- */
struct jobs;

struct job_progress {
    uint64_t count[JOB_COUNT_N];
    uint64_t rate_bps; /* bytes done per second, over the last seconds; 0 when it does not run */
    char current[JOB_PATH_MAX + 1]; /* bytes as told; "" = none */
};

/* A job as others see it: a copy. */
struct job_info {
    struct job_id id;
    enum job_kind kind;
    enum job_state state;
    char group[CATALOG_GROUP_MAX]; /* "" = none, as below */
    char computer[CATALOG_NAME_MAX];
    char source[CATALOG_NAME_MAX + CATALOG_PATH_MAX]; /* COMPUTER:PATH */
    int64_t created_s, started_s, finished_s;         /* 0 = not yet */
    struct job_progress progress;
    uint64_t problem_count;
    struct err err;   /* why it failed; ERR_NONE otherwise */
    uint64_t version; /* grows with every change */
};

/* Told of each move, in order for one job, outside of all locks; for the log. */
typedef void job_event_fn(void *ctx, const struct job_info *info);
/* The history of a job could not be written; the job itself goes on. */
typedef void job_trouble_fn(void *ctx, const struct job_id *id, const struct err *err);

struct jobs_opts {
    unsigned workers;        /* 0 = JOB_WORKERS */
    job_event_fn *event;     /* may be NULL */
    job_trouble_fn *trouble; /* may be NULL */
    void *ctx;
};
/* What ran when the server ended becomes `interrupted`; then workers start. */
[[nodiscard]] int jobs_open(struct catalog *catalog, const struct jobs_opts *opts,
                            struct jobs **out, struct err *err);
/* Nothing new is taken, what waits becomes `interrupted`.  Running jobs get drain_ms to end by
 * themselves, then are cancelled as `interrupted` and waited for. */
void jobs_shutdown(struct jobs *jobs, uint32_t drain_ms);
/* Shut down at once if that was not done; NULL is fine. */
void jobs_close(struct jobs *jobs);
static inline void jobs_auto(struct jobs **p) {
    jobs_close(*p);
}

struct job_spec {
    struct job_id id; /* all zero: a new one */
    enum job_kind kind;
    const char *group, *computer, *source; /* NULL = none */
    /* Things (source ids, or a hash of another name) this job must have for itself: jobs that share
     * one run one after the other, in the order they came. */
    const uint8_t (*needs)[16];
    size_t need_n;
    job_fn *fn;
    void *ctx;
    void (*ctx_free)(void *ctx); /* called once, also when the job never ran; may be NULL */
};
/* Queue it; *info (may be NULL) is the job now.  A known id is not started again: the answer is the
 * job that has it, and ctx is freed.  ctx is taken in every case.
 * ERR_LIMIT: too many wait.  ERR_STOPPING. */
[[nodiscard]] int job_start(struct jobs *jobs, const struct job_spec *spec, struct job_info *info,
                            struct err *err);
/* ERR_NOT_FOUND. */
[[nodiscard]] int job_get(struct jobs *jobs, const struct job_id *id, struct job_info *info,
                          struct err *err);
/* The same, after waiting until its version is above `seen`, or timeout_ms passed, or shutdown. */
[[nodiscard]] int job_wait(struct jobs *jobs, const struct job_id *id, uint64_t seen,
                           uint32_t timeout_ms, struct job_info *info, struct err *err);
/* Ask it to end; an ended one stays as it is.  ERR_NOT_FOUND. */
[[nodiscard]] int job_cancel(struct jobs *jobs, const struct job_id *id, struct err *err);
/* The result text, appended; nothing when there is none.  ERR_NOT_FOUND. */
[[nodiscard]] int job_result_get(struct jobs *jobs, const struct job_id *id, struct buf *out,
                                 struct err *err);
/* Problems from number `skip` on, in the order they were told.  ERR_NOT_FOUND. */
typedef void job_problem_fn(void *ctx, struct span path, struct span reason);
[[nodiscard]] int job_problems(struct jobs *jobs, const struct job_id *id, uint64_t skip,
                               job_problem_fn *fn, void *ctx, struct err *err);
/* Newest first, this run's and earlier ones; fn returns 1 to stop, -1 to fail. */
typedef int job_list_fn(void *ctx, const struct job_info *info, struct err *err);
struct job_filter {
    const char *kind, *state, *group, *computer; /* NULL = any */
    const char *id_prefix;                       /* hex digits */
    uint64_t skip, limit;                        /* limit 0 = CATALOG_PAGE_MAX */
};
[[nodiscard]] int job_list(struct jobs *jobs, const struct job_filter *filter, job_list_fn *fn,
                           void *ctx, struct err *err);
/* How many are queued and running. */
void job_load(struct jobs *jobs, uint64_t *queued, uint64_t *running);
/* Does an unended job need this, or belong to this group (either may be NULL)? */
bool job_busy(struct jobs *jobs, const uint8_t *need, const char *group);
