/* Recovery points: a cache of the ledger. */
#include "base/text.h"
#include "data/catalog/catalog_int.h"

#define COLUMNS                                                                                    \
    "id, source, job, sequence, manifest, state, started, finished, entries, files, dirs, bytes, " \
    "problems,"                                                                                    \
    " read_bytes, sent_bytes, stored_bytes, computer, path, deleted"

static int add(struct catalog *catalog, const struct commit *commit, const struct digest *id,
               int64_t deleted_s, struct err *err) {
    struct sql sql;
    char hex[2 * sizeof id->b + 1];
    text_hex(hex, id->b, sizeof id->b);
    if (sql_prepare(&sql, catalog->cache,
                    "INSERT INTO point(" COLUMNS ", hex)"
                    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON "
                    "CONFLICT DO NOTHING",
                    err) != 0)
        return -1;
    sql_blob(&sql, span_of(id->b, sizeof id->b));
    sql_blob(&sql, span_of(commit->source, sizeof commit->source));
    sql_blob(&sql, span_of(commit->job, sizeof commit->job));
    sql_number(&sql, (int64_t)commit->sequence);
    sql_blob(&sql, span_of(commit->manifest.b, sizeof commit->manifest.b));
    sql_number(&sql, commit->state);
    sql_number(&sql, commit->started_s);
    sql_number(&sql, commit->finished_s);
    const uint64_t numbers[] = {commit->entries,    commit->files,       commit->dirs,
                                commit->bytes,      commit->problems,    commit->read_bytes,
                                commit->sent_bytes, commit->stored_bytes};
    for (size_t i = 0; i < ARRAY_N(numbers); i++)
        sql_number(&sql, (int64_t)numbers[i]);
    sql_text(&sql, commit->computer);
    sql_text(&sql, commit->root_path);
    sql_number(&sql, deleted_s);
    sql_text(&sql, hex);
    int rc = sql_finish(&sql, NULL, err);
    sql_done(&sql);
    return rc;
}

int catalog_point_add(struct catalog *catalog, const struct commit *commit, const struct digest *id,
                      int64_t deleted_s, struct err *err) {
    os_mutex_lock(&catalog->mutex);
    int rc = add(catalog, commit, id, deleted_s, err);
    os_mutex_unlock(&catalog->mutex);
    return rc;
}

static void read_row(struct sql *sql, struct catalog_point *point) {
    sql_get_bytes(sql, point->id.b, sizeof point->id.b);
    sql_get_bytes(sql, point->source, sizeof point->source);
    sql_get_bytes(sql, point->job, sizeof point->job);
    point->sequence = (uint64_t)sql_get_number(sql);
    sql_get_bytes(sql, point->manifest.b, sizeof point->manifest.b);
    point->state = (uint8_t)sql_get_number(sql);
    point->started_s = sql_get_number(sql);
    point->finished_s = sql_get_number(sql);
    uint64_t *const numbers[] = {&point->entries,    &point->files,       &point->dirs,
                                 &point->bytes,      &point->problems,    &point->read_bytes,
                                 &point->sent_bytes, &point->stored_bytes};
    for (size_t i = 0; i < ARRAY_N(numbers); i++)
        *numbers[i] = (uint64_t)sql_get_number(sql);
    sql_get_text(sql, point->computer, sizeof point->computer);
    sql_get_text(sql, point->path, sizeof point->path);
    point->deleted_s = sql_get_number(sql);
}

/* Sources of a group are in the other database: their ids go into the text as blobs of hex digits, made here. */
static int group_condition(struct catalog *catalog, const char *group, struct buf *text,
                           struct err *err) {
    struct sql sql;
    if (sql_prepare(&sql, catalog->state, "SELECT id FROM source WHERE grp = ?", err) != 0)
        return -1;
    sql_text(&sql, group);
    buf_printf(text, " AND source IN (");
    int rc;
    bool first = true;
    while ((rc = sql_step(&sql, err)) == 1) {
        uint8_t id[16];
        char hex[2 * sizeof id + 1];
        sql_get_bytes(&sql, id, sizeof id);
        text_hex(hex, id, sizeof id);
        buf_printf(text, "%sX'%s'", first ? "" : ",", hex);
        first = false;
    }
    buf_printf(text, ")");
    sql_done(&sql);
    return rc;
}

static int select_points(struct catalog *catalog, const struct catalog_point_filter *filter,
                         const char *what, const char *tail, struct sql *sql, struct err *err) {
    SCOPED(buf) text = {0};
    sql->stmt = NULL;
    buf_printf(
        &text,
        "SELECT %s FROM point WHERE (deleted != 0) = ? AND (?2 IS NULL OR computer = ?2)"
        " AND (?3 IS NULL OR source = ?3) AND (?4 IS NULL OR substr(hex, 1, length(?4)) = ?4)",
        what);
    if (filter->group != NULL && group_condition(catalog, filter->group, &text, err) != 0)
        return -1;
    buf_printf(&text, "%s", tail);
    if (sql_prepare(sql, catalog->cache, buf_text(&text), err) != 0)
        return -1;
    sql_number(sql, filter->deleted);
    sql_text(sql, filter->computer);
    if (filter->source != NULL)
        sql_blob(sql, span_of(filter->source, 16));
    else
        sql_text(sql, NULL);
    sql_text(sql, filter->id_prefix);
    return 0;
}

int catalog_points(struct catalog *catalog, const struct catalog_point_filter *filter,
                   catalog_point_fn *fn, void *ctx, struct err *err) {
    VEC(struct catalog_point) rows = {0};
    struct sql sql;
    os_mutex_lock(&catalog->mutex);
    int rc =
        select_points(catalog, filter, COLUMNS,
                      " ORDER BY finished DESC, sequence DESC, id LIMIT ? OFFSET ?", &sql, err);
    if (rc == 0) {
        sql_number(&sql, (int64_t)(filter->limit > 0 ? filter->limit : CATALOG_PAGE_MAX));
        sql_number(&sql, (int64_t)filter->skip);
        while ((rc = sql_step(&sql, err)) == 1)
            read_row(&sql, vec_push(&rows));
    }
    sql_done(&sql);
    os_mutex_unlock(&catalog->mutex);
    int more = 0;
    for (size_t i = 0; i < rows.n && rc == 0 && more == 0; i++)
        more = fn(ctx, &rows.p[i], err);
    vec_done(&rows);
    return rc != 0 || more < 0 ? -1 : 0;
}

int catalog_point_count(struct catalog *catalog, const struct catalog_point_filter *filter,
                        uint64_t *count, struct err *err) {
    struct sql sql;
    os_mutex_lock(&catalog->mutex);
    int rc = select_points(catalog, filter, "count(*)", "", &sql, err);
    if (rc == 0)
        rc = sql_step(&sql, err);
    if (rc == 1)
        *count = (uint64_t)sql_get_number(&sql);
    sql_done(&sql);
    os_mutex_unlock(&catalog->mutex);
    return rc < 0 ? -1 : 0;
}

static int change(struct catalog *catalog, const char *text, const struct digest *id,
                  int64_t number, bool numbered, struct err *err) {
    struct sql sql;
    int changes = 0;
    os_mutex_lock(&catalog->mutex);
    int rc = sql_prepare(&sql, catalog->cache, text, err);
    if (rc == 0) {
        if (numbered)
            sql_number(&sql, number);
        sql_blob(&sql, span_of(id->b, sizeof id->b));
        rc = sql_finish(&sql, &changes, err);
    }
    sql_done(&sql);
    os_mutex_unlock(&catalog->mutex);
    return rc == 0 && changes == 0 ? ERR(err, ERR_NOT_FOUND, "point does not exist") : rc;
}

int catalog_point_mark_deleted(struct catalog *catalog, const struct digest *id, int64_t deleted_s,
                               struct err *err) {
    return change(catalog, "UPDATE point SET deleted = ? WHERE id = ?", id, deleted_s, true, err);
}

int catalog_point_drop(struct catalog *catalog, const struct digest *id, struct err *err) {
    return change(catalog, "DELETE FROM point WHERE id = ?", id, 0, false, err);
}

int catalog_points_clear(struct catalog *catalog, struct err *err) {
    os_mutex_lock(&catalog->mutex);
    int rc = sql_run(catalog->cache, "DELETE FROM point", err);
    os_mutex_unlock(&catalog->mutex);
    return rc;
}
