/* The places of one window, found by chunk name; segments are handed to the workers as they
 * come. */
#include "flow/restore/restore_int.h"

static uint32_t *slot_of(const struct restoring *restoring, const struct digest *name) {
    uint32_t i = be32_get(name->b) & (WINDOW_SLOTS - 1);
    while (restoring->slots[i] != 0 &&
           !digest_equal(&restoring->places[restoring->slots[i] - 1].name, name))
        i = (i + 1) & (WINDOW_SLOTS - 1);
    return &restoring->slots[i];
}

void window_add(struct restoring *restoring, struct target_file *file, const struct chunk_ref *ref,
                uint64_t offset) {
    INVARIANT(restoring->place_n < RESTORE_WINDOW_CHUNKS);
    uint32_t i = restoring->place_n++;
    struct place *place = &restoring->places[i];
    uint32_t *slot = slot_of(restoring, &ref->name);
    place->name = ref->name;
    place->file = file;
    place->offset = offset;
    place->length = ref->length;
    place->next = *slot; /* names are equal: a list of the places that want the same bytes */
    atomic_store_explicit(&place->done, false, memory_order_relaxed);
    *slot = i + 1;
    atomic_fetch_add(&file->missing, 1);
}

struct place *window_find(const struct restoring *restoring, const struct digest *name) {
    uint32_t i = *slot_of(restoring, name);
    return i != 0 ? &restoring->places[i - 1] : NULL;
}

static int submit(struct restoring *restoring, struct span body, struct err *err) {
    if (restoring_check(restoring, err) != 0)
        return -1;
    struct buf *task = mem_new(sizeof *task);
    buf_put_span(task, body);
    os_mutex_lock(&restoring->mutex);
    restoring->queued++;
    os_mutex_unlock(&restoring->mutex);
    INVARIANT(os_queue_push(restoring->work, task)); /* closed only by this thread */
    return 0;
}

static int settle(struct restoring *restoring, struct err *err) {
    os_mutex_lock(&restoring->mutex);
    while (restoring->queued > 0 && !restoring->failed)
        os_cond_wait(&restoring->changed, &restoring->mutex);
    os_mutex_unlock(&restoring->mutex);
    return restoring_check(restoring, err);
}

void window_abandon(struct restoring *restoring) {
    for (uint32_t i = 0; i < restoring->place_n; i++) {
        struct place *place = &restoring->places[i];
        if (atomic_exchange(&place->done, true))
            continue;
        atomic_store(&place->file->lost, true);
        target_file_release(restoring, place->file);
    }
    restoring->place_n = 0;
}

int window_run(struct restoring *restoring, struct err *err) {
    for (;;) {
        enum frame_type type;
        struct span body;
        if (channel_receive(restoring->channel, &type, &body, CHANNEL_IDLE_MS, err) != 0)
            return -1;
        if (type == FRAME_TYPE_window_done)
            break;
        if (type != FRAME_TYPE_pick)
            return ERR(err, ERR_PROTOCOL, "%s arrived, content was due", frame_type_name(type));
        if (submit(restoring, body, err) != 0)
            return -1;
    }
    if (settle(restoring, err) != 0)
        return -1;
    window_abandon(restoring); /* what did not come is damaged or missing at the server */
    memset(restoring->slots, 0, WINDOW_SLOTS * sizeof *restoring->slots);
    return 0;
}
