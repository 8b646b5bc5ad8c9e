/* Computers. */
#include "base/text.h"
#include "data/catalog/catalog_int.h"

#define COLUMNS "name, address, port, mode, state, agent_version, attached, last_seen, trust"

static void read_row(struct sql *sql, struct catalog_computer *computer) {
    sql_get_text(sql, computer->name, sizeof computer->name);
    sql_get_text(sql, computer->address, sizeof computer->address);
    computer->port = (uint16_t)sql_get_number(sql);
    sql_get_text(sql, computer->mode, sizeof computer->mode);
    sql_get_text(sql, computer->state, sizeof computer->state);
    sql_get_text(sql, computer->agent_version, sizeof computer->agent_version);
    computer->attached_s = sql_get_number(sql);
    computer->last_seen_s = sql_get_number(sql);
    computer->trust = sql_get_blob(sql);
}

static int add(struct catalog *catalog, const struct catalog_computer *computer, struct err *err) {
    struct sql sql;
    int changes = 0;
    if (sql_prepare(&sql, catalog->state,
                    "INSERT INTO computer(" COLUMNS
                    ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
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
    int rc = sql_finish(&sql, &changes, err);
    sql_done(&sql);
    if (rc == 0 && changes == 0)
        return ERR(err, ERR_EXISTS, "computer %s is attached already", computer->name);
    return rc;
}

int catalog_computer_add(struct catalog *catalog, const struct catalog_computer *computer,
                         struct err *err) {
    os_mutex_lock(&catalog->mutex);
    int rc = add(catalog, computer, err);
    os_mutex_unlock(&catalog->mutex);
    return rc;
}

static int seen(struct catalog *catalog, const char *name, const char *state,
                const char *agent_version, int64_t last_seen_s, struct err *err) {
    struct sql sql;
    int changes = 0;
    if (sql_prepare(&sql, catalog->state,
                    "UPDATE computer SET state = ?, agent_version = COALESCE(?, agent_version),"
                    " last_seen = MAX(last_seen, ?) WHERE name = ?",
                    err) != 0)
        return -1;
    sql_text(&sql, state);
    sql_text(&sql, agent_version);
    sql_number(&sql, last_seen_s);
    sql_text(&sql, name);
    int rc = sql_finish(&sql, &changes, err);
    sql_done(&sql);
    return rc == 0 && changes == 0 ? ERR(err, ERR_NOT_FOUND, "computer %s is not attached", name)
                                   : rc;
}

int catalog_computer_seen(struct catalog *catalog, const char *name, const char *state,
                          const char *agent_version, int64_t last_seen_s, struct err *err) {
    os_mutex_lock(&catalog->mutex);
    int rc = seen(catalog, name, state, agent_version, last_seen_s, err);
    os_mutex_unlock(&catalog->mutex);
    return rc;
}

int catalog_computer_remove(struct catalog *catalog, const char *name, struct err *err) {
    struct sql sql;
    int changes = 0;
    os_mutex_lock(&catalog->mutex);
    int rc = sql_prepare(&sql, catalog->state, "DELETE FROM computer WHERE name = ?", err);
    if (rc == 0) {
        sql_text(&sql, name);
        rc = sql_finish(&sql, &changes, err);
    }
    sql_done(&sql);
    os_mutex_unlock(&catalog->mutex);
    return rc == 0 && changes == 0 ? ERR(err, ERR_NOT_FOUND, "computer %s is not attached", name)
                                   : rc;
}

/* Rows are copied before fn sees them: it may call the catalog. */
static int each(struct catalog *catalog, const char *text, const char *key, catalog_computer_fn *fn,
                void *ctx, uint64_t *found, struct err *err) {
    VEC(struct catalog_computer) rows = {0};
    struct sql sql;
    os_mutex_lock(&catalog->mutex);
    int rc = sql_prepare(&sql, catalog->state, text, err);
    if (rc == 0) {
        sql_text(&sql, key);
        while ((rc = sql_step(&sql, err)) == 1) {
            struct catalog_computer *row = vec_push(&rows);
            read_row(&sql, row);
            row->trust.p = mem_copy(row->trust.p, row->trust.n);
        }
    }
    sql_done(&sql);
    os_mutex_unlock(&catalog->mutex);
    *found = rows.n;
    int more = 0;
    for (size_t i = 0; i < rows.n; i++) {
        if (rc == 0 && more == 0)
            more = fn(ctx, &rows.p[i], err);
        void *trust;
        memcpy(&trust, &rows.p[i].trust.p, sizeof trust);
        mem_free(trust);
    }
    vec_done(&rows);
    return rc != 0 || more < 0 ? -1 : 0;
}

int catalog_computers(struct catalog *catalog, const char *after, catalog_computer_fn *fn,
                      void *ctx, struct err *err) {
    uint64_t found;
    return each(catalog, "SELECT " COLUMNS " FROM computer WHERE name > ? ORDER BY name",
                after != NULL ? after : "", fn, ctx, &found, err);
}

int catalog_computer(struct catalog *catalog, const char *name, catalog_computer_fn *fn, void *ctx,
                     struct err *err) {
    uint64_t found;
    if (each(catalog, "SELECT " COLUMNS " FROM computer WHERE name = ?", name, fn, ctx, &found,
             err) != 0)
        return -1;
    return found == 0 ? ERR(err, ERR_NOT_FOUND, "computer %s is not attached", name) : 0;
}
