/* One database: opened, checked, brought to this version's tables, closed. */
#include "base/text.h"
#include "data/catalog/catalog_int.h"

static int number_of(struct db *db, const char *text, int64_t *number, struct err *err) {
    SCOPED(sql) sql = {0};
    bool row;
    if (sql_open(&sql, db, text, err) != 0 || sql_next(&sql, &row, err) != 0)
        return -1;
    *number = row ? sql_get_number(&sql) : 0;
    return 0;
}

/* *word is "" when the statement gives no row. */
static int word_of(struct db *db, const char *text, char word[static 64], struct err *err) {
    SCOPED(sql) sql = {0};
    bool row;
    word[0] = 0;
    if (sql_open(&sql, db, text, err) != 0 || sql_next(&sql, &row, err) != 0)
        return -1;
    if (row)
        sql_get_text(&sql, word, 64);
    return 0;
}

/* Before anything is read: no foreign code, no foreign files, nothing believed unseen. */
static void restrict_handle(sqlite3 *handle) {
    static const struct {
        int option, value;
    } options[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},   {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1}, {SQLITE_DBCONFIG_DQS_DDL, 0},
        {SQLITE_DBCONFIG_DQS_DML, 0},     {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
    };
    for (size_t i = 0; i < ARRAY_N(options); i++)
        INVARIANT(sqlite3_db_config(handle, options[i].option, options[i].value, NULL) ==
                  SQLITE_OK);
    INVARIANT(sqlite3_busy_timeout(handle, DB_BUSY_MS) == SQLITE_OK);
    int reserve = DB_SUM_BYTES; /* counts for a file that has no page yet */
    INVARIANT(sqlite3_file_control(handle, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserve) ==
              SQLITE_OK);
}

static int log_grew(void *arg, sqlite3 *handle, const char *name, int pages) {
    struct db *db = arg;
    (void)handle;
    (void)name;
    db->log_pages = pages;
    return SQLITE_OK;
}

/* Exclusive comes before the log is touched: then its index is in our memory, nobody else can open
 * the file, and this connection is the only one that could ever make a checkpoint. */
static int set_up(struct db *db, struct err *err) {
    char mode[64];
    if (db_run(db,
               "PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = 4096;"
               "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
               "PRAGMA temp_store = MEMORY",
               err) != 0 ||
        word_of(db, "PRAGMA journal_mode = WAL", mode, err) != 0)
        return -1;
    if (!text_equal(mode, "wal"))
        return ERR(err, ERR_IO, "%s: cannot keep a write-ahead log", db->kind->file);
    if (db_run(db, "PRAGMA wal_autocheckpoint = 0", err) != 0)
        return -1;
    (void)sqlite3_wal_hook(db->handle, log_grew, db);
    return 0;
}

/* Every page in use is read, so every checksum is looked at. */
static int check(struct db *db, struct err *err) {
    char answer[64];
    if (word_of(db, "PRAGMA quick_check(1)", answer, err) != 0)
        return -1;
    if (text_equal(answer, "ok"))
        return 0;
    return ERR(err, db->kind->damaged, "%s: %s", db->kind->file, answer);
}

static int change_tables(struct db *db, int version, struct err *err) {
    SCOPED(db_change) change = {0};
    char mark[96];
    (void)text_format(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                      db->kind->application_id, version + 1);
    if (db_begin(&change, db, err) != 0 || db_run(db, db->kind->changes[version], err) != 0 ||
        db_run(db, mark, err) != 0)
        return -1;
    return db_commit(&change, err);
}

static int migrate(struct db *db, struct err *err) {
    int64_t version, application, tables;
    if (number_of(db, "PRAGMA user_version", &version, err) != 0 ||
        number_of(db, "PRAGMA application_id", &application, err) != 0 ||
        number_of(db, "SELECT count(*) FROM sqlite_schema", &tables, err) != 0)
        return -1;
    if (application != db->kind->application_id && (tables > 0 || application != 0))
        return ERR(err, db->kind->damaged, "%s is a database of another program", db->kind->file);
    if (version < 0 || version > db->kind->change_n)
        return ERR(err, ERR_FORMAT_VERSION, "%s has tables of version %lld, this program knows %d",
                   db->kind->file, (long long)version, db->kind->change_n);
    for (int v = (int)version; v < db->kind->change_n; v++)
        if (change_tables(db, v, err) != 0)
            return ERR_NOTE(err, "tables of version %d", v + 1);
    return 0;
}

static int prepare_tables(struct db *db, struct err *err) {
    return set_up(db, err) != 0 || check(db, err) != 0 || migrate(db, err) != 0 ? -1 : 0;
}

int db_open(struct db *db, const struct db_kind *kind, const char *dir, const char *vfs,
            struct err *err) {
    char path[OS_PATH_MAX];
    bool exists;
    *db = (struct db){.kind = kind};
    if (!text_format(path, sizeof path, "%s/%s", dir, kind->file))
        return ERR(err, ERR_USAGE, "the path of the catalog is too long: %s", dir);
    if (os_exists(OS_FD_CWD, path, &exists, err) != 0)
        return -1;
    db->made = !exists;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &db->handle, flags, vfs);
    if (code != SQLITE_OK)
        return db_fail(db, code, "open", err);
    restrict_handle(db->handle);
    return prepare_tables(db, err);
}

void db_close(struct db *db) {
    if (db->handle == NULL)
        return;
    for (size_t i = 0; i < db->kept.n; i++)
        (void)sqlite3_finalize(db->kept.p[i].stmt);
    vec_done(&db->kept);
    if (db->why.code != ERR_NONE) /* what is in doubt is not written over what is not */
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    INVARIANT(sqlite3_close(db->handle) == SQLITE_OK);
    db->handle = NULL;
}
