/* Groups and their sources. */
#include "base/text.h"
#include "data/catalog/catalog_int.h"

#define GROUP_COLUMNS "name, one_file_system, exclude_caches, level, created, excludes"
#define SOURCE_COLUMNS "id, computer, path, grp"

static int put(struct catalog *catalog, const struct catalog_group *group, bool replace,
               struct err *err) {
    struct sql sql;
    int changes = 0;
    const char *text =
        replace ? "INSERT INTO grp(" GROUP_COLUMNS
                  ") VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                  " one_file_system = excluded.one_file_system, level = excluded.level,"
                  " exclude_caches = excluded.exclude_caches, excludes = excluded.excludes"
                : "INSERT INTO grp(" GROUP_COLUMNS
                  ") VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    if (sql_prepare(&sql, catalog->state, text, err) != 0)
        return -1;
    sql_text(&sql, group->name);
    sql_number(&sql, group->one_file_system);
    sql_number(&sql, group->exclude_caches);
    sql_number(&sql, group->level);
    sql_number(&sql, group->created_s);
    sql_blob(&sql, group->excludes);
    int rc = sql_finish(&sql, &changes, err);
    sql_done(&sql);
    return rc == 0 && changes == 0 ? ERR(err, ERR_EXISTS, "group %s exists already", group->name)
                                   : rc;
}

int catalog_group_put(struct catalog *catalog, const struct catalog_group *group, bool replace,
                      struct err *err) {
    os_mutex_lock(&catalog->mutex);
    int rc = put(catalog, group, replace, err);
    os_mutex_unlock(&catalog->mutex);
    return rc;
}

static int remove_group(struct catalog *catalog, const char *name, int *changes, struct err *err) {
    struct sql leave, remove;
    if (sql_prepare(&leave, catalog->state, "UPDATE source SET grp = '' WHERE grp = ?", err) != 0)
        return -1;
    sql_text(&leave, name);
    int rc = sql_finish(&leave, NULL, err);
    sql_done(&leave);
    if (rc != 0 || sql_prepare(&remove, catalog->state, "DELETE FROM grp WHERE name = ?", err) != 0)
        return -1;
    sql_text(&remove, name);
    rc = sql_finish(&remove, changes, err);
    sql_done(&remove);
    return rc;
}

int catalog_group_remove(struct catalog *catalog, const char *name, struct err *err) {
    int changes = 0;
    os_mutex_lock(&catalog->mutex);
    int rc = sql_run(catalog->state, "BEGIN IMMEDIATE", err);
    if (rc == 0) {
        rc = remove_group(catalog, name, &changes, err);
        if (sql_run(catalog->state, rc == 0 ? "COMMIT" : "ROLLBACK", rc == 0 ? err : NULL) != 0)
            rc = -1;
    }
    os_mutex_unlock(&catalog->mutex);
    return rc == 0 && changes == 0 ? ERR(err, ERR_NOT_FOUND, "group %s does not exist", name) : rc;
}

static void read_group(struct sql *sql, struct catalog_group *group) {
    sql_get_text(sql, group->name, sizeof group->name);
    group->one_file_system = sql_get_number(sql) != 0;
    group->exclude_caches = sql_get_number(sql) != 0;
    group->level = (uint8_t)sql_get_number(sql);
    group->created_s = sql_get_number(sql);
    struct span blob = sql_get_blob(sql);
    group->excludes = span_of(mem_copy(blob.p, blob.n), blob.n);
}

static int each_group(struct catalog *catalog, const char *text, const char *key,
                      catalog_group_fn *fn, void *ctx, uint64_t *found, struct err *err) {
    VEC(struct catalog_group) rows = {0};
    struct sql sql;
    os_mutex_lock(&catalog->mutex);
    int rc = sql_prepare(&sql, catalog->state, text, err);
    if (rc == 0) {
        sql_text(&sql, key);
        while ((rc = sql_step(&sql, err)) == 1)
            read_group(&sql, vec_push(&rows));
    }
    sql_done(&sql);
    os_mutex_unlock(&catalog->mutex);
    *found = rows.n;
    int more = 0;
    for (size_t i = 0; i < rows.n; i++) {
        if (rc == 0 && more == 0)
            more = fn(ctx, &rows.p[i], err);
        void *excludes;
        memcpy(&excludes, &rows.p[i].excludes.p, sizeof excludes);
        mem_free(excludes);
    }
    vec_done(&rows);
    return rc != 0 || more < 0 ? -1 : 0;
}

int catalog_groups(struct catalog *catalog, const char *after, catalog_group_fn *fn, void *ctx,
                   struct err *err) {
    uint64_t found;
    return each_group(catalog, "SELECT " GROUP_COLUMNS " FROM grp WHERE name > ? ORDER BY name",
                      after != NULL ? after : "", fn, ctx, &found, err);
}

int catalog_group(struct catalog *catalog, const char *name, catalog_group_fn *fn, void *ctx,
                  struct err *err) {
    uint64_t found;
    if (each_group(catalog, "SELECT " GROUP_COLUMNS " FROM grp WHERE name = ?", name, fn, ctx,
                   &found, err) != 0)
        return -1;
    return found == 0 ? ERR(err, ERR_NOT_FOUND, "group %s does not exist", name) : 0;
}

static int join(struct catalog *catalog, const uint8_t id[static 16], const char *computer,
                const char *path, const char *group, struct err *err) {
    struct sql sql;
    int changes = 0;
    if (sql_prepare(&sql, catalog->state,
                    "INSERT INTO source(" SOURCE_COLUMNS
                    ") VALUES(?, ?, ?, ?) ON CONFLICT(computer, path) DO UPDATE"
                    " SET grp = excluded.grp WHERE source.grp = ''",
                    err) != 0)
        return -1;
    sql_blob(&sql, span_of(id, 16));
    sql_text(&sql, computer);
    sql_text(&sql, path);
    sql_text(&sql, group);
    int rc = sql_finish(&sql, &changes, err);
    sql_done(&sql);
    return rc == 0 && changes == 0
               ? ERR(err, ERR_EXISTS, "%s:%s belongs to a group already", computer, path)
               : rc;
}

int catalog_source_join(struct catalog *catalog, const uint8_t id[static 16], const char *computer,
                        const char *path, const char *group, struct err *err) {
    os_mutex_lock(&catalog->mutex);
    int rc = join(catalog, id, computer, path, group, err);
    os_mutex_unlock(&catalog->mutex);
    return rc;
}

int catalog_source_leave(struct catalog *catalog, const char *computer, const char *path,
                         const char *group, struct err *err) {
    struct sql sql;
    int changes = 0;
    os_mutex_lock(&catalog->mutex);
    int rc =
        sql_prepare(&sql, catalog->state,
                    "UPDATE source SET grp = '' WHERE computer = ? AND path = ? AND grp = ?", err);
    if (rc == 0) {
        sql_text(&sql, computer);
        sql_text(&sql, path);
        sql_text(&sql, group);
        rc = sql_finish(&sql, &changes, err);
    }
    sql_done(&sql);
    os_mutex_unlock(&catalog->mutex);
    return rc == 0 && changes == 0
               ? ERR(err, ERR_NOT_FOUND, "%s:%s is not in group %s", computer, path, group)
               : rc;
}

static void read_source(struct sql *sql, struct catalog_source *source) {
    sql_get_bytes(sql, source->id, sizeof source->id);
    sql_get_text(sql, source->computer, sizeof source->computer);
    sql_get_text(sql, source->path, sizeof source->path);
    sql_get_text(sql, source->group, sizeof source->group);
}

int catalog_sources(struct catalog *catalog, const char *computer, const char *group,
                    catalog_source_fn *fn, void *ctx, struct err *err) {
    VEC(struct catalog_source) rows = {0};
    struct sql sql;
    os_mutex_lock(&catalog->mutex);
    int rc = sql_prepare(&sql, catalog->state,
                         "SELECT " SOURCE_COLUMNS " FROM source WHERE (?1 IS NULL OR computer = ?1)"
                         " AND (?2 IS NULL OR grp = ?2) ORDER BY computer, path",
                         err);
    if (rc == 0) {
        sql_text(&sql, computer);
        sql_text(&sql, group);
        while ((rc = sql_step(&sql, err)) == 1)
            read_source(&sql, vec_push(&rows));
    }
    sql_done(&sql);
    os_mutex_unlock(&catalog->mutex);
    int more = 0;
    for (size_t i = 0; i < rows.n && rc == 0 && more == 0; i++)
        more = fn(ctx, &rows.p[i], err);
    vec_done(&rows);
    return rc != 0 || more < 0 ? -1 : 0;
}

int catalog_source(struct catalog *catalog, const uint8_t id[static 16], struct catalog_source *out,
                   struct err *err) {
    struct sql sql;
    os_mutex_lock(&catalog->mutex);
    int rc = sql_prepare(&sql, catalog->state, "SELECT " SOURCE_COLUMNS " FROM source WHERE id = ?",
                         err);
    if (rc == 0) {
        sql_blob(&sql, span_of(id, 16));
        rc = sql_step(&sql, err);
        if (rc == 1)
            read_source(&sql, out);
        else if (rc == 0)
            rc = ERR(err, ERR_NOT_FOUND, "source does not exist");
    }
    sql_done(&sql);
    os_mutex_unlock(&catalog->mutex);
    return rc < 0 ? -1 : 0;
}
