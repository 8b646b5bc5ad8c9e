#include "base/base.h"
#include "os/thread.h"

struct os_queue {
    struct os_mutex mutex;
    struct os_cond not_full;
    struct os_cond not_empty;
    size_t limit;
    size_t n GUARDED_BY(mutex);
    size_t head GUARDED_BY(mutex);
    bool closed GUARDED_BY(mutex);
    void **items GUARDED_BY(mutex);
};

struct os_queue *os_queue_new(size_t limit) {
    INVARIANT(limit > 0);
    struct os_queue *queue = mem_new(sizeof *queue);
    os_mutex_init(&queue->mutex);
    os_cond_init(&queue->not_full);
    os_cond_init(&queue->not_empty);
    queue->limit = limit;
    queue->items = mem_new_array(limit, sizeof *queue->items);
    return queue;
}

void os_queue_free(struct os_queue *queue) {
    if (queue == NULL)
        return;
    os_cond_done(&queue->not_full);
    os_cond_done(&queue->not_empty);
    os_mutex_done(&queue->mutex);
    mem_free(queue->items);
    mem_free(queue);
}

bool os_queue_push(struct os_queue *queue, void *item) {
    INVARIANT(item != NULL);
    os_mutex_lock(&queue->mutex);
    while (queue->n == queue->limit && !queue->closed)
        os_cond_wait(&queue->not_full, &queue->mutex);
    bool open = !queue->closed;
    if (open) {
        queue->items[(queue->head + queue->n) % queue->limit] = item;
        queue->n++;
        os_cond_signal(&queue->not_empty);
    }
    os_mutex_unlock(&queue->mutex);
    return open;
}

static void *take(struct os_queue *queue) REQUIRES(queue->mutex) {
    if (queue->n == 0)
        return NULL;
    void *item = queue->items[queue->head];
    queue->head = (queue->head + 1) % queue->limit;
    queue->n--;
    os_cond_signal(&queue->not_full);
    return item;
}

void *os_queue_pop(struct os_queue *queue) {
    os_mutex_lock(&queue->mutex);
    while (queue->n == 0 && !queue->closed)
        os_cond_wait(&queue->not_empty, &queue->mutex);
    void *item = take(queue);
    os_mutex_unlock(&queue->mutex);
    return item;
}

void *os_queue_try_pop(struct os_queue *queue) {
    os_mutex_lock(&queue->mutex);
    void *item = take(queue);
    os_mutex_unlock(&queue->mutex);
    return item;
}

void os_queue_close(struct os_queue *queue) {
    os_mutex_lock(&queue->mutex);
    queue->closed = true;
    os_cond_broadcast(&queue->not_full);
    os_cond_broadcast(&queue->not_empty);
    os_mutex_unlock(&queue->mutex);
}
