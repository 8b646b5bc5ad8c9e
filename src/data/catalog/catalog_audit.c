/* The audit trail, and settings. */
#include "base/text.h"
#include "crypto/hash.h"
#include "data/catalog/catalog_int.h"

/* Each row's hash covers the one before: a row that was changed, or taken out, breaks the chain. */
static void link_hash(struct digest *hash, uint64_t number, int64_t time_s, struct span who,
                      struct span what) {
    SCOPED(buf) bytes = {0};
    buf_put(&bytes, hash->b, sizeof hash->b);
    buf_put_u64(&bytes, number);
    buf_put_u64(&bytes, (uint64_t)time_s);
    buf_put_lstr(&bytes, who);
    buf_put_lstr(&bytes, what);
    hash_bytes(buf_span(&bytes), hash);
}

/* Number and hash of the last row up to `before`; zeros when there is none. */
static int last_link(struct catalog *catalog, uint64_t before, uint64_t *number,
                     struct digest *hash, struct err *err) {
    SCOPED(sql) sql = {0};
    bool row;
    *number = 0;
    *hash = (struct digest){0};
    if (sql_open(&sql, &catalog->state,
                 "SELECT n, hash FROM audit WHERE n <= ? ORDER BY n DESC LIMIT 1", err) != 0)
        return -1;
    sql_number(&sql, before > INT64_MAX ? INT64_MAX : (int64_t)before);
    if (sql_next(&sql, &row, err) != 0)
        return -1;
    if (row) {
        *number = (uint64_t)sql_get_number(&sql);
        sql_get_bytes(&sql, hash->b, sizeof hash->b);
    }
    return 0;
}

int catalog_audit(struct catalog *catalog, int64_t now_s, const char *who, const char *what,
                  struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    struct digest hash;
    uint64_t number;
    if (last_link(catalog, UINT64_MAX, &number, &hash, err) != 0 ||
        sql_open(&sql, &catalog->state,
                 "INSERT INTO audit(n, time, who, what, hash) VALUES(?, ?, ?, ?, ?)", err) != 0)
        return -1;
    link_hash(&hash, ++number, now_s, span_text(who), span_text(what));
    sql_number(&sql, (int64_t)number);
    sql_number(&sql, now_s);
    sql_text(&sql, who);
    sql_text(&sql, what);
    sql_blob(&sql, span_of(hash.b, sizeof hash.b));
    return sql_finish(&sql, NULL, err);
}

struct link {
    uint64_t number;
    int64_t time_s;
    size_t who_n, what_n; /* of the texts, each with its end */
    struct digest hash;
};
struct links {
    VEC(struct link) list;
    struct buf texts;
};

static void links_done(struct links *links) {
    vec_done(&links->list);
    buf_done(&links->texts);
}

static void read_link(struct sql *sql, struct links *links) {
    struct link *link = vec_push(&links->list);
    link->number = (uint64_t)sql_get_number(sql);
    link->time_s = sql_get_number(sql);
    struct span who = sql_get_blob(sql);
    struct span what = sql_get_blob(sql);
    sql_get_bytes(sql, link->hash.b, sizeof link->hash.b);
    link->who_n = who.n + 1;
    link->what_n = what.n + 1;
    buf_put_span(&links->texts, who);
    buf_put_u8(&links->texts, 0);
    buf_put_span(&links->texts, what);
    buf_put_u8(&links->texts, 0);
}

/* Up to CATALOG_BATCH rows behind `after`; *before is the hash of the row `after`. */
static int fetch(struct catalog *catalog, uint64_t after, struct digest *before,
                 struct links *links, struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    uint64_t number;
    bool row;
    links->list.n = 0;
    buf_clear(&links->texts);
    if (last_link(catalog, after, &number, before, err) != 0 ||
        sql_open(&sql, &catalog->state,
                 "SELECT n, time, who, what, hash FROM audit WHERE n > ? ORDER BY n LIMIT ?",
                 err) != 0)
        return -1;
    sql_number(&sql, after > INT64_MAX ? INT64_MAX : (int64_t)after);
    sql_number(&sql, CATALOG_BATCH);
    for (;;) {
        if (sql_next(&sql, &row, err) != 0)
            return -1;
        if (!row)
            return 0;
        read_link(&sql, links);
    }
}

/* Check the batch link by link and hand it over. */
static int each(const struct links *links, uint64_t *after, struct digest *hash,
                catalog_audit_fn *fn, void *ctx, struct err *err) {
    const char *text = (const char *)links->texts.p;
    int more = 0;
    for (size_t i = 0; i < links->list.n && more == 0; i++) {
        const struct link *link = &links->list.p[i];
        struct catalog_audit_row row = {.number = link->number,
                                        .time_s = link->time_s,
                                        .who = text,
                                        .what = text + link->who_n,
                                        .hash = link->hash};
        text += link->who_n + link->what_n;
        link_hash(hash, row.number, row.time_s, span_of(row.who, link->who_n - 1),
                  span_of(row.what, link->what_n - 1));
        if (row.number != *after + 1 || !digest_equal(hash, &row.hash))
            return ERR(err, ERR_STATE_DAMAGED, "the audit trail is broken at row %llu",
                       (unsigned long long)(*after + 1));
        *after = row.number;
        more = fn(ctx, &row, err);
    }
    return more;
}

int catalog_audit_walk(struct catalog *catalog, uint64_t after, catalog_audit_fn *fn, void *ctx,
                       struct err *err) {
    SCOPED(links) links = {0};
    struct digest hash;
    int rc;
    do {
        rc = fetch(catalog, after, &hash, &links, err);
        if (rc == 0)
            rc = each(&links, &after, &hash, fn, ctx, err);
    } while (rc == 0 && links.list.n == CATALOG_BATCH);
    return rc < 0 ? -1 : 0;
}

/* ---- settings ---- */

int catalog_setting_get(struct catalog *catalog, const char *key, struct buf *value, bool *found,
                        struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &catalog->state, "SELECT value FROM setting WHERE key = ?", err) != 0)
        return -1;
    sql_text(&sql, key);
    if (sql_next(&sql, found, err) != 0)
        return -1;
    if (*found)
        buf_put_span(value, sql_get_blob(&sql));
    return 0;
}

int catalog_setting_set(struct catalog *catalog, const char *key, struct span value,
                        struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &catalog->state,
                 "INSERT INTO setting(key, value) VALUES(?, ?)"
                 " ON CONFLICT DO UPDATE SET value = excluded.value",
                 err) != 0)
        return -1;
    sql_text(&sql, key);
    sql_blob(&sql, value);
    return sql_finish(&sql, NULL, err);
}
