#include "base/base.h"
#include "data/scan/scan_int.h"

/* ---- the two lists ---- */

static bool is_todo(const struct scan_step *step) {
    return step->kind != STEP_READY;
}

static void insert_before(struct scan_step *place, struct scan_step *step) {
    step->next = place;
    step->prev = place->prev;
    place->prev->next = step;
    place->prev = step;
}

static void insert_todo_before(struct scan_step *place, struct scan_step *step) {
    step->todo_next = place;
    step->todo_prev = place->todo_prev;
    place->todo_prev->todo_next = step;
    place->todo_prev = step;
}

static void unlink_step(struct scan_step *step) {
    step->prev->next = step->next;
    step->next->prev = step->prev;
    if (is_todo(step)) {
        step->todo_prev->todo_next = step->todo_next;
        step->todo_next->todo_prev = step->todo_prev;
    }
}

/* Steps that came out of one, on their way into its place. */
struct chain {
    struct scan_step *first, *last;
    size_t ready_n; /* entries */
};

static void chain_add(struct chain *chain, struct scan_step step) {
    struct scan_step *own = mem_copy(&step, sizeof step);
    if (chain->last != NULL)
        chain->last->next = own;
    else
        chain->first = own;
    chain->last = own;
    chain->ready_n += step.kind == STEP_READY ? step.to - step.from : 0;
}

static void add_ready(struct chain *chain, struct scan_batch *batch, uint32_t from, uint32_t to) {
    if (from < to)
        chain_add(chain,
                  (struct scan_step){.kind = STEP_READY, .batch = batch, .from = from, .to = to});
}

static bool is_descended(const struct scan *scan, const struct scan_entry *entry) {
    return entry->meta.kind == ENTRY_DIR && entry->problem == 0 &&
           (!scan->opts.one_file_system || entry->meta.dev == scan->root_dev);
}

/* Entries of a batch, interrupted at each directory by what lies in it. */
static void add_batch(struct scan *scan, struct chain *chain, struct scan_batch *batch) {
    uint32_t from = 0;
    for (uint32_t i = 0; i < batch->n; i++) {
        if (!is_descended(scan, &batch->entries[i]))
            continue;
        add_ready(chain, batch, from, i);
        chain_add(chain, (struct scan_step){.kind = STEP_LIST, .batch = batch, .from = i});
        from = i + 1;
    }
    add_ready(chain, batch, from, batch->n);
}

/* What scan_list_dir() found: few names are looked at here and now, many become steps of their
 * own, so that other threads can help. */
static void add_listed(struct scan_hand *hand, struct chain *chain) {
    struct scan_listing *listing = &hand->listing;
    uint32_t n = (uint32_t)listing->names.n;
    if (n == 0 || n <= SCAN_BATCH_ENTRIES) {
        if (n > 0)
            add_batch(hand->scan, chain, scan_stat_batch(hand->scan, listing, 0, n));
        os_close(&listing->fd);
        return;
    }
    struct scan_listing *shared = mem_copy(listing, sizeof *listing);
    *listing = (struct scan_listing){.fd = OS_FD_NONE};
    shared->left = n;
    (void)atomic_fetch_add(&shared->dir->refs, 1);
    chain_add(chain, (struct scan_step){.kind = STEP_STAT, .listing = shared, .to = n});
}

/* ---- working on one step, without the lock ---- */

/* Open the directory the entry names.  Its metadata becomes that of what was opened: a directory
 * put in its place meanwhile is as good. */
static struct scan_dir *open_listed(struct scan *scan, struct scan_entry *entry, int *fd) {
    struct os_meta meta;
    entry->problem = os_fs_open_dir(scan->root_fd, (const char *)entry->meta.path.p, 0, fd);
    if (entry->problem == 0)
        entry->problem = os_fs_meta(*fd, "", &meta);
    if (entry->problem != 0)
        return NULL;
    scan_entry_fill(entry, &meta);
    return is_descended(scan, entry)
               ? scan_dir_new(scan, entry->meta.path, entry->meta.dev, entry->meta.ino)
               : NULL;
}

static void run_list(struct scan_hand *hand, const struct scan_step *step, struct chain *chain) {
    struct scan_entry *entry = &step->batch->entries[step->from];
    struct scan_dir *dir = open_listed(hand->scan, entry, &hand->listing.fd);
    if (dir != NULL)
        entry->problem = scan_list_dir(hand, dir, hand->listing.fd);
    add_ready(chain, step->batch, step->from, step->from + 1);
    if (dir == NULL) {
        os_close(&hand->listing.fd);
        return;
    }
    add_listed(hand, chain);
    scan_dir_drop(dir);
}

static void run_step(struct scan_hand *hand, const struct scan_step *step, struct chain *chain) {
    if (step->kind == STEP_LIST)
        run_list(hand, step, chain);
    else
        add_batch(hand->scan, chain,
                  scan_stat_batch(hand->scan, step->listing, step->from, step->to));
}

/* ---- taking and putting, with the lock ---- */

static void free_shared(struct scan_listing *listing) {
    scan_dir_drop(listing->dir);
    scan_listing_done(listing);
    mem_free(listing);
}

/* Make a step ours; of many names only one batch, the rest stays for others. */
static struct scan_step *grab(struct scan_step *step) {
    step->busy = true;
    if (step->kind == STEP_STAT && step->to - step->from > SCAN_BATCH_ENTRIES) {
        struct scan_step *rest = mem_copy(step, sizeof *step);
        step->to = rest->from = step->from + SCAN_BATCH_ENTRIES;
        rest->busy = false;
        insert_before(step->next, rest);
        insert_todo_before(step->todo_next, rest);
    }
    return step;
}

/* The first step that nobody has; NULL when there is none or enough is ready. */
static struct scan_step *next_step(struct scan *scan) {
    if (scan->ahead >= SCAN_AHEAD_ENTRIES)
        return NULL;
    for (struct scan_step *step = scan->ends.todo_next; step != &scan->ends; step = step->todo_next)
        if (!step->busy)
            return grab(step);
    return NULL;
}

/* Replace a finished step by what came out of it, and wake who waits for that. */
static void put_chain(struct scan *scan, struct scan_step *done, struct chain *chain) {
    for (struct scan_step *step = chain->first, *next; step != NULL; step = next) {
        next = step->next;
        insert_before(done, step);
        if (is_todo(step))
            insert_todo_before(done, step);
    }
    unlink_step(done);
    scan->ahead += chain->ready_n;
    if (done->kind == STEP_STAT) {
        done->listing->left -= done->to - done->from;
        if (done->listing->left == 0)
            free_shared(done->listing);
    }
    mem_free(done);
    if (scan->idle_n > 0 && scan->ahead < SCAN_AHEAD_ENTRIES)
        os_cond_signal(&scan->work);
    if (scan->consumer_sleeps)
        os_cond_signal(&scan->progress);
}

void scan_work(void *arg) {
    struct scan_hand *hand = arg;
    struct scan *scan = hand->scan;
    os_mutex_lock(&scan->mutex);
    while (!scan->stop) {
        struct scan_step *step = next_step(scan);
        if (step == NULL) {
            scan->idle_n++;
            os_cond_wait(&scan->work, &scan->mutex);
            scan->idle_n--;
            continue;
        }
        os_mutex_unlock(&scan->mutex);
        struct chain chain = {0};
        run_step(hand, step, &chain);
        os_mutex_lock(&scan->mutex);
        put_chain(scan, step, &chain);
    }
    os_mutex_unlock(&scan->mutex);
}

static void take_ready(struct scan *scan, struct scan_step *step) {
    scan->batch = step->batch;
    scan->at = step->from;
    scan->to = step->to;
    scan->ahead -= step->to - step->from;
    unlink_step(step);
    mem_free(step);
    /* Idle workers are woken when half of the room is free again, not for every entry. */
    if (scan->idle_n > 0 && scan->ahead < SCAN_AHEAD_ENTRIES / 2 &&
        scan->ends.todo_next != &scan->ends)
        os_cond_signal(&scan->work);
}

bool scan_advance(struct scan *scan) {
    bool found = false;
    os_mutex_lock(&scan->mutex);
    for (;;) {
        struct scan_step *front = scan->ends.next;
        found = front != &scan->ends;
        if (!found || front->kind == STEP_READY)
            break;
        struct scan_step *step = front->busy ? next_step(scan) : grab(front);
        if (step == NULL) { /* the front is in a worker's hands, and so is all else */
            scan->consumer_sleeps = true;
            os_cond_wait(&scan->progress, &scan->mutex);
            scan->consumer_sleeps = false;
            continue;
        }
        os_mutex_unlock(&scan->mutex);
        struct chain chain = {0};
        run_step(&scan->self, step, &chain);
        os_mutex_lock(&scan->mutex);
        put_chain(scan, step, &chain);
    }
    if (found)
        take_ready(scan, scan->ends.next);
    os_mutex_unlock(&scan->mutex);
    return found;
}

void scan_plan_start(struct scan *scan, struct scan_batch *root) {
    struct scan_step *ends = &scan->ends;
    ends->prev = ends->next = ends->todo_prev = ends->todo_next = ends;
    struct chain chain = {0};
    add_ready(&chain, root, 0, 1);
    add_listed(&scan->self, &chain);
    for (struct scan_step *step = chain.first, *next; step != NULL; step = next) {
        next = step->next;
        insert_before(ends, step);
        if (is_todo(step))
            insert_todo_before(ends, step);
    }
    scan->ahead = chain.ready_n;
}

void scan_plan_done(struct scan *scan) {
    while (scan->ends.next != NULL && scan->ends.next != &scan->ends) {
        struct scan_step *step = scan->ends.next;
        unlink_step(step);
        if (step->kind == STEP_READY)
            scan_batch_drop(step->batch, step->to - step->from);
        else if (step->kind == STEP_LIST)
            scan_batch_drop(step->batch, 1);
        else if ((step->listing->left -= step->to - step->from) == 0)
            free_shared(step->listing);
        mem_free(step);
    }
}
