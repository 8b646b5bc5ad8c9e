/* Covers src/data/catalog: what is opened and what is refused, one flipped bit, copies, migration.
 */
#include "catalog_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/catalog/catalog_int.h"

/* ---- files ---- */

static void path_of(const struct fixture *f, const char *name, char to[static OS_PATH_MAX]) {
    (void)text_format(to, OS_PATH_MAX, "%s/%s", f->dir, name);
}

static void load(struct fixture *f, const char *name, struct buf *bytes) {
    char path[OS_PATH_MAX];
    path_of(f, name, path);
    buf_clear(bytes);
    OK(f, os_load(OS_FD_CWD, path, 1u << 30, bytes, &f->err));
}

static void store(struct fixture *f, const char *name, struct span bytes) {
    char path[OS_PATH_MAX];
    path_of(f, name, path);
    OK(f, durable_write(OS_FD_CWD, path, bytes, 0600, true, &f->err));
}

/* In place, as a disk would do it. */
static void flip(struct fixture *f, const char *name, size_t at, const struct buf *bytes) {
    char path[OS_PATH_MAX];
    OS_FD_AUTO int fd = OS_FD_NONE;
    path_of(f, name, path);
    OK(f, os_file_open_write(OS_FD_CWD, path, &fd, &f->err));
    uint8_t byte = bytes->p[at] ^ (uint8_t)(1u << (at % 8));
    OK(f, os_write_at(fd, at, &byte, 1, &f->err));
}

static void unflip(struct fixture *f, const char *name, size_t at, const struct buf *bytes) {
    char path[OS_PATH_MAX];
    OS_FD_AUTO int fd = OS_FD_NONE;
    path_of(f, name, path);
    OK(f, os_file_open_write(OS_FD_CWD, path, &fd, &f->err));
    OK(f, os_write_at(fd, at, bytes->p + at, 1, &f->err));
}

static bool exists(struct fixture *f, const char *name) {
    char path[OS_PATH_MAX];
    bool is;
    path_of(f, name, path);
    OK(f, os_exists(OS_FD_CWD, path, &is, &f->err));
    return is;
}

static void close_catalog(struct fixture *f) {
    catalog_close(f->catalog);
    f->catalog = NULL;
}

static void refuse(struct fixture *f, enum err_code code) {
    f->err = (struct err){0};
    assert_int_equal(catalog_open(f->dir, &f->catalog, &f->err), -1);
    if (f->err.code != code)
        fail_msg("%s", f->err.text);
    f->catalog = NULL;
}

/* ---- one flipped bit ---- */

static void fill(struct fixture *f, unsigned n) {
    for (unsigned i = 1; i <= n; i++) {
        (void)fixture_add(f, (uint8_t)(1 + i % 3), i);
        OK(f, catalog_audit(f->catalog, i, "somebody", "did something", &f->err));
    }
}

static int digest_row(void *ctx, const struct catalog_point *point, struct err *err) {
    (void)err;
    hasher_add(ctx, span_of(point, sizeof *point));
    return 0;
}

static int digest_audit(void *ctx, const struct catalog_audit_row *row, struct err *err) {
    (void)err;
    hasher_add(ctx, span_of(row->hash.b, sizeof row->hash.b));
    return 0;
}

/* Of everything both databases say; -1 when they do not. */
static int digest_all(struct fixture *f, struct digest *out) {
    struct hasher *hasher = hasher_new();
    const struct catalog_point_filter all = {0};
    int rc = catalog_points(f->catalog, &all, digest_row, hasher, &f->err);
    if (rc == 0)
        rc = catalog_audit_walk(f->catalog, 0, digest_audit, hasher, &f->err);
    hasher_get(hasher, out);
    hasher_free(hasher);
    return rc;
}

/* Either an error of the right kind, or exactly what was there before. */
static bool is_seen_or_harmless(struct fixture *f, enum err_code damage, const struct digest *all) {
    struct digest now;
    f->err = (struct err){0};
    if (catalog_open(f->dir, &f->catalog, &f->err) != 0) {
        f->catalog = NULL;
        if (f->err.code != damage)
            fail_msg("%s", f->err.text);
        return true;
    }
    if (digest_all(f, &now) != 0)
        fail_msg("opened, and then: %s", f->err.text);
    assert_true(digest_equal(&now, all));
    close_catalog(f);
    return false;
}

static void flip_bits(struct fixture *f, const char *name, enum err_code damage) {
    SCOPED(buf) bytes = {0};
    struct digest all;
    unsigned seen = 0, tried = 0;
    fill(f, 60);
    assert_int_equal(digest_all(f, &all), 0);
    close_catalog(f);
    load(f, name, &bytes);
    assert_int_equal(bytes.n % DB_PAGE_BYTES, 0);
    /* a bit here and there in every page: at its beginning, its end, and between */
    for (size_t at = 0; at < bytes.n; at += at % DB_PAGE_BYTES < 112 ? 1 : 67) {
        flip(f, name, at, &bytes);
        seen += is_seen_or_harmless(f, damage, &all);
        tried++;
        unflip(f, name, at, &bytes);
    }
    print_message("%s: %u bits flipped, %u seen\n", name, tried, seen);
    assert_true(seen >= tried * 9 / 10); /* the rest lies in pages without content */
    fixture_open(f);
}

static void one_flipped_bit_in_the_points_is_seen(void **state) {
    flip_bits(*state, "catalog.db", ERR_CATALOG_DAMAGED);
}

static void one_flipped_bit_in_the_state_is_seen(void **state) {
    flip_bits(*state, "state.db", ERR_STATE_DAMAGED);
}

static void a_page_in_the_place_of_another_is_seen(void **state) {
    struct fixture *f = *state;
    SCOPED(buf) bytes = {0};
    fill(f, 60);
    close_catalog(f);
    load(f, "catalog.db", &bytes);
    memcpy(bytes.p + (size_t)3 * DB_PAGE_BYTES, bytes.p + (size_t)4 * DB_PAGE_BYTES, DB_PAGE_BYTES);
    store(f, "catalog.db", buf_span(&bytes));
    refuse(f, ERR_CATALOG_DAMAGED);
}

static void a_shortened_database_is_refused(void **state) {
    struct fixture *f = *state;
    SCOPED(buf) bytes = {0};
    fill(f, 60);
    close_catalog(f);
    load(f, "state.db", &bytes);
    for (size_t n = bytes.n - 1; n > 0; n -= MIN(n, (size_t)7777)) {
        store(f, "state.db", span_of(bytes.p, n));
        refuse(f, ERR_STATE_DAMAGED);
    }
}

/* ---- what is not ours ---- */

static void a_foreign_file_is_refused_and_left_alone(void **state) {
    struct fixture *f = *state;
    SCOPED(buf) bytes = {0}, after = {0};
    close_catalog(f);
    for (int i = 0; i < 3000; i++)
        buf_printf(&bytes, "not a database ");
    store(f, "catalog.db", buf_span(&bytes));
    refuse(f, ERR_CATALOG_DAMAGED);
    load(f, "catalog.db", &after);
    assert_true(span_equal(buf_span(&bytes), buf_span(&after)));
}

static void the_databases_are_not_mistaken_for_each_other(void **state) {
    struct fixture *f = *state;
    SCOPED(buf) bytes = {0};
    close_catalog(f);
    load(f, "state.db", &bytes);
    store(f, "catalog.db", buf_span(&bytes));
    refuse(f, ERR_CATALOG_DAMAGED);
}

static void a_second_server_is_kept_out(void **state) {
    struct fixture *f = *state;
    struct catalog *second = NULL;
    FAILS(f, ERR_LOCKED, catalog_open(f->dir, &second, &f->err));
}

/* ---- versions ---- */

static const char *const changes[] = {
    "CREATE TABLE word(text TEXT NOT NULL) STRICT; INSERT INTO word VALUES('old')",
    "ALTER TABLE word ADD COLUMN size INTEGER NOT NULL DEFAULT 3",
    "UPDATE word SET size = 4; INSERT INTO absent VALUES(1)",
};

static struct db_kind kind_of(int change_n) {
    return (struct db_kind){.file = "words.db",
                            .application_id = 77,
                            .damaged = ERR_STATE_DAMAGED,
                            .changes = changes,
                            .change_n = change_n};
}

static int open_words(struct fixture *f, const struct db_kind *kind, struct db *db) {
    return db_open(db, kind, f->dir, pages_vfs_name(f->catalog->vfs), &f->err);
}

static int64_t first_number(struct fixture *f, struct db *db, const char *text) {
    SCOPED(sql) sql = {0};
    bool row;
    OK(f, sql_open(&sql, db, text, &f->err));
    OK(f, sql_next(&sql, &row, &f->err));
    assert_true(row);
    return sql_get_number(&sql);
}

static void old_tables_are_brought_up_to_date(void **state) {
    struct fixture *f = *state;
    struct db_kind one = kind_of(1), two = kind_of(2);
    struct db db;
    OK(f, open_words(f, &one, &db));
    assert_true(db.made);
    db_close(&db);
    OK(f, open_words(f, &two, &db));
    assert_false(db.made);
    assert_int_equal(first_number(f, &db, "SELECT size FROM word WHERE text = 'old'"), 3);
    db_close(&db);
    OK(f, open_words(f, &two, &db));
    assert_int_equal(first_number(f, &db, "SELECT count(*) FROM word"), 1);
    db_close(&db);
    FAILS(f, ERR_FORMAT_VERSION, open_words(f, &one, &db));
    db_close(&db);
}

static void a_change_of_tables_that_fails_changes_nothing(void **state) {
    struct fixture *f = *state;
    struct db_kind two = kind_of(2), three = kind_of(3);
    struct db db;
    OK(f, open_words(f, &two, &db));
    db_close(&db);
    FAILS(f, ERR_INTERNAL, open_words(f, &three, &db));
    db_close(&db);
    OK(f, open_words(f, &two, &db));
    assert_int_equal(first_number(f, &db, "SELECT size FROM word"), 3);
    db_close(&db);
}

/* ---- statements ---- */

static void a_statement_in_use_is_not_shared(void **state) {
    struct fixture *f = *state;
    static const char text[] = "SELECT value FROM (SELECT 1 AS value UNION ALL SELECT 2)";
    SCOPED(sql) outer = {0};
    bool row;
    OK(f, sql_open(&outer, &f->catalog->state, text, &f->err));
    OK(f, sql_next(&outer, &row, &f->err));
    assert_int_equal(first_number(f, &f->catalog->state, text), 1);
    OK(f, sql_next(&outer, &row, &f->err));
    assert_true(row);
    assert_int_equal(sql_get_number(&outer), 2);
}

static void the_log_is_brought_home_by_the_same_connection(void **state) {
    struct fixture *f = *state;
    SCOPED(buf) big = {0};
    uint64_t size;
    char path[OS_PATH_MAX];
    memset(buf_extend(&big, 200'000), 'x', 200'000);
    path_of(f, "state.db-wal", path);
    for (int i = 0; i < 100; i++) {
        big.p[0] = (uint8_t)i;
        OK(f, catalog_setting_set(f->catalog, "big", buf_span(&big), &f->err));
        OK(f, os_size_of(OS_FD_CWD, path, &size, &f->err));
        assert_true(size < (uint64_t)(DB_CHECKPOINT_PAGES + 200) * (DB_PAGE_BYTES + 100));
    }
}

/* ---- aside, and copied ---- */

static void a_damaged_catalog_is_set_aside_and_state_stays(void **state) {
    struct fixture *f = *state;
    bool found;
    SCOPED(buf) value = {0};
    OK(f, catalog_setting_set(f->catalog, "key", span_text("kept"), &f->err));
    (void)fixture_add(f, 1, 1);
    close_catalog(f);
    for (int i = 1; i <= 2; i++) {
        store(f, "catalog.db", span_text("damaged beyond all hope"));
        store(f, "catalog.db-wal", span_text("left behind"));
        refuse(f, ERR_CATALOG_DAMAGED);
        OK(f, catalog_set_aside(f->dir, &f->err));
        assert_false(exists(f, "catalog.db"));
        assert_false(exists(f, "catalog.db-wal"));
        assert_true(exists(f, i == 1 ? "catalog.db.damaged-1" : "catalog.db.damaged-2"));
        assert_true(exists(f, i == 1 ? "catalog.db-wal.damaged-1" : "catalog.db-wal.damaged-2"));
        fixture_open(f);
        assert_int_equal(fixture_count(f, (struct catalog_point_filter){0}), 0);
        OK(f, catalog_setting_get(f->catalog, "key", &value, &found, &f->err));
        assert_true(found);
        close_catalog(f);
    }
    fixture_open(f);
}

static void a_copy_of_the_state_opens_as_the_state(void **state) {
    struct fixture *f = *state;
    SCOPED(buf) bytes = {0}, value = {0};
    bool found;
    OK(f, catalog_setting_set(f->catalog, "key", span_text("one"), &f->err));
    OK(f, catalog_snapshot(f->catalog, "state.db.copy", &f->err));
    OK(f, catalog_setting_set(f->catalog, "key", span_text("two"), &f->err));
    OK(f, catalog_snapshot(f->catalog, "state.db.copy", &f->err));
    OK(f, catalog_setting_set(f->catalog, "key", span_text("three"), &f->err));
    assert_false(exists(f, "state.db.copy.tmp"));
    close_catalog(f);
    load(f, "state.db.copy", &bytes);
    store(f, "state.db", buf_span(&bytes));
    fixture_open(f);
    OK(f, catalog_setting_get(f->catalog, "key", &value, &found, &f->err));
    assert_true(found && span_equal(buf_span(&value), span_text("two")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(one_flipped_bit_in_the_points_is_seen),
        TEST(one_flipped_bit_in_the_state_is_seen),
        TEST(a_page_in_the_place_of_another_is_seen),
        TEST(a_shortened_database_is_refused),
        TEST(a_foreign_file_is_refused_and_left_alone),
        TEST(the_databases_are_not_mistaken_for_each_other),
        TEST(a_second_server_is_kept_out),
        TEST(old_tables_are_brought_up_to_date),
        TEST(a_change_of_tables_that_fails_changes_nothing),
        TEST(a_statement_in_use_is_not_shared),
        TEST(the_log_is_brought_home_by_the_same_connection),
        TEST(a_damaged_catalog_is_set_aside_and_state_stays),
        TEST(a_copy_of_the_state_opens_as_the_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
