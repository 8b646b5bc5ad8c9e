/* Covers src/data/catalog: points, selectors, holds, agreement with the ledger. */
#include "catalog_fixture.h"

struct found {
    struct buf text; /* SOURCE/SEQUENCE of each, followed by a blank */
    uint64_t n, stop_at;
    int then;
};

static int add_point(void *ctx, const struct catalog_point *point, struct err *err) {
    struct found *found = ctx;
    buf_printf(&found->text, "%u/%llu ", point->source[0], (unsigned long long)point->sequence);
    if (++found->n != found->stop_at)
        return 0;
    return found->then < 0 ? ERR(err, ERR_USAGE, "told to") : found->then;
}

static void expect_points(struct fixture *f, struct catalog_point_filter filter,
                          const char *wanted) {
    struct found found = {0};
    OK(f, catalog_points(f->catalog, &filter, add_point, &found, &f->err));
    assert_string_equal(buf_text(&found.text), wanted);
    if (filter.limit == 0)
        assert_int_equal(fixture_count(f, filter), found.n);
    buf_done(&found.text);
}
#define EXPECT_POINTS(f, wanted, ...)                                                              \
    expect_points(f, (struct catalog_point_filter){__VA_ARGS__}, wanted)

static void a_point_is_read_back_as_it_was_added(void **state) {
    struct fixture *f = *state;
    struct commit commit = fixture_commit(1, 3);
    struct catalog_point point;
    bool known;
    commit.state = COMMIT_PARTIAL;
    commit.problems = UINT64_MAX; /* the upper half is kept, too */
    (void)text_copy(commit.root_path, sizeof commit.root_path, "/caf\xe9/\x01");
    struct digest id = fixture_hash(&commit);
    OK(f, catalog_point_add(f->catalog, &commit, &id, 0, &f->err));
    fixture_reopen(f);
    OK(f, catalog_point_of_job(f->catalog, commit.job, commit.source, &point, &known, &f->err));
    assert_true(known);
    assert_true(digest_equal(&point.id, &id) && digest_equal(&point.manifest, &commit.manifest));
    assert_memory_equal(point.source, commit.source, 16);
    assert_memory_equal(point.job, commit.job, 16);
    assert_int_equal(point.sequence, 3);
    assert_int_equal(point.state, COMMIT_PARTIAL);
    assert_int_equal(point.started_s, commit.started_s);
    assert_int_equal(point.finished_s, commit.finished_s);
    assert_int_equal(point.entries, 30);
    assert_int_equal(point.files, 24);
    assert_int_equal(point.dirs, 6);
    assert_int_equal(point.bytes, 3000);
    assert_true(point.problems == UINT64_MAX);
    assert_int_equal(point.read_bytes, 500);
    assert_int_equal(point.sent_bytes, 200);
    assert_int_equal(point.stored_bytes, 150);
    assert_string_equal(point.computer, "host-1");
    assert_string_equal(point.path, "/caf\xe9/\x01");
    assert_int_equal(point.deleted_s, 0);
    assert_false(point.held);
    OK(f, catalog_point_of_job(f->catalog, point.source, point.source, &point, &known, &f->err));
    assert_false(known);
}

static void the_same_job_makes_one_point(void **state) {
    struct fixture *f = *state;
    struct commit commit = fixture_commit(1, 1);
    struct digest first = fixture_add(f, 1, 1);
    struct catalog_point point;
    bool known;
    OK(f, catalog_point_add(f->catalog, &commit, &first, 0, &f->err));
    commit.bytes++;
    struct digest other = fixture_hash(&commit);
    OK(f, catalog_point_add(f->catalog, &commit, &other, 0, &f->err));
    OK(f, catalog_point_of_job(f->catalog, commit.job, commit.source, &point, &known, &f->err));
    assert_true(known && digest_equal(&point.id, &first));
    EXPECT_POINTS(f, "1/1 ", .deleted = false);
}

static void a_second_point_at_the_same_place_is_refused(void **state) {
    struct fixture *f = *state;
    struct commit commit = fixture_commit(1, 1);
    (void)fixture_add(f, 1, 1);
    commit.job[1] = 9;
    struct digest id = fixture_hash(&commit);
    FAILS(f, ERR_CHAIN, catalog_point_add(f->catalog, &commit, &id, 0, &f->err));
}

static void join_group(struct fixture *f, const char *name, uint8_t id) {
    struct catalog_group group = {.created_s = 1};
    struct catalog_source source = {.path = "/data"};
    (void)text_copy(group.name, sizeof group.name, name);
    memset(source.id, id, sizeof source.id);
    (void)text_format(source.computer, sizeof source.computer, "host-%u", (unsigned)id);
    struct catalog_group_change change = {.group = &group, .join = &source, .join_n = 1};
    OK(f, catalog_group_apply(f->catalog, &change, &f->err));
}

static void points_are_listed_newest_first_by_what_is_asked(void **state) {
    struct fixture *f = *state;
    join_group(f, "one", 1);
    join_group(f, "empty", 5);
    (void)fixture_add(f, 1, 1);
    (void)fixture_add(f, 2, 1);
    (void)fixture_add(f, 1, 2);
    struct digest last = fixture_add(f, 2, 3);
    EXPECT_POINTS(f, "2/3 1/2 ", .limit = 2);
    EXPECT_POINTS(f, "1/2 1/1 ", .computer = "HOST-1");
    EXPECT_POINTS(f, "1/2 1/1 ", .group = "One");
    EXPECT_POINTS(f, "", .group = "empty");
    EXPECT_POINTS(f, "", .group = "none");
    uint8_t source[16];
    memset(source, 2, sizeof source);
    EXPECT_POINTS(f, "2/3 2/1 ", .source = source);
    EXPECT_POINTS(f, "", .source = source, .group = "one");
    char hex[65];
    text_hex(hex, last.b, sizeof last.b);
    EXPECT_POINTS(f, "2/3 ", .id_prefix = hex);
    hex[9] = 0;
    EXPECT_POINTS(f, "2/3 ", .id_prefix = hex, .source = source);
    EXPECT_POINTS(f, "", .id_prefix = "xyz");
    EXPECT_POINTS(f, "", .id_prefix = hex, .computer = "host-1");
}

static void a_long_list_comes_whole_and_can_be_stopped(void **state) {
    struct fixture *f = *state;
    uint8_t source[16];
    memset(source, 1, sizeof source);
    for (uint64_t i = 1; i <= 600; i++)
        (void)fixture_add(f, (uint8_t)(1 + i % 2), i);
    struct found found = {0};
    struct catalog_point_filter filter = {.skip = 5};
    OK(f, catalog_points(f->catalog, &filter, add_point, &found, &f->err));
    assert_int_equal(found.n, 595);
    assert_true(text_starts(buf_text(&found.text), "2/595 1/594 "));
    assert_true(text_ends(buf_text(&found.text), " 1/2 2/1 "));
    buf_done(&found.text);
    found = (struct found){0};
    filter = (struct catalog_point_filter){.source = source, .limit = 280};
    OK(f, catalog_points(f->catalog, &filter, add_point, &found, &f->err));
    assert_int_equal(found.n, 280);
    assert_true(text_ends(buf_text(&found.text), " 1/42 "));
    buf_done(&found.text);
    found = (struct found){.stop_at = 257, .then = 1};
    OK(f,
       catalog_points(f->catalog, &(struct catalog_point_filter){0}, add_point, &found, &f->err));
    assert_int_equal(found.n, 257);
    buf_done(&found.text);
    found = (struct found){.stop_at = 2, .then = -1};
    FAILS(
        f, ERR_USAGE,
        catalog_points(f->catalog, &(struct catalog_point_filter){0}, add_point, &found, &f->err));
    buf_done(&found.text);
}

static void a_clock_that_went_back_does_not_change_which_point_is_latest(void **state) {
    struct fixture *f = *state;
    struct catalog_point point;
    struct commit commit = fixture_commit(1, 8);
    commit.finished_s = 5;
    struct digest id = fixture_hash(&commit);
    (void)fixture_add(f, 1, 7);
    OK(f, catalog_point_add(f->catalog, &commit, &id, 0, &f->err));
    struct catalog_point_filter filter = {.source = commit.source};
    OK(f, catalog_point(f->catalog, &filter, "latest", &point, &f->err));
    assert_int_equal(point.sequence, 8);
}

static void a_selector_means_one_point_or_says_why_not(void **state) {
    struct fixture *f = *state;
    struct catalog_point point;
    const struct catalog_point_filter all = {0}, host = {.computer = "host-1"};
    char hex[65], one[2] = "";
    for (uint64_t i = 1; i <= 40; i++) {
        struct digest id = fixture_add(f, (uint8_t)(1 + i % 2), i);
        text_hex(hex, id.b, sizeof id.b);
        one[0] = hex[0];
    }
    OK(f, catalog_point(f->catalog, &all, "latest", &point, &f->err));
    assert_int_equal(point.sequence, 40);
    OK(f, catalog_point(f->catalog, &all, "latest~1", &point, &f->err));
    assert_int_equal(point.sequence, 39);
    OK(f, catalog_point(f->catalog, &host, "latest~2", &point, &f->err));
    assert_int_equal(point.sequence, 36);
    OK(f, catalog_point(f->catalog, &all, hex, &point, &f->err));
    assert_int_equal(point.sequence, 40);
    FAILS(f, ERR_NOT_FOUND, catalog_point(f->catalog, &all, "latest~40", &point, &f->err));
    FAILS(f, ERR_NOT_FOUND, catalog_point(f->catalog, &all, "0123456789abcdef", &point, &f->err));
    FAILS(f, ERR_USAGE, catalog_point(f->catalog, &all, "latest~x", &point, &f->err));
    FAILS(f, ERR_USAGE, catalog_point(f->catalog, &all, "latest1", &point, &f->err));
    FAILS(f, ERR_USAGE, catalog_point(f->catalog, &all, "", &point, &f->err));
    FAILS(f, ERR_USAGE, catalog_point(f->catalog, &all, "ghi", &point, &f->err));
    /* 40 points, 16 digits: some digit begins at least three; at least one digit fails so */
    uint64_t ambiguous = 0;
    for (unsigned i = 0; i < 16; i++) {
        one[0] = "0123456789abcdef"[i];
        ambiguous += catalog_point(f->catalog, &all, one, &point, &f->err) != 0 &&
                     f->err.code == ERR_AMBIGUOUS;
    }
    assert_true(ambiguous > 0);
}

static void a_deleted_point_can_come_back_or_go_for_good(void **state) {
    struct fixture *f = *state;
    struct digest one = fixture_add(f, 1, 1), two = fixture_add(f, 1, 2);
    OK(f, catalog_point_mark_deleted(f->catalog, &one, 100, &f->err));
    OK(f, catalog_point_mark_deleted(f->catalog, &two, 200, &f->err));
    EXPECT_POINTS(f, "", .computer = "host-1");
    EXPECT_POINTS(f, "1/2 1/1 ", .deleted = true);
    EXPECT_POINTS(f, "1/1 ", .deleted = true, .deleted_before_s = 200);
    OK(f, catalog_point_mark_deleted(f->catalog, &one, 0, &f->err));
    OK(f, catalog_point_drop(f->catalog, &two, &f->err));
    FAILS(f, ERR_NOT_FOUND, catalog_point_drop(f->catalog, &two, &f->err));
    FAILS(f, ERR_NOT_FOUND, catalog_point_mark_deleted(f->catalog, &two, 1, &f->err));
    EXPECT_POINTS(f, "1/1 ", .deleted = false);
    EXPECT_POINTS(f, "", .deleted = true);
}

static void a_held_point_is_not_deleted_and_a_rebuild_keeps_the_hold(void **state) {
    struct fixture *f = *state;
    struct digest one = fixture_add(f, 1, 1), two = fixture_add(f, 1, 2), three = two;
    struct catalog_point point;
    OK(f, catalog_hold(f->catalog, &one, 50, &f->err));
    OK(f, catalog_hold(f->catalog, &one, 60, &f->err));
    FAILS(f, ERR_HELD, catalog_point_mark_deleted(f->catalog, &one, 100, &f->err));
    FAILS(f, ERR_HELD, catalog_point_drop(f->catalog, &one, &f->err));
    three.b[0] ^= 1;
    FAILS(f, ERR_NOT_FOUND, catalog_hold(f->catalog, &three, 50, &f->err));
    OK(f, catalog_point_mark_deleted(f->catalog, &two, 100, &f->err));
    FAILS(f, ERR_NOT_FOUND, catalog_hold(f->catalog, &two, 50, &f->err));
    OK(f, catalog_points_clear(f->catalog, &f->err));
    fixture_reopen(f);
    (void)fixture_add(f, 1, 1);
    OK(f, catalog_point(f->catalog, &(struct catalog_point_filter){0}, "latest", &point, &f->err));
    assert_true(point.held);
    OK(f, catalog_release(f->catalog, &one, &f->err));
    OK(f, catalog_point_mark_deleted(f->catalog, &one, 100, &f->err));
}

/* ---- the ledger ---- */

struct book {
    struct fixture *f;
    struct ledger *ledger;
    struct digest last[4]; /* by source */
    uint64_t sequence[4];
    int dirfd;
};

static void book_open(struct book *book, struct fixture *f) {
    *book = (struct book){.f = f};
    OK(f, os_dir_open(OS_FD_CWD, f->dir, &book->dirfd, &f->err));
    OK(f, ledger_open(book->dirfd, &book->ledger, &f->err));
}

static void book_close(struct book *book) {
    ledger_close(book->ledger);
    os_close(&book->dirfd);
}

static void book_append(struct book *book, uint8_t source, bool with_row) {
    struct commit commit = fixture_commit(source, ++book->sequence[source]);
    commit.previous = book->last[source];
    OK(book->f, ledger_append(book->ledger, &commit, &book->last[source], &book->f->err));
    if (with_row)
        OK(book->f,
           catalog_point_add(book->f->catalog, &commit, &book->last[source], 0, &book->f->err));
}

static void book_move(struct book *book, uint8_t source, uint64_t sequence, enum ledger_state from,
                      enum ledger_state to) {
    uint8_t id[16];
    memset(id, source, sizeof id);
    OK(book->f, ledger_move(book->ledger, id, sequence, from, to, &book->f->err));
}

static struct catalog_sync_result book_sync(struct book *book) {
    struct catalog_sync_result result;
    OK(book->f, catalog_points_sync(book->f->catalog, book->ledger, 900, &result, &book->f->err));
    return result;
}

static int add_source(void *ctx, const struct catalog_source *source, struct err *err) {
    (void)err;
    assert_string_equal(source->group, "");
    buf_printf(ctx, "%u=%s:%s ", source->id[0], source->computer, source->path);
    return 0;
}

static void an_empty_catalog_is_rebuilt_from_the_ledger(void **state) {
    struct fixture *f = *state;
    struct book book;
    SCOPED(buf) sources = {0};
    book_open(&book, f);
    for (int i = 0; i < 5; i++) {
        book_append(&book, 1, true);
        book_append(&book, 2, true);
    }
    book_move(&book, 1, 2, LEDGER_LIVE, LEDGER_DELETED);
    book_move(&book, 1, 3, LEDGER_LIVE, LEDGER_DELETED);
    book_move(&book, 1, 3, LEDGER_DELETED, LEDGER_PURGED);
    OK(f, catalog_points_clear(f->catalog, &f->err));
    struct catalog_sync_result result = book_sync(&book);
    assert_int_equal(result.commits, 9);
    assert_int_equal(result.added, 9);
    assert_int_equal(result.dropped + result.changed + result.unreadable, 0);
    EXPECT_POINTS(f, "1/5 1/4 1/1 ", .computer = "host-1");
    EXPECT_POINTS(f, "1/2 ", .deleted = true, .deleted_before_s = 901);
    OK(f, catalog_sources(f->catalog, NULL, NULL, add_source, &sources, &f->err));
    assert_string_equal(buf_text(&sources), "1=host-1:/data 2=host-2:/data ");
    result = book_sync(&book);
    assert_int_equal(result.commits, 9);
    assert_int_equal(result.added + result.dropped + result.changed, 0);
    book_close(&book);
}

static void rows_follow_what_happened_to_their_commits(void **state) {
    struct fixture *f = *state;
    struct book book;
    book_open(&book, f);
    book_append(&book, 1, true);
    book_append(&book, 1, false); /* the server died between I6 and I7 */
    book_append(&book, 1, true);
    book_append(&book, 1, true);
    (void)fixture_add(f, 3, 1); /* nothing in the ledger says so */
    book_move(&book, 1, 1, LEDGER_LIVE, LEDGER_DELETED);
    book_move(&book, 1, 3, LEDGER_LIVE, LEDGER_DELETED);
    book_move(&book, 1, 3, LEDGER_DELETED, LEDGER_PURGED);
    struct catalog_sync_result result = book_sync(&book);
    assert_int_equal(result.added, 1);
    assert_int_equal(result.changed, 1);
    assert_int_equal(result.dropped, 2);
    EXPECT_POINTS(f, "1/4 1/2 ", .deleted = false);
    EXPECT_POINTS(f, "1/1 ", .deleted = true);
    book_move(&book, 1, 1, LEDGER_DELETED, LEDGER_LIVE);
    result = book_sync(&book);
    assert_int_equal(result.changed, 1);
    EXPECT_POINTS(f, "1/4 1/2 1/1 ", .deleted = false);
    book_close(&book);
}

static void a_row_in_the_place_of_a_commit_gives_way(void **state) {
    struct fixture *f = *state;
    struct book book;
    struct commit other = fixture_commit(1, 1);
    other.bytes = 77;
    struct digest id = fixture_hash(&other);
    OK(f, catalog_point_add(f->catalog, &other, &id, 0, &f->err));
    book_open(&book, f);
    book_append(&book, 1, false);
    struct catalog_sync_result result = book_sync(&book);
    assert_int_equal(result.added, 1);
    assert_int_equal(result.dropped, 1);
    assert_int_equal(fixture_count(f, (struct catalog_point_filter){0}), 1);
    book_close(&book);
}

static void an_unreadable_commit_costs_no_row(void **state) {
    struct fixture *f = *state;
    struct book book;
    book_open(&book, f);
    book_append(&book, 1, true);
    (void)fixture_add(f, 3, 1);
    char path[SCRATCH_PATH_MAX + 128];
    (void)text_format(path, sizeof path, "%s/commits/%s/%016x.cmt", f->dir,
                      "01010101010101010101010101010101", 9u);
    OK(f, durable_write(OS_FD_CWD, path, span_text("rubbish"), 0600, false, &f->err));
    struct catalog_sync_result result = book_sync(&book);
    assert_int_equal(result.unreadable, 1);
    assert_int_equal(result.dropped, 0);
    assert_true(text_ends(result.first_unreadable, "9.cmt"));
    assert_int_equal(fixture_count(f, (struct catalog_point_filter){0}), 2);
    book_close(&book);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_point_is_read_back_as_it_was_added),
        TEST(the_same_job_makes_one_point),
        TEST(a_second_point_at_the_same_place_is_refused),
        TEST(points_are_listed_newest_first_by_what_is_asked),
        TEST(a_long_list_comes_whole_and_can_be_stopped),
        TEST(a_clock_that_went_back_does_not_change_which_point_is_latest),
        TEST(a_selector_means_one_point_or_says_why_not),
        TEST(a_deleted_point_can_come_back_or_go_for_good),
        TEST(a_held_point_is_not_deleted_and_a_rebuild_keeps_the_hold),
        TEST(an_empty_catalog_is_rebuilt_from_the_ledger),
        TEST(rows_follow_what_happened_to_their_commits),
        TEST(a_row_in_the_place_of_a_commit_gives_way),
        TEST(an_unreadable_commit_costs_no_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
