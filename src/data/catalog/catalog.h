#pragma once
/* data/catalog -- what the server remembers in tables.  The only home of SQL.
 * Owns: catalog.db, a cache of what the ledger says (points), which can be deleted and rebuilt; and state.db, control
 *       state that nothing else says: computers, groups, sources, jobs, the audit trail.
 * Knows nothing of: trust, what a job does, chunks.
 * Threads: any; one connection a database does all reads, writes and checkpoints, under one mutex.
 * Lifetime: texts in structs are copies; blobs given to callbacks are borrowed during the call.
 * Limits: CATALOG_*_MAX.
 *
 * SQLite 3.40 may lose a write when a checkpoint of another connection races with it: here there is no other. */
#include "base/base.h"
#include "data/ledger/ledger.h"

#define CATALOG_NAME_MAX 256u
#define CATALOG_PATH_MAX 4096u
#define CATALOG_PAGE_MAX 5000u

struct catalog;
/* Both databases below `dir`, made when missing, brought to this version's tables.
 * ERR_CATALOG_DAMAGED, ERR_FORMAT_VERSION (written by a newer version), ERR_SPACE. */
[[nodiscard]] int catalog_open(const char *dir, struct catalog **out, struct err *err);
void catalog_close(struct catalog *catalog);
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
    char name[65];
    bool one_file_system, exclude_caches;
    uint8_t level; /* 0 = default */
    int64_t created_s;
    struct span excludes; /* encoded patterns, kept as they are */
};
struct catalog_source {
    uint8_t id[16]; /* for ever the same for computer and path */
    char computer[CATALOG_NAME_MAX];
    char path[CATALOG_PATH_MAX];
    char group[65]; /* "" = not protected now, points kept */
};
typedef int catalog_group_fn(void *ctx, const struct catalog_group *group, struct err *err);
typedef int catalog_source_fn(void *ctx, const struct catalog_source *source, struct err *err);
/* Insert or replace the group's own row. */
[[nodiscard]] int catalog_group_put(struct catalog *catalog, const struct catalog_group *group,
                                    bool replace, struct err *err);
/* Its sources become unprotected. */
[[nodiscard]] int catalog_group_remove(struct catalog *catalog, const char *name, struct err *err);
[[nodiscard]] int catalog_groups(struct catalog *catalog, const char *after, catalog_group_fn *fn,
                                 void *ctx, struct err *err);
[[nodiscard]] int catalog_group(struct catalog *catalog, const char *name, catalog_group_fn *fn,
                                void *ctx, struct err *err);
/* Put computer:path under the group; an unknown one gets `id`.  ERR_EXISTS: it belongs to a group already. */
[[nodiscard]] int catalog_source_join(struct catalog *catalog, const uint8_t id[static 16],
                                      const char *computer, const char *path, const char *group,
                                      struct err *err);
[[nodiscard]] int catalog_source_leave(struct catalog *catalog, const char *computer,
                                       const char *path, const char *group, struct err *err);
/* Filters may be NULL.  In order of computer and path. */
[[nodiscard]] int catalog_sources(struct catalog *catalog, const char *computer, const char *group,
                                  catalog_source_fn *fn, void *ctx, struct err *err);
[[nodiscard]] int catalog_source(struct catalog *catalog, const uint8_t id[static 16],
                                 struct catalog_source *out, struct err *err);

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
};
struct catalog_point_filter {
    const char *computer, *group; /* NULL = any */
    const uint8_t *source;        /* 16 bytes, NULL = any */
    const char *id_prefix;        /* hex digits, NULL = any */
    bool deleted;                 /* the deleted ones instead */
    uint64_t skip, limit;         /* limit 0 = CATALOG_PAGE_MAX */
};
typedef int catalog_point_fn(void *ctx, const struct catalog_point *point, struct err *err);
/* The same point again changes nothing. */
[[nodiscard]] int catalog_point_add(struct catalog *catalog, const struct commit *commit,
                                    const struct digest *id, int64_t deleted_s, struct err *err);
/* Newest first: by finish time, then sequence. */
[[nodiscard]] int catalog_points(struct catalog *catalog, const struct catalog_point_filter *filter,
                                 catalog_point_fn *fn, void *ctx, struct err *err);
[[nodiscard]] int catalog_point_count(struct catalog *catalog,
                                      const struct catalog_point_filter *filter, uint64_t *count,
                                      struct err *err);
[[nodiscard]] int catalog_point_mark_deleted(struct catalog *catalog, const struct digest *id,
                                             int64_t deleted_s, struct err *err);
[[nodiscard]] int catalog_point_drop(struct catalog *catalog, const struct digest *id,
                                     struct err *err);
/* Before a rebuild. */
[[nodiscard]] int catalog_points_clear(struct catalog *catalog, struct err *err);

/* ---- jobs (state): history ---- */
struct catalog_job {
    char id[33]; /* hex */
    char kind[16], state[16];
    char group[65], computer[CATALOG_NAME_MAX], source[CATALOG_PATH_MAX];
    int64_t created_s, started_s, finished_s;
    struct span document; /* JSON of result, problems and error, kept as it is */
};
typedef int catalog_job_fn(void *ctx, const struct catalog_job *job, struct err *err);
struct catalog_job_filter {
    const char *id, *kind, *state, *group; /* NULL = any; id may be a prefix */
    uint64_t skip, limit;
};
[[nodiscard]] int catalog_job_put(struct catalog *catalog, const struct catalog_job *job,
                                  struct err *err);
[[nodiscard]] int catalog_jobs(struct catalog *catalog, const struct catalog_job_filter *filter,
                               catalog_job_fn *fn, void *ctx, struct err *err);
/* What was queued or running when the server ended becomes `interrupted`. */
[[nodiscard]] int catalog_jobs_interrupt(struct catalog *catalog, int64_t now_s, struct err *err);

/* ---- audit (state): append-only, each row names the hash of the one before ---- */
[[nodiscard]] int catalog_audit(struct catalog *catalog, int64_t now_s, const char *who,
                                const char *what, struct err *err);
