/* Recovery points, looked for: filters, selectors, pages. */
#include "base/text.h"
#include "data/catalog/catalog_int.h"

/* Where a list goes on: behind this row, in its order. */
struct place {
    bool set;
    int64_t finished_s, sequence;
    struct digest id;
};

/* Bounds of all ids that begin so; false: none can. */
static bool prefix_bounds(const char *prefix, struct digest *low, struct digest *high) {
    char digits[2 * sizeof low->b + 1];
    size_t n = strlen(prefix);
    if (n >= sizeof digits)
        return false;
    memcpy(digits, prefix, n);
    memset(digits + n, '0', sizeof digits - 1 - n);
    bool good = text_unhex(digits, sizeof digits - 1, low->b, sizeof low->b);
    memset(digits + n, 'f', sizeof digits - 1 - n);
    return good && text_unhex(digits, sizeof digits - 1, high->b, sizeof high->b);
}

/* Members of a group are in the other database: their ids go into the text, as digits made here. */
static int put_group(struct catalog *catalog, const char *group, struct buf *text,
                     struct err *err) {
    SCOPED(sql) sql = {0};
    const char *comma = "";
    bool row;
    if (sql_open(&sql, &catalog->state, "SELECT id FROM source WHERE grp = ?", err) != 0)
        return -1;
    sql_text(&sql, group);
    buf_printf(text, " AND source IN (");
    for (;;) {
        uint8_t id[16];
        char hex[2 * sizeof id + 1];
        if (sql_next(&sql, &row, err) != 0)
            return -1;
        if (!row)
            break;
        sql_get_bytes(&sql, id, sizeof id);
        text_hex(hex, id, sizeof id);
        buf_printf(text, "%sX'%s'", comma, hex);
        comma = ",";
    }
    buf_printf(text, ")");
    return 0;
}

static int put_filter(struct catalog *catalog, const struct catalog_point_filter *filter,
                      struct buf *text, struct err *err) {
    buf_printf(text, " FROM point WHERE deleted %s 0", filter->deleted ? "!=" : "=");
    if (filter->deleted && filter->deleted_before_s != 0)
        buf_printf(text, " AND deleted < ?");
    if (filter->computer != NULL)
        buf_printf(text, " AND computer = ?");
    if (filter->source != NULL)
        buf_printf(text, " AND source = ?");
    if (filter->id_prefix != NULL)
        buf_printf(text, " AND id BETWEEN ? AND ?");
    return filter->group != NULL ? put_group(catalog, filter->group, text, err) : 0;
}

/* In the order of put_filter. */
static void bind_filter(const struct catalog_point_filter *filter, struct sql *sql) {
    if (filter->deleted && filter->deleted_before_s != 0)
        sql_number(sql, filter->deleted_before_s);
    if (filter->computer != NULL)
        sql_text(sql, filter->computer);
    if (filter->source != NULL)
        sql_blob(sql, span_of(filter->source, 16));
    if (filter->id_prefix != NULL) {
        struct digest low = {0}, high = {0};
        if (!prefix_bounds(filter->id_prefix, &low, &high)) {
            memset(&low, 0xff, sizeof low); /* between the last and the first: nothing */
            memset(&high, 0, sizeof high);
        }
        sql_blob(sql, span_of(low.b, sizeof low.b));
        sql_blob(sql, span_of(high.b, sizeof high.b));
    }
}

/* Points of one source go by sequence, which no clock can upset. */
static const char *put_order(const struct catalog_point_filter *filter, const struct place *place,
                             struct buf *text) {
    bool one = filter->source != NULL;
    if (place->set)
        buf_printf(text, one ? " AND (sequence, id) < (?, ?)"
                             : " AND (finished, sequence, id) < (?, ?, ?)");
    buf_printf(text, " ORDER BY %ssequence DESC, id DESC LIMIT ? OFFSET ?",
               one ? "" : "finished DESC, ");
    return buf_text(text);
}

static int open_list(struct catalog *catalog, const struct catalog_point_filter *filter,
                     const struct place *place, uint64_t limit, struct sql *sql, struct err *err) {
    SCOPED(buf) text = {0};
    buf_printf(&text, "SELECT " POINT_COLUMNS);
    if (put_filter(catalog, filter, &text, err) != 0 ||
        sql_open_once(sql, &catalog->points, put_order(filter, place, &text), err) != 0)
        return -1;
    bind_filter(filter, sql);
    if (place->set && filter->source == NULL)
        sql_number(sql, place->finished_s);
    if (place->set) {
        sql_number(sql, place->sequence);
        sql_blob(sql, span_of(place->id.b, sizeof place->id.b));
    }
    sql_number(sql, (int64_t)limit);
    sql_number(sql, place->set ? 0 : (int64_t)filter->skip);
    return 0;
}

typedef VEC(struct catalog_point) points;

static int fetch(struct catalog *catalog, const struct catalog_point_filter *filter,
                 struct place *place, uint64_t limit, points *rows, struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    bool row;
    rows->n = 0;
    if (open_list(catalog, filter, place, limit, &sql, err) != 0)
        return -1;
    for (;;) {
        if (sql_next(&sql, &row, err) != 0)
            return -1;
        if (!row)
            return 0;
        struct catalog_point *point = vec_push(rows);
        if (catalog_point_read(catalog, &sql, point, err) != 0)
            return -1;
        *place = (struct place){.set = true,
                                .finished_s = point->finished_s,
                                .sequence = (int64_t)point->sequence,
                                .id = point->id};
    }
}

/* Batch by batch: a long list neither holds the lock for long nor lies in memory as a whole. */
int catalog_points(struct catalog *catalog, const struct catalog_point_filter *filter,
                   catalog_point_fn *fn, void *ctx, struct err *err) {
    points rows = {0};
    struct place place = {0};
    uint64_t left = filter->limit > 0 ? filter->limit : UINT64_MAX;
    int rc = 0;
    do {
        uint64_t batch = MIN(left, (uint64_t)CATALOG_BATCH);
        rc = fetch(catalog, filter, &place, batch, &rows, err);
        for (size_t i = 0; i < rows.n && rc == 0; i++)
            rc = fn(ctx, &rows.p[i], err);
        left -= batch;
        if (rows.n < batch)
            break;
    } while (rc == 0 && left > 0);
    vec_done(&rows);
    return rc < 0 ? -1 : 0;
}

int catalog_point_count(struct catalog *catalog, const struct catalog_point_filter *filter,
                        uint64_t *count, struct err *err) {
    LOCKED(catalog);
    SCOPED(buf) text = {0};
    SCOPED(sql) sql = {0};
    bool row;
    buf_printf(&text, "SELECT count(*)");
    if (put_filter(catalog, filter, &text, err) != 0 ||
        sql_open_once(&sql, &catalog->points, buf_text(&text), err) != 0)
        return -1;
    bind_filter(filter, &sql);
    if (sql_next(&sql, &row, err) != 0)
        return -1;
    *count = row ? (uint64_t)sql_get_number(&sql) : 0;
    return 0;
}

int catalog_point_of_job(struct catalog *catalog, const uint8_t job[static 16],
                         const uint8_t source[static 16], struct catalog_point *point, bool *found,
                         struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &catalog->points,
                 "SELECT " POINT_COLUMNS " FROM point WHERE job = ? AND source = ?", err) != 0)
        return -1;
    sql_blob(&sql, span_of(job, 16));
    sql_blob(&sql, span_of(source, 16));
    if (sql_next(&sql, found, err) != 0)
        return -1;
    return *found ? catalog_point_read(catalog, &sql, point, err) : 0;
}

/* ---- selectors ---- */

struct pick {
    struct catalog_point *point;
    uint64_t n;
};

static int pick_one(void *ctx, const struct catalog_point *point, struct err *err) {
    struct pick *pick = ctx;
    (void)err;
    if (pick->n++ == 0)
        *pick->point = *point;
    return 0;
}

/* "latest" or "latest~N"; false: something else. */
static bool parse_latest(const char *selector, uint64_t *back) {
    static const char word[] = "latest";
    size_t n = sizeof word - 1;
    *back = 0;
    if (!text_starts(selector, word))
        return false;
    return selector[n] == 0 ||
           (selector[n] == '~' && text_to_u64(selector + n + 1, 1'000'000, back));
}

static int check_prefix(const char *selector, struct err *err) {
    struct digest low, high;
    if (selector[0] != 0 && prefix_bounds(selector, &low, &high))
        return 0;
    return ERR(err, ERR_USAGE, "%.80s is neither the id of a point, nor latest, nor latest~N",
               selector);
}

int catalog_point(struct catalog *catalog, const struct catalog_point_filter *filter,
                  const char *selector, struct catalog_point *point, struct err *err) {
    struct catalog_point_filter one = *filter;
    struct pick pick = {.point = point};
    bool latest = parse_latest(selector, &one.skip);
    one.limit = latest ? 1 : 2;
    if (!latest) {
        if (check_prefix(selector, err) != 0)
            return -1;
        one.id_prefix = selector;
    }
    if (catalog_points(catalog, &one, pick_one, &pick, err) != 0)
        return -1;
    if (pick.n == 0)
        return ERR(err, ERR_NOT_FOUND, "there is no point %s", selector);
    if (pick.n > 1)
        return ERR(err, ERR_AMBIGUOUS, "more than one point begins with %s", selector);
    return 0;
}
