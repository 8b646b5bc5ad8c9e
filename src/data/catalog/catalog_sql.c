#include "base/text.h"
#include "data/catalog/catalog_int.h"

int sql_fail(sqlite3 *db, const char *what, struct err *err) {
    int code = sqlite3_errcode(db) & 0xff;
    enum err_code kind = code == SQLITE_FULL                               ? ERR_SPACE
                         : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ERR_CATALOG_DAMAGED
                                                                           : ERR_IO;
    return ERR(err, kind, "catalog: %s: %s", what, sqlite3_errmsg(db));
}

int sql_run(sqlite3 *db, const char *text, struct err *err) {
    return sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_fail(db, text, err);
}

int sql_prepare(struct sql *sql, sqlite3 *db, const char *text, struct err *err) {
    *sql = (struct sql){.db = db};
    if (sqlite3_prepare_v2(db, text, -1, &sql->stmt, NULL) != SQLITE_OK)
        return sql_fail(db, text, err);
    return 0;
}

void sql_done(struct sql *sql) {
    (void)sqlite3_finalize(sql->stmt);
    sql->stmt = NULL;
}

static void bound(struct sql *sql, int code) {
    if (code != SQLITE_OK)
        sql->bad = true;
}

void sql_text(struct sql *sql, const char *text) {
    sql->parameter++;
    bound(sql, text == NULL
                   ? sqlite3_bind_null(sql->stmt, sql->parameter)
                   : sqlite3_bind_text(sql->stmt, sql->parameter, text, -1, SQLITE_TRANSIENT));
}

void sql_number(struct sql *sql, int64_t number) {
    bound(sql, sqlite3_bind_int64(sql->stmt, ++sql->parameter, number));
}

void sql_blob(struct sql *sql, struct span bytes) {
    static const uint8_t none;
    const void *p = bytes.n > 0 ? (const void *)bytes.p : &none;
    bound(sql, sqlite3_bind_blob64(sql->stmt, ++sql->parameter, p, bytes.n, SQLITE_TRANSIENT));
}

int sql_step(struct sql *sql, struct err *err) {
    sql->column = 0;
    if (sql->bad)
        return ERR(err, ERR_MEMORY, "catalog: a value could not be bound");
    int code = sqlite3_step(sql->stmt);
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : sql_fail(sql->db, sqlite3_sql(sql->stmt), err);
}

int sql_finish(struct sql *sql, int *changes, struct err *err) {
    int rc = sql_step(sql, err);
    if (rc == 0 && changes != NULL)
        *changes = sqlite3_changes(sql->db);
    return rc < 0 ? -1 : 0;
}

void sql_get_text(struct sql *sql, char *to, size_t size) {
    const unsigned char *text = sqlite3_column_text(sql->stmt, sql->column++);
    (void)text_copy(to, size, text != NULL ? (const char *)text : "");
}

int64_t sql_get_number(struct sql *sql) {
    return sqlite3_column_int64(sql->stmt, sql->column++);
}

struct span sql_get_blob(struct sql *sql) {
    const void *p = sqlite3_column_blob(sql->stmt, sql->column);
    int n = sqlite3_column_bytes(sql->stmt, sql->column++);
    return span_of(p, p != NULL && n > 0 ? (size_t)n : 0);
}

void sql_get_bytes(struct sql *sql, void *to, size_t n) {
    struct span blob = sql_get_blob(sql);
    if (blob.n == n)
        memcpy(to, blob.p, n);
    else
        memset(to, 0, n);
}
