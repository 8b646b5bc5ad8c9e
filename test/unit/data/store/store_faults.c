/* The n-th call fails, or the process dies at it: what was acknowledged is there, nothing is
 * damaged, the next run succeeds.  Needs -Dfaults=true. */
#include <sys/stat.h>

#include "died.h"
#include "store_fixture.h"

#define LIVE 36u
#define ROUND 24u
#define ROUNDS 3u
#define HITS_MAX 4000u
/* A process whose call failed ends at once; what it had not freed then is known and listed in
 * docs/faults.md.  Everything else the sanitizers look for counts. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

#define EXIT_FAILED 7

static struct store_opts small_opts(void) {
    return (struct store_opts){
        .pack_bytes = 16u << 10, .memtable_entries = 32, .reserve_bytes = 1u << 20};
}

static int ack(const char *dir, unsigned round) {
    char path[OS_PATH_MAX];
    (void)text_format(path, sizeof path, "%s/../ack-%u", dir, round);
    return mkdir(path, 0700); /* not by os: it shall not fail */
}

static bool acked(const char *dir, unsigned round) {
    char path[OS_PATH_MAX];
    struct stat st;
    (void)text_format(path, sizeof path, "%s/../ack-%u", dir, round);
    return stat(path, &st) == 0;
}

static int put_round(struct store *store, unsigned round) {
    struct store_session session = {.job = {(uint8_t)round}, .source = {1}};
    struct store_writer *writer;
    if (store_writer_open(store, &session, &writer, NULL) != 0)
        return -1;
    int rc = 0;
    for (uint64_t i = round * ROUND; i < (round + 1) * ROUND && rc == 0; i += 4) {
        const uint64_t numbers[] = {i, i + 1, i + 2, i + 3};
        uint64_t stored;
        rc = put_numbers(writer, numbers, 4, &stored, NULL);
    }
    if (rc == 0)
        rc = store_writer_sync(writer, NULL);
    store_writer_close(writer);
    return rc;
}

static int collect(struct store *store) {
    struct store_collect_result result = {0};
    int rc = 0;
    for (unsigned phase = 0; phase < 2 && rc == 0; phase++) {
        struct store_mark *mark;
        if (store_mark_begin(store, &mark, NULL) != 0)
            return -1;
        for (uint64_t i = 0; i < LIVE && rc == 0; i++) {
            struct digest name = name_of(i);
            rc = store_mark_live(mark, &name, NULL);
        }
        if (rc == 0)
            rc = phase == 0 ? store_condemn(store, mark, &result, NULL)
                            : store_sweep(store, mark, 5, &result, NULL);
        store_mark_free(mark);
    }
    return rc == 0 ? store_empty_trash(store, 5, 0, &result, NULL) : -1;
}

/* The job whose every step is made to fail. */
static int child_main(const char *dir) {
    struct secret *key = fixture_key(1);
    struct store *store;
    if (store_open(dir, key, small_opts(), &store, NULL) != 0)
        return EXIT_FAILED;
    int rc = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (put_round(store, round) != 0)
            rc = EXIT_FAILED;
        else
            (void)ack(dir, round);
    }
    if (collect(store) != 0)
        rc = EXIT_FAILED;
    store_close(store);
    secret_free(key);
    return rc;
}

static void need_faults(void) {
#ifndef CASEMATE_FAULTS
    skip();
#endif
}

static void make(struct fixture *fixture) {
    fixture->opts = small_opts();
    fixture->key = fixture_key(1);
    (void)scratch_make(fixture->path);
    (void)text_format(fixture->dir, sizeof fixture->dir, "%s/store", fixture->path);
    OK(store_create(fixture->dir, fixture->key, &fixture_chunker, &err));
}

static void unmake(struct fixture *fixture) {
    secret_free(fixture->key);
    scratch_remove(fixture->path);
}

/* What was acknowledged and is live can be read; whatever else is there is whole. */
static void check(struct fixture *fixture, const char *fault) {
    fixture_open(fixture);
    for (unsigned round = 0; round < ROUNDS; round++)
        for (uint64_t i = round * ROUND; i < (round + 1) * ROUND && i < LIVE; i++)
            if (acked(fixture->dir, round) && read_range(fixture, i, i + 1) != 1)
                fail_msg("%s: chunk %llu was acknowledged and is gone", fault,
                         (unsigned long long)i);
    struct verified verified = verify(fixture, true);
    if (verified.n != 0 || store_has_damage(fixture->store))
        fail_msg("%s: damage: %s", fault, verified.what);
    store_close(TAKE(fixture->store));
}

/* One run with the fault; its status. */
static int run(const char *point, unsigned n, const char *action) {
    struct fixture fixture = {.store = NULL};
    char fault[64];
    make(&fixture);
    (void)text_format(fault, sizeof fault, "%s:%u:%s", point, n, action);
    int status = died_exec("job", fixture.dir, fault);
    check(&fixture, fault);
    int again = died_exec("job", fixture.dir, "none:1:eio");
    if (!WIFEXITED(again) || WEXITSTATUS(again) != 0)
        fail_msg("%s: the next run fails", fault);
    check(&fixture, fault);
    unmake(&fixture);
    return status;
}

struct point {
    const char *name;
    unsigned stride; /* some calls are the same one many times */
};

static void wherever_the_process_dies_acknowledged_chunks_stay(void **state) {
    (void)state;
    need_faults();
    static const struct point points[] = {{"I1", 1},    {"I2", 1},   {"I3", 1},    {"G1", 1},
                                          {"G2", 1},    {"G3", 1},   {"fsync", 1}, {"rename", 1},
                                          {"write", 2}, {"open", 61}};
    unsigned deaths = 0;
    for (size_t p = 0; p < ARRAY_N(points); p++) {
        unsigned here = 0;
        for (unsigned n = 1; n <= HITS_MAX; n += points[p].stride, here++)
            if (!WIFSIGNALED(run(points[p].name, n, "kill")))
                break;
        assert_true(here > 0);
        deaths += here;
    }
    printf("killed %u times\n", deaths);
}

static void whichever_call_fails_the_store_stays_sound(void **state) {
    (void)state;
    need_faults();
    static const struct point points[] = {{"fsync", 1}, {"rename", 1}, {"write", 2}, {"open", 47}};
    static const char *const actions[] = {"eio", "enospc"};
    unsigned failures = 0;
    for (size_t p = 0; p < ARRAY_N(points); p++)
        for (unsigned n = 1, unharmed = 0; n <= HITS_MAX && unharmed < 12; n += points[p].stride) {
            int status = run(points[p].name, n, actions[n / points[p].stride % 2]);
            assert_true(WIFEXITED(status));
            assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == EXIT_FAILED);
            unharmed =
                WEXITSTATUS(status) == 0 ? unharmed + 1 : 0; /* a hint or a cache, or the end */
            failures += WEXITSTATUS(status) != 0;
        }
    printf("failed %u times\n", failures);
    assert_true(failures > 20);
}

static void disk_that_stays_full_is_told_and_the_next_run_succeeds(void **state) {
    (void)state;
    need_faults();
    for (unsigned n = 1; n < 40; n += 5) {
        char point[16];
        (void)text_format(point, sizeof point, "%u+", n);
        struct fixture fixture = {.store = NULL};
        char fault[64];
        make(&fixture);
        (void)text_format(fault, sizeof fault, "write:%s:enospc", point);
        int status = died_exec("job", fixture.dir, fault);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILED);
        check(&fixture, fault);
        status = died_exec("job", fixture.dir, "none:1:eio");
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        check(&fixture, fault);
        unmake(&fixture);
    }
}

int main(int argc, char **argv) {
    if (argc == 3 && text_equal(argv[0], "child"))
        return child_main(argv[2]);
    fixture_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wherever_the_process_dies_acknowledged_chunks_stay),
        cmocka_unit_test(whichever_call_fails_the_store_stays_sound),
        cmocka_unit_test(disk_that_stays_full_is_told_and_the_next_run_succeeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
