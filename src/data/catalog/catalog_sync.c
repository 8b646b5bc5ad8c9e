/* Recovery points, made to agree with the ledger: it is the truth, the rows are a cache of it. */
#include "base/text.h"
#include "data/catalog/catalog_int.h"

struct sync {
    struct catalog *catalog;
    int64_t now_s;
    struct catalog_sync_result *result;
    uint8_t source[16]; /* the last one remembered */
    bool any_source;
};

/* Without state.db, or before it knew the source: its id must not be given to a new one. */
static int remember_source(struct sync *sync, const struct commit *commit, struct err *err) {
    SCOPED(sql) sql = {0};
    if (sync->any_source && memcmp(sync->source, commit->source, sizeof sync->source) == 0)
        return 0;
    if (sql_open(&sql, &sync->catalog->state,
                 "INSERT INTO source(id, computer, path) VALUES(?, ?, ?) ON CONFLICT DO NOTHING",
                 err) != 0)
        return -1;
    sql_blob(&sql, span_of(commit->source, sizeof commit->source));
    sql_text(&sql, commit->computer);
    sql_text(&sql, commit->root_path);
    memcpy(sync->source, commit->source, sizeof sync->source);
    sync->any_source = true;
    return sql_finish(&sql, NULL, err);
}

static int note_seen(struct sync *sync, const struct digest *hash, struct err *err) {
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &sync->catalog->points,
                 "INSERT INTO temp.seen(id) VALUES(?) ON CONFLICT DO NOTHING", err) != 0)
        return -1;
    sql_blob(&sql, span_of(hash->b, sizeof hash->b));
    return sql_finish(&sql, NULL, err);
}

/* Whoever has the place of this commit has no commit, or not this one any more. */
static int clear_place(struct sync *sync, const struct commit *commit, const struct digest *hash,
                       struct err *err) {
    SCOPED(sql) sql = {0};
    int changes = 0;
    if (sql_open(&sql, &sync->catalog->points,
                 "DELETE FROM point WHERE id != ?1 AND source = ?3 AND (job = ?2 OR sequence = ?4)"
                 " AND id NOT IN (SELECT id FROM temp.seen)",
                 err) != 0)
        return -1;
    sql_blob(&sql, span_of(hash->b, sizeof hash->b));
    sql_blob(&sql, span_of(commit->job, sizeof commit->job));
    sql_blob(&sql, span_of(commit->source, sizeof commit->source));
    sql_number(&sql, (int64_t)commit->sequence);
    int rc = sql_finish(&sql, &changes, err);
    sync->result->dropped += (uint64_t)changes;
    return rc;
}

/* The time of an old deletion is not in the ledger: its window begins again. */
static int agree_deleted(struct sync *sync, const struct digest *hash, bool deleted,
                         struct err *err) {
    SCOPED(sql) sql = {0};
    int changes = 0;
    if (sql_open(&sql, &sync->catalog->points,
                 "UPDATE point SET deleted = ? WHERE id = ? AND (deleted != 0) != ?", err) != 0)
        return -1;
    sql_number(&sql, deleted ? sync->now_s : 0);
    sql_blob(&sql, span_of(hash->b, sizeof hash->b));
    sql_number(&sql, deleted);
    int rc = sql_finish(&sql, &changes, err);
    sync->result->changed += (uint64_t)changes;
    return rc;
}

static int sync_commit(void *ctx, const char *name, const struct commit *commit,
                       const struct digest *hash, enum ledger_state state, struct err *err) {
    struct sync *sync = ctx;
    struct catalog_sync_result *result = sync->result;
    int added = 0;
    if (commit == NULL) {
        if (result->unreadable++ == 0)
            (void)text_copy(result->first_unreadable, sizeof result->first_unreadable, name);
        return 0;
    }
    if (remember_source(sync, commit, err) != 0)
        return -1;
    if (state == LEDGER_PURGED)
        return 0;
    bool deleted = state == LEDGER_DELETED;
    if (note_seen(sync, hash, err) != 0 || clear_place(sync, commit, hash, err) != 0 ||
        catalog_point_insert(sync->catalog, commit, hash, deleted ? sync->now_s : 0, &added, err) !=
            0)
        return -1;
    result->commits++;
    result->added += (uint64_t)added;
    return added > 0 ? 0 : agree_deleted(sync, hash, deleted, err);
}

static int drop_unseen(struct sync *sync, struct err *err) {
    SCOPED(sql) sql = {0};
    int changes = 0;
    if (sync->result->unreadable > 0)
        return 0;
    if (sql_open(&sql, &sync->catalog->points,
                 "DELETE FROM point WHERE id NOT IN (SELECT id FROM temp.seen)", err) != 0 ||
        sql_finish(&sql, &changes, err) != 0)
        return -1;
    sync->result->dropped += (uint64_t)changes;
    return 0;
}

int catalog_points_sync(struct catalog *catalog, struct ledger *ledger, int64_t now_s,
                        struct catalog_sync_result *result, struct err *err) {
    LOCKED(catalog);
    SCOPED(db_change) state = {0};
    SCOPED(db_change) points = {0};
    struct sync sync = {.catalog = catalog, .now_s = now_s, .result = result};
    *result = (struct catalog_sync_result){0};
    if (db_run(&catalog->points,
               "CREATE TEMP TABLE IF NOT EXISTS seen(id BLOB PRIMARY KEY) WITHOUT ROWID;"
               "DELETE FROM temp.seen",
               err) != 0 ||
        db_begin(&state, &catalog->state, err) != 0 ||
        db_begin(&points, &catalog->points, err) != 0 ||
        ledger_walk(ledger, sync_commit, &sync, err) != 0 || drop_unseen(&sync, err) != 0 ||
        db_commit(&state, err) != 0 || db_commit(&points, err) != 0)
        return ERR_NOTE(err, "bringing the catalog up to date");
    return db_run(&catalog->points, "DELETE FROM temp.seen", err);
}
