#pragma once
/* data/catalog, inside: a small layer over SQLite that binds by order and never leaves a statement open. */
#include <sqlite3.h>

#include "data/catalog/catalog.h"
#include "os/os.h"

struct catalog {
    struct os_mutex mutex;
    sqlite3 *state, *cache;
};

/* ERR_SPACE, ERR_CATALOG_DAMAGED or ERR_IO by the result code of `db`. */
int sql_fail(sqlite3 *db, const char *what, struct err *err);
[[nodiscard]] int sql_run(sqlite3 *db, const char *text, struct err *err);

/* A statement with its next parameter and column. */
struct sql {
    sqlite3 *db;
    sqlite3_stmt *stmt;
    int parameter, column;
    bool bad; /* something could not be bound */
};
[[nodiscard]] int sql_prepare(struct sql *sql, sqlite3 *db, const char *text, struct err *err);
void sql_done(struct sql *sql);
void sql_text(struct sql *sql, const char *text); /* NULL binds NULL */
void sql_number(struct sql *sql, int64_t number);
void sql_blob(struct sql *sql, struct span bytes);
/* 1 = a row, 0 = no more, -1 = failed. */
int sql_step(struct sql *sql, struct err *err);
/* Run to the end; *changes (may be NULL): rows changed. */
[[nodiscard]] int sql_finish(struct sql *sql, int *changes, struct err *err);
void sql_get_text(struct sql *sql, char *to, size_t size);
int64_t sql_get_number(struct sql *sql);
struct span sql_get_blob(struct sql *sql);
void sql_get_bytes(struct sql *sql, void *to,
                   size_t n); /* zeros when the blob has another length */
