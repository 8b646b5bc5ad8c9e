#include "data/scan/scan.h"

#include <errno.h>

#include "base/base.h"
#include "base/text.h"
#include "data/scan/scan_int.h"

static enum err_code root_code(int sys) {
    enum err_code code = os_error_code(sys);
    return code == ERR_NOT_FOUND ? ERR_SOURCE_MISSING : code;
}

static int open_root(const char *root, int *fd, struct os_meta *meta, struct err *err) {
    int sys = os_fs_open_root(root, fd);
    if (sys == 0)
        sys = os_fs_meta(*fd, "", meta);
    if (sys == 0)
        return 0;
    if (sys == ELOOP)
        return ERR(err, ERR_SOURCE_MISSING,
                   "%s is a symbolic link, or lies behind one: name the real folder", root);
    if (sys == ENOTDIR)
        return ERR(err, ERR_SOURCE_MISSING, "%s is not a folder", root);
    return ERR_SYS(err, root_code(sys), sys, "cannot open folder %s", root);
}

static void hand_init(struct scan *scan, struct scan_hand *hand) {
    hand->scan = scan;
    hand->listing.fd = OS_FD_NONE;
    hand->block = mem_new(SCAN_BLOCK_BYTES);
}

static void hand_done(struct scan_hand *hand) {
    scan_listing_done(&hand->listing);
    buf_done(&hand->path);
    mem_free(hand->block);
}

/* Two threads hide most of a warm cache's misses; more only pay while the disk is waited for. */
static unsigned thread_n(const struct scan_opts *opts) {
    if (opts->threads > 0)
        return MIN(opts->threads, SCAN_THREADS_MAX);
    unsigned cpu_n = os_cpu_n();
    return cpu_n < 2 ? 2 : MIN(cpu_n, 4u);
}

/* The root is listed before anything is promised: one that cannot be read is an error, not an
 * empty source. */
static int list_root(struct scan *scan, const struct os_meta *meta, const char *root,
                     struct err *err) {
    struct scan_hand *hand = &scan->self;
    int sys = os_fs_open_dir(scan->root_fd, "", 0, &hand->listing.fd);
    if (sys != 0)
        return ERR_SYS(err, root_code(sys), sys, "cannot open folder %s", root);
    struct scan_dir *dir = scan_dir_new(scan, span_of("", 0), meta->dev, meta->ino);
    sys = scan_list_dir(hand, dir, hand->listing.fd);
    if (sys != 0) {
        scan_dir_drop(dir);
        return ERR_SYS(err, root_code(sys), sys, "cannot list folder %s", root);
    }
    struct scan_batch *batch = scan_batch_new(dir, 1, 1);
    struct scan_entry *entry = &batch->entries[0];
    entry->batch = batch;
    entry->name = (const char *)&batch->entries[1]; /* "" */
    entry->meta.path = span_of(entry->name, 0);
    scan_entry_fill(entry, meta);
    atomic_store(&scan->found, 1);
    scan_plan_start(scan, batch);
    scan_dir_drop(dir);
    return 0;
}

static int start_hands(struct scan *scan, unsigned n, struct err *err) {
    scan->hands = mem_new_array(n, sizeof *scan->hands);
    for (unsigned i = 0; i < n; i++) {
        struct scan_hand *hand = &scan->hands[i];
        hand_init(scan, hand);
        scan->hand_n++;
        if (os_thread_start(&hand->thread, "scan", scan_work, hand, err) != 0)
            return -1;
    }
    return 0;
}

int scan_open(const char *root, const struct scan_opts *opts, struct scan **out, struct err *err) {
    AUTO(scan) *scan = mem_new(sizeof *scan);
    scan->root_fd = OS_FD_NONE;
    scan->opts = *opts;
    os_mutex_init(&scan->mutex);
    os_cond_init(&scan->work);
    os_cond_init(&scan->progress);
    hand_init(scan, &scan->self);
    struct os_meta meta;
    if (open_root(root, &scan->root_fd, &meta, err) != 0)
        return -1;
    scan->root_dev = meta.dev;
    scan->exclude = scan_exclude_new(opts->excludes, opts->exclude_n);
    scan->opts.excludes = NULL;
    if (list_root(scan, &meta, root, err) != 0 || start_hands(scan, thread_n(opts), err) != 0)
        return -1;
    *out = TAKE(scan);
    return 0;
}

void scan_close(struct scan *scan) {
    if (scan == NULL)
        return;
    os_mutex_lock(&scan->mutex);
    scan->stop = true;
    os_cond_broadcast(&scan->work);
    os_mutex_unlock(&scan->mutex);
    for (unsigned i = 0; i < scan->hand_n; i++) {
        os_thread_join(&scan->hands[i].thread);
        hand_done(&scan->hands[i]);
    }
    mem_free(scan->hands);
    if (scan->batch != NULL)
        scan_batch_drop(scan->batch, scan->to - scan->at);
    scan_plan_done(scan);
    hand_done(&scan->self);
    scan_links_done(&scan->links);
    scan_exclude_free(scan->exclude);
    os_close(&scan->root_fd);
    os_cond_done(&scan->work);
    os_cond_done(&scan->progress);
    os_mutex_done(&scan->mutex);
    mem_free(scan);
}

int scan_next(struct scan *scan, struct scan_entry **entry, struct err *err) {
    (void)err; /* whatever goes wrong below the root is the problem of an entry */
    *entry = NULL;
    if (scan->at == scan->to && !scan_advance(scan)) {
        scan->batch = NULL;
        return 0;
    }
    struct scan_entry *next = &scan->batch->entries[scan->at++];
    scan_links_mark(&scan->links, next);
    *entry = next;
    return 0;
}

void scan_entry_free(struct scan_entry *entry) {
    if (entry != NULL)
        scan_batch_drop(entry->batch, 1);
}

struct scan_sum scan_found(struct scan *scan) {
    os_mutex_lock(&scan->mutex);
    bool complete = scan->ends.todo_next == &scan->ends;
    os_mutex_unlock(&scan->mutex);
    return (struct scan_sum){
        .entries = atomic_load_explicit(&scan->found, memory_order_relaxed),
        .bytes = atomic_load_explicit(&scan->found_bytes, memory_order_relaxed),
        .complete = complete,
    };
}
