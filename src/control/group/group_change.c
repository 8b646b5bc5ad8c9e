/* Groups, changed: put together and checked here, written by the catalog in one transaction. */
#include "base/text.h"
#include "control/group/group_int.h"
#include "os/random.h"

/* ---- members ---- */

static size_t find_member(const struct group *group, const char *computer, const char *path) {
    size_t i = 0;
    while (i < group->sources.n && !(text_equal_nocase(group->sources.p[i].computer, computer) &&
                                     text_equal(group->sources.p[i].path, path)))
        i++;
    return i;
}

/* The computer's name as it was attached, whatever case was typed. */
static int take_name(void *ctx, const struct catalog_computer *computer, struct err *err) {
    (void)err;
    memcpy(ctx, computer->name, sizeof computer->name);
    return 0;
}

static int add_member(struct catalog *catalog, struct group *group,
                      const struct group_member *member, struct err *err) {
    struct catalog_source source = {0};
    if (group_clean_path(member->path, source.path, err) != 0 ||
        catalog_computer(catalog, member->computer, take_name, source.computer, err) != 0)
        return -1;
    if (find_member(group, source.computer, source.path) < group->sources.n)
        return ERR(err, ERR_SOURCE_PROTECTED, "%s:%s is in group %s already", source.computer,
                   source.path, group->name);
    os_random(source.id, sizeof source.id);
    *vec_push(&group->sources) = source;
    return 0;
}

static int remove_member(struct group *group, const struct group_member *member,
                         struct catalog_source *gone, struct err *err) {
    char path[CATALOG_PATH_MAX];
    if (group_clean_path(member->path, path, err) != 0)
        return -1;
    size_t i = find_member(group, member->computer, path);
    if (i == group->sources.n)
        return ERR(err, ERR_NOT_FOUND, "%s:%s is not in group %s", member->computer, path,
                   group->name);
    *gone = group->sources.p[i];
    group->sources.n--;
    memmove(&group->sources.p[i], &group->sources.p[i + 1],
            (group->sources.n - i) * sizeof group->sources.p[0]);
    return 0;
}

static int remove_exclude(struct group *group, const char *pattern, struct err *err) {
    size_t i = 0;
    while (i < group->excludes.n && !text_equal(group->excludes.p[i], pattern))
        i++;
    if (i == group->excludes.n)
        return ERR(err, ERR_NOT_FOUND, "group %s has no exclude pattern %.200s", group->name,
                   pattern);
    mem_free(group->excludes.p[i]);
    group->excludes.n--;
    memmove(&group->excludes.p[i], &group->excludes.p[i + 1],
            (group->excludes.n - i) * sizeof group->excludes.p[0]);
    return 0;
}

/* ---- writing ---- */

static void row_of(const struct group *group, struct buf *excludes, struct catalog_group *row) {
    *row = (struct catalog_group){.one_file_system = group->one_file_system,
                                  .exclude_caches = group->exclude_caches,
                                  .level = group->level,
                                  .created_s = group->created_s};
    (void)text_copy(row->name, sizeof row->name, group->name);
    group_put_excludes(group, excludes);
    row->excludes = buf_span(excludes);
}

/* The last join_n sources of the group are those that join. */
static int write_group(struct catalog *catalog, const struct group *group,
                       struct catalog_group_change *change, struct err *err) {
    SCOPED(buf) excludes = {0};
    struct catalog_group row;
    if (group_check(group, err) != 0)
        return -1;
    row_of(group, &excludes, &row);
    change->group = &row;
    change->join = &group->sources.p[group->sources.n - change->join_n];
    return catalog_group_apply(catalog, change, err);
}

int group_create(struct catalog *catalog, const struct group_spec *spec, struct err *err) {
    SCOPED(group)
    group = {.one_file_system = spec->one_file_system,
             .exclude_caches = spec->exclude_caches,
             .level = spec->level,
             .created_s = os_wall_s()};
    if (group_check_name(spec->name, err) != 0)
        return -1;
    (void)text_copy(group.name, sizeof group.name, spec->name);
    if (spec->member_n > GROUP_MEMBERS_MAX)
        return ERR(err, ERR_LIMIT, "a group has at most %u members", GROUP_MEMBERS_MAX);
    for (size_t i = 0; i < spec->exclude_n; i++)
        if (group_add_exclude(&group, spec->excludes[i], err) != 0)
            return -1;
    for (size_t i = 0; i < spec->member_n; i++)
        if (add_member(catalog, &group, &spec->members[i], err) != 0)
            return -1;
    struct catalog_group_change change = {.join_n = group.sources.n};
    return write_group(catalog, &group, &change, err);
}

static int change_excludes(struct group *group, const struct group_change *change,
                           struct err *err) {
    for (size_t i = 0; i < change->remove_exclude_n; i++)
        if (remove_exclude(group, change->remove_excludes[i], err) != 0)
            return -1;
    for (size_t i = 0; i < change->add_exclude_n; i++)
        if (group_add_exclude(group, change->add_excludes[i], err) != 0)
            return -1;
    return 0;
}

typedef VEC(struct catalog_source) sources;

static int change_members(struct catalog *catalog, struct group *group,
                          const struct group_change *change, sources *gone, struct err *err) {
    for (size_t i = 0; i < change->remove_n; i++)
        if (remove_member(group, &change->remove[i], vec_push(gone), err) != 0)
            return -1;
    if (change->add_n > GROUP_MEMBERS_MAX)
        return ERR(err, ERR_LIMIT, "a group has at most %u members", GROUP_MEMBERS_MAX);
    for (size_t i = 0; i < change->add_n; i++)
        if (add_member(catalog, group, &change->add[i], err) != 0)
            return -1;
    return 0;
}

static void change_options(struct group *group, const struct group_change *change) {
    if (change->one_file_system != NULL)
        group->one_file_system = *change->one_file_system;
    if (change->exclude_caches != NULL)
        group->exclude_caches = *change->exclude_caches;
    if (change->level != NULL)
        group->level = *change->level;
}

int group_modify(struct catalog *catalog, const char *name, const struct group_change *change,
                 struct err *err) {
    SCOPED(group) group = {0};
    SCOPED(buf) excludes = {0};
    struct catalog_group was;
    sources gone = {0};
    if (group_get(catalog, name, &group, err) != 0)
        return -1;
    row_of(&group, &excludes, &was);
    change_options(&group, change);
    int rc = change_excludes(&group, change, err);
    if (rc == 0)
        rc = change_members(catalog, &group, change, &gone, err);
    if (rc == 0) {
        struct catalog_group_change rows = {
            .was = &was, .join_n = change->add_n, .leave = gone.p, .leave_n = gone.n};
        rc = write_group(catalog, &group, &rows, err);
    }
    vec_done(&gone);
    return rc;
}

int group_remove(struct catalog *catalog, const char *name, struct group_remove_opts opts,
                 struct group_removed *removed, struct err *err) {
    SCOPED(group) group = {0};
    if (group_get(catalog, name, &group, err) != 0)
        return -1;
    const struct catalog_point_filter filter = {.group = group.name};
    *removed = (struct group_removed){.sources = group.sources.n};
    if (catalog_point_count(catalog, &filter, &removed->points, err) != 0)
        return -1;
    if (opts.points == GROUP_REFUSE && removed->points > 0)
        return ERR(err, ERR_GROUP_POINTS, "sources of group %s have %llu points", group.name,
                   (unsigned long long)removed->points);
    return opts.what_if ? 0 : catalog_group_remove(catalog, group.name, err);
}
