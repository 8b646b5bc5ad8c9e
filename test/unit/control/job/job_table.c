/* Covers src/control/job: states, order, cancelling, history, shutdown. */
#include "job_fixture.h"

#include <signal.h>
#include <sys/resource.h>

/* ---- names and moves ---- */

static void names_lead_back_to_what_they_name(void **state) {
    (void)state;
    enum job_state s = JOB_STATE_N;
    enum job_kind k = JOB_KIND_N;
    for (unsigned i = 0; i < JOB_STATE_N; i++)
        assert_true(job_state_of(job_state_name((enum job_state)i), &s) && s == (enum job_state)i);
    for (unsigned i = 0; i < JOB_KIND_N; i++)
        assert_true(job_kind_of(job_kind_name((enum job_kind)i), &k) && k == (enum job_kind)i);
    assert_false(job_state_of("sleeping", &s) || job_kind_of("sleeping", &k));
    assert_int_equal(job_state_exit(JOB_PARTIAL), 3);
    assert_int_equal(job_state_exit(JOB_DONE), 0);
}

static void nothing_follows_a_final_state(void **state) {
    (void)state;
    for (unsigned from = 0; from < JOB_STATE_N; from++)
        for (unsigned to = 0; to < JOB_STATE_N; to++)
            if (job_state_final((enum job_state)from))
                assert_false(job_may_move((enum job_state)from, (enum job_state)to));
    assert_true(job_may_move(JOB_QUEUED, JOB_RUNNING) && job_may_move(JOB_RUNNING, JOB_PARTIAL));
    assert_false(job_may_move(JOB_QUEUED, JOB_DONE) || job_may_move(JOB_RUNNING, JOB_QUEUED));
}

/* ---- ends ---- */

static void a_job_ends_as_its_work_says(void **state) {
    struct fixture *f = *state;
    struct work done = work_of(f, 'd'), partial = work_of(f, 'p'), failed = work_of(f, 'f'),
                silent = work_of(f, 's');
    done.open = partial.open = failed.open = silent.open = true;
    partial.problems = 2;
    failed.rc = silent.rc = -1;
    failed.code = ERR_SPACE;
    failed.problems = 1;
    work_start(&done, "");
    work_start(&partial, "");
    work_start(&failed, "");
    work_start(&silent, "");
    expect_end(&done, JOB_DONE);
    expect_end(&partial, JOB_PARTIAL);
    expect_end(&silent, JOB_FAILED);
    struct job_info info = wait_end(&failed);
    assert_int_equal(info.state, JOB_FAILED);
    assert_int_equal(info.err.code, ERR_SPACE);
    assert_string_equal(info.err.text, "told to fail");
    assert_int_equal(info.problem_count, 1);
    assert_true(info.started_s >= info.created_s && info.finished_s >= info.started_s);
    assert_int_equal(f->freed, 4);
}

static void moves_are_told_in_order(void **state) {
    struct fixture *f = *state;
    struct work work = work_of(f, 'a');
    work.open = true;
    work_start(&work, "");
    expect_end(&work, JOB_DONE);
    expect_log(f, "a:queued a:running a:done ");
}

static int count_things(void *ctx, struct job *job, struct err *err) {
    char path[2 * JOB_PATH_MAX];
    (void)ctx;
    (void)err;
    memset(path, 'p', sizeof path);
    job_set(job, JOB_BYTES_TOTAL, 900);
    for (int i = 0; i < 10; i++)
        job_add(job, JOB_BYTES_DONE, 90);
    job_current(job, span_of(path, sizeof path));
    job_result(job, span_text("first"));
    job_result(job, span_text("{\"last\":1}"));
    for (unsigned i = 0; i < JOB_PROBLEMS_MAX + 5; i++) {
        char name[32];
        (void)text_format(name, sizeof name, "%u", i);
        job_problem(job, span_text(name), span_of(path, sizeof path));
    }
    return 0;
}

struct told {
    uint64_t n;
    char first[8], last[8];
    size_t reason_n;
};

static void tell(void *ctx, struct span path, struct span reason) {
    struct told *told = ctx;
    (void)text_format(told->last, sizeof told->last, "%.*s", (int)path.n, (const char *)path.p);
    if (told->n++ == 0)
        memcpy(told->first, told->last, sizeof told->first);
    told->reason_n = reason.n;
}

static void what_a_job_did_is_remembered(void **state) {
    struct fixture *f = *state;
    struct work work = work_of(f, 'a');
    SCOPED(buf) result = {0};
    struct told told = {0};
    work.open = true;
    work.first = count_things;
    work_start(&work, "");
    expect_end(&work, JOB_PARTIAL);
    for (int again = 0; again < 2; again++) {
        struct job_info info;
        OK(f, job_get(f->jobs, &work.id, &info, &f->err));
        assert_int_equal(info.progress.count[JOB_BYTES_DONE], 900);
        assert_int_equal(info.progress.count[JOB_BYTES_TOTAL], 900);
        assert_int_equal(info.problem_count, JOB_PROBLEMS_MAX + 5);
        assert_string_equal(info.progress.current, "");
        assert_string_equal(info.computer, "a");
        buf_clear(&result);
        OK(f, job_result_get(f->jobs, &work.id, &result, &f->err));
        assert_string_equal(buf_text(&result), "{\"last\":1}");
        told = (struct told){0};
        OK(f, job_problems(f->jobs, &work.id, 1, tell, &told, &f->err));
        assert_int_equal(told.n, JOB_PROBLEMS_MAX - 1);
        assert_string_equal(told.first, "1");
        assert_string_equal(told.last, "999");
        assert_int_equal(told.reason_n, JOB_PROBLEM_REASON_MAX);
        fixture_close(f); /* and the same after a restart */
        fixture_open(f, 1);
    }
}

static void an_unknown_job_is_not_found(void **state) {
    struct fixture *f = *state;
    struct job_id id;
    struct job_info info;
    SCOPED(buf) out = {0};
    job_id_new(&id);
    FAILS(f, ERR_NOT_FOUND, job_get(f->jobs, &id, &info, &f->err));
    FAILS(f, ERR_NOT_FOUND, job_wait(f->jobs, &id, 0, WAIT_MS, &info, &f->err));
    FAILS(f, ERR_NOT_FOUND, job_cancel(f->jobs, &id, &f->err));
    FAILS(f, ERR_NOT_FOUND, job_result_get(f->jobs, &id, &out, &f->err));
    FAILS(f, ERR_NOT_FOUND, job_problems(f->jobs, &id, 0, tell, NULL, &f->err));
}

/* ---- order ---- */

static void jobs_that_need_the_same_run_one_after_the_other(void **state) {
    struct fixture *f = *state;
    struct work a = work_of(f, 'a'), b = work_of(f, 'b'), c = work_of(f, 'c'), d = work_of(f, 'd');
    b.open = c.open = d.open = true;
    work_start(&a, "12");
    work_start(&b, "23"); /* waits for a */
    work_start(&c, "3");  /* waits for b: it came first */
    work_start(&d, "4");
    expect_end(&d, JOB_DONE);
    wait_started(f, 2); /* d, and a: nothing says which of them began first */
    uint64_t queued, running;
    job_load(f->jobs, &queued, &running);
    assert_int_equal(queued, 2);
    assert_int_equal(running, 1);
    work_let_go(&a);
    expect_end(&c, JOB_DONE);
    expect_end(&b, JOB_DONE);
    assert_string_equal(strchr(buf_text(&f->order), 'b'), "bc");
    job_load(f->jobs, &queued, &running);
    assert_int_equal(queued + running, 0);
}

static void no_more_jobs_run_than_there_are_workers(void **state) {
    struct fixture *f = *state;
    struct work works[JOB_WORKERS + 2];
    uint64_t queued, running;
    for (size_t i = 0; i < ARRAY_N(works); i++) {
        works[i] = work_of(f, (char)('a' + i));
        work_start(&works[i], "");
    }
    wait_started(f, JOB_WORKERS);
    job_load(f->jobs, &queued, &running);
    assert_int_equal(queued, 2);
    assert_int_equal(running, JOB_WORKERS);
    for (size_t i = 0; i < ARRAY_N(works); i++)
        work_let_go(&works[i]);
    for (size_t i = 0; i < ARRAY_N(works); i++)
        expect_end(&works[i], JOB_DONE);
}

static void a_group_is_busy_while_a_job_of_it_has_not_ended(void **state) {
    struct fixture *f = *state;
    struct work work = work_of(f, 'a');
    const uint8_t need[16] = {'1'}, other[16] = {'2'};
    struct job_info info;
    struct job_spec spec = {.kind = JOB_KIND_GC,
                            .group = "Files",
                            .needs = &need,
                            .need_n = 1,
                            .fn = work_run,
                            .ctx = &work};
    OK(f, job_start(f->jobs, &spec, &info, &f->err));
    work.id = info.id;
    assert_int_equal(info.kind, JOB_KIND_GC);
    assert_string_equal(info.group, "Files");
    assert_true(job_busy(f->jobs, NULL, "files") && job_busy(f->jobs, need, NULL));
    assert_false(job_busy(f->jobs, other, "other") || job_busy(f->jobs, NULL, NULL));
    work_let_go(&work);
    expect_end(&work, JOB_DONE);
    assert_false(job_busy(f->jobs, need, "files"));
}

static void what_waits_is_limited(void **state) {
    struct fixture *f = *state;
    struct work first = work_of(f, 'a'), work = work_of(f, 'b');
    work_start(&first, "1");
    wait_started(f, 1);
    for (unsigned i = 0; i < JOB_WAITING_MAX; i++) {
        work.id = (struct job_id){0};
        work_start(&work, "1");
    }
    work.id = (struct job_id){0};
    FAILS(f, ERR_LIMIT, work_try(&work, "1", &f->err));
    assert_int_equal(f->freed, 1);
    struct job_spec wide = {.kind = JOB_KIND_GC, .fn = work_run, .need_n = JOB_NEEDS_MAX + 1};
    FAILS(f, ERR_LIMIT, job_start(f->jobs, &wide, NULL, &f->err));
    work_let_go(&work);
    work_let_go(&first);
    jobs_shutdown(f->jobs, 0);
    assert_int_equal(f->freed, JOB_WAITING_MAX + 2);
}

static void the_same_id_is_the_same_job(void **state) {
    struct fixture *f = *state;
    struct work work = work_of(f, 'a'), again = work_of(f, 'b');
    work_start(&work, "1");
    again.id = work.id;
    work_start(&again, "1");
    assert_int_equal(f->freed, 1);
    work_let_go(&work);
    expect_end(&work, JOB_DONE);
    again = work_of(f, 'b');
    again.id = work.id;
    work_start(&again, "1"); /* it is history by now */
    expect_end(&again, JOB_DONE);
    assert_int_equal(f->started, 1);
    assert_int_equal(f->freed, 3);
    fixture_close(f);
    fixture_open(f, 1);
    again.id = work.id;
    work_start(&again, "1");
    assert_int_equal(f->started, 1);
    assert_string_equal(wait_end(&again).computer, "a");
}

/* ---- cancelling ---- */

static void a_waiting_job_is_cancelled_at_once(void **state) {
    struct fixture *f = *state;
    struct work a = work_of(f, 'a'), b = work_of(f, 'b'), c = work_of(f, 'c');
    c.open = true;
    work_start(&a, "1");
    work_start(&b, "1");
    work_start(&c, "1");
    wait_started(f, 1);
    OK(f, job_cancel(f->jobs, &b.id, &f->err));
    expect_end(&b, JOB_CANCELLED);
    assert_int_equal(f->freed, 1);
    OK(f, job_cancel(f->jobs, &b.id, &f->err)); /* it stays as it is */
    work_let_go(&a);
    expect_end(&c, JOB_DONE);
    expect_end(&b, JOB_CANCELLED);
    assert_int_equal(f->started, 2);
}

static void a_running_job_is_called_when_it_is_cancelled(void **state) {
    struct fixture *f = *state;
    struct work work = work_of(f, 'a');
    work.until_cancel = true;
    work.rc = -1;
    work.code = ERR_INTERRUPTED;
    work_start(&work, "");
    wait_started(f, 1);
    OK(f, job_cancel(f->jobs, &work.id, &f->err));
    struct job_info info = wait_end(&work);
    assert_int_equal(info.state, JOB_CANCELLED);
    assert_int_equal(info.err.code, ERR_NONE);
}

static void work_that_was_finished_anyway_is_done(void **state) {
    struct fixture *f = *state;
    struct work work = work_of(f, 'a');
    work.until_cancel = true;
    work_start(&work, "");
    wait_started(f, 1);
    OK(f, job_cancel(f->jobs, &work.id, &f->err));
    expect_end(&work, JOB_DONE);
}

static void count_call(void *ctx) {
    ++*(unsigned *)ctx;
}

static int register_late(void *ctx, struct job *job, struct err *err) {
    unsigned calls = 0;
    (void)ctx;
    (void)err;
    assert_true(job_cancelled(job) && job_cancelled_fn(job));
    job_on_cancel(job, count_call, &calls);
    assert_int_equal(calls, 1);
    job_on_cancel(job, NULL, NULL);
    return -1;
}

static void who_asks_late_is_called_at_once(void **state) {
    struct fixture *f = *state;
    struct work work = work_of(f, 'a');
    work.first = register_late;
    work.until_cancel = true;
    work_start(&work, "");
    wait_started(f, 1);
    OK(f, job_cancel(f->jobs, &work.id, &f->err));
    expect_end(&work, JOB_CANCELLED);
}

/* ---- waiting ---- */

static int publish_and_wait(void *ctx, struct job *job, struct err *err) {
    struct work *work = ctx;
    struct job_info info;
    uint64_t before;
    (void)err;
    assert_int_equal(job_get(work->f->jobs, job_id(job), &info, NULL), 0);
    before = info.version;
    while (info.version == before) { /* versions come with time */
        job_add(job, JOB_ENTRIES_DONE, 1);
        assert_int_equal(job_wait(work->f->jobs, job_id(job), before, 1, &info, NULL), 0);
    }
    assert_int_equal(info.state, JOB_RUNNING);
    assert_true(info.progress.count[JOB_ENTRIES_DONE] > 0);
    return 0;
}

static void progress_makes_new_versions(void **state) {
    struct fixture *f = *state;
    struct work work = work_of(f, 'a');
    work.open = true;
    work.first = publish_and_wait;
    work_start(&work, "");
    expect_end(&work, JOB_DONE);
}

static void who_waits_for_nothing_new_gets_the_same_after_the_time(void **state) {
    struct fixture *f = *state;
    struct work work = work_of(f, 'a');
    struct job_info info;
    work_start(&work, "");
    wait_started(f, 1);
    OK(f, job_wait(f->jobs, &work.id, UINT64_MAX, 5, &info, &f->err));
    assert_int_equal(info.state, JOB_RUNNING);
    work_let_go(&work);
    expect_end(&work, JOB_DONE);
}

/* ---- lists ---- */

static int add_key(void *ctx, const struct job_info *info, struct err *err) {
    (void)err;
    buf_printf(ctx, "%s:%s ", info->computer, job_state_name(info->state));
    return 0;
}

static void expect_list(struct fixture *f, struct job_filter filter, const char *wanted) {
    SCOPED(buf) text = {0};
    OK(f, job_list(f->jobs, &filter, add_key, &text, &f->err));
    assert_string_equal(buf_text(&text), wanted);
}

static void lists_show_what_runs_and_what_was(void **state) {
    struct fixture *f = *state;
    struct work a = work_of(f, 'a'), b = work_of(f, 'b'), c = work_of(f, 'c');
    char hex[2 * JOB_ID_BYTES + 1];
    a.open = true;
    work_start(&a, "1");
    expect_end(&a, JOB_DONE);
    work_start(&b, "1");
    wait_started(f, 2);
    work_start(&c, "1");
    expect_log(f, "a:queued a:running a:done b:queued b:running c:queued ");
    expect_list(f, (struct job_filter){0}, "c:queued b:running a:done ");
    expect_list(f, (struct job_filter){.state = "done"}, "a:done ");
    expect_list(f, (struct job_filter){.kind = "backup", .skip = 1, .limit = 1}, "b:running ");
    text_hex(hex, a.id.b, sizeof a.id.b);
    hex[8] = 0;
    expect_list(f, (struct job_filter){.id_prefix = hex}, "a:done ");
    c.open = true;
    work_let_go(&b);
    expect_end(&c, JOB_DONE);
}

/* ---- the end of the server ---- */

static void a_shutdown_interrupts_what_waits_and_what_runs(void **state) {
    struct fixture *f = *state;
    struct work a = work_of(f, 'a'), b = work_of(f, 'b'), late = work_of(f, 'c');
    struct job_info info;
    a.until_cancel = true;
    a.rc = -1;
    work_start(&a, "1");
    work_start(&b, "1");
    wait_started(f, 1);
    jobs_shutdown(f->jobs, 0);
    FAILS(f, ERR_STOPPING, work_try(&late, "", &f->err));
    assert_int_equal(f->freed, 3);
    OK(f, job_wait(f->jobs, &a.id, 0, WAIT_MS, &info, &f->err));
    assert_int_equal(info.state, JOB_INTERRUPTED);
    OK(f, job_get(f->jobs, &b.id, &info, &f->err));
    assert_int_equal(info.state, JOB_INTERRUPTED);
    assert_int_equal(f->started, 1);
}

static void a_shutdown_lets_work_end_in_its_time(void **state) {
    struct fixture *f = *state;
    struct work a = work_of(f, 'a');
    struct job_info info;
    a.open = true;
    work_start(&a, "1");
    wait_started(f, 1);
    jobs_shutdown(f->jobs, WAIT_MS);
    OK(f, job_get(f->jobs, &a.id, &info, &f->err));
    assert_int_equal(info.state, JOB_DONE);
}

static void what_ran_when_the_server_died_is_interrupted(void **state) {
    struct fixture *f = *state;
    struct catalog_job row = {.kind = "gc", .state = "running", .computer = "x"};
    struct job_id id;
    struct job_info info;
    job_id_new(&id);
    text_hex(row.id, id.b, sizeof id.b);
    OK(f, catalog_job_put(f->catalog, &row, NULL, 0, &f->err));
    fixture_close(f);
    fixture_open(f, 1);
    OK(f, job_get(f->jobs, &id, &info, &f->err));
    assert_int_equal(info.state, JOB_INTERRUPTED);
    assert_int_equal(info.kind, JOB_KIND_GC);
    assert_true(info.finished_s > 0);
}

/* ---- a history that cannot be written ---- */

/* No file of this process grows any more; or may again. */
static void limit_files(struct rlimit *kept, bool limited) {
    struct rlimit none;
    if (limited) {
        assert_int_equal(getrlimit(RLIMIT_FSIZE, kept), 0);
        none = (struct rlimit){.rlim_cur = 0, .rlim_max = kept->rlim_max};
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, limited ? &none : kept), 0);
}

static void jobs_end_truly_when_their_history_cannot_be_written(void **state) {
    struct fixture *f = *state;
    struct work first = work_of(f, 'a'), works[JOB_UNWRITTEN_MAX + 20], late = work_of(f, 'z');
    struct job_info info;
    struct rlimit kept;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    assert_int_equal(sigaction(SIGXFSZ, &ignore, NULL), 0);
    work_start(&first, "1");
    wait_started(f, 1);
    for (size_t i = 0; i < ARRAY_N(works); i++) {
        works[i] = work_of(f, 'b');
        works[i].open = true;
        works[i].problems = 1;
        work_start(&works[i], "1");
    }
    limit_files(&kept, true);
    work_let_go(&first);
    jobs_shutdown(f->jobs, WAIT_MS);
    int rc = job_start(f->jobs, &(struct job_spec){.fn = work_run, .ctx = &late}, NULL, &f->err);
    limit_files(&kept, false);
    assert_int_equal(rc, -1);
    assert_true(f->troubles > 0);
    struct work *last = &works[ARRAY_N(works) - 1];
    OK(f, job_get(f->jobs, &last->id, &info, &f->err)); /* kept in memory */
    assert_true(job_state_final(info.state));
    FAILS(f, ERR_IO, job_get(f->jobs, &first.id, &info, &f->err)); /* the oldest had to go */
    assert_int_equal(f->freed, ARRAY_N(works) + 1);
}

/* ---- many at once ---- */

#define MANY_THREADS 4
#define MANY_JOBS 25

struct many {
    struct fixture *f;
    unsigned seed;
    _Atomic unsigned *inside; /* by need: how many are in it */
};

static int alone(void *ctx, struct job *job, struct err *err) {
    struct many *many = ctx;
    (void)err;
    unsigned need = job_id(job)->b[0] % 3;
    assert_int_equal(many->inside[need]++, 0);
    for (int i = 0; i < 50 && !job_cancelled(job); i++) {
        job_add(job, JOB_BYTES_DONE, 10);
        job_current(job, span_text("somewhere"));
    }
    job_result(job, span_text("{}"));
    many->inside[need]--;
    return job_cancelled(job) ? -1 : 0;
}

static int ignore_job(void *ctx, const struct job_info *info, struct err *err) {
    (void)ctx;
    (void)info;
    (void)err;
    return 0;
}

static void start_many(void *ctx) {
    struct many *many = ctx;
    struct jobs *jobs = many->f->jobs;
    for (unsigned i = 0; i < MANY_JOBS; i++) {
        struct job_info info;
        uint8_t need[16] = {0};
        struct job_spec spec = {.kind = JOB_KIND_VERIFY,
                                .needs = (const uint8_t(*)[16]) & need,
                                .need_n = 1,
                                .fn = alone,
                                .ctx = many};
        job_id_new(&spec.id);
        need[0] = spec.id.b[0] % 3;
        assert_int_equal(job_start(jobs, &spec, &info, NULL), 0);
        if (i % 5 == 0)
            assert_int_equal(job_cancel(jobs, &spec.id, NULL), 0);
        if (i % 7 == 0)
            assert_int_equal(
                job_list(jobs, &(struct job_filter){.limit = 10}, ignore_job, NULL, NULL), 0);
        while (i % 3 == 0 && !job_state_final(info.state))
            assert_int_equal(job_wait(jobs, &spec.id, info.version, WAIT_MS, &info, NULL), 0);
    }
}

static void many_threads_use_the_table_at_once(void **state) {
    struct fixture *f = *state;
    _Atomic unsigned inside[3] = {0};
    struct os_thread threads[MANY_THREADS] = {0};
    struct many many = {.f = f, .inside = inside};
    uint64_t ended = 0;
    for (size_t i = 0; i < MANY_THREADS; i++)
        OK(f, os_thread_start(&threads[i], "test", start_many, &many, &f->err));
    for (size_t i = 0; i < MANY_THREADS; i++)
        os_thread_join(&threads[i]);
    jobs_shutdown(f->jobs, WAIT_MS);
    for (enum job_state s = JOB_DONE; s < JOB_STATE_N; s++) {
        SCOPED(buf) text = {0};
        struct job_filter filter = {.state = job_state_name(s)};
        OK(f, job_list(f->jobs, &filter, add_key, &text, &f->err));
        for (size_t i = 0; i < text.n; i++)
            ended += text.p[i] == ' ';
    }
    assert_int_equal(ended, MANY_THREADS * MANY_JOBS);
    assert_int_equal(f->troubles, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_lead_back_to_what_they_name),
        cmocka_unit_test(nothing_follows_a_final_state),
        TEST(a_job_ends_as_its_work_says),
        TEST(moves_are_told_in_order),
        TEST(what_a_job_did_is_remembered),
        TEST(an_unknown_job_is_not_found),
        TEST(jobs_that_need_the_same_run_one_after_the_other),
        TEST(no_more_jobs_run_than_there_are_workers),
        TEST(a_group_is_busy_while_a_job_of_it_has_not_ended),
        TEST(what_waits_is_limited),
        TEST(the_same_id_is_the_same_job),
        TEST(a_waiting_job_is_cancelled_at_once),
        TEST(a_running_job_is_called_when_it_is_cancelled),
        TEST(work_that_was_finished_anyway_is_done),
        TEST(who_asks_late_is_called_at_once),
        TEST(progress_makes_new_versions),
        TEST(who_waits_for_nothing_new_gets_the_same_after_the_time),
        TEST(lists_show_what_runs_and_what_was),
        TEST(a_shutdown_interrupts_what_waits_and_what_runs),
        TEST(a_shutdown_lets_work_end_in_its_time),
        TEST(what_ran_when_the_server_died_is_interrupted),
        TEST(jobs_end_truly_when_their_history_cannot_be_written),
        TEST(many_threads_use_the_table_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
