/* Sealing: a thread of each writer makes full packs durable, so that the stream does not wait. */
#include "data/store/store_int.h"

int store_writer_turn(struct store_writer *writer, struct err *err) {
    struct store_build *full = writer->current;
    while (!writer->dead && writer->current == full && writer->waiting_n >= STORE_WAITING_MAX)
        os_cond_wait(&writer->changed, &writer->mutex);
    if (writer->dead)
        return store_writer_die(writer, &writer->error, err);
    if (writer->current != full)
        return 0; /* another thread did it while this one waited */
    writer->current = NULL;
    *writer->waiting_end = full;
    writer->waiting_end = &full->next;
    writer->waiting_n++;
    writer->turned_n++;
    os_cond_broadcast(&writer->changed);
    return 0;
}

/* The oldest full pack, once nobody writes to it any more; NULL when the writer ends. */
static struct store_build *next_full(struct store_writer *writer) REQUIRES(writer->mutex) {
    while (!writer->closing &&
           (writer->dead || writer->waiting == NULL || writer->waiting->busy > 0))
        os_cond_wait(&writer->changed, &writer->mutex);
    return writer->closing ? NULL : writer->waiting;
}

/* The pack stays in the list, and so its chunks stay known, until the index has them. */
static void drop_first(struct store_writer *writer) REQUIRES(writer->mutex) {
    struct store_build *build = writer->waiting;
    writer->waiting = build->next;
    if (writer->waiting == NULL)
        writer->waiting_end = &writer->waiting;
    writer->waiting_n--;
    writer->sealed_n++;
    store_build_free(build);
}

void store_writer_run(void *arg) {
    struct store_writer *writer = arg;
    struct store_build *build;
    os_mutex_lock(&writer->mutex);
    while ((build = next_full(writer)) != NULL) {
        struct err why = {0};
        os_mutex_unlock(&writer->mutex);
        int rc = store_build_seal(build, &why);
        os_mutex_lock(&writer->mutex);
        if (rc != 0)
            (void)store_writer_die(writer, &why, NULL);
        drop_first(writer);
        os_cond_broadcast(&writer->changed);
    }
    os_mutex_unlock(&writer->mutex);
}

/* What others put meanwhile is the next sync's: else a stream of puts would never let this one end.
 * A pack that was made for a record whose chunks came by another thread has nothing to seal yet. */
int store_writer_sync(struct store_writer *writer, struct err *err) {
    os_mutex_lock(&writer->mutex);
    bool due = writer->current != NULL && writer->current->segments.n > 0;
    int rc = due ? store_writer_turn(writer, err) : 0;
    uint64_t turned_n = writer->turned_n;
    while (!writer->dead && writer->sealed_n < turned_n)
        os_cond_wait(&writer->changed, &writer->mutex);
    if (writer->dead)
        rc = store_writer_die(writer, &writer->error, err);
    os_mutex_unlock(&writer->mutex);
    if (rc == 0) { /* a commit may follow: every pack is looked at once more before it (I5) */
        os_mutex_lock(&writer->store->mutex);
        writer->store->generation++;
        os_mutex_unlock(&writer->store->mutex);
    }
    return rc;
}
