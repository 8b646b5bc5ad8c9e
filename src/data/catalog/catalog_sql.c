/* Statements, transactions, and what SQLite's result codes mean here. */
#include "base/text.h"
#include "data/catalog/catalog_int.h"

/* ---- errors ---- */

static enum err_code meaning(const struct db *db, int code) {
    int sys = sqlite3_system_errno(db->handle);
    switch (code) {
    case SQLITE_IOERR_DATA:
    case SQLITE_IOERR_CORRUPTFS:
        return db->kind->damaged;
    default:
        break;
    }
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return db->kind->damaged;
    case SQLITE_FULL:
        return ERR_SPACE;
    case SQLITE_BUSY:
        return ERR_LOCKED;
    case SQLITE_NOMEM:
        return ERR_MEMORY;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return ERR_PERMISSION;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return sys != 0 ? os_error_code(sys) : ERR_IO;
    default:
        return ERR_INTERNAL;
    }
}

/* A full disk or a held lock leaves the database as it was.  After a failed read, write or sync
 * nobody knows what the disk holds (an fsync that failed once may say yes the next time). */
static bool in_doubt(int code) {
    int primary = code & 0xff;
    return primary == SQLITE_IOERR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

int db_fail(struct db *db, int code, const char *what, struct err *err) {
    struct err local = {0};
    const char *words = db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code);
    if (code == SQLITE_IOERR_DATA)
        words = "a page does not have its checksum";
    int sys = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN
                  ? sqlite3_system_errno(db->handle)
                  : 0;
    enum err_code kind = meaning(db, code);
    if (sys != 0)
        (void)ERR_SYS(&local, kind, sys, "%s: %s (%s)", db->kind->file, words, what);
    else
        (void)ERR(&local, kind, "%s: %s (%s)", db->kind->file, words, what);
    if (in_doubt(code) && db->why.code == ERR_NONE)
        db->why = local;
    if (err != NULL)
        *err = local;
    return -1;
}

static int ready(const struct db *db, struct err *err) {
    if (db->why.code == ERR_NONE)
        return 0;
    return ERR(err, db->why.code,
               "%s is not used any more until the server starts again, since: %s", db->kind->file,
               db->why.text);
}

/* ---- changes ---- */

/* Bring the log home when it has grown.  What was committed is durable in the log already: a
 * failure here is not one of the change before it, and a grave one stops the next. */
static void after_commit(struct db *db) {
    if (db->log_pages < DB_CHECKPOINT_PAGES || !sqlite3_get_autocommit(db->handle))
        return;
    int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (code != SQLITE_OK)
        (void)db_fail(db, code, "checkpoint", NULL);
    else
        db->log_pages = 0;
}

int db_run(struct db *db, const char *text, struct err *err) {
    if (ready(db, err) != 0)
        return -1;
    int code = sqlite3_exec(db->handle, text, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return db_fail(db, code, text, err);
    after_commit(db);
    return 0;
}

int db_begin(struct db_change *change, struct db *db, struct err *err) {
    change->db = NULL;
    if (db_run(db, "BEGIN IMMEDIATE", err) != 0)
        return -1;
    change->db = db;
    return 0;
}

int db_commit(struct db_change *change, struct err *err) {
    if (db_run(change->db, "COMMIT", err) != 0)
        return -1;
    change->db = NULL;
    return 0;
}

void db_change_done(struct db_change *change) {
    if (change->db != NULL && !sqlite3_get_autocommit(change->db->handle))
        (void)sqlite3_exec(change->db->handle, "ROLLBACK", NULL, NULL, NULL);
    change->db = NULL;
}

/* ---- statements ---- */

static int prepare(struct db *db, const char *text, unsigned flags, sqlite3_stmt **stmt,
                   struct err *err) {
    int code = sqlite3_prepare_v3(db->handle, text, -1, flags, stmt, NULL);
    return code == SQLITE_OK ? 0 : db_fail(db, code, text, err);
}

int sql_open(struct sql *sql, struct db *db, const char *text, struct err *err) {
    *sql = (struct sql){.db = db, .kept_i = SIZE_MAX};
    if (ready(db, err) != 0)
        return -1;
    size_t i = 0;
    while (i < db->kept.n && db->kept.p[i].text != text)
        i++;
    if (i < db->kept.n && db->kept.p[i].used)
        return sql_open_once(sql, db, text, err);
    if (i == db->kept.n) {
        sqlite3_stmt *stmt = NULL;
        if (prepare(db, text, SQLITE_PREPARE_PERSISTENT, &stmt, err) != 0)
            return -1;
        *vec_push(&db->kept) = (struct db_kept){.text = text, .stmt = stmt};
    }
    db->kept.p[i].used = true;
    sql->kept_i = i;
    sql->stmt = db->kept.p[i].stmt;
    return 0;
}

int sql_open_once(struct sql *sql, struct db *db, const char *text, struct err *err) {
    *sql = (struct sql){.db = db, .kept_i = SIZE_MAX};
    return ready(db, err) != 0 ? -1 : prepare(db, text, 0, &sql->stmt, err);
}

void sql_done(struct sql *sql) {
    if (sql->stmt == NULL)
        return;
    if (sql->kept_i == SIZE_MAX) {
        (void)sqlite3_finalize(sql->stmt);
    } else {
        (void)sqlite3_reset(sql->stmt);
        (void)sqlite3_clear_bindings(sql->stmt);
        sql->db->kept.p[sql->kept_i].used = false;
    }
    sql->stmt = NULL;
}

/* Binding fails only for want of memory, or for a parameter that the text does not have. */
static void bound(int code) {
    INVARIANT(code == SQLITE_OK);
}

void sql_text(struct sql *sql, const char *text) {
    bound(sqlite3_bind_text(sql->stmt, ++sql->parameter, text, -1, SQLITE_TRANSIENT));
}

void sql_number(struct sql *sql, int64_t number) {
    bound(sqlite3_bind_int64(sql->stmt, ++sql->parameter, number));
}

void sql_blob(struct sql *sql, struct span bytes) {
    const void *p = bytes.n > 0 ? (const void *)bytes.p : "";
    bound(sqlite3_bind_blob64(sql->stmt, ++sql->parameter, p, bytes.n, SQLITE_TRANSIENT));
}

int sql_next(struct sql *sql, bool *row, struct err *err) {
    sql->column = 0;
    int code = sqlite3_step(sql->stmt);
    *row = code == SQLITE_ROW;
    return *row || code == SQLITE_DONE ? 0 : db_fail(sql->db, code, sqlite3_sql(sql->stmt), err);
}

int sql_finish(struct sql *sql, int *changes, struct err *err) {
    bool row;
    do {
        if (sql_next(sql, &row, err) != 0)
            return -1;
    } while (row);
    if (changes != NULL)
        *changes = sqlite3_changes(sql->db->handle);
    (void)sqlite3_reset(sql->stmt);
    after_commit(sql->db);
    return 0;
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
