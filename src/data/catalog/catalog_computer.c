/* Computers. */
#include "base/text.h"
#include "data/catalog/catalog_int.h"

#define COLUMNS "name, address, port, mode, state, agent_version, attached, last_seen, trust"

int catalog_computer_add(struct catalog *catalog, const struct catalog_computer *computer,
                         struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    int changes = 0;
    if (sql_open(&sql, &catalog->state,
                 "INSERT INTO computer(" COLUMNS ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"
                 " ON CONFLICT DO NOTHING",
                 err) != 0)
        return -1;
    sql_text(&sql, computer->name);
    sql_text(&sql, computer->address);
    sql_number(&sql, computer->port);
    sql_text(&sql, computer->mode);
    sql_text(&sql, computer->state);
    sql_text(&sql, computer->agent_version);
    sql_number(&sql, computer->attached_s);
    sql_number(&sql, computer->last_seen_s);
    sql_blob(&sql, computer->trust);
    if (sql_finish(&sql, &changes, err) != 0)
        return -1;
    return changes > 0 ? 0
                       : ERR(err, ERR_EXISTS, "computer %s is attached already", computer->name);
}

static int found(int changes, const char *name, struct err *err) {
    return changes > 0 ? 0 : ERR(err, ERR_NOT_FOUND, "computer %s is not attached", name);
}

int catalog_computer_seen(struct catalog *catalog, const char *name, const char *state,
                          const char *agent_version, int64_t last_seen_s, struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    int changes = 0;
    if (sql_open(&sql, &catalog->state,
                 "UPDATE computer SET state = ?, agent_version = COALESCE(NULLIF(?, ''),"
                 " agent_version), last_seen = MAX(last_seen, ?) WHERE name = ?",
                 err) != 0)
        return -1;
    sql_text(&sql, state);
    sql_text(&sql, agent_version != NULL ? agent_version : "");
    sql_number(&sql, last_seen_s);
    sql_text(&sql, name);
    return sql_finish(&sql, &changes, err) != 0 ? -1 : found(changes, name, err);
}

int catalog_computer_update(struct catalog *catalog, const struct catalog_computer *computer,
                            struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    int changes = 0;
    if (sql_open(&sql, &catalog->state,
                 "UPDATE computer SET address = ?, port = ?, mode = ?, trust = ? WHERE name = ?",
                 err) != 0)
        return -1;
    sql_text(&sql, computer->address);
    sql_number(&sql, computer->port);
    sql_text(&sql, computer->mode);
    sql_blob(&sql, computer->trust);
    sql_text(&sql, computer->name);
    return sql_finish(&sql, &changes, err) != 0 ? -1 : found(changes, computer->name, err);
}

/* Members of groups first: nobody can back up what cannot be reached. */
static int check_free(struct catalog *catalog, const char *name, struct err *err) {
    SCOPED(sql) sql = {0};
    bool row;
    char group[CATALOG_GROUP_MAX];
    if (sql_open(&sql, &catalog->state,
                 "SELECT grp FROM source WHERE computer = ? AND grp IS NOT NULL LIMIT 1", err) != 0)
        return -1;
    sql_text(&sql, name);
    if (sql_next(&sql, &row, err) != 0)
        return -1;
    if (!row)
        return 0;
    sql_get_text(&sql, group, sizeof group);
    return ERR(err, ERR_COMPUTER_PROTECTED, "group %s has members on computer %s", group, name);
}

int catalog_computer_remove(struct catalog *catalog, const char *name, struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    int changes = 0;
    if (check_free(catalog, name, err) != 0 ||
        sql_open(&sql, &catalog->state, "DELETE FROM computer WHERE name = ?", err) != 0)
        return -1;
    sql_text(&sql, name);
    return sql_finish(&sql, &changes, err) != 0 ? -1 : found(changes, name, err);
}

/* ---- reading ---- */

struct rows {
    VEC(struct catalog_computer) list;
    struct buf trust; /* of all, one behind the other */
};

static void rows_done(struct rows *rows) {
    vec_done(&rows->list);
    buf_done(&rows->trust);
}

static void read_row(struct sql *sql, struct rows *rows) {
    struct catalog_computer *computer = vec_push(&rows->list);
    sql_get_text(sql, computer->name, sizeof computer->name);
    sql_get_text(sql, computer->address, sizeof computer->address);
    computer->port = (uint16_t)sql_get_number(sql);
    sql_get_text(sql, computer->mode, sizeof computer->mode);
    sql_get_text(sql, computer->state, sizeof computer->state);
    sql_get_text(sql, computer->agent_version, sizeof computer->agent_version);
    computer->attached_s = sql_get_number(sql);
    computer->last_seen_s = sql_get_number(sql);
    computer->trust = sql_get_blob(sql);
    buf_put_span(&rows->trust, computer->trust);
}

static int fetch(struct catalog *catalog, const char *text, const char *key, struct rows *rows,
                 struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    bool row;
    if (sql_open(&sql, &catalog->state, text, err) != 0)
        return -1;
    sql_text(&sql, key);
    for (;;) {
        if (sql_next(&sql, &row, err) != 0)
            return -1;
        if (!row)
            return 0;
        read_row(&sql, rows);
    }
}

/* Rows are copied before fn sees them, outside the lock: it may call the catalog. */
static int each(struct rows *rows, catalog_computer_fn *fn, void *ctx, struct err *err) {
    const uint8_t *trust = rows->trust.p;
    int more = 0;
    for (size_t i = 0; i < rows->list.n && more == 0; i++) {
        rows->list.p[i].trust.p = trust;
        trust += rows->list.p[i].trust.n;
        more = fn(ctx, &rows->list.p[i], err);
    }
    return more < 0 ? -1 : 0;
}

int catalog_computers(struct catalog *catalog, const char *after, catalog_computer_fn *fn,
                      void *ctx, struct err *err) {
    SCOPED(rows) rows = {0};
    if (fetch(catalog, "SELECT " COLUMNS " FROM computer WHERE name > ? ORDER BY name",
              after != NULL ? after : "", &rows, err) != 0)
        return -1;
    return each(&rows, fn, ctx, err);
}

int catalog_computer(struct catalog *catalog, const char *name, catalog_computer_fn *fn, void *ctx,
                     struct err *err) {
    SCOPED(rows) rows = {0};
    if (fetch(catalog, "SELECT " COLUMNS " FROM computer WHERE name = ?", name, &rows, err) != 0 ||
        found((int)rows.list.n, name, err) != 0)
        return -1;
    return each(&rows, fn, ctx, err);
}
