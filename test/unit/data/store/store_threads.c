/* Many threads at once: meant for ThreadSanitizer as much as for the assertions. */
#include <stdatomic.h>

#include "store_fixture.h"

#define THREADS 8u
#define NUMBERS 1200u

struct worker {
    struct fixture *fixture;
    struct store_writer *writer;
    struct os_thread thread;
    uint64_t from, to, step;
    uint64_t stored;
    atomic_bool *stop;
};

#define START(worker, fn) OK(os_thread_start(&(worker)->thread, "test", fn, worker, &err))

static void put_some(void *arg) {
    struct worker *worker = arg;
    struct err err;
    for (uint64_t i = worker->from; i < worker->to; i += worker->step) {
        uint64_t numbers[4], stored = 0;
        for (size_t k = 0; k < 4; k++)
            numbers[k] = (i + k) % NUMBERS;
        INVARIANT(put_numbers(worker->writer, numbers, 4, &stored, &err) == 0);
        worker->stored += stored;
    }
}

static void eight_threads_put_through_one_writer(void **state) {
    struct fixture *fixture = *state;
    struct worker workers[THREADS];
    struct store_writer *writer = writer_open(fixture, 1);
    struct store_stats stats;
    uint64_t stored = 0;
    for (uint64_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.fixture = fixture,
                                     .writer = writer,
                                     .from = i * 97,
                                     .to = i * 97 + NUMBERS,
                                     .step = 4};
        START(&workers[i], put_some);
    }
    for (size_t i = 0; i < THREADS; i++) {
        os_thread_join(&workers[i].thread);
        stored += workers[i].stored;
    }
    OK(store_writer_sync(writer, &err));
    store_writer_close(writer);
    assert_int_equal(read_range(fixture, 0, NUMBERS), NUMBERS);
    assert_int_equal(verify(fixture, true).n, 0);
    store_stats(fixture->store, &stats);
    assert_int_equal(stats.chunks, NUMBERS);
    /* what store_put said it added is what lies there, but for the frame of each pack */
    assert_int_equal(stats.pack_bytes, stored + stats.packs * (96 + 32 + 16 + 96));
}

static void sync_often(void *arg) {
    struct worker *worker = arg;
    while (!atomic_load(worker->stop))
        INVARIANT(store_writer_sync(worker->writer, NULL) == 0);
}

/* Threads that put the same chunks, around seals: a pack may be made for a record that is not
 * needed any more. */
static void same_chunks_are_put_beside_syncs(void **state) {
    struct fixture *fixture = *state;
    struct worker workers[4], syncer;
    struct store_writer *writer = writer_open(fixture, 1);
    struct store_stats stats;
    atomic_bool stop;
    atomic_init(&stop, false);
    syncer = (struct worker){.writer = writer, .stop = &stop};
    START(&syncer, sync_often);
    for (size_t i = 0; i < ARRAY_N(workers); i++) {
        workers[i] = (struct worker){.writer = writer, .to = 400, .step = 1};
        START(&workers[i], put_some);
    }
    for (size_t i = 0; i < ARRAY_N(workers); i++)
        os_thread_join(&workers[i].thread);
    atomic_store(&stop, true);
    os_thread_join(&syncer.thread);
    OK(store_writer_sync(writer, &err));
    store_writer_close(writer);
    assert_int_equal(read_range(fixture, 0, 403), 403);
    store_stats(fixture->store, &stats);
    assert_int_equal(stats.chunks, 403);
    assert_int_equal(verify(fixture, true).n, 0);
}

static void read_all(void *arg) {
    struct worker *worker = arg;
    while (!atomic_load(worker->stop))
        (void)read_range(worker->fixture, worker->from, worker->to);
}

static void ask_all(void *arg) {
    struct worker *worker = arg;
    while (!atomic_load(worker->stop))
        for (uint64_t i = worker->from; i < worker->to; i += 7)
            (void)has_number(worker->fixture, i);
}

static void verify_all(void *arg) {
    struct worker *worker = arg;
    while (!atomic_load(worker->stop))
        INVARIANT(verify(worker->fixture, true).n == 0);
}

/* Chunks below 200 are live, the others are garbage for one collection after the other, while
 * sessions put, ask, read and verify. */
static void collections_run_beside_everything_else(void **state) {
    struct fixture *fixture = *state;
    static void (*const fns[])(void *) = {read_all, ask_all, verify_all};
    struct worker others[ARRAY_N(fns)];
    atomic_bool stop;
    atomic_init(&stop, false);
    store_range(fixture, 0, 200);
    for (size_t i = 0; i < ARRAY_N(fns); i++) {
        uint64_t to = fns[i] == ask_all ? 200 : 400; /* asking is use: it keeps what it asks for */
        others[i] = (struct worker){.fixture = fixture, .to = to, .stop = &stop};
        START(&others[i], fns[i]);
    }
    uint64_t trashed = 0;
    for (unsigned round = 0; round < 8; round++) {
        struct worker worker = {.fixture = fixture, .from = 200, .to = 400, .step = 4};
        struct store_collect_result result = {0};
        for (unsigned phase = 0; phase < 2; phase++) {
            struct store_mark *mark;
            struct err why = {0};
            OK(store_mark_begin(fixture->store, &mark, &err));
            for (uint64_t i = 0; i < 200; i++) {
                struct digest name = name_of(i);
                OK(store_mark_live(mark, &name, &err));
            }
            int rc = phase == 0 ? store_condemn(fixture->store, mark, &result, &why)
                                : store_sweep(fixture->store, mark, 5, &result, &why);
            store_mark_free(mark);
            assert_true(rc == 0 || why.code == ERR_BUSY);
            if (phase == 0) { /* a session younger than the condemnation works during the sweep */
                worker.writer = writer_open(fixture, 2);
                START(&worker, put_some);
            }
        }
        os_thread_join(&worker.thread);
        OK(store_writer_sync(worker.writer, &err));
        store_writer_close(worker.writer);
        assert_int_equal(read_range(fixture, 0, 400), 400);
        OK(store_empty_trash(fixture->store, 10, 0, &result, &err));
        trashed += result.trashed_packs;
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < ARRAY_N(fns); i++)
        os_thread_join(&others[i].thread);
    printf("%llu packs were trashed meanwhile\n", (unsigned long long)trashed);
    fixture_reopen(fixture);
    assert_int_equal(read_range(fixture, 0, 400), 400);
    assert_int_equal(verify(fixture, true).n, 0);
}

/* Every session asks for a chunk, is told that it is there, and must find it at its commit, while
 * collections do their best to remove it. */
static void use_once(struct fixture *fixture, uint64_t number) {
    struct store_writer *writer = writer_open(fixture, 3);
    struct digest name = name_of(number);
    uint64_t stored;
    bool has;
    OK(store_writer_has(writer, &name, &has, &err));
    if (!has)
        OK(put_numbers(writer, &number, 1, &stored, &err));
    OK(store_writer_sync(writer, &err));
    assert_true(has_number(fixture, number));
    store_writer_close(writer);
}

static void collect_all(void *arg) {
    struct worker *worker = arg;
    while (!atomic_load(worker->stop)) {
        struct store_collect_result result = {0};
        struct store_mark *mark;
        struct err err;
        INVARIANT(store_mark_begin(worker->fixture->store, &mark, &err) == 0);
        (void)store_condemn(worker->fixture->store, mark, &result, &err);
        store_mark_free(mark);
        INVARIANT(store_mark_begin(worker->fixture->store, &mark, &err) == 0);
        if (store_sweep(worker->fixture->store, mark, 1, &result, &err) == 0)
            worker->stored += result.trashed_packs;
        store_mark_free(mark);
    }
}

static void told_chunk_is_there_at_the_commit(void **state) {
    struct fixture *fixture = *state;
    atomic_bool stop;
    atomic_init(&stop, false);
    struct worker collector = {.fixture = fixture, .stop = &stop};
    START(&collector, collect_all);
    for (uint64_t i = 0; i < 150; i++)
        use_once(fixture, i % 5);
    atomic_store(&stop, true);
    os_thread_join(&collector.thread);
    printf("%llu packs were trashed meanwhile\n", (unsigned long long)collector.stored);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(eight_threads_put_through_one_writer),
        CASE(same_chunks_are_put_beside_syncs),
        CASE(collections_run_beside_everything_else),
        CASE(told_chunk_is_there_at_the_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
