#pragma once
/* data/catalog -- what the server remembers in tables. The only home of SQL.
 * Owns: catalog.db, a cache of what the ledger says (points), which can be deleted and rebuilt;
 *   and state.db, control state that nothing else says: computers, groups, sources, jobs, the
 *   audit trail.
 * Knows nothing of: trust, what a job does, chunks.
 * Threads: any; one connection a database does all reads, writes and checkpoints, under one
 *   mutex.
 * Lifetime: texts in structs are copies; blobs given to callbacks are borrowed during the call.
 * Limits: CATALOG_*_MAX.
 *
 * SQLite 3.40 may lose a write when a checkpoint of another connection races with it: here there
 * is no other. */
#include "base/base.h"
#include "data/ledger/ledger.h"

#define CATALOG_NAME_MAX 256u
#define CATALOG_PATH_MAX 4096u
#define CATALOG_GROUP_MAX 65u
#define CATALOG_PAGE_MAX 5000u
#define CATALOG_JOB_PROBLEMS_MAX 1000u
#define CATALOG_JOB_COUNTS 8u

struct catalog;
/* Both databases below `dir`, made when missing, brought to this version's tables.
 * ERR_CATALOG_DAMAGED, ERR_STATE_DAMAGED, ERR_FORMAT_VERSION (written by a newer version),
 * ERR_LOCKED, ERR_SPACE. */
[[nodiscard]] int catalog_open(const char *dir, struct catalog **out, struct err *err);
void catalog_close(struct catalog *catalog);
/* Move a damaged catalog.db aside (catalog.db.damaged-N), so that the next catalog_open makes an
 * empty one, to be filled by catalog_points_sync.  No catalog may be open in dir. */
[[nodiscard]] int catalog_set_aside(const char *dir, struct err *err);
/* A copy of state.db as it is now, durable, as `name` in the folder of the catalog; an older one is
 * replaced. */
[[nodiscard]] int catalog_snapshot(struct catalog *catalog, const char *name, struct err *err);
static inline void catalog_auto(struct catalog **p) {
    catalog_close(*p);
}

/* ---- computers (state) ---- */
struct catalog_computer {
    char name[CATALOG_NAME_MAX]; /* unique, whatever its case */
    char address[CATALOG_NAME_MAX];
    uint16_t port;
    char mode[16];
    char state[16]; /* attached, ok, unreachable, auth-failed */
    char agent_version[65];
    int64_t attached_s, last_seen_s;
    struct span trust; /* encoded struct trust_computer: kept as it is */
};
typedef int catalog_computer_fn(void *ctx, const struct catalog_computer *computer,
                                struct err *err);
/* ERR_EXISTS: the name is taken. */
[[nodiscard]] int catalog_computer_add(struct catalog *catalog,
                                       const struct catalog_computer *computer, struct err *err);
/* What contact with it showed.  ERR_NOT_FOUND. */
[[nodiscard]] int catalog_computer_seen(struct catalog *catalog, const char *name,
                                        const char *state, const char *agent_version,
                                        int64_t last_seen_s, struct err *err);
/* Another address, port, mode or trust.  ERR_NOT_FOUND. */
[[nodiscard]] int catalog_computer_update(struct catalog *catalog,
                                          const struct catalog_computer *computer, struct err *err);
/* ERR_NOT_FOUND.  ERR_COMPUTER_PROTECTED: a group has members on it. */
[[nodiscard]] int catalog_computer_remove(struct catalog *catalog, const char *name,
                                          struct err *err);
/* All in name order after `after` (NULL = from the start); fn returns 1 to stop. */
[[nodiscard]] int catalog_computers(struct catalog *catalog, const char *after,
                                    catalog_computer_fn *fn, void *ctx, struct err *err);
/* One, given to fn.  ERR_NOT_FOUND. */
[[nodiscard]] int catalog_computer(struct catalog *catalog, const char *name,
                                   catalog_computer_fn *fn, void *ctx, struct err *err);

/* ---- groups and sources (state) ---- */
struct catalog_group {
    char name[CATALOG_GROUP_MAX];
    bool one_file_system, exclude_caches;
    uint8_t level; /* 0 = default */
    int64_t created_s;
    struct span excludes; /* encoded patterns, kept as they are */
};
struct catalog_source {
    uint8_t id[16]; /* for ever the same for computer and path */
    char computer[CATALOG_NAME_MAX];
    char path[CATALOG_PATH_MAX];
    char group[CATALOG_GROUP_MAX]; /* "" = not protected now, points kept */
};
typedef int catalog_group_fn(void *ctx, const struct catalog_group *group, struct err *err);
typedef int catalog_source_fn(void *ctx, const struct catalog_source *source, struct err *err);
/* Its sources become unprotected. */
[[nodiscard]] int catalog_group_remove(struct catalog *catalog, const char *name, struct err *err);
[[nodiscard]] int catalog_groups(struct catalog *catalog, const char *after, catalog_group_fn *fn,
                                 void *ctx, struct err *err);
[[nodiscard]] int catalog_group(struct catalog *catalog, const char *name, catalog_group_fn *fn,
                                void *ctx, struct err *err);
/* Filters may be NULL.  In order of computer and path. */
[[nodiscard]] int catalog_sources(struct catalog *catalog, const char *computer, const char *group,
                                  catalog_source_fn *fn, void *ctx, struct err *err);
[[nodiscard]] int catalog_source(struct catalog *catalog, const uint8_t id[static 16],
                                 struct catalog_source *out, struct err *err);
/* A group with the sources that join and leave it, in one transaction. */
struct catalog_group_change {
    const struct catalog_group *group;
    const struct catalog_group *was; /* NULL: it must be new */
    /* By computer and path; what joins for the first time gets the id given here. */
    const struct catalog_source *join, *leave;
    size_t join_n, leave_n;
};
/* ERR_EXISTS: the name is taken.  ERR_BUSY: the group is not what it was any more.
 * ERR_SOURCE_PROTECTED: a source that shall join is in a group.  ERR_NOT_FOUND: one that shall
 * leave is not in this one. */
[[nodiscard]] int catalog_group_apply(struct catalog *catalog,
                                      const struct catalog_group_change *change, struct err *err);

/* ---- points (cache) ---- */
struct catalog_point {
    struct digest id; /* hash of the commit */
    uint8_t source[16], job[16];
    uint64_t sequence;
    struct digest manifest;
    uint8_t state; /* enum commit_state */
    int64_t started_s, finished_s;
    uint64_t entries, files, dirs, bytes, problems, read_bytes, sent_bytes, stored_bytes;
    char computer[CATALOG_NAME_MAX];
    char path[CATALOG_PATH_MAX];
    int64_t deleted_s; /* 0 = live */
    bool held;         /* may not be deleted */
};
struct catalog_point_filter {
    const char *computer, *group; /* NULL = any */
    const uint8_t *source;        /* 16 bytes, NULL = any */
    const char *id_prefix;        /* hex digits, NULL = any */
    bool deleted;                 /* the deleted ones instead */
    int64_t deleted_before_s;     /* with deleted: only those before then, for purging; 0 = any */
    uint64_t skip, limit;         /* limit 0 = all, in batches */
};
typedef int catalog_point_fn(void *ctx, const struct catalog_point *point, struct err *err);
/* The same job and source again changes nothing: its answer is catalog_point_of_job.  ERR_CHAIN:
 * another point has this sequence of the source. */
[[nodiscard]] int catalog_point_add(struct catalog *catalog, const struct commit *commit,
                                    const struct digest *id, int64_t deleted_s, struct err *err);
/* What the job made of one source; *found = false: nothing yet. */
[[nodiscard]] int catalog_point_of_job(struct catalog *catalog, const uint8_t job[static 16],
                                       const uint8_t source[static 16], struct catalog_point *point,
                                       bool *found, struct err *err);
/* The one point that `selector` means among those of the filter: its id, a prefix of it, `latest`
 * or `latest~N`.  ERR_NOT_FOUND, ERR_AMBIGUOUS, ERR_USAGE. */
[[nodiscard]] int catalog_point(struct catalog *catalog, const struct catalog_point_filter *filter,
                                const char *selector, struct catalog_point *point, struct err *err);
/* Newest first: by finish time, then sequence. */
[[nodiscard]] int catalog_points(struct catalog *catalog, const struct catalog_point_filter *filter,
                                 catalog_point_fn *fn, void *ctx, struct err *err);
[[nodiscard]] int catalog_point_count(struct catalog *catalog,
                                      const struct catalog_point_filter *filter, uint64_t *count,
                                      struct err *err);
/* 0 takes it back.  ERR_HELD, ERR_NOT_FOUND. */
[[nodiscard]] int catalog_point_mark_deleted(struct catalog *catalog, const struct digest *id,
                                             int64_t deleted_s, struct err *err);
[[nodiscard]] int catalog_point_drop(struct catalog *catalog, const struct digest *id,
                                     struct err *err);
/* Before a rebuild. */
[[nodiscard]] int catalog_points_clear(struct catalog *catalog, struct err *err);
/* Make the rows agree with the ledger, in one transaction: at start, and after points_clear the
 * whole rebuild.  A commit that cannot be read is counted, and then no row is dropped: a read error
 * is never absence.  Sources of points that state.db does not know are remembered as inactive. */
struct catalog_sync_result {
    uint64_t commits;                 /* live and deleted ones */
    uint64_t added, changed, dropped; /* rows */
    uint64_t unreadable;              /* commit files */
    char first_unreadable[CATALOG_NAME_MAX];
};
[[nodiscard]] int catalog_points_sync(struct catalog *catalog, struct ledger *ledger, int64_t now_s,
                                      struct catalog_sync_result *result, struct err *err);

/* ---- holds (state): points that may not be deleted ---- */
/* Mark or release; a point keeps its hold through a rebuild. */
[[nodiscard]] int catalog_hold(struct catalog *catalog, const struct digest *id, int64_t now_s,
                               struct err *err);
[[nodiscard]] int catalog_release(struct catalog *catalog, const struct digest *id,
                                  struct err *err);

/* ---- jobs (state): history ---- */
struct catalog_job {
    char id[33]; /* hex */
    char kind[16], state[16];
    char group[CATALOG_GROUP_MAX], computer[CATALOG_NAME_MAX];
    char source[CATALOG_NAME_MAX + CATALOG_PATH_MAX];
    int64_t created_s, started_s, finished_s;
    uint64_t counts[CATALOG_JOB_COUNTS]; /* as control/job numbers them */
    uint64_t problem_count;
    uint32_t error; /* number of the error, 0 = none */
    char error_text[ERR_TEXT_MAX];
    struct span result; /* kept as it is; empty in lists */
};
struct catalog_problem {
    struct span path, reason;
};
typedef int catalog_job_fn(void *ctx, const struct catalog_job *job, struct err *err);
typedef int catalog_problem_fn(void *ctx, const struct catalog_problem *problem, struct err *err);
struct catalog_job_filter {
    const char *id, *kind, *state, *group, *computer; /* NULL = any; id may be a prefix */
    uint64_t skip, limit;                             /* limit 0 = CATALOG_PAGE_MAX */
};
/* Insert, or replace the row of the same id.  Problems, at most CATALOG_JOB_PROBLEMS_MAX, replace
 * those of before. */
[[nodiscard]] int catalog_job_put(struct catalog *catalog, const struct catalog_job *job,
                                  const struct catalog_problem *problems, size_t problem_n,
                                  struct err *err);
/* One with its result, given to fn.  ERR_NOT_FOUND. */
[[nodiscard]] int catalog_job(struct catalog *catalog, const char *id, catalog_job_fn *fn,
                              void *ctx, struct err *err);
/* Newest first. */
[[nodiscard]] int catalog_jobs(struct catalog *catalog, const struct catalog_job_filter *filter,
                               catalog_job_fn *fn, void *ctx, struct err *err);
[[nodiscard]] int catalog_job_problems(struct catalog *catalog, const char *id, uint64_t skip,
                                       catalog_problem_fn *fn, void *ctx, struct err *err);
/* What was queued or running when the server ended becomes `interrupted`. */
[[nodiscard]] int catalog_jobs_interrupt(struct catalog *catalog, int64_t now_s, struct err *err);
/* Forget all but the newest ended jobs, and the problems of all but some. */
struct catalog_jobs_keep {
    uint64_t jobs, with_problems;
};
[[nodiscard]] int catalog_jobs_trim(struct catalog *catalog, struct catalog_jobs_keep keep,
                                    struct err *err);

/* ---- settings (state) ---- */
/* Appended to value; found = false when never set. */
[[nodiscard]] int catalog_setting_get(struct catalog *catalog, const char *key, struct buf *value,
                                      bool *found, struct err *err);
[[nodiscard]] int catalog_setting_set(struct catalog *catalog, const char *key, struct span value,
                                      struct err *err);

/* ---- audit (state): append-only, each row names the hash of the one before ---- */
struct catalog_audit_row {
    uint64_t number; /* from 1, gap-free */
    int64_t time_s;
    const char *who, *what; /* borrowed */
    struct digest hash;
};
typedef int catalog_audit_fn(void *ctx, const struct catalog_audit_row *row, struct err *err);
[[nodiscard]] int catalog_audit(struct catalog *catalog, int64_t now_s, const char *who,
                                const char *what, struct err *err);
/* Oldest first behind number `after`, checked link by link.  ERR_STATE_DAMAGED: the chain is
 * broken. */
[[nodiscard]] int catalog_audit_walk(struct catalog *catalog, uint64_t after, catalog_audit_fn *fn,
                                     void *ctx, struct err *err);
