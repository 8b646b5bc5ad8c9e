/* Covers src/data/catalog: computers, groups, sources, jobs, settings, audit. */
#include "catalog_fixture.h"

static struct catalog_computer computer_of(const char *name) {
    struct catalog_computer computer = {.port = 135, .attached_s = 100, .trust = span_text("blob")};
    (void)text_copy(computer.name, sizeof computer.name, name);
    (void)text_copy(computer.address, sizeof computer.address, "192.0.2.7");
    (void)text_copy(computer.mode, sizeof computer.mode, "standard");
    (void)text_copy(computer.state, sizeof computer.state, "attached");
    return computer;
}

struct names {
    struct buf text; /* each followed by a blank */
    struct buf blobs;
    uint64_t n;
    uint64_t stop_at; /* 0 = never */
    bool fails;
};

static int add_name(struct names *names, const char *name) {
    buf_printf(&names->text, "%s ", name);
    names->n++;
    return names->fails ? -1 : names->n == names->stop_at;
}

static int add_computer(void *ctx, const struct catalog_computer *computer, struct err *err) {
    struct names *names = ctx;
    buf_put_span(&names->blobs, computer->trust);
    return names->fails ? ERR(err, ERR_USAGE, "told to") : add_name(names, computer->name);
}

#define EXPECT_NAMES(names, wanted)                                                                \
    do {                                                                                           \
        assert_string_equal(buf_text(&(names).text), wanted);                                      \
        buf_done(&(names).text);                                                                   \
        buf_done(&(names).blobs);                                                                  \
        (names) = (struct names){0};                                                               \
    } while (0)

static void computer_names_are_unique_whatever_their_case(void **state) {
    struct fixture *f = *state;
    struct catalog_computer one = computer_of("alpha.example"), same = computer_of("ALPHA.example");
    OK(f, catalog_computer_add(f->catalog, &one, &f->err));
    FAILS(f, ERR_EXISTS, catalog_computer_add(f->catalog, &same, &f->err));
    OK(f, catalog_computer_seen(f->catalog, "Alpha.Example", "ok", "casemate 1", 500, &f->err));
    FAILS(f, ERR_NOT_FOUND, catalog_computer_seen(f->catalog, "beta", "ok", NULL, 500, &f->err));
}

static int expect_seen(void *ctx, const struct catalog_computer *computer, struct err *err) {
    (void)ctx;
    (void)err;
    assert_string_equal(computer->name, "alpha");
    assert_string_equal(computer->state, "unreachable");
    assert_string_equal(computer->agent_version, "casemate 1");
    assert_string_equal(computer->address, "192.0.2.8");
    assert_int_equal(computer->last_seen_s, 500);
    assert_int_equal(computer->attached_s, 100);
    assert_int_equal(computer->port, 5719);
    assert_true(span_equal(computer->trust, span_text("another")));
    return 0;
}

static void a_computer_remembers_what_contact_showed(void **state) {
    struct fixture *f = *state;
    struct catalog_computer computer = computer_of("alpha");
    OK(f, catalog_computer_add(f->catalog, &computer, &f->err));
    OK(f, catalog_computer_seen(f->catalog, "alpha", "ok", "casemate 1", 500, &f->err));
    OK(f, catalog_computer_seen(f->catalog, "alpha", "unreachable", NULL, 0, &f->err));
    computer.port = 5719;
    computer.trust = span_text("another");
    (void)text_copy(computer.address, sizeof computer.address, "192.0.2.8");
    OK(f, catalog_computer_update(f->catalog, &computer, &f->err));
    fixture_reopen(f);
    OK(f, catalog_computer(f->catalog, "ALPHA", expect_seen, NULL, &f->err));
    FAILS(f, ERR_NOT_FOUND, catalog_computer(f->catalog, "beta", expect_seen, NULL, &f->err));
    (void)text_copy(computer.name, sizeof computer.name, "beta");
    FAILS(f, ERR_NOT_FOUND, catalog_computer_update(f->catalog, &computer, &f->err));
}

static void computers_are_listed_by_name_and_a_list_can_be_stopped(void **state) {
    struct fixture *f = *state;
    struct names names = {0};
    const char *const all[] = {"gamma", "Beta", "alpha"};
    for (size_t i = 0; i < ARRAY_N(all); i++) {
        struct catalog_computer computer = computer_of(all[i]);
        computer.trust = span_of("abc", i + 1);
        OK(f, catalog_computer_add(f->catalog, &computer, &f->err));
    }
    OK(f, catalog_computers(f->catalog, NULL, add_computer, &names, &f->err));
    assert_true(span_equal(buf_span(&names.blobs), span_text("abcaba")));
    EXPECT_NAMES(names, "alpha Beta gamma ");
    OK(f, catalog_computers(f->catalog, "alpha", add_computer, &names, &f->err));
    EXPECT_NAMES(names, "Beta gamma ");
    names.stop_at = 2;
    OK(f, catalog_computers(f->catalog, NULL, add_computer, &names, &f->err));
    EXPECT_NAMES(names, "alpha Beta ");
    names.fails = true;
    FAILS(f, ERR_USAGE, catalog_computers(f->catalog, NULL, add_computer, &names, &f->err));
    EXPECT_NAMES(names, "");
}

/* ---- groups ---- */

static struct catalog_group group_of(const char *name) {
    struct catalog_group group = {.level = 3, .created_s = 50, .excludes = span_text("*.tmp")};
    (void)text_copy(group.name, sizeof group.name, name);
    return group;
}

static struct catalog_source source_of(uint8_t id, const char *path) {
    struct catalog_source source = {.computer = "alpha"};
    memset(source.id, id, sizeof source.id);
    (void)text_copy(source.path, sizeof source.path, path);
    return source;
}

static int add_source(void *ctx, const struct catalog_source *source, struct err *err) {
    (void)err;
    buf_printf(&((struct names *)ctx)->text, "%02x:", source->id[0]);
    return add_name(ctx, source->path);
}

static void expect_sources(struct fixture *f, const char *group, const char *wanted) {
    struct names names = {0};
    OK(f, catalog_sources(f->catalog, NULL, group, add_source, &names, &f->err));
    EXPECT_NAMES(names, wanted);
}

static void make_group(struct fixture *f, const char *name, const struct catalog_source *join,
                       size_t n) {
    struct catalog_group group = group_of(name);
    struct catalog_group_change change = {.group = &group, .join = join, .join_n = n};
    OK(f, catalog_group_apply(f->catalog, &change, &f->err));
}

static void a_group_changes_as_a_whole_or_not_at_all(void **state) {
    struct fixture *f = *state;
    struct catalog_source members[] = {source_of(1, "/a"), source_of(2, "/b")};
    make_group(f, "one", members, 2);
    struct catalog_group group = group_of("two");
    struct catalog_source mixed[] = {source_of(3, "/c"), source_of(4, "/b")};
    struct catalog_group_change change = {.group = &group, .join = mixed, .join_n = 2};
    FAILS(f, ERR_SOURCE_PROTECTED, catalog_group_apply(f->catalog, &change, &f->err));
    expect_sources(f, NULL, "01:/a 02:/b ");
    struct names names = {0};
    FAILS(f, ERR_NOT_FOUND, catalog_group_remove(f->catalog, "two", &f->err));
    change = (struct catalog_group_change){.group = &group, .leave = mixed, .leave_n = 1};
    FAILS(f, ERR_NOT_FOUND, catalog_group_apply(f->catalog, &change, &f->err));
    FAILS(f, ERR_NOT_FOUND, catalog_group_remove(f->catalog, "two", &f->err));
    EXPECT_NAMES(names, "");
}

static void a_source_keeps_its_id_for_ever(void **state) {
    struct fixture *f = *state;
    struct catalog_source old = source_of(1, "/a"), again = source_of(9, "/a"), out;
    make_group(f, "one", &old, 1);
    struct catalog_group one = group_of("One");
    struct catalog_source spelled = source_of(7, "/a");
    (void)text_copy(spelled.computer, sizeof spelled.computer, "ALPHA");
    struct catalog_group_change change = {
        .group = &one, .was = &one, .leave = &spelled, .leave_n = 1};
    OK(f, catalog_group_apply(f->catalog, &change, &f->err));
    expect_sources(f, "one", "");
    OK(f, catalog_source(f->catalog, old.id, &out, &f->err));
    assert_string_equal(out.group, "");
    make_group(f, "two", &again, 1);
    expect_sources(f, "two", "01:/a ");
    FAILS(f, ERR_NOT_FOUND, catalog_source(f->catalog, again.id, &out, &f->err));
    OK(f, catalog_group_remove(f->catalog, "two", &f->err));
    change = (struct catalog_group_change){.group = &one, .was = &one, .join = &again, .join_n = 1};
    OK(f, catalog_group_apply(f->catalog, &change, &f->err));
    FAILS(f, ERR_SOURCE_PROTECTED, catalog_group_apply(f->catalog, &change, &f->err));
    fixture_reopen(f);
    expect_sources(f, "one", "01:/a ");
}

static int expect_group(void *ctx, const struct catalog_group *group, struct err *err) {
    const struct catalog_group *wanted = ctx;
    (void)err;
    assert_string_equal(group->name, wanted->name);
    assert_int_equal(group->level, wanted->level);
    assert_int_equal(group->one_file_system, wanted->one_file_system);
    assert_int_equal(group->exclude_caches, wanted->exclude_caches);
    assert_int_equal(group->created_s, 50);
    assert_true(span_equal(group->excludes, wanted->excludes));
    return 0;
}

static int add_group(void *ctx, const struct catalog_group *group, struct err *err) {
    (void)err;
    return add_name(ctx, group->name);
}

static void a_group_changes_only_from_what_was_read(void **state) {
    struct fixture *f = *state;
    struct catalog_group was = group_of("one"), group = was;
    struct names names = {0};
    make_group(f, "one", NULL, 0);
    make_group(f, "other", NULL, 0);
    struct catalog_group_change change = {.group = &group};
    FAILS(f, ERR_EXISTS, catalog_group_apply(f->catalog, &change, &f->err));
    group.level = 9;
    group.one_file_system = true;
    group.exclude_caches = true;
    group.excludes = span_of("", 0);
    group.created_s = 51; /* stays */
    change.was = &was;
    OK(f, catalog_group_apply(f->catalog, &change, &f->err));
    FAILS(f, ERR_BUSY, catalog_group_apply(f->catalog, &change, &f->err));
    OK(f, catalog_group(f->catalog, "ONE", expect_group, &group, &f->err));
    FAILS(f, ERR_NOT_FOUND, catalog_group(f->catalog, "none", expect_group, &group, &f->err));
    OK(f, catalog_groups(f->catalog, NULL, add_group, &names, &f->err));
    EXPECT_NAMES(names, "one other ");
    OK(f, catalog_groups(f->catalog, "one", add_group, &names, &f->err));
    EXPECT_NAMES(names, "other ");
}

static void a_computer_with_members_is_not_removed(void **state) {
    struct fixture *f = *state;
    struct catalog_computer computer = computer_of("alpha");
    struct catalog_source source = source_of(1, "/a");
    struct names names = {0};
    OK(f, catalog_computer_add(f->catalog, &computer, &f->err));
    make_group(f, "one", &source, 1);
    FAILS(f, ERR_COMPUTER_PROTECTED, catalog_computer_remove(f->catalog, "Alpha", &f->err));
    OK(f, catalog_group_remove(f->catalog, "one", &f->err));
    OK(f, catalog_computer_remove(f->catalog, "Alpha", &f->err));
    FAILS(f, ERR_NOT_FOUND, catalog_computer_remove(f->catalog, "alpha", &f->err));
    OK(f, catalog_sources(f->catalog, "ALPHA", NULL, add_source, &names, &f->err));
    EXPECT_NAMES(names, "01:/a ");
    OK(f, catalog_sources(f->catalog, "alpha", "one", add_source, &names, &f->err));
    EXPECT_NAMES(names, "");
}

/* ---- jobs ---- */

static struct catalog_job job_of(unsigned n, const char *state) {
    struct catalog_job job = {.kind = "backup", .group = "one", .computer = "alpha"};
    (void)text_format(job.id, sizeof job.id, "%032x", n);
    (void)text_copy(job.state, sizeof job.state, state);
    (void)text_copy(job.source, sizeof job.source, "alpha:/a");
    job.created_s = 1000; /* the same for all: order is that of coming */
    for (size_t i = 0; i < CATALOG_JOB_COUNTS; i++)
        job.counts[i] = n * 100 + i;
    return job;
}

static void put_job(struct fixture *f, unsigned n, const char *state) {
    struct catalog_job job = job_of(n, state);
    OK(f, catalog_job_put(f->catalog, &job, NULL, 0, &f->err));
}

static int add_job(void *ctx, const struct catalog_job *job, struct err *err) {
    (void)err;
    assert_int_equal(job->result.n, 0);
    return add_name(ctx, job->id + 29);
}

static void expect_jobs(struct fixture *f, struct catalog_job_filter filter, const char *wanted) {
    struct names names = {0};
    OK(f, catalog_jobs(f->catalog, &filter, add_job, &names, &f->err));
    EXPECT_NAMES(names, wanted);
}

static void jobs_are_listed_newest_first_by_what_is_asked(void **state) {
    struct fixture *f = *state;
    put_job(f, 1, "done");
    put_job(f, 2, "failed");
    put_job(f, 0x13, "running");
    expect_jobs(f, (struct catalog_job_filter){0}, "013 002 001 ");
    expect_jobs(f, (struct catalog_job_filter){.state = "failed"}, "002 ");
    expect_jobs(f, (struct catalog_job_filter){.kind = "gc"}, "");
    expect_jobs(f, (struct catalog_job_filter){.group = "ONE", .limit = 2}, "013 002 ");
    expect_jobs(f, (struct catalog_job_filter){.computer = "alpha", .skip = 2}, "001 ");
    expect_jobs(f, (struct catalog_job_filter){.id = "0000000000000000000000000000001"}, "013 ");
    expect_jobs(f, (struct catalog_job_filter){.id = "00000000000000000000000000000001"}, "001 ");
    expect_jobs(f, (struct catalog_job_filter){.id = "x"}, "");
}

static void a_long_list_of_jobs_comes_whole(void **state) {
    struct fixture *f = *state;
    struct names names = {0};
    for (unsigned i = 0; i < 600; i++)
        put_job(f, i, "done");
    struct catalog_job_filter filter = {.skip = 10};
    OK(f, catalog_jobs(f->catalog, &filter, add_job, &names, &f->err));
    assert_int_equal(names.n, 590);
    buf_done(&names.text);
    names = (struct names){.stop_at = 300};
    OK(f, catalog_jobs(f->catalog, &filter, add_job, &names, &f->err));
    assert_int_equal(names.n, 300);
    buf_done(&names.text);
}

static int expect_job(void *ctx, const struct catalog_job *job, struct err *err) {
    const struct catalog_job *wanted = ctx;
    (void)err;
    assert_string_equal(job->id, wanted->id);
    assert_string_equal(job->kind, wanted->kind);
    assert_string_equal(job->state, wanted->state);
    assert_string_equal(job->group, wanted->group);
    assert_string_equal(job->computer, wanted->computer);
    assert_string_equal(job->source, wanted->source);
    assert_int_equal(job->created_s, wanted->created_s);
    assert_int_equal(job->started_s, wanted->started_s);
    assert_int_equal(job->finished_s, wanted->finished_s);
    assert_memory_equal(job->counts, wanted->counts, sizeof job->counts);
    assert_int_equal(job->problem_count, wanted->problem_count);
    assert_int_equal(job->error, wanted->error);
    assert_string_equal(job->error_text, wanted->error_text);
    assert_true(span_equal(job->result, wanted->result));
    return 0;
}

static int add_problem(void *ctx, const struct catalog_problem *problem, struct err *err) {
    struct names *names = ctx;
    (void)err;
    buf_put_span(&names->text, problem->path);
    buf_printf(&names->text, "=");
    buf_put_span(&names->text, problem->reason);
    buf_printf(&names->text, " ");
    return ++names->n == names->stop_at;
}

static void a_job_is_replaced_with_its_problems(void **state) {
    struct fixture *f = *state;
    struct names names = {0};
    struct catalog_job job = job_of(1, "running");
    OK(f, catalog_job_put(f->catalog, &job, NULL, 0, &f->err));
    const struct catalog_problem problems[] = {{span_text("a\xff"), span_text("gone")},
                                               {span_text(""), span_text("")},
                                               {span_text("c"), span_text("changed")}};
    (void)text_copy(job.state, sizeof job.state, "failed");
    (void)text_copy(job.error_text, sizeof job.error_text, "disk full");
    job.error = ERR_SPACE;
    job.started_s = 2000;
    job.finished_s = 3000;
    job.problem_count = 3;
    job.result = span_text("{}");
    for (size_t i = 0; i < CATALOG_JOB_COUNTS; i++)
        job.counts[i] = UINT64_MAX - i;
    OK(f, catalog_job_put(f->catalog, &job, problems, 3, &f->err));
    OK(f, catalog_job_put(f->catalog, &job, problems, 3, &f->err));
    fixture_reopen(f);
    OK(f, catalog_job(f->catalog, job.id, expect_job, &job, &f->err));
    OK(f, catalog_job_problems(f->catalog, job.id, 0, add_problem, &names, &f->err));
    EXPECT_NAMES(names, "a\xff=gone = c=changed ");
    OK(f, catalog_job_problems(f->catalog, job.id, 2, add_problem, &names, &f->err));
    EXPECT_NAMES(names, "c=changed ");
    OK(f, catalog_job_problems(f->catalog, job.id, UINT64_MAX, add_problem, &names, &f->err));
    EXPECT_NAMES(names, "");
    FAILS(f, ERR_NOT_FOUND, catalog_job(f->catalog, "none", expect_job, &job, &f->err));
}

static void jobs_that_ran_when_the_server_ended_are_interrupted(void **state) {
    struct fixture *f = *state;
    put_job(f, 1, "done");
    put_job(f, 2, "running");
    put_job(f, 3, "queued");
    fixture_reopen(f);
    OK(f, catalog_jobs_interrupt(f->catalog, 7777, &f->err));
    expect_jobs(f, (struct catalog_job_filter){.state = "interrupted"}, "003 002 ");
    struct catalog_job wanted = job_of(2, "interrupted");
    wanted.finished_s = 7777;
    OK(f, catalog_job(f->catalog, wanted.id, expect_job, &wanted, &f->err));
}

static void old_jobs_and_older_problems_are_forgotten(void **state) {
    struct fixture *f = *state;
    const struct catalog_problem problem = {span_text("p"), span_text("r")};
    for (unsigned i = 0; i < 6; i++) {
        struct catalog_job job = job_of(i, i == 0 ? "running" : "partial");
        job.problem_count = 1;
        OK(f, catalog_job_put(f->catalog, &job, &problem, 1, &f->err));
    }
    struct catalog_jobs_keep keep = {.jobs = 3, .with_problems = 2};
    OK(f, catalog_jobs_trim(f->catalog, keep, &f->err));
    OK(f, catalog_jobs_trim(f->catalog, keep, &f->err));
    expect_jobs(f, (struct catalog_job_filter){0}, "005 004 003 000 ");
    for (unsigned i = 3; i < 6; i++) {
        struct names names = {0};
        struct catalog_job job = job_of(i, "");
        OK(f, catalog_job_problems(f->catalog, job.id, 0, add_problem, &names, &f->err));
        EXPECT_NAMES(names, i < 4 ? "" : "p=r ");
    }
}

/* ---- settings, audit ---- */

static void a_setting_is_what_was_set_last(void **state) {
    struct fixture *f = *state;
    SCOPED(buf) value = {0};
    bool found = true;
    OK(f, catalog_setting_get(f->catalog, "key", &value, &found, &f->err));
    assert_false(found);
    OK(f, catalog_setting_set(f->catalog, "key", span_text("one"), &f->err));
    OK(f, catalog_setting_set(f->catalog, "key", span_of("a\0b", 3), &f->err));
    fixture_reopen(f);
    OK(f, catalog_setting_get(f->catalog, "key", &value, &found, &f->err));
    assert_true(found && span_equal(buf_span(&value), span_of("a\0b", 3)));
}

static int add_audit(void *ctx, const struct catalog_audit_row *row, struct err *err) {
    struct names *names = ctx;
    (void)err;
    buf_printf(&names->text, "%llu:%s:%s@%lld ", (unsigned long long)row->number, row->who,
               row->what, (long long)row->time_s);
    return ++names->n == names->stop_at;
}

static void the_audit_trail_is_read_back_in_order(void **state) {
    struct fixture *f = *state;
    struct names names = {0};
    OK(f, catalog_audit(f->catalog, 5, "uid 0", "removed", &f->err));
    OK(f, catalog_audit(f->catalog, 6, "", "added", &f->err));
    fixture_reopen(f);
    OK(f, catalog_audit(f->catalog, 4, "token x", "", &f->err));
    OK(f, catalog_audit_walk(f->catalog, 0, add_audit, &names, &f->err));
    EXPECT_NAMES(names, "1:uid 0:removed@5 2::added@6 3:token x:@4 ");
    OK(f, catalog_audit_walk(f->catalog, 2, add_audit, &names, &f->err));
    EXPECT_NAMES(names, "3:token x:@4 ");
    OK(f, catalog_audit_walk(f->catalog, UINT64_MAX, add_audit, &names, &f->err));
    EXPECT_NAMES(names, "");
}

static void a_long_audit_trail_is_followed_to_its_end(void **state) {
    struct fixture *f = *state;
    struct names names = {0};
    for (int i = 0; i < 600; i++)
        OK(f, catalog_audit(f->catalog, i, "who", "what", &f->err));
    OK(f, catalog_audit_walk(f->catalog, 0, add_audit, &names, &f->err));
    assert_int_equal(names.n, 600);
    buf_done(&names.text);
}

/* ---- many at once ---- */

#define MANY_THREADS 4u
#define MANY_CHANGES 25u

struct many {
    struct catalog *catalog;
    unsigned number;
};

static int look_around(void *ctx, const struct catalog_job *job, struct err *err) {
    struct many *many = ctx;
    struct catalog_job_filter one = {.id = job->id, .limit = 1};
    struct names names = {0};
    int rc = catalog_jobs(many->catalog, &one, add_job, &names, err); /* from inside a list */
    buf_done(&names.text);
    return rc;
}

static void change_much(void *ctx) {
    struct many *many = ctx;
    struct catalog *catalog = many->catalog;
    for (unsigned i = 0; i < MANY_CHANGES; i++) {
        unsigned n = many->number * MANY_CHANGES + i;
        const struct catalog_problem problem = {span_text("p"), span_text("r")};
        const struct catalog_job_filter few = {.limit = 3};
        struct catalog_job job = job_of(n, "running");
        struct commit commit = fixture_commit((uint8_t)(1 + many->number), i + 1);
        struct digest id = fixture_hash(&commit);
        assert_int_equal(catalog_job_put(catalog, &job, &problem, 1, NULL), 0);
        assert_int_equal(catalog_point_add(catalog, &commit, &id, 0, NULL), 0);
        assert_int_equal(catalog_audit(catalog, n, "who", "what", NULL), 0);
        assert_int_equal(catalog_jobs(catalog, &few, look_around, many, NULL), 0);
    }
}

static void many_threads_use_the_catalog_at_once(void **state) {
    struct fixture *f = *state;
    struct os_thread threads[MANY_THREADS] = {0};
    struct many many[MANY_THREADS];
    struct names jobs = {0}, rows = {0};
    for (unsigned i = 0; i < MANY_THREADS; i++) {
        many[i] = (struct many){.catalog = f->catalog, .number = i};
        OK(f, os_thread_start(&threads[i], "test", change_much, &many[i], &f->err));
    }
    for (unsigned i = 0; i < MANY_THREADS; i++)
        os_thread_join(&threads[i]);
    const struct catalog_job_filter all = {0};
    OK(f, catalog_jobs(f->catalog, &all, add_job, &jobs, &f->err));
    OK(f, catalog_audit_walk(f->catalog, 0, add_audit, &rows, &f->err));
    assert_int_equal(jobs.n, MANY_THREADS * MANY_CHANGES);
    assert_int_equal(rows.n, MANY_THREADS * MANY_CHANGES);
    assert_int_equal(fixture_count(f, (struct catalog_point_filter){0}), rows.n);
    buf_done(&jobs.text);
    buf_done(&rows.text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(computer_names_are_unique_whatever_their_case),
        TEST(a_computer_remembers_what_contact_showed),
        TEST(computers_are_listed_by_name_and_a_list_can_be_stopped),
        TEST(a_group_changes_as_a_whole_or_not_at_all),
        TEST(a_source_keeps_its_id_for_ever),
        TEST(a_group_changes_only_from_what_was_read),
        TEST(a_computer_with_members_is_not_removed),
        TEST(jobs_are_listed_newest_first_by_what_is_asked),
        TEST(a_long_list_of_jobs_comes_whole),
        TEST(a_job_is_replaced_with_its_problems),
        TEST(jobs_that_ran_when_the_server_ended_are_interrupted),
        TEST(old_jobs_and_older_problems_are_forgotten),
        TEST(a_setting_is_what_was_set_last),
        TEST(the_audit_trail_is_read_back_in_order),
        TEST(a_long_audit_trail_is_followed_to_its_end),
        TEST(many_threads_use_the_catalog_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
