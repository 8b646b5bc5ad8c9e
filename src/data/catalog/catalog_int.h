#pragma once
/* data/catalog, inside: a small layer over SQLite.  One connection a database; statements bind and
 * read by order, are kept prepared, and never stay open behind a function's end. */
#include <sqlite3.h>

#include "data/catalog/catalog.h"
#include "os/os.h"

#define DB_PAGE_BYTES 4096
#define DB_SUM_BYTES 16          /* at the end of every page */
#define DB_CHECKPOINT_PAGES 1000 /* of the log, then it is brought home */
#define DB_BUSY_MS 1000

/* ---- the file system below SQLite: every page carries a checksum (docs/format/catalog.md) ---- */
struct pages_vfs;
/* Registered with SQLite under a name of its own until pages_vfs_free. */
[[nodiscard]] int pages_vfs_new(struct pages_vfs **out, struct err *err);
void pages_vfs_free(struct pages_vfs *vfs);
const char *pages_vfs_name(const struct pages_vfs *vfs);

/* ---- one database ---- */
struct db_kind {
    const char *file;           /* in the catalog's folder */
    int application_id;         /* in the file's header */
    enum err_code damaged;      /* what damage of it is called */
    const char *const *changes; /* change i brings its tables from version i to i + 1 */
    int change_n;
};
extern const struct db_kind db_state, db_points;

struct db_kept {
    const char *text; /* the literal it was made from */
    sqlite3_stmt *stmt;
    bool used;
};
struct db {
    const struct db_kind *kind;
    sqlite3 *handle;
    VEC(struct db_kept) kept;
    int log_pages;
    bool made;      /* there was no file before */
    struct err why; /* an error after which nothing is done any more; ERR_NONE: fine */
};
/* Open, check every page, bring the tables to this version. */
[[nodiscard]] int db_open(struct db *db, const struct db_kind *kind, const char *dir,
                          const char *vfs, struct err *err);
void db_close(struct db *db);
/* The error of SQLite's result code as ours.  After one that leaves the database in doubt nothing
 * is done any more with this connection: opening it anew recovers. */
int db_fail(struct db *db, int code, const char *what, struct err *err);
/* Statements without parameters. */
[[nodiscard]] int db_run(struct db *db, const char *text, struct err *err);

/* A transaction; whatever is not committed is rolled back at scope end. */
struct db_change {
    struct db *db;
};
[[nodiscard]] int db_begin(struct db_change *change, struct db *db, struct err *err);
[[nodiscard]] int db_commit(struct db_change *change, struct err *err);
void db_change_done(struct db_change *change);

/* A statement with its next parameter and column. */
struct sql {
    struct db *db;
    sqlite3_stmt *stmt;
    size_t kept_i; /* SIZE_MAX: not kept */
    int parameter, column;
};
/* `text` is a literal: prepared once for all calls. */
[[nodiscard]] int sql_open(struct sql *sql, struct db *db, const char *text, struct err *err);
/* `text` was made for this call. */
[[nodiscard]] int sql_open_once(struct sql *sql, struct db *db, const char *text, struct err *err);
void sql_done(struct sql *sql);

void sql_text(struct sql *sql, const char *text);
void sql_number(struct sql *sql, int64_t number);
void sql_blob(struct sql *sql, struct span bytes);
/* *row = false: no more. */
[[nodiscard]] int sql_next(struct sql *sql, bool *row, struct err *err);
/* Run to the end; *changes (may be NULL): rows changed. */
[[nodiscard]] int sql_finish(struct sql *sql, int *changes, struct err *err);

void sql_get_text(struct sql *sql, char *to, size_t size);
int64_t sql_get_number(struct sql *sql);
struct span sql_get_blob(struct sql *sql); /* borrowed until the next call on the statement */
/* Zeros when the blob has another length. */
void sql_get_bytes(struct sql *sql, void *to, size_t n);

/* ---- the catalog ---- */
struct catalog {
    struct os_mutex mutex; /* guards both */
    struct db state, points;
    struct pages_vfs *vfs;
    char *dir;
    int dirfd;
};
/* Held until scope end. */
struct catalog_lock {
    struct catalog *catalog;
};
struct catalog_lock catalog_locked(struct catalog *catalog);
void catalog_lock_done(struct catalog_lock *lock);
#define LOCKED(catalog) [[maybe_unused]] SCOPED(catalog_lock) lock = catalog_locked(catalog)

#define CATALOG_BATCH 256u /* rows fetched under one lock */

/* ---- points: what the files about them share, inside the lock ---- */
#define POINT_COLUMNS                                                                              \
    "id, source, job, sequence, manifest, state, started, finished, entries, files, dirs, bytes,"  \
    " problems, read_bytes, sent_bytes, stored_bytes, computer, path, deleted"
/* *changes = 0: its id, its job or its place is taken. */
[[nodiscard]] int catalog_point_insert(struct catalog *catalog, const struct commit *commit,
                                       const struct digest *id, int64_t deleted_s, int *changes,
                                       struct err *err);
/* A row of POINT_COLUMNS, with its hold. */
[[nodiscard]] int catalog_point_read(struct catalog *catalog, struct sql *sql,
                                     struct catalog_point *point, struct err *err);
