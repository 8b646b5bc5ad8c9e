/* Recovery points, changed: rows of a cache, holds of the state. */
#include "base/text.h"
#include "data/catalog/catalog_int.h"

static int held(struct catalog *catalog, const struct digest *id, bool *is, struct err *err) {
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &catalog->state, "SELECT 1 FROM hold WHERE point = ?", err) != 0)
        return -1;
    sql_blob(&sql, span_of(id->b, sizeof id->b));
    return sql_next(&sql, is, err);
}

static int refuse_held(struct catalog *catalog, const struct digest *id, struct err *err) {
    char hex[2 * sizeof id->b + 1];
    bool is;
    text_hex(hex, id->b, sizeof id->b);
    if (held(catalog, id, &is, err) != 0)
        return -1;
    return is ? ERR(err, ERR_HELD, "point %.12s is held", hex) : 0;
}

static int found(int changes, const struct digest *id, struct err *err) {
    char hex[2 * sizeof id->b + 1];
    text_hex(hex, id->b, sizeof id->b);
    return changes > 0 ? 0 : ERR(err, ERR_NOT_FOUND, "point %.12s does not exist", hex);
}

int catalog_point_insert(struct catalog *catalog, const struct commit *commit,
                         const struct digest *id, int64_t deleted_s, int *changes,
                         struct err *err) {
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &catalog->points,
                 "INSERT INTO point(" POINT_COLUMNS ")"
                 " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                 " ON CONFLICT DO NOTHING",
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
    return sql_finish(&sql, changes, err);
}

/* Nothing was inserted: fine when the job or the very point is there, else its place is taken. */
static int check_known(struct catalog *catalog, const struct commit *commit,
                       const struct digest *id, struct err *err) {
    SCOPED(sql) sql = {0};
    bool row;
    if (sql_open(&sql, &catalog->points,
                 "SELECT 1 FROM point WHERE (job = ? AND source = ?) OR id = ?", err) != 0)
        return -1;
    sql_blob(&sql, span_of(commit->job, sizeof commit->job));
    sql_blob(&sql, span_of(commit->source, sizeof commit->source));
    sql_blob(&sql, span_of(id->b, sizeof id->b));
    if (sql_next(&sql, &row, err) != 0)
        return -1;
    if (row)
        return 0;
    return ERR(err, ERR_CHAIN, "%s:%s has another point %llu", commit->computer, commit->root_path,
               (unsigned long long)commit->sequence);
}

int catalog_point_add(struct catalog *catalog, const struct commit *commit, const struct digest *id,
                      int64_t deleted_s, struct err *err) {
    LOCKED(catalog);
    int changes = 0;
    if (catalog_point_insert(catalog, commit, id, deleted_s, &changes, err) != 0)
        return -1;
    return changes > 0 ? 0 : check_known(catalog, commit, id, err);
}

int catalog_point_mark_deleted(struct catalog *catalog, const struct digest *id, int64_t deleted_s,
                               struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    int changes = 0;
    if ((deleted_s != 0 && refuse_held(catalog, id, err) != 0) ||
        sql_open(&sql, &catalog->points, "UPDATE point SET deleted = ? WHERE id = ?", err) != 0)
        return -1;
    sql_number(&sql, deleted_s);
    sql_blob(&sql, span_of(id->b, sizeof id->b));
    return sql_finish(&sql, &changes, err) != 0 ? -1 : found(changes, id, err);
}

int catalog_point_drop(struct catalog *catalog, const struct digest *id, struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    int changes = 0;
    if (refuse_held(catalog, id, err) != 0 ||
        sql_open(&sql, &catalog->points, "DELETE FROM point WHERE id = ?", err) != 0)
        return -1;
    sql_blob(&sql, span_of(id->b, sizeof id->b));
    return sql_finish(&sql, &changes, err) != 0 ? -1 : found(changes, id, err);
}

int catalog_points_clear(struct catalog *catalog, struct err *err) {
    LOCKED(catalog);
    return db_run(&catalog->points, "DELETE FROM point", err);
}

/* ---- holds ---- */

static int is_live(struct catalog *catalog, const struct digest *id, struct err *err) {
    SCOPED(sql) sql = {0};
    bool row;
    if (sql_open(&sql, &catalog->points, "SELECT 1 FROM point WHERE id = ? AND deleted = 0", err) !=
        0)
        return -1;
    sql_blob(&sql, span_of(id->b, sizeof id->b));
    return sql_next(&sql, &row, err) != 0 ? -1 : found(row, id, err);
}

int catalog_hold(struct catalog *catalog, const struct digest *id, int64_t now_s, struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    if (is_live(catalog, id, err) != 0 ||
        sql_open(&sql, &catalog->state,
                 "INSERT INTO hold(point, since) VALUES(?, ?) ON CONFLICT DO NOTHING", err) != 0)
        return -1;
    sql_blob(&sql, span_of(id->b, sizeof id->b));
    sql_number(&sql, now_s);
    return sql_finish(&sql, NULL, err);
}

int catalog_release(struct catalog *catalog, const struct digest *id, struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &catalog->state, "DELETE FROM hold WHERE point = ?", err) != 0)
        return -1;
    sql_blob(&sql, span_of(id->b, sizeof id->b));
    return sql_finish(&sql, NULL, err);
}

/* ---- one row ---- */

int catalog_point_read(struct catalog *catalog, struct sql *sql, struct catalog_point *point,
                       struct err *err) {
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
    return held(catalog, &point->id, &point->held, err);
}
