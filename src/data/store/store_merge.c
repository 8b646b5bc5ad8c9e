/* Size-tiered merging of runs, in a thread of its own: look-ups stay few, the stream never waits.
 */
#include "data/store/store_int.h"

#define GARBAGE_PERCENT 30u

/* One input of a merge. */
struct source {
    struct store_run *run;
    uint32_t page_i, row_i, row_n;
    struct store_row rows[STORE_RUN_ROWS_PER_PAGE];
};

struct merge {
    struct store *store;
    struct store_run **runs; /* newest first; references */
    size_t run_n;
    struct source *sources;
    bool *gone; /* by ordinal, when the merge began */
    size_t pack_n;
    struct store_run *bad; /* one of runs whose page did not verify */
};

static unsigned tier_of(const struct store *store, const struct store_run *run) {
    unsigned tier = 0;
    for (uint64_t n = run->row_n; n > store->opts.memtable_entries; n /= STORE_MERGE_RUNS)
        tier++;
    return tier;
}

/* How many of the newest runs are best merged now: all up to the first tier with enough of them. */
static size_t tiers_choose(const struct store *store, const struct store_view *view, size_t limit) {
    for (unsigned tier = 0; tier < 64; tier++) {
        size_t n = 0, of_tier = 0;
        for (; n < limit && tier_of(store, view->runs[n]) <= tier; n++)
            of_tier += tier_of(store, view->runs[n]) == tier;
        if (of_tier >= STORE_MERGE_RUNS)
            return n;
        if (n == limit)
            break;
    }
    return 0;
}

/* Rows of packs that were given up, among all. */
static bool much_garbage(const struct store *store, const struct store_view *view) {
    uint64_t rows = 0, dead = 0;
    for (size_t i = 0; i < view->run_n; i++) {
        const struct store_run *run = view->runs[i];
        rows += run->row_n;
        for (uint32_t k = 0; k < run->pack_n; k++)
            if (run->ordinals[k] != STORE_NO_PACK) {
                const struct store_pack *pack = &store->table.packs.p[run->ordinals[k]];
                dead += pack->state == STORE_PACK_GONE ? pack->chunk_n : 0;
            }
    }
    return dead * 100 > rows * GARBAGE_PERCENT;
}

/* Runs that a mark counts by stay as they are, and so do all that are older. */
static size_t choose(struct store *store, struct merge *merge) {
    os_mutex_lock(&store->mutex);
    const struct store_view *view = store->view;
    size_t limit = 0;
    while (limit < view->run_n && atomic_load(&view->runs[limit]->pins) == 0)
        limit++;
    merge->run_n = tiers_choose(store, view, limit);
    if (limit == view->run_n && limit > 1 && much_garbage(store, view))
        merge->run_n = limit;
    merge->runs = mem_new_array(merge->run_n, sizeof(struct store_run *));
    for (size_t i = 0; i < merge->run_n; i++) {
        merge->runs[i] = view->runs[i];
        (void)atomic_fetch_add(&view->runs[i]->refs, 1);
    }
    merge->pack_n = store->table.packs.n;
    merge->gone = mem_new_array(merge->pack_n, sizeof *merge->gone);
    for (size_t i = 0; i < merge->pack_n; i++)
        merge->gone[i] = store->table.packs.p[i].state == STORE_PACK_GONE;
    os_mutex_unlock(&store->mutex);
    return merge->run_n;
}

static void merge_done(struct merge *merge) {
    for (size_t i = 0; i < merge->run_n; i++)
        store_run_unref(merge->runs[i]);
    mem_free(merge->runs);
    mem_free(merge->sources);
    mem_free(merge->gone);
}

static int source_load(struct merge *merge, struct source *source, struct err *err) {
    source->row_i = source->row_n = 0;
    if (source->page_i == source->run->page_n)
        return 0;
    struct err why = {0};
    if (store_run_rows(source->run, source->page_i, source->rows, &source->row_n, &why) == 0) {
        source->page_i++;
        return 0;
    }
    if (why.code == ERR_STORE_CORRUPT)
        merge->bad = source->run;
    if (err != NULL)
        *err = why;
    return -1;
}

static const struct store_row *row_at(const struct source *source) {
    return source->row_i < source->row_n ? &source->rows[source->row_i] : NULL;
}

/* Past every row of this name. */
static int step(struct merge *merge, const uint8_t name[static STORE_NAME_BYTES], struct err *err) {
    for (size_t i = 0; i < merge->run_n; i++) {
        struct source *source = &merge->sources[i];
        const struct store_row *row = row_at(source);
        if (row == NULL || memcmp(row->name, name, STORE_NAME_BYTES) != 0)
            continue;
        if (++source->row_i == source->row_n && source_load(merge, source, err) != 0)
            return -1;
    }
    return 0;
}

static bool readable(struct store *store, const struct store_row *row) {
    os_mutex_lock(&store->mutex);
    bool yes = store_table_readable(&store->table, row->pack, row->segment);
    os_mutex_unlock(&store->mutex);
    return yes;
}

/* The row of the least name that is kept: the newest, unless only an older one can be read.  False:
 * all inputs ended.  row->pack == STORE_NO_PACK: none of that name is kept. */
static bool least(struct merge *merge, struct store_row *row) {
    const struct store_row *first = NULL, *kept = NULL;
    bool unsure = false;
    for (size_t i = 0; i < merge->run_n; i++) {
        const struct store_row *at = row_at(&merge->sources[i]);
        if (at != NULL && (first == NULL || memcmp(at->name, first->name, STORE_NAME_BYTES) < 0))
            first = at;
    }
    if (first == NULL)
        return false;
    for (size_t i = 0; i < merge->run_n; i++) {
        const struct store_row *at = row_at(&merge->sources[i]);
        if (at == NULL || memcmp(at->name, first->name, STORE_NAME_BYTES) != 0 ||
            at->pack == STORE_NO_PACK || merge->gone[at->pack])
            continue;
        if (kept == NULL || (unsure && readable(merge->store, at) && !readable(merge->store, kept)))
            kept = at;
        unsure = true;
    }
    *row = kept != NULL ? *kept : *first;
    if (kept == NULL)
        row->pack = STORE_NO_PACK;
    return true;
}

static bool stopping(struct store *store) {
    os_mutex_lock(&store->mutex);
    bool stop = store->keeper_stop;
    os_mutex_unlock(&store->mutex);
    return stop;
}

static int rows_merge(struct merge *merge, struct store_run_writer *writer, struct err *err) {
    struct store_row row;
    for (size_t i = 0; i < merge->run_n; i++) {
        merge->sources[i].run = merge->runs[i];
        if (source_load(merge, &merge->sources[i], err) != 0)
            return -1;
    }
    for (uint64_t n = 0; least(merge, &row); n++) {
        if (n % 65536 == 0 && stopping(merge->store))
            return ERR(err, ERR_INTERRUPTED, "the store closes");
        if (row.pack != STORE_NO_PACK && store_run_writer_add(writer, &row, err) != 0)
            return -1;
        if (step(merge, row.name, err) != 0)
            return -1;
    }
    return 0;
}

static int merge_write(struct merge *merge, struct err *err) {
    AUTO(store_run_writer) *writer = NULL;
    struct store_run_plan plan = {.low = merge->runs[merge->run_n - 1]->low,
                                  .high = merge->runs[0]->high};
    VEC(uint32_t) packs = {0};
    MEM_AUTO bool *seen = mem_new_array(merge->pack_n, sizeof *seen);
    for (size_t i = 0; i < merge->run_n; i++) {
        plan.row_n_max += merge->runs[i]->row_n;
        for (uint32_t k = 0; k < merge->runs[i]->pack_n; k++) {
            uint32_t ordinal = merge->runs[i]->ordinals[k];
            if (ordinal != STORE_NO_PACK && !merge->gone[ordinal] && !seen[ordinal])
                *vec_push(&packs) = ordinal;
            if (ordinal != STORE_NO_PACK)
                seen[ordinal] = true;
        }
    }
    plan.packs = packs.p;
    plan.pack_n = packs.n;
    int rc = store_run_writer_new(merge->store, &plan, &writer, err);
    vec_done(&packs);
    if (rc != 0)
        return -1;
    merge->sources = mem_new_array(merge->run_n, sizeof *merge->sources);
    if (rows_merge(merge, writer, err) != 0)
        return -1;
    return store_run_writer_finish(writer, err);
}

/* Position of the merged runs in the current view, if they are still there and nothing counts by
 * them.  Under `insert` and the mutex. */
static bool replaceable(const struct store_view *view, const struct merge *merge, size_t *at) {
    for (*at = 0; *at < view->run_n && view->runs[*at] != merge->runs[0]; ++*at)
        ;
    if (view->run_n - *at < merge->run_n)
        return false;
    for (size_t i = 0; i < merge->run_n; i++)
        if (view->runs[*at + i] != merge->runs[i] || atomic_load(&merge->runs[i]->pins) > 0)
            return false;
    return true;
}

/* The merged run is durable: from here on either it or its inputs are enough. */
static bool swap(struct store *store, const struct merge *merge, struct store_run *merged) {
    size_t at, n = 0;
    os_mutex_lock(&store->mutex);
    struct store_view *old = store->view;
    bool yes = replaceable(old, merge, &at);
    if (yes) {
        MEM_AUTO struct store_run **runs = mem_new_array(old->run_n, sizeof *runs);
        for (size_t i = 0; i < old->run_n; i++)
            if (i < at || i >= at + merge->run_n)
                runs[n++] = old->runs[i];
            else if (i == at)
                runs[n++] = merged;
        store->view = store_view_new(runs, n);
    }
    os_mutex_unlock(&store->mutex);
    if (yes)
        store_view_unref(old);
    return yes;
}

static int merge_install(struct merge *merge, struct err *err) {
    struct store *store = merge->store;
    uint64_t low = merge->runs[merge->run_n - 1]->low, high = merge->runs[0]->high;
    char name[OS_NAME_MAX];
    struct store_run *merged;
    if (store_index_open_run(store, low, high, &merged, err) != 0)
        return -1;
    os_mutex_lock(&store->insert);
    bool swapped = swap(store, merge, merged);
    os_mutex_unlock(&store->insert);
    store_run_unref(merged);
    for (size_t i = 0; i < merge->run_n && swapped; i++) {
        store_run_name(name, merge->runs[i]->low, merge->runs[i]->high);
        (void)os_unlink(store->index_fd, name, NULL); /* start-up removes what stays */
    }
    if (!swapped) {
        store_run_name(name, low, high);
        (void)os_unlink(store->index_fd, name, NULL);
    }
    return 0;
}

/* True when a merge was made and another one may be due. */
static bool merge_once(struct store *store) {
    struct merge merge = {.store = store};
    struct err why = {0};
    bool done = choose(store, &merge) > 0;
    if (done) {
        int rc = merge_write(&merge, &why);
        if (rc == 0)
            rc = merge_install(&merge, &why);
        if (rc != 0 && merge.bad != NULL)
            rc = store_index_heal(store, merge.bad, &why);
        done = rc == 0; /* else the next flush asks again */
    }
    merge_done(&merge);
    return done;
}

static void keep(void *arg) {
    struct store *store = arg;
    os_mutex_lock(&store->mutex);
    while (!store->keeper_stop) {
        if (!store->keeper_asked) {
            os_cond_wait(&store->keeper_wake, &store->mutex);
            continue;
        }
        store->keeper_asked = false;
        os_mutex_unlock(&store->mutex);
        bool again = merge_once(store);
        os_mutex_lock(&store->mutex);
        store->keeper_asked = store->keeper_asked || again;
    }
    os_mutex_unlock(&store->mutex);
}

void store_keeper_ask(struct store *store) {
    store->keeper_asked = true;
    os_cond_signal(&store->keeper_wake);
}

int store_keeper_start(struct store *store, struct err *err) {
    return os_thread_start(&store->keeper, "store-keeper", keep, store, err);
}

void store_keeper_stop(struct store *store) {
    os_mutex_lock(&store->mutex);
    store->keeper_stop = true;
    os_cond_broadcast(&store->keeper_wake);
    os_mutex_unlock(&store->mutex);
    os_thread_join(&store->keeper);
}
