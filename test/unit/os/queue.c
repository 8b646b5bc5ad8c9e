/* Covers src/os/queue.c and src/os/thread.c. */
#include "unit.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/base.h"
#include "died.h"
#include "os/clock.h"
#include "os/thread.h"

static void queue_gives_back_in_order(void **state) {
    (void)state;
    struct os_queue *queue = os_queue_new(4);
    int items[6];
    for (int round = 0; round < 5; round++) { /* the ring turns over */
        for (int i = 0; i < 3; i++)
            assert_true(os_queue_push(queue, &items[i]));
        for (int i = 0; i < 3; i++)
            assert_ptr_equal(os_queue_pop(queue), &items[i]);
        assert_null(os_queue_try_pop(queue));
    }
    os_queue_free(queue);
    os_queue_free(NULL);
}

static void a_closed_queue_refuses_and_is_drained(void **state) {
    (void)state;
    struct os_queue *queue = os_queue_new(2);
    int a, b, c;
    assert_true(os_queue_push(queue, &a));
    assert_true(os_queue_push(queue, &b));
    os_queue_close(queue);
    assert_false(os_queue_push(queue, &c));
    assert_ptr_equal(os_queue_pop(queue), &a);
    assert_ptr_equal(os_queue_try_pop(queue), &b);
    assert_null(os_queue_pop(queue));
    assert_null(os_queue_pop(queue));
    os_queue_close(queue);
    assert_false(os_queue_push(queue, &c));
    os_queue_free(queue);
}

struct waiter {
    struct os_queue *queue;
    struct os_thread thread;
    atomic_int result; /* 1 pushed or got something, 2 refused or got nothing */
    int item;
};

static void push_one(void *arg) {
    struct waiter *w = arg;
    atomic_store(&w->result, os_queue_push(w->queue, &w->item) ? 1 : 2);
}
static void pop_one(void *arg) {
    struct waiter *w = arg;
    atomic_store(&w->result, os_queue_pop(w->queue) != NULL ? 1 : 2);
}

static void start_all(struct waiter *waiters, size_t n, struct os_queue *queue, os_thread_fn *fn) {
    for (size_t i = 0; i < n; i++) {
        waiters[i].queue = queue;
        atomic_init(&waiters[i].result, 0);
        assert_int_equal(os_thread_start(&waiters[i].thread, "waiter", fn, &waiters[i], NULL), 0);
    }
}
static int join_all(struct waiter *waiters, size_t n) {
    int sum = 0;
    for (size_t i = 0; i < n; i++) {
        os_thread_join(&waiters[i].thread);
        sum += atomic_load(&waiters[i].result);
    }
    return sum;
}

static void close_wakes_every_waiting_pop(void **state) {
    (void)state;
    struct waiter waiters[4] = {0};
    struct os_queue *queue = os_queue_new(1);
    start_all(waiters, 4, queue, pop_one);
    os_queue_close(queue);
    assert_int_equal(join_all(waiters, 4), 4 * 2);
    os_queue_free(queue);
}

static void close_wakes_every_waiting_push_which_keeps_its_item(void **state) {
    (void)state;
    struct waiter waiters[4] = {0};
    struct os_queue *queue = os_queue_new(1);
    int first;
    assert_true(os_queue_push(queue, &first));
    start_all(waiters, 4, queue, push_one);
    os_queue_close(queue);
    assert_int_equal(join_all(waiters, 4), 4 * 2);
    assert_ptr_equal(os_queue_pop(queue), &first);
    assert_null(os_queue_pop(queue));
    os_queue_free(queue);
}

static void a_full_queue_lets_one_push_in_for_each_pop(void **state) {
    (void)state;
    struct waiter waiters[3] = {0};
    struct os_queue *queue = os_queue_new(1);
    int first;
    assert_true(os_queue_push(queue, &first));
    start_all(waiters, 3, queue, push_one);
    assert_ptr_equal(os_queue_pop(queue), &first);
    for (int i = 0; i < 3; i++)
        assert_non_null(os_queue_pop(queue));
    assert_int_equal(join_all(waiters, 3), 3);
    os_queue_free(queue);
}

#define ITEMS_N 20000
#define THREADS_N 3

struct flow {
    struct os_queue *queue;
    atomic_int seen[THREADS_N * ITEMS_N];
    atomic_int producer_i;
    struct os_thread threads[2 * THREADS_N];
};

static void produce(void *arg) {
    struct flow *flow = arg;
    int first = atomic_fetch_add(&flow->producer_i, 1) * ITEMS_N;
    for (int i = first; i < first + ITEMS_N; i++)
        if (!os_queue_push(flow->queue, &flow->seen[i]))
            abort();
}
static void consume(void *arg) {
    const struct flow *flow = arg;
    for (atomic_int *item; (item = os_queue_pop(flow->queue)) != NULL;)
        atomic_fetch_add(item, 1);
}

static void every_item_arrives_once_between_many_threads(void **state) {
    (void)state;
    struct flow *flow = mem_new(sizeof *flow);
    flow->queue = os_queue_new(7);
    for (int i = 0; i < 2 * THREADS_N; i++)
        assert_int_equal(os_thread_start(&flow->threads[i], "flow",
                                         i < THREADS_N ? produce : consume, flow, NULL),
                         0);
    for (int i = 0; i < THREADS_N; i++)
        os_thread_join(&flow->threads[i]);
    os_queue_close(flow->queue);
    for (int i = THREADS_N; i < 2 * THREADS_N; i++)
        os_thread_join(&flow->threads[i]);
    for (int i = 0; i < THREADS_N * ITEMS_N; i++)
        assert_int_equal(atomic_load(&flow->seen[i]), 1);
    os_queue_free(flow->queue);
    mem_free(flow);
}

static void push_nothing(void *arg) {
    (void)os_queue_push(arg, NULL);
}

static void queue_refuses_nothing_as_an_item(void **state) {
    (void)state;
    struct os_queue *queue = os_queue_new(1);
    assert_true(died_in(push_nothing, queue));
    os_queue_free(queue);
}

static void note_signals(void *arg) {
    sigset_t set;
    (void)pthread_sigmask(SIG_BLOCK, NULL, &set);
    *(int *)arg = sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGINT) == 1;
}

static void a_new_thread_blocks_signals_and_the_old_one_does_not(void **state) {
    (void)state;
    struct os_thread thread;
    int blocked = -1;
    sigset_t set;
    assert_int_equal(
        os_thread_start(&thread, "a-name-above-15-bytes", note_signals, &blocked, NULL), 0);
    os_thread_join(&thread);
    assert_int_equal(blocked, 1);
    assert_false(thread.running);
    os_thread_join(&thread);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &set);
    assert_int_equal(sigismember(&set, SIGTERM), 0);
}

struct bell {
    struct os_mutex mutex;
    struct os_cond cond;
    bool rung;
};

static void ring(void *arg) {
    struct bell *bell = arg;
    os_mutex_lock(&bell->mutex);
    bell->rung = true;
    os_cond_broadcast(&bell->cond);
    os_mutex_unlock(&bell->mutex);
}

static void a_wait_ends_when_told_or_late(void **state) {
    (void)state;
    struct bell bell = {.rung = false};
    os_mutex_init(&bell.mutex);
    os_cond_init(&bell.cond);
    os_mutex_lock(&bell.mutex);
    uint64_t before = os_mono_ns();
    assert_false(os_cond_wait_ms(&bell.cond, &bell.mutex, 20));
    assert_true(os_mono_ns() - before >= 20 * 1000 * 1000);
    struct os_thread thread;
    assert_int_equal(os_thread_start(&thread, "ring", ring, &bell, NULL), 0);
    bool in_time = true;
    while (!bell.rung && in_time)
        in_time = os_cond_wait_ms(&bell.cond, &bell.mutex, 60000);
    assert_true(in_time);
    os_mutex_unlock(&bell.mutex);
    os_thread_join(&thread);
    os_cond_done(&bell.cond);
    os_mutex_done(&bell.mutex);
}

static void clocks_go_forward_and_cpus_are_there(void **state) {
    (void)state;
    uint64_t mono = os_mono_ns(), cpu = os_cpu_ns();
    assert_true(os_mono_ns() >= mono);
    assert_true(os_cpu_ns() >= cpu);
    assert_true(os_wall_s() > 1600000000);
    assert_true(os_wall_ns() / 1000000000 - os_wall_s() <= 1);
    assert_true(os_cpu_n() >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_gives_back_in_order),
        cmocka_unit_test(a_closed_queue_refuses_and_is_drained),
        cmocka_unit_test(close_wakes_every_waiting_pop),
        cmocka_unit_test(close_wakes_every_waiting_push_which_keeps_its_item),
        cmocka_unit_test(a_full_queue_lets_one_push_in_for_each_pop),
        cmocka_unit_test(every_item_arrives_once_between_many_threads),
        cmocka_unit_test(queue_refuses_nothing_as_an_item),
        cmocka_unit_test(a_new_thread_blocks_signals_and_the_old_one_does_not),
        cmocka_unit_test(a_wait_ends_when_told_or_late),
        cmocka_unit_test(clocks_go_forward_and_cpus_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
