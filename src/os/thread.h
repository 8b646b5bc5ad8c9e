#pragma once
/* os/thread -- threads, locks and the bounded queue through which work changes its owner. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#if defined(__clang__)
/* clang 14 cannot name a sibling member in C: for the reader, and for a later compiler. */
#define GUARDED_BY(m)
#define REQUIRES(m) __attribute__((requires_capability(m)))
#define CAPABILITY __attribute__((capability("mutex")))
/* For the rare function that hands a held lock to its caller. */
#define HANDS_OVER_LOCK __attribute__((no_thread_safety_analysis))
#define ACQUIRES(m) __attribute__((acquire_capability(m)))
#define RELEASES(m) __attribute__((release_capability(m)))
#else
#define GUARDED_BY(m)
#define REQUIRES(m)
#define CAPABILITY
#define HANDS_OVER_LOCK
#define ACQUIRES(m)
#define RELEASES(m)
#endif

struct CAPABILITY os_mutex {
    pthread_mutex_t m;
};
struct os_cond {
    pthread_cond_t c;
};

void os_mutex_init(struct os_mutex *mutex);
void os_mutex_done(struct os_mutex *mutex);
void os_mutex_lock(struct os_mutex *mutex) ACQUIRES(*mutex);
void os_mutex_unlock(struct os_mutex *mutex) RELEASES(*mutex);

void os_cond_init(struct os_cond *cond);
void os_cond_done(struct os_cond *cond);
void os_cond_wait(struct os_cond *cond, struct os_mutex *mutex) REQUIRES(*mutex);
/* False when timeout_ms passed first. */
bool os_cond_wait_ms(struct os_cond *cond, struct os_mutex *mutex, uint32_t timeout_ms)
    REQUIRES(*mutex);
void os_cond_signal(struct os_cond *cond);
void os_cond_broadcast(struct os_cond *cond);

struct os_thread {
    pthread_t t;
    bool running;
};
typedef void os_thread_fn(void *arg);
/* Signals are blocked in the new thread; `name` is at most 15 bytes. */
[[nodiscard]] int os_thread_start(struct os_thread *thread, const char *name, os_thread_fn *fn,
                                  void *arg, struct err *err);
void os_thread_join(struct os_thread *thread); /* not running is fine */
/* Processors this process may use, at least 1. */
unsigned os_cpu_n(void);
void os_sleep_ms(uint32_t ms); /* for back-off in programs, never in tests */

/* Bounded multi-producer multi-consumer queue of pointers. */
struct os_queue;
struct os_queue *os_queue_new(size_t limit);
void os_queue_free(struct os_queue *queue); /* items left are the caller's loss: drain first */
/* Waits while full.  False: the queue is closed, the item stays the caller's. */
bool os_queue_push(struct os_queue *queue, void *item);
/* Waits while empty.  NULL: closed and drained. */
void *os_queue_pop(struct os_queue *queue);
/* NULL when empty now. */
void *os_queue_try_pop(struct os_queue *queue);
void os_queue_close(struct os_queue *queue);
