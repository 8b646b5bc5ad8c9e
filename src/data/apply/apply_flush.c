/* Syncs the target each time so much was restored, beside the restore.  The kernel tells a failed
 * write-back once per descriptor: what is told here is kept for apply_finish. */
#include "base/base.h"
#include "data/apply/apply_int.h"

#define FLUSH_BYTES (96u << 20)

static void flush_main(void *arg) {
    struct apply *apply = arg;
    os_mutex_lock(&apply->mutex);
    while (!apply->flush_stop) {
        if (!apply->flush_asked) {
            os_cond_wait(&apply->flush_due, &apply->mutex);
            continue;
        }
        apply->flush_asked = false;
        os_mutex_unlock(&apply->mutex);
        int sys = os_fs_sync(apply->root_fd);
        os_mutex_lock(&apply->mutex);
        if (apply->flush_sys == 0)
            apply->flush_sys = sys;
    }
    os_mutex_unlock(&apply->mutex);
}

int apply_flush_start(struct apply *apply, struct err *err) {
    return os_thread_start(&apply->flusher, "apply-flush", flush_main, apply, err);
}

void apply_flush_note(struct apply *apply, uint64_t bytes) {
    os_mutex_lock(&apply->mutex);
    if (bytes >= apply->flushed_at + FLUSH_BYTES) {
        apply->flushed_at = bytes;
        apply->flush_asked = true;
        os_cond_broadcast(&apply->flush_due);
    }
    os_mutex_unlock(&apply->mutex);
}

void apply_flush_stop(struct apply *apply) {
    os_mutex_lock(&apply->mutex);
    apply->flush_stop = true;
    os_cond_broadcast(&apply->flush_due);
    os_mutex_unlock(&apply->mutex);
    os_thread_join(&apply->flusher);
}
