#pragma once
/* control/group -- protection groups: which folders of which computers are protected together,
 * and how.
 * Owns: what a valid group is, the patterns of a group, how it may change; the rows are the
 *   catalog's.
 * Knows nothing of: how a backup runs, what a pattern matches, JSON.
 * Threads: any; a change is one transaction.
 * Lifetime: a struct group is done with group_done.
 * Limits: GROUP_*_MAX.
 *
 * A source is a folder of a computer.  Its id is made when it is first protected and stays its
 * own for ever: taken out and put back, it goes on with the chain it had.  It belongs to one
 * group at a time; without a group it is inactive: its points stay, nothing new is made. */
#include "base/base.h"
#include "data/catalog/catalog.h"

#define GROUP_NAME_MAX 64u
#define GROUP_MEMBERS_MAX 1000u
#define GROUP_EXCLUDES_MAX 1000u
#define GROUP_EXCLUDE_BYTES_MAX 4096u
#define GROUP_EXCLUDES_BYTES_MAX (64u * 1024) /* of all together, encoded */
#define GROUP_LEVEL_MAX 19u

/* A folder, as people name it: COMPUTER:PATH. */
struct group_member {
    char computer[CATALOG_NAME_MAX];
    char path[CATALOG_PATH_MAX];
};

struct group {
    char name[GROUP_NAME_MAX + 1];
    bool one_file_system, exclude_caches;
    uint8_t level; /* zstd; 0 = default */
    int64_t created_s;
    VEC(char *) excludes;               /* gitignore patterns, later ones win */
    VEC(struct catalog_source) sources; /* in order of computer and path */
};
void group_done(struct group *group);

/* ---- what is valid (ERR_USAGE, ERR_LIMIT) ---- */
/* 1 to 64 of A-Z a-z 0-9 _ - and space, at least one letter, no space at the ends. */
[[nodiscard]] int group_check_name(const char *name, struct err *err);
/* Absolute; `//`, `/./` and a `/` at the end are taken out, `..` is refused. */
[[nodiscard]] int group_clean_path(const char *path, char clean[static CATALOG_PATH_MAX],
                                   struct err *err);
/* "COMPUTER:/path" in two, the path clean. */
[[nodiscard]] int group_parse_member(const char *text, struct group_member *member,
                                     struct err *err);
[[nodiscard]] int group_check_exclude(const char *pattern, struct err *err);

/* The patterns as they rest in the catalog and travel to the agent: each varint length, bytes.
 * Appended. */
void group_put_excludes(const struct group *group, struct buf *encoded);

/* ---- groups ---- */
struct group_spec {
    const char *name;
    bool one_file_system, exclude_caches;
    uint8_t level;
    const char *const *excludes;
    size_t exclude_n;
    const struct group_member *members; /* at least one; paths are cleaned */
    size_t member_n;
};
/* ERR_EXISTS: the name is taken.  ERR_NOT_FOUND: a computer is not attached.
 * ERR_SOURCE_PROTECTED: a folder belongs to another group, or is named twice. */
[[nodiscard]] int group_create(struct catalog *catalog, const struct group_spec *spec,
                               struct err *err);

/* What is NULL or 0 stays as it is. */
struct group_change {
    const struct group_member *add, *remove;
    size_t add_n, remove_n;
    const char *const *add_excludes;    /* appended */
    const char *const *remove_excludes; /* exact; ERR_NOT_FOUND when not there */
    size_t add_exclude_n, remove_exclude_n;
    const bool *one_file_system, *exclude_caches;
    const uint8_t *level;
};
/* All of it or nothing.  A group keeps at least one member (ERR_USAGE).  ERR_BUSY: somebody else
 * changed it at the same moment. */
[[nodiscard]] int group_modify(struct catalog *catalog, const char *name,
                               const struct group_change *change, struct err *err);

/* What removing does to points.  Points are never deleted by this. */
enum group_points {
    GROUP_REFUSE,      /* ERR_GROUP_POINTS when a source of it has points */
    GROUP_KEEP_POINTS, /* its sources become inactive, their points stay */
};
struct group_removed {
    uint64_t sources, points; /* that become inactive */
};
/* ERR_NOT_FOUND.  what_if: only count. */
struct group_remove_opts {
    enum group_points points;
    bool what_if;
};
[[nodiscard]] int group_remove(struct catalog *catalog, const char *name,
                               struct group_remove_opts opts, struct group_removed *removed,
                               struct err *err);

/* ERR_NOT_FOUND.  *group is the caller's to group_done, also after a failure. */
[[nodiscard]] int group_get(struct catalog *catalog, const char *name, struct group *group,
                            struct err *err);
/* In name order; fn returns 1 to stop.  The group is borrowed. */
typedef int group_fn(void *ctx, const struct group *group, struct err *err);
[[nodiscard]] int group_list(struct catalog *catalog, const char *after, group_fn *fn, void *ctx,
                             struct err *err);
