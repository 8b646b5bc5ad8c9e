#include "data/catalog/catalog.h"

#include "base/text.h"
#include "data/catalog/catalog_int.h"

/* Tables by version: entry i brings a database from version i to i + 1.  Never edited, only added to. */
static const char *const state_versions[] = {
    "CREATE TABLE computer(name TEXT PRIMARY KEY COLLATE NOCASE, address TEXT NOT NULL, port "
    "INTEGER NOT NULL,"
    " mode TEXT NOT NULL, state TEXT NOT NULL, agent_version TEXT NOT NULL, attached INTEGER NOT "
    "NULL,"
    " last_seen INTEGER NOT NULL, trust BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE grp(name TEXT PRIMARY KEY COLLATE NOCASE, one_file_system INTEGER NOT NULL,"
    " exclude_caches INTEGER NOT NULL, level INTEGER NOT NULL, created INTEGER NOT NULL, excludes "
    "BLOB NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE source(id BLOB PRIMARY KEY, computer TEXT NOT NULL COLLATE NOCASE, path TEXT NOT "
    "NULL,"
    " grp TEXT NOT NULL COLLATE NOCASE, UNIQUE(computer, path)) WITHOUT ROWID;"
    "CREATE INDEX source_by_group ON source(grp);"
    "CREATE TABLE job(id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, grp TEXT NOT "
    "NULL,"
    " computer TEXT NOT NULL, source TEXT NOT NULL, created INTEGER NOT NULL, started INTEGER NOT "
    "NULL,"
    " finished INTEGER NOT NULL, document BLOB NOT NULL);"
    "CREATE INDEX job_by_time ON job(created);"
    "CREATE TABLE audit(n INTEGER PRIMARY KEY, time INTEGER NOT NULL, who TEXT NOT NULL, what TEXT "
    "NOT NULL,"
    " hash BLOB NOT NULL);",
};
static const char *const cache_versions[] = {
    "CREATE TABLE point(id BLOB PRIMARY KEY, hex TEXT NOT NULL, source BLOB NOT NULL, sequence "
    "INTEGER NOT NULL,"
    " job BLOB NOT NULL UNIQUE, manifest BLOB NOT NULL, state INTEGER NOT NULL, started INTEGER "
    "NOT NULL,"
    " finished INTEGER NOT NULL, entries INTEGER NOT NULL, files INTEGER NOT NULL, dirs INTEGER "
    "NOT NULL,"
    " bytes INTEGER NOT NULL, problems INTEGER NOT NULL, read_bytes INTEGER NOT NULL, sent_bytes "
    "INTEGER NOT NULL,"
    " stored_bytes INTEGER NOT NULL, computer TEXT NOT NULL COLLATE NOCASE, path TEXT NOT NULL,"
    " deleted INTEGER NOT NULL, UNIQUE(source, sequence)) WITHOUT ROWID;"
    "CREATE INDEX point_by_time ON point(finished DESC, sequence DESC);",
};

static int migrate(sqlite3 *db, const char *const *versions, int n, struct err *err) {
    struct sql sql;
    int version = 0;
    if (sql_prepare(&sql, db, "PRAGMA user_version", err) != 0)
        return -1;
    int rc = sql_step(&sql, err);
    if (rc == 1)
        version = (int)sql_get_number(&sql);
    sql_done(&sql);
    if (rc < 0)
        return -1;
    if (version > n)
        return ERR(err, ERR_FORMAT_VERSION,
                   "the catalog has tables of version %d, this program knows %d", version, n);
    for (; version < n; version++) {
        char done[64];
        (void)text_format(done, sizeof done, "PRAGMA user_version = %d; COMMIT", version + 1);
        if (sql_run(db, "BEGIN IMMEDIATE", err) != 0 || sql_run(db, versions[version], err) != 0 ||
            sql_run(db, done, err) != 0)
            return -1;
    }
    return 0;
}

/* Checkpoints are made by this connection and no other, when it commits (wal_autocheckpoint). */
static int open_database(const char *dir, const char *name, const char *const *versions, int n,
                         sqlite3 **out, struct err *err) {
    char path[OS_PATH_MAX];
    if (!text_format(path, sizeof path, "%s/%s", dir, name))
        return ERR(err, ERR_USAGE, "path of the catalog is too long");
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_NOFOLLOW;
    if (sqlite3_open_v2(path, out, flags, NULL) != SQLITE_OK)
        return ERR(err, ERR_IO, "cannot open %s: %s", path, sqlite3_errmsg(*out));
    (void)sqlite3_db_config(*out, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_busy_timeout(*out, 5000);
    if (sql_run(*out,
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
                "PRAGMA locking_mode = EXCLUSIVE",
                err) != 0 ||
        migrate(*out, versions, n, err) != 0)
        return ERR_NOTE(err, "%s", name);
    return 0;
}

int catalog_open(const char *dir, struct catalog **out, struct err *err) {
    AUTO(catalog) *catalog = mem_new(sizeof *catalog);
    os_mutex_init(&catalog->mutex);
    if (os_mkdirs(dir, 0700, err) != 0 ||
        open_database(dir, "state.db", state_versions, ARRAY_N(state_versions), &catalog->state,
                      err) != 0 ||
        open_database(dir, "catalog.db", cache_versions, ARRAY_N(cache_versions), &catalog->cache,
                      err) != 0)
        return -1;
    *out = TAKE(catalog);
    return 0;
}

void catalog_close(struct catalog *catalog) {
    if (catalog == NULL)
        return;
    (void)sqlite3_close(catalog->state);
    (void)sqlite3_close(catalog->cache);
    os_mutex_done(&catalog->mutex);
    mem_free(catalog);
}

int catalog_audit(struct catalog *catalog, int64_t now_s, const char *who, const char *what,
                  struct err *err) {
    struct sql last, insert;
    SCOPED(buf) bytes = {0};
    struct digest hash = {0};
    os_mutex_lock(&catalog->mutex);
    int rc =
        sql_prepare(&last, catalog->state, "SELECT hash FROM audit ORDER BY n DESC LIMIT 1", err);
    if (rc == 0 && (rc = sql_step(&last, err)) == 1)
        sql_get_bytes(&last, hash.b, sizeof hash.b);
    sql_done(&last);
    if (rc >= 0) {
        buf_put(&bytes, hash.b, sizeof hash.b);
        buf_put_u64(&bytes, (uint64_t)now_s);
        buf_put_lstr(&bytes, span_text(who));
        buf_put_lstr(&bytes, span_text(what));
        hash_bytes(buf_span(&bytes), &hash);
        rc = sql_prepare(&insert, catalog->state,
                         "INSERT INTO audit(time, who, what, hash) VALUES(?, ?, ?, ?)", err);
        if (rc == 0) {
            sql_number(&insert, now_s);
            sql_text(&insert, who);
            sql_text(&insert, what);
            sql_blob(&insert, span_of(hash.b, sizeof hash.b));
            rc = sql_finish(&insert, NULL, err);
        }
        sql_done(&insert);
    }
    os_mutex_unlock(&catalog->mutex);
    return rc < 0 ? -1 : 0;
}
