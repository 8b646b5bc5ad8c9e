/* Job history. */
#include "base/text.h"
#include "data/catalog/catalog_int.h"

#define COLUMNS "id, kind, state, grp, computer, source, created, started, finished, document"

int catalog_job_put(struct catalog *catalog, const struct catalog_job *job, struct err *err) {
    struct sql sql;
    os_mutex_lock(&catalog->mutex);
    int rc = sql_prepare(
        &sql, catalog->state,
        "INSERT OR REPLACE INTO job(" COLUMNS ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", err);
    if (rc == 0) {
        sql_text(&sql, job->id);
        sql_text(&sql, job->kind);
        sql_text(&sql, job->state);
        sql_text(&sql, job->group);
        sql_text(&sql, job->computer);
        sql_text(&sql, job->source);
        sql_number(&sql, job->created_s);
        sql_number(&sql, job->started_s);
        sql_number(&sql, job->finished_s);
        sql_blob(&sql, job->document);
        rc = sql_finish(&sql, NULL, err);
    }
    sql_done(&sql);
    os_mutex_unlock(&catalog->mutex);
    return rc;
}

static void read_row(struct sql *sql, struct catalog_job *job) {
    sql_get_text(sql, job->id, sizeof job->id);
    sql_get_text(sql, job->kind, sizeof job->kind);
    sql_get_text(sql, job->state, sizeof job->state);
    sql_get_text(sql, job->group, sizeof job->group);
    sql_get_text(sql, job->computer, sizeof job->computer);
    sql_get_text(sql, job->source, sizeof job->source);
    job->created_s = sql_get_number(sql);
    job->started_s = sql_get_number(sql);
    job->finished_s = sql_get_number(sql);
    struct span blob = sql_get_blob(sql);
    job->document = span_of(mem_copy(blob.p, blob.n), blob.n);
}

int catalog_jobs(struct catalog *catalog, const struct catalog_job_filter *filter,
                 catalog_job_fn *fn, void *ctx, struct err *err) {
    VEC(struct catalog_job) rows = {0};
    struct sql sql;
    os_mutex_lock(&catalog->mutex);
    int rc = sql_prepare(
        &sql, catalog->state,
        "SELECT " COLUMNS " FROM job WHERE (?1 IS NULL OR substr(id, 1, length(?1)) = ?1)"
        " AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR grp = ?4)"
        " ORDER BY created DESC, rowid DESC LIMIT ?5 OFFSET ?6",
        err);
    if (rc == 0) {
        sql_text(&sql, filter->id);
        sql_text(&sql, filter->kind);
        sql_text(&sql, filter->state);
        sql_text(&sql, filter->group);
        sql_number(&sql, (int64_t)(filter->limit > 0 ? filter->limit : CATALOG_PAGE_MAX));
        sql_number(&sql, (int64_t)filter->skip);
        while ((rc = sql_step(&sql, err)) == 1)
            read_row(&sql, vec_push(&rows));
    }
    sql_done(&sql);
    os_mutex_unlock(&catalog->mutex);
    int more = 0;
    for (size_t i = 0; i < rows.n; i++) {
        if (rc == 0 && more == 0)
            more = fn(ctx, &rows.p[i], err);
        void *document;
        memcpy(&document, &rows.p[i].document.p, sizeof document);
        mem_free(document);
    }
    vec_done(&rows);
    return rc != 0 || more < 0 ? -1 : 0;
}

int catalog_jobs_interrupt(struct catalog *catalog, int64_t now_s, struct err *err) {
    struct sql sql;
    os_mutex_lock(&catalog->mutex);
    int rc = sql_prepare(
        &sql, catalog->state,
        "UPDATE job SET state = 'interrupted', finished = ? WHERE state IN ('queued', 'running')",
        err);
    if (rc == 0) {
        sql_number(&sql, now_s);
        rc = sql_finish(&sql, NULL, err);
    }
    sql_done(&sql);
    os_mutex_unlock(&catalog->mutex);
    return rc;
}
