/* Covers src/data/catalog: every write and every sync fails once, and the process dies at each.
 * What was answered stays, what was not is whole or absent, and the next start finds both databases
 * sound. */
#include "catalog_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "died.h"

#define EXIT_FAILED 10 /* a step failed with an error one expects here */
#define EXIT_WRONG 11  /* with one nobody expects */

/* ---- what a child does ---- */

struct step {
    const char *name;
    int (*run)(struct catalog *catalog, struct err *err);
};

static int step_group(struct catalog *catalog, struct err *err) {
    const struct catalog_group group = {.name = "one", .excludes = span_text("x")};
    const struct catalog_source join[] = {{.id = {1}, .computer = "a", .path = "/a"},
                                          {.id = {2}, .computer = "a", .path = "/b"}};
    const struct catalog_group_change change = {.group = &group, .join = join, .join_n = 2};
    return catalog_group_apply(catalog, &change, err);
}

static int step_point(struct catalog *catalog, struct err *err) {
    struct commit commit = fixture_commit(1, 1);
    struct digest id = fixture_hash(&commit);
    return catalog_point_add(catalog, &commit, &id, 0, err);
}

static int step_job(struct catalog *catalog, struct err *err) {
    const struct catalog_job job = {.id = "0123456789abcdef0123456789abcdef",
                                    .kind = "backup",
                                    .state = "partial",
                                    .problem_count = 2,
                                    .result = span_text("{}")};
    const struct catalog_problem problems[] = {{span_text("p"), span_text("r")},
                                               {span_text("q"), span_text("r")}};
    return catalog_job_put(catalog, &job, problems, 2, err);
}

static int step_audit(struct catalog *catalog, struct err *err) {
    return catalog_audit(catalog, 5, "who", "what", err);
}

static int step_remove(struct catalog *catalog, struct err *err) {
    return catalog_group_remove(catalog, "one", err);
}

static const struct step steps[] = {{"group", step_group},
                                    {"point", step_point},
                                    {"job", step_job},
                                    {"audit", step_audit},
                                    {"remove", step_remove}};

/* Told to the parent past all fault points: how many steps were answered. */
static void answer(const char *dir, size_t n) {
    char path[OS_PATH_MAX];
    (void)text_format(path, sizeof path, "%s/answered-%zu", dir, n);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || close(fd) != 0)
        abort();
}

static int child_work(const char *dir) {
    struct catalog *catalog = NULL;
    struct err err = {0};
    int rc = catalog_open(dir, &catalog, &err);
    for (size_t i = 0; i < ARRAY_N(steps) && rc == 0; i++) {
        rc = steps[i].run(catalog, &err);
        if (rc == 0)
            answer(dir, i + 1);
    }
    struct err after = {0};
    bool stopped = rc != 0 && catalog != NULL && step_audit(catalog, &after) != 0;
    if (stopped && after.code != err.code)
        return EXIT_WRONG; /* who is stopped says why */
    catalog_close(catalog);
    if (rc == 0)
        return 0;
    return err.code == ERR_IO || err.code == ERR_SPACE ? EXIT_FAILED : EXIT_WRONG;
}

/* ---- what the parent finds ---- */

static size_t answered(struct fixture *f) {
    size_t n = 0;
    bool is = true;
    while (is && n < ARRAY_N(steps)) {
        char path[OS_PATH_MAX];
        (void)text_format(path, sizeof path, "%s/answered-%zu", f->dir, n + 1);
        OK(f, os_exists(OS_FD_CWD, path, &is, &f->err));
        n += is;
    }
    return n;
}

static int count_source(void *ctx, const struct catalog_source *source, struct err *err) {
    (void)source;
    (void)err;
    ++*(size_t *)ctx;
    return 0;
}

static int count_problem(void *ctx, const struct catalog_problem *problem, struct err *err) {
    (void)problem;
    (void)err;
    ++*(size_t *)ctx;
    return 0;
}

static int count_audit(void *ctx, const struct catalog_audit_row *row, struct err *err) {
    (void)row;
    (void)err;
    ++*(size_t *)ctx;
    return 0;
}

static int ignore_group(void *ctx, const struct catalog_group *group, struct err *err) {
    (void)ctx;
    (void)group;
    (void)err;
    return 0;
}

static void expect_whole(struct fixture *f, size_t n, const char *fault) {
    size_t sources = 0, members = 0, problems = 0, rows = 0;
    const char *const job = "0123456789abcdef0123456789abcdef";
    OK(f, catalog_sources(f->catalog, NULL, NULL, count_source, &sources, &f->err));
    OK(f, catalog_sources(f->catalog, NULL, "one", count_source, &members, &f->err));
    OK(f, catalog_job_problems(f->catalog, job, 0, count_problem, &problems, &f->err));
    OK(f, catalog_audit_walk(f->catalog, 0, count_audit, &rows, &f->err));
    bool group = catalog_group(f->catalog, "one", ignore_group, NULL, &f->err) == 0;
    uint64_t points = fixture_count(f, (struct catalog_point_filter){0});
    if (sources % 2 != 0 || members != (group ? 2u : 0u) || problems % 2 != 0 ||
        (n >= 1 && sources != 2) || (n >= 2 && points != 1) || (n >= 3 && problems != 2) ||
        (n >= 4 && rows < 1) || (n >= 5 && group))
        fail_msg(
            "%s: after %zu steps %zu sources, %zu members, %llu points, %zu problems, %zu rows",
            fault, n, sources, members, (unsigned long long)points, problems, rows);
}

/* False: the fault was never reached. */
static bool survives(const char *fault, bool kills) {
    struct fixture f = {0};
    int status = died_exec("work", scratch_make(f.dir), fault);
    bool hit = kills ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) != 0;
    if (!hit && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("%s: wait status %x", fault, (unsigned)status);
    if (!kills && hit && WEXITSTATUS(status) != EXIT_FAILED)
        fail_msg("%s: exit status %d", fault, WEXITSTATUS(status));
    size_t n = answered(&f);
    f.err = (struct err){0};
    if (catalog_open(f.dir, &f.catalog, &f.err) != 0)
        fail_msg("%s: %s", fault, f.err.text);
    expect_whole(&f, n, fault);
    fixture_reopen(&f);
    expect_whole(&f, n, fault);
    catalog_close(f.catalog);
    scratch_remove(f.dir);
    return hit;
}

/* Closing writes, too, and there a failure costs nothing and is not told: some tries without
 * effect are not the end. */
static void walk(const char *point, const char *action) {
    unsigned missed = 0, hits = 0;
    for (unsigned n = 1; missed < 4; n++) {
        char fault[64];
        (void)text_format(fault, sizeof fault, "%s:%u:%s", point, n, action);
        bool hit = survives(fault, text_equal(action, "kill"));
        missed = hit ? 0 : missed + 1;
        hits += hit;
    }
    print_message("%s, %s: %u hits\n", point, action, hits);
    assert_true(hits > 0);
}

static void need_faults(void) {
#ifndef CASEMATE_FAULTS
    skip();
#endif
}

static void every_write_may_fail(void **state) {
    (void)state;
    need_faults();
    walk("write", "eio");
}

static void every_write_may_find_the_disk_full(void **state) {
    (void)state;
    need_faults();
    walk("write", "enospc");
}

static void every_sync_may_fail(void **state) {
    (void)state;
    need_faults();
    walk("fsync", "eio");
}

static void the_process_may_die_at_every_write(void **state) {
    (void)state;
    need_faults();
    walk("write", "kill");
}

static void the_process_may_die_at_every_sync(void **state) {
    (void)state;
    need_faults();
    walk("fsync", "kill");
}

int main(int argc, char **argv) {
    if (argc == 3 && text_equal(argv[0], "child"))
        return child_work(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_write_may_fail),
        cmocka_unit_test(every_write_may_find_the_disk_full),
        cmocka_unit_test(every_sync_may_fail),
        cmocka_unit_test(the_process_may_die_at_every_write),
        cmocka_unit_test(the_process_may_die_at_every_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
