/* Groups, read. */
#include "base/text.h"
#include "control/group/group_int.h"

/* Patterns as group_put_excludes wrote them. */
static int get_excludes(struct group *group, struct span encoded, struct err *err) {
    struct cursor c = cursor_of(encoded);
    while (!c.bad && cursor_left(&c) > 0) {
        struct span pattern = cursor_lstr(&c, GROUP_EXCLUDE_BYTES_MAX);
        if (c.bad || group->excludes.n >= GROUP_EXCLUDES_MAX)
            break;
        char *text = mem_new(pattern.n + 1);
        memcpy(text, pattern.p, pattern.n);
        *vec_push(&group->excludes) = text;
    }
    return cursor_ended(&c)
               ? 0
               : ERR(err, ERR_FORMAT, "the exclude patterns of group %s are damaged", group->name);
}

static int read_row(void *ctx, const struct catalog_group *row, struct err *err) {
    struct group *group = ctx;
    (void)text_copy(group->name, sizeof group->name, row->name);
    group->one_file_system = row->one_file_system;
    group->exclude_caches = row->exclude_caches;
    group->level = row->level;
    group->created_s = row->created_s;
    return get_excludes(group, row->excludes, err);
}

static int add_source(void *ctx, const struct catalog_source *source, struct err *err) {
    struct group *group = ctx;
    (void)err;
    *vec_push(&group->sources) = *source;
    return 0;
}

int group_get(struct catalog *catalog, const char *name, struct group *group, struct err *err) {
    *group = (struct group){0};
    if (catalog_group(catalog, name, read_row, group, err) != 0)
        return -1;
    return catalog_sources(catalog, NULL, group->name, add_source, group, err);
}

struct listing {
    struct catalog *catalog;
    group_fn *fn;
    void *ctx;
};

static int list_one(void *ctx, const struct catalog_group *row, struct err *err) {
    const struct listing *listing = ctx;
    SCOPED(group) group = {0};
    if (read_row(&group, row, err) != 0 ||
        catalog_sources(listing->catalog, NULL, group.name, add_source, &group, err) != 0)
        return -1;
    return listing->fn(listing->ctx, &group, err);
}

int group_list(struct catalog *catalog, const char *after, group_fn *fn, void *ctx,
               struct err *err) {
    struct listing listing = {.catalog = catalog, .fn = fn, .ctx = ctx};
    return catalog_groups(catalog, after, list_one, &listing, err);
}
