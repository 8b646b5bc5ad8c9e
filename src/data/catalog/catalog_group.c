/* Groups and their sources. */
#include "base/text.h"
#include "data/catalog/catalog_int.h"

#define GROUP_COLUMNS "name, one_file_system, exclude_caches, level, created, excludes"
#define SOURCE_COLUMNS "id, computer, path, coalesce(grp, '')"

/* ---- changes, inside the caller's lock and transaction ---- */

static int insert(struct catalog *catalog, const struct catalog_group *group, struct err *err) {
    SCOPED(sql) sql = {0};
    int changes = 0;
    if (sql_open(&sql, &catalog->state,
                 "INSERT INTO grp(" GROUP_COLUMNS ") VALUES(?, ?, ?, ?, ?, ?)"
                 " ON CONFLICT DO NOTHING",
                 err) != 0)
        return -1;
    sql_text(&sql, group->name);
    sql_number(&sql, group->one_file_system);
    sql_number(&sql, group->exclude_caches);
    sql_number(&sql, group->level);
    sql_number(&sql, group->created_s);
    sql_blob(&sql, group->excludes);
    if (sql_finish(&sql, &changes, err) != 0)
        return -1;
    return changes > 0 ? 0 : ERR(err, ERR_EXISTS, "group %s exists already", group->name);
}

static void bind_options(struct sql *sql, const struct catalog_group *group) {
    sql_number(sql, group->one_file_system);
    sql_number(sql, group->exclude_caches);
    sql_number(sql, group->level);
    sql_blob(sql, group->excludes);
}

/* Who changes a group has read it before: two at once must not undo each other. */
static int update(struct catalog *catalog, const struct catalog_group *group,
                  const struct catalog_group *was, struct err *err) {
    SCOPED(sql) sql = {0};
    int changes = 0;
    if (sql_open(&sql, &catalog->state,
                 "UPDATE grp SET one_file_system = ?, exclude_caches = ?, level = ?, excludes = ?"
                 " WHERE one_file_system = ? AND exclude_caches = ? AND level = ? AND excludes = ?"
                 " AND name = ?",
                 err) != 0)
        return -1;
    bind_options(&sql, group);
    bind_options(&sql, was);
    sql_text(&sql, group->name);
    if (sql_finish(&sql, &changes, err) != 0)
        return -1;
    return changes > 0 ? 0 : ERR(err, ERR_BUSY, "group %s was changed meanwhile", group->name);
}

/* An old source keeps its id. */
static int join(struct catalog *catalog, const struct catalog_source *source, const char *group,
                struct err *err) {
    SCOPED(sql) sql = {0};
    int changes = 0;
    if (sql_open(&sql, &catalog->state,
                 "INSERT INTO source(id, computer, path, grp) VALUES(?, ?, ?, ?)"
                 " ON CONFLICT(computer, path) DO UPDATE SET grp = excluded.grp"
                 " WHERE source.grp IS NULL",
                 err) != 0)
        return -1;
    sql_blob(&sql, span_of(source->id, sizeof source->id));
    sql_text(&sql, source->computer);
    sql_text(&sql, source->path);
    sql_text(&sql, group);
    if (sql_finish(&sql, &changes, err) != 0)
        return -1;
    if (changes > 0)
        return 0;
    return ERR(err, ERR_SOURCE_PROTECTED, "%s:%s is in a group already", source->computer,
               source->path);
}

static int leave(struct catalog *catalog, const struct catalog_source *source, const char *group,
                 struct err *err) {
    SCOPED(sql) sql = {0};
    int changes = 0;
    if (sql_open(&sql, &catalog->state,
                 "UPDATE source SET grp = NULL WHERE computer = ? AND path = ? AND grp = ?",
                 err) != 0)
        return -1;
    sql_text(&sql, source->computer);
    sql_text(&sql, source->path);
    sql_text(&sql, group);
    if (sql_finish(&sql, &changes, err) != 0)
        return -1;
    if (changes > 0)
        return 0;
    return ERR(err, ERR_NOT_FOUND, "%s:%s is not in group %s", source->computer, source->path,
               group);
}

/* ---- changes ---- */

int catalog_group_apply(struct catalog *catalog, const struct catalog_group_change *change,
                        struct err *err) {
    LOCKED(catalog);
    SCOPED(db_change) tx = {0};
    const struct catalog_group *group = change->group;
    if (db_begin(&tx, &catalog->state, err) != 0 ||
        (change->was != NULL ? update(catalog, group, change->was, err)
                             : insert(catalog, group, err)) != 0)
        return -1;
    for (size_t i = 0; i < change->leave_n; i++)
        if (leave(catalog, &change->leave[i], group->name, err) != 0)
            return -1;
    for (size_t i = 0; i < change->join_n; i++)
        if (join(catalog, &change->join[i], group->name, err) != 0)
            return -1;
    return db_commit(&tx, err);
}

static int let_go(struct catalog *catalog, const char *text, const char *name, int *changes,
                  struct err *err) {
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &catalog->state, text, err) != 0)
        return -1;
    sql_text(&sql, name);
    return sql_finish(&sql, changes, err);
}

int catalog_group_remove(struct catalog *catalog, const char *name, struct err *err) {
    LOCKED(catalog);
    SCOPED(db_change) tx = {0};
    int changes = 0;
    if (db_begin(&tx, &catalog->state, err) != 0 ||
        let_go(catalog, "UPDATE source SET grp = NULL WHERE grp = ?", name, NULL, err) != 0 ||
        let_go(catalog, "DELETE FROM grp WHERE name = ?", name, &changes, err) != 0)
        return -1;
    if (changes == 0)
        return ERR(err, ERR_NOT_FOUND, "group %s does not exist", name);
    return db_commit(&tx, err);
}

/* ---- reading groups ---- */

struct rows {
    VEC(struct catalog_group) list;
    struct buf excludes; /* of all, one behind the other */
};

static void rows_done(struct rows *rows) {
    vec_done(&rows->list);
    buf_done(&rows->excludes);
}

static void read_group(struct sql *sql, struct rows *rows) {
    struct catalog_group *group = vec_push(&rows->list);
    sql_get_text(sql, group->name, sizeof group->name);
    group->one_file_system = sql_get_number(sql) != 0;
    group->exclude_caches = sql_get_number(sql) != 0;
    group->level = (uint8_t)sql_get_number(sql);
    group->created_s = sql_get_number(sql);
    group->excludes = sql_get_blob(sql);
    buf_put_span(&rows->excludes, group->excludes);
}

static int fetch(struct catalog *catalog, const char *text, const char *key, struct rows *rows,
                 struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    bool row;
    if (sql_open(&sql, &catalog->state, text, err) != 0)
        return -1;
    sql_text(&sql, key);
    for (;;) {
        if (sql_next(&sql, &row, err) != 0)
            return -1;
        if (!row)
            return 0;
        read_group(&sql, rows);
    }
}

static int each(struct rows *rows, catalog_group_fn *fn, void *ctx, struct err *err) {
    const uint8_t *excludes = rows->excludes.p;
    int more = 0;
    for (size_t i = 0; i < rows->list.n && more == 0; i++) {
        rows->list.p[i].excludes.p = excludes;
        excludes += rows->list.p[i].excludes.n;
        more = fn(ctx, &rows->list.p[i], err);
    }
    return more < 0 ? -1 : 0;
}

int catalog_groups(struct catalog *catalog, const char *after, catalog_group_fn *fn, void *ctx,
                   struct err *err) {
    SCOPED(rows) rows = {0};
    if (fetch(catalog, "SELECT " GROUP_COLUMNS " FROM grp WHERE name > ? ORDER BY name",
              after != NULL ? after : "", &rows, err) != 0)
        return -1;
    return each(&rows, fn, ctx, err);
}

int catalog_group(struct catalog *catalog, const char *name, catalog_group_fn *fn, void *ctx,
                  struct err *err) {
    SCOPED(rows) rows = {0};
    if (fetch(catalog, "SELECT " GROUP_COLUMNS " FROM grp WHERE name = ?", name, &rows, err) != 0)
        return -1;
    if (rows.list.n == 0)
        return ERR(err, ERR_NOT_FOUND, "group %s does not exist", name);
    return each(&rows, fn, ctx, err);
}

/* ---- reading sources ---- */

static void read_source(struct sql *sql, struct catalog_source *source) {
    sql_get_bytes(sql, source->id, sizeof source->id);
    sql_get_text(sql, source->computer, sizeof source->computer);
    sql_get_text(sql, source->path, sizeof source->path);
    sql_get_text(sql, source->group, sizeof source->group);
}

typedef VEC(struct catalog_source) sources;

static int fetch_sources(struct catalog *catalog, const char *computer, const char *group,
                         sources *rows, struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    bool row;
    const char *text =
        computer != NULL && group != NULL ? "SELECT " SOURCE_COLUMNS
                                            " FROM source WHERE computer = ? AND grp = ?"
                                            " ORDER BY computer, path"
        : computer != NULL ? "SELECT " SOURCE_COLUMNS
                             " FROM source WHERE computer = ? ORDER BY computer, path"
        : group != NULL ? "SELECT " SOURCE_COLUMNS
                          " FROM source WHERE grp = ? ORDER BY computer, path"
                        : "SELECT " SOURCE_COLUMNS " FROM source ORDER BY computer, path";
    if (sql_open(&sql, &catalog->state, text, err) != 0)
        return -1;
    if (computer != NULL)
        sql_text(&sql, computer);
    if (group != NULL)
        sql_text(&sql, group);
    for (;;) {
        if (sql_next(&sql, &row, err) != 0)
            return -1;
        if (!row)
            return 0;
        read_source(&sql, vec_push(rows));
    }
}

int catalog_sources(struct catalog *catalog, const char *computer, const char *group,
                    catalog_source_fn *fn, void *ctx, struct err *err) {
    sources rows = {0};
    int more = fetch_sources(catalog, computer, group, &rows, err);
    for (size_t i = 0; i < rows.n && more == 0; i++)
        more = fn(ctx, &rows.p[i], err);
    vec_done(&rows);
    return more < 0 ? -1 : 0;
}

int catalog_source(struct catalog *catalog, const uint8_t id[static 16], struct catalog_source *out,
                   struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    bool row;
    if (sql_open(&sql, &catalog->state, "SELECT " SOURCE_COLUMNS " FROM source WHERE id = ?",
                 err) != 0)
        return -1;
    sql_blob(&sql, span_of(id, 16));
    if (sql_next(&sql, &row, err) != 0)
        return -1;
    if (!row)
        return ERR(err, ERR_NOT_FOUND, "the source does not exist");
    read_source(&sql, out);
    return 0;
}
