#include "os/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "base/base.h"
#include "os/file.h"

/* The body of a lock is where the analysis ends. */
#if defined(__clang__)
#define UNCHECKED __attribute__((no_thread_safety_analysis))
#else
#define UNCHECKED
#endif

void os_mutex_init(struct os_mutex *mutex) {
    INVARIANT(pthread_mutex_init(&mutex->m, NULL) == 0);
}
void os_mutex_done(struct os_mutex *mutex) {
    (void)pthread_mutex_destroy(&mutex->m);
}

UNCHECKED void os_mutex_lock(struct os_mutex *mutex) {
    INVARIANT(pthread_mutex_lock(&mutex->m) == 0);
}

UNCHECKED void os_mutex_unlock(struct os_mutex *mutex) {
    INVARIANT(pthread_mutex_unlock(&mutex->m) == 0);
}

void os_cond_init(struct os_cond *cond) {
    pthread_condattr_t attr;
    INVARIANT(pthread_condattr_init(&attr) == 0);
    INVARIANT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    INVARIANT(pthread_cond_init(&cond->c, &attr) == 0);
    (void)pthread_condattr_destroy(&attr);
}

void os_cond_done(struct os_cond *cond) {
    (void)pthread_cond_destroy(&cond->c);
}

void os_cond_wait(struct os_cond *cond, struct os_mutex *mutex) {
    INVARIANT(pthread_cond_wait(&cond->c, &mutex->m) == 0);
}

bool os_cond_wait_ms(struct os_cond *cond, struct os_mutex *mutex, uint32_t timeout_ms) {
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += timeout_ms / 1000;
    ts.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_nsec -= 1000000000;
        ts.tv_sec++;
    }
    return pthread_cond_timedwait(&cond->c, &mutex->m, &ts) == 0;
}

void os_cond_signal(struct os_cond *cond) {
    (void)pthread_cond_signal(&cond->c);
}
void os_cond_broadcast(struct os_cond *cond) {
    (void)pthread_cond_broadcast(&cond->c);
}

struct start {
    os_thread_fn *fn;
    void *arg;
};

static void *run(void *p) {
    struct start start = *(struct start *)p;
    mem_free(p);
    start.fn(start.arg);
    return NULL;
}

int os_thread_start(struct os_thread *thread, const char *name, os_thread_fn *fn, void *arg,
                    struct err *err) {
    struct start *start = mem_new(sizeof *start);
    *start = (struct start){.fn = fn, .arg = arg};
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&thread->t, NULL, run, start);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        mem_free(start);
        return ERR_SYS(err, ERR_MEMORY, rc, "cannot start thread %s", name);
    }
    (void)pthread_setname_np(thread->t, name);
    thread->running = true;
    return 0;
}

void os_thread_join(struct os_thread *thread) {
    if (thread->running)
        (void)pthread_join(thread->t, NULL);
    thread->running = false;
}

unsigned os_cpu_n(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}

void os_sleep_ms(uint32_t ms) {
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
        ;
}
