/* Job history. */
#include "base/text.h"
#include "data/catalog/catalog_int.h"

#define COLUMNS                                                                                    \
    "id, kind, state, grp, computer, source, created, started, finished, entries_found,"           \
    " entries_done, files_done, bytes_done, bytes_total, bytes_read, bytes_sent, bytes_stored,"    \
    " problem_count, error, error_text"

/* ---- writing ---- */

static void bind_row(struct sql *sql, const struct catalog_job *job) {
    sql_text(sql, job->id);
    sql_text(sql, job->kind);
    sql_text(sql, job->state);
    sql_text(sql, job->group);
    sql_text(sql, job->computer);
    sql_text(sql, job->source);
    sql_number(sql, job->created_s);
    sql_number(sql, job->started_s);
    sql_number(sql, job->finished_s);
    for (size_t i = 0; i < CATALOG_JOB_COUNTS; i++)
        sql_number(sql, (int64_t)job->counts[i]);
    sql_number(sql, (int64_t)job->problem_count);
    sql_number(sql, job->error);
    sql_text(sql, job->error_text);
    sql_blob(sql, job->result);
}

/* *n: the number of the row, which orders jobs and names it to its problems. */
static int put_row(struct catalog *catalog, const struct catalog_job *job, int64_t *n,
                   struct err *err) {
    SCOPED(sql) sql = {0};
    bool row;
    if (sql_open(&sql, &catalog->state,
                 "INSERT INTO job(" COLUMNS ", result)"
                 " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                 " ON CONFLICT(id) DO UPDATE SET state = excluded.state,"
                 " started = excluded.started, finished = excluded.finished,"
                 " entries_found = excluded.entries_found, entries_done = excluded.entries_done,"
                 " files_done = excluded.files_done, bytes_done = excluded.bytes_done,"
                 " bytes_total = excluded.bytes_total, bytes_read = excluded.bytes_read,"
                 " bytes_sent = excluded.bytes_sent, bytes_stored = excluded.bytes_stored,"
                 " problem_count = excluded.problem_count, error = excluded.error,"
                 " error_text = excluded.error_text, result = excluded.result RETURNING n",
                 err) != 0)
        return -1;
    bind_row(&sql, job);
    if (sql_next(&sql, &row, err) != 0)
        return -1;
    *n = sql_get_number(&sql);
    return sql_finish(&sql, NULL, err);
}

static int put_problem(struct catalog *catalog, int64_t job, size_t i,
                       const struct catalog_problem *problem, struct err *err) {
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &catalog->state,
                 "INSERT INTO job_problem(job, n, path, reason) VALUES(?, ?, ?, ?)", err) != 0)
        return -1;
    sql_number(&sql, job);
    sql_number(&sql, (int64_t)i);
    sql_blob(&sql, problem->path);
    sql_blob(&sql, problem->reason);
    return sql_finish(&sql, NULL, err);
}

static int clear_problems(struct catalog *catalog, int64_t job, struct err *err) {
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &catalog->state, "DELETE FROM job_problem WHERE job = ?", err) != 0)
        return -1;
    sql_number(&sql, job);
    return sql_finish(&sql, NULL, err);
}

int catalog_job_put(struct catalog *catalog, const struct catalog_job *job,
                    const struct catalog_problem *problems, size_t problem_n, struct err *err) {
    LOCKED(catalog);
    SCOPED(db_change) change = {0};
    int64_t n;
    INVARIANT(problem_n <= CATALOG_JOB_PROBLEMS_MAX);
    if (db_begin(&change, &catalog->state, err) != 0 || put_row(catalog, job, &n, err) != 0 ||
        clear_problems(catalog, n, err) != 0)
        return -1;
    for (size_t i = 0; i < problem_n; i++)
        if (put_problem(catalog, n, i, &problems[i], err) != 0)
            return -1;
    return db_commit(&change, err);
}

int catalog_jobs_interrupt(struct catalog *catalog, int64_t now_s, struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &catalog->state,
                 "UPDATE job SET state = 'interrupted', finished = ?"
                 " WHERE state IN ('queued', 'running')",
                 err) != 0)
        return -1;
    sql_number(&sql, now_s);
    return sql_finish(&sql, NULL, err);
}

static int trim(struct catalog *catalog, const char *text, uint64_t keep, struct err *err) {
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &catalog->state, text, err) != 0)
        return -1;
    sql_number(&sql, (int64_t)keep);
    return sql_finish(&sql, NULL, err);
}

int catalog_jobs_trim(struct catalog *catalog, struct catalog_jobs_keep keep, struct err *err) {
    LOCKED(catalog);
    SCOPED(db_change) change = {0};
    if (db_begin(&change, &catalog->state, err) != 0 ||
        trim(catalog,
             "DELETE FROM job WHERE n <= (SELECT n FROM job ORDER BY n DESC LIMIT 1 OFFSET ?)"
             " AND state NOT IN ('queued', 'running')",
             keep.jobs, err) != 0 ||
        trim(catalog,
             "DELETE FROM job_problem WHERE job <="
             " (SELECT n FROM job WHERE problem_count > 0 ORDER BY n DESC LIMIT 1 OFFSET ?)",
             keep.with_problems, err) != 0)
        return -1;
    return db_commit(&change, err);
}

/* ---- reading ---- */

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
    for (size_t i = 0; i < CATALOG_JOB_COUNTS; i++)
        job->counts[i] = (uint64_t)sql_get_number(sql);
    job->problem_count = (uint64_t)sql_get_number(sql);
    job->error = (uint32_t)sql_get_number(sql);
    sql_get_text(sql, job->error_text, sizeof job->error_text);
    job->result = span_of(NULL, 0);
}

static int fetch_one(struct catalog *catalog, const char *id, struct catalog_job *job,
                     struct buf *result, struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    bool row;
    if (sql_open(&sql, &catalog->state, "SELECT " COLUMNS ", result FROM job WHERE id = ?", err) !=
        0)
        return -1;
    sql_text(&sql, id);
    if (sql_next(&sql, &row, err) != 0)
        return -1;
    if (!row)
        return ERR(err, ERR_NOT_FOUND, "there is no job %s", id);
    read_row(&sql, job);
    buf_put_span(result, sql_get_blob(&sql));
    job->result = buf_span(result);
    return 0;
}

int catalog_job(struct catalog *catalog, const char *id, catalog_job_fn *fn, void *ctx,
                struct err *err) {
    SCOPED(buf) result = {0};
    struct catalog_job job;
    if (fetch_one(catalog, id, &job, &result, err) != 0)
        return -1;
    return fn(ctx, &job, err) < 0 ? -1 : 0;
}

static void put_filter(const struct catalog_job_filter *filter, struct buf *text) {
    buf_printf(text, "SELECT n, " COLUMNS " FROM job WHERE n < ?");
    if (filter->id != NULL)
        buf_printf(text, " AND id >= ? AND id <= ? || 'g'"); /* no hex digit is above f */
    if (filter->kind != NULL)
        buf_printf(text, " AND kind = ?");
    if (filter->state != NULL)
        buf_printf(text, " AND state = ?");
    if (filter->group != NULL)
        buf_printf(text, " AND grp = ?");
    if (filter->computer != NULL)
        buf_printf(text, " AND computer = ?");
    buf_printf(text, " ORDER BY n DESC LIMIT ? OFFSET ?");
}

static void bind_filter(const struct catalog_job_filter *filter, struct sql *sql) {
    const char *const words[] = {filter->id,    filter->id,    filter->kind,
                                 filter->state, filter->group, filter->computer};
    for (size_t i = 0; i < ARRAY_N(words); i++)
        if (words[i] != NULL)
            sql_text(sql, words[i]);
}

typedef VEC(struct catalog_job) jobs;

/* *before: the number of the last row, and then of this batch's last. */
static int fetch(struct catalog *catalog, const struct catalog_job_filter *filter, uint64_t limit,
                 int64_t *before, jobs *rows, struct err *err) {
    LOCKED(catalog);
    SCOPED(buf) text = {0};
    SCOPED(sql) sql = {0};
    bool row;
    rows->n = 0;
    put_filter(filter, &text);
    if (sql_open_once(&sql, &catalog->state, buf_text(&text), err) != 0)
        return -1;
    sql_number(&sql, *before);
    bind_filter(filter, &sql);
    sql_number(&sql, (int64_t)limit);
    sql_number(&sql, *before == INT64_MAX ? (int64_t)filter->skip : 0);
    for (;;) {
        if (sql_next(&sql, &row, err) != 0)
            return -1;
        if (!row)
            return 0;
        *before = sql_get_number(&sql);
        read_row(&sql, vec_push(rows));
    }
}

int catalog_jobs(struct catalog *catalog, const struct catalog_job_filter *filter,
                 catalog_job_fn *fn, void *ctx, struct err *err) {
    jobs rows = {0};
    int64_t before = INT64_MAX;
    uint64_t left = filter->limit > 0 ? filter->limit : CATALOG_PAGE_MAX;
    int rc = 0;
    do {
        uint64_t batch = MIN(left, (uint64_t)CATALOG_BATCH);
        rc = fetch(catalog, filter, batch, &before, &rows, err);
        for (size_t i = 0; i < rows.n && rc == 0; i++)
            rc = fn(ctx, &rows.p[i], err);
        left -= batch;
        if (rows.n < batch)
            break;
    } while (rc == 0 && left > 0);
    vec_done(&rows);
    return rc < 0 ? -1 : 0;
}

/* ---- problems ---- */

struct problem_rows {
    VEC(struct catalog_problem) list;
    struct buf bytes; /* paths and reasons, one behind the other */
};

static void problem_rows_done(struct problem_rows *rows) {
    vec_done(&rows->list);
    buf_done(&rows->bytes);
}

static int fetch_problems(struct catalog *catalog, const char *id, uint64_t skip,
                          struct problem_rows *rows, struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    bool row;
    if (sql_open(&sql, &catalog->state,
                 "SELECT p.path, p.reason FROM job_problem p JOIN job j ON j.n = p.job"
                 " WHERE j.id = ? AND p.n >= ? ORDER BY p.n",
                 err) != 0)
        return -1;
    sql_text(&sql, id);
    sql_number(&sql, (int64_t)MIN(skip, (uint64_t)CATALOG_JOB_PROBLEMS_MAX));
    for (;;) {
        if (sql_next(&sql, &row, err) != 0)
            return -1;
        if (!row)
            return 0;
        struct catalog_problem *problem = vec_push(&rows->list);
        problem->path = sql_get_blob(&sql);
        problem->reason = sql_get_blob(&sql);
        buf_put_span(&rows->bytes, problem->path);
        buf_put_span(&rows->bytes, problem->reason);
    }
}

int catalog_job_problems(struct catalog *catalog, const char *id, uint64_t skip,
                         catalog_problem_fn *fn, void *ctx, struct err *err) {
    SCOPED(problem_rows) rows = {0};
    if (fetch_problems(catalog, id, skip, &rows, err) != 0)
        return -1;
    const uint8_t *p = rows.bytes.p;
    int more = 0;
    for (size_t i = 0; i < rows.list.n && more == 0; i++) {
        struct catalog_problem *problem = &rows.list.p[i];
        problem->path.p = p;
        problem->reason.p = p + problem->path.n;
        p += problem->path.n + problem->reason.n;
        more = fn(ctx, problem, err);
    }
    return more < 0 ? -1 : 0;
}
