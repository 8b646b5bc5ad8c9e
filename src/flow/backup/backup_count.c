/* A second walk beside the first backup of a large tree, so that its progress has an end: it reads
 * no content, and what it looks at the first walk finds in memory. */
#include <stdatomic.h>

#include "flow/backup/backup_int.h"

struct counting {
    struct scan *scan;
    struct os_thread thread;
    _Atomic uint64_t bytes;
    _Atomic bool stop;
};

static void count_main(void *arg) {
    struct counting *counting = arg;
    for (struct scan_entry *entry; !atomic_load(&counting->stop);) {
        if (scan_next(counting->scan, &entry, NULL) != 0)
            return;
        if (entry == NULL) {
            atomic_store(&counting->bytes, scan_found(counting->scan).bytes);
            return;
        }
        scan_entry_free(entry);
    }
}

struct counting *counting_start(const struct backup_order *order) {
    struct counting *counting = mem_new(sizeof *counting);
    struct scan_opts opts = order->scan;
    opts.threads = 1;
    if (scan_open(order->root, &opts, &counting->scan, NULL) == 0)
        (void)os_thread_start(&counting->thread, "backup-count", count_main, counting, NULL);
    return counting;
}

uint64_t counting_bytes(const struct counting *counting) {
    return atomic_load(&counting->bytes);
}

void counting_free(struct counting *counting) {
    if (counting == NULL)
        return;
    atomic_store(&counting->stop, true);
    os_thread_join(&counting->thread);
    scan_close(counting->scan);
    mem_free(counting);
}
