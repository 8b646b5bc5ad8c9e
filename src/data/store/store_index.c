/* Where a chunk lies: memtable, then runs from the newest to the oldest. */
#include "data/store/store_int.h"

#define HEAL_TRIES 8u
#define ADD_BATCH 1024u

struct store_view *store_view_current(struct store *store) {
    os_mutex_lock(&store->mutex);
    struct store_view *view = store_view_ref(store->view);
    os_mutex_unlock(&store->mutex);
    return view;
}

void store_view_install(struct store *store, struct store_run *const *runs, size_t run_n) {
    struct store_view *view = store_view_new(runs, run_n);
    os_mutex_lock(&store->mutex);
    struct store_view *old = store->view;
    store->view = view;
    os_mutex_unlock(&store->mutex);
    store_view_unref(old);
}

/* A condemned row is in use again.  A run that the condemnation did not see is newer than it, and
 * nothing in it is condemned.  Under the mutex, together with the check that the pack is there. */
static void revive(struct store *store, const struct store_run *run, uint64_t position,
                   uint32_t pack) {
    struct store_condemned *condemned = store->condemned;
    if (condemned == NULL)
        return;
    for (size_t i = 0; i < condemned->live.view->run_n; i++)
        if (condemned->live.view->runs[i] == run && store_live_set(&condemned->live, i, position))
            condemned->touched[pack] = true;
}

static int find_in_runs(struct store *store, struct store_view *view, const struct digest *keyed,
                        enum store_find how, bool *found, struct store_row *row, size_t *run_i,
                        struct err *err) {
    struct store_run_page page;
    for (*run_i = 0; *run_i < view->run_n && !*found; ++*run_i) {
        struct store_run *run = view->runs[*run_i];
        uint64_t position;
        page.row_n = 0;
        if (store_run_find(run, keyed->b, &page, row, &position, err) != 0)
            return -1;
        if (position == STORE_ROW_NOWHERE)
            continue;
        os_mutex_lock(&store->mutex);
        *found = store_table_readable(&store->table, row->pack, row->segment);
        if (*found && how == STORE_FIND_USE)
            revive(store, run, position, row->pack);
        os_mutex_unlock(&store->mutex);
    }
    return 0;
}

/* *bad: a reference to the run whose page did not verify. */
static int find_once(struct store *store, const struct digest *keyed, enum store_find how,
                     bool *found, struct store_row *row, struct store_run **bad, struct err *err) {
    struct err why = {0};
    size_t run_i;
    os_mutex_lock(&store->mutex);
    const struct store_row *fresh = store_memtable_get(&store->memtable, keyed->b);
    *found = fresh != NULL && store_table_readable(&store->table, fresh->pack, fresh->segment);
    if (*found)
        *row = *fresh;
    struct store_view *view = *found ? NULL : store_view_ref(store->view);
    os_mutex_unlock(&store->mutex);
    if (view == NULL)
        return 0;
    int rc = find_in_runs(store, view, keyed, how, found, row, &run_i, &why);
    if (rc != 0 && why.code == ERR_STORE_CORRUPT) {
        *bad = view->runs[run_i];
        (void)atomic_fetch_add(&(*bad)->refs, 1);
    }
    if (rc != 0 && err != NULL)
        *err = why;
    store_view_unref(view);
    return rc;
}

int store_index_find(struct store *store, const struct digest *keyed, enum store_find how,
                     bool *found, struct store_row *row, struct err *err) {
    for (unsigned i = 0;; i++) {
        struct store_run *bad = NULL;
        int rc = find_once(store, keyed, how, found, row, &bad, err);
        if (rc == 0 || bad == NULL)
            return rc;
        if (i < HEAL_TRIES)
            rc = store_index_heal(store, bad, err);
        store_run_unref(bad);
        if (rc != 0)
            return -1;
    }
}

static uint32_t known_pack(void *ctx, const struct store_pack *pack) {
    struct store *store = ctx;
    os_mutex_lock(&store->mutex);
    uint32_t ordinal = store_table_find(&store->table, pack->id);
    os_mutex_unlock(&store->mutex);
    return ordinal;
}

int store_index_open_run(struct store *store, uint64_t low, uint64_t high, struct store_run **out,
                         struct err *err) {
    char name[OS_NAME_MAX];
    store_run_name(name, low, high);
    return store_run_open(store, name, known_pack, store, out, err);
}

static int run_write(struct store *store, const struct store_row *rows, size_t row_n,
                     uint64_t number, struct err *err) {
    AUTO(store_run_writer) *writer = NULL;
    struct store_run_plan plan = {.low = number,
                                  .high = number,
                                  .row_n_max = row_n,
                                  .packs = store->fresh.p,
                                  .pack_n = store->fresh.n};
    if (store_run_writer_new(store, &plan, &writer, err) != 0)
        return -1;
    for (size_t i = 0; i < row_n; i++)
        if (store_run_writer_add(writer, &rows[i], err) != 0)
            return -1;
    return store_run_writer_finish(writer, err);
}

/* Under `insert`, so the memtable does not change below us: the mutex is for the swap only. */
int store_index_flush(struct store *store, struct err *err) {
    if (store->memtable.n == 0)
        return 0;
    MEM_AUTO struct store_row *rows = store_memtable_sorted(&store->memtable);
    uint64_t number = ++store->run_last;
    struct store_run *run;
    if (run_write(store, rows, store->memtable.n, number, err) != 0 ||
        store_index_open_run(store, number, number, &run, err) != 0)
        return ERR_NOTE(err, "index");
    os_mutex_lock(&store->mutex);
    struct store_view *old = store->view;
    MEM_AUTO struct store_run **runs = mem_new_array(old->run_n + 1, sizeof *runs);
    runs[0] = run;
    memcpy(runs + 1, old->runs, old->run_n * sizeof *runs);
    store->view = store_view_new(runs, old->run_n + 1);
    store_memtable_done(&store->memtable);
    store_memtable_init(&store->memtable);
    store_keeper_ask(store);
    os_mutex_unlock(&store->mutex);
    store->fresh.n = 0;
    store_run_unref(run);
    store_view_unref(old);
    return 0;
}

static void row_of(const struct pack_walk *walk, uint32_t ordinal, struct store_row *row) {
    memcpy(row->name, walk->chunk.name.b, sizeof row->name);
    row->pack = ordinal;
    row->segment = walk->segment_off;
    row->offset = walk->offset;
    row->length = walk->chunk.length;
}

void store_index_add(struct store *store, uint32_t ordinal, const struct pack_footer *footer) {
    if (store->memtable.n > 0 &&
        store->memtable.n + footer->chunk_n > store->opts.memtable_entries &&
        store_index_flush(store, NULL) != 0) {
        /* The index is a cache: the memtable grows until a disk takes it. */
    }
    struct pack_walk walk = pack_walk_of(footer);
    bool more = true;
    while (more) {
        os_mutex_lock(&store->mutex);
        for (uint32_t i = 0; i < ADD_BATCH && (more = pack_walk_next(&walk)); i++) {
            struct store_row row;
            row_of(&walk, ordinal, &row);
            store_memtable_put(&store->memtable, &row);
        }
        os_mutex_unlock(&store->mutex);
    }
    os_mutex_lock(&store->mutex);
    struct store_pack *pack = &store->table.packs.p[ordinal];
    pack->indexed = true;
    pack->chunk_n = footer->chunk_n;
    pack->plain_bytes = footer->plain_bytes;
    os_mutex_unlock(&store->mutex);
    *vec_push(&store->fresh) = ordinal;
}

/* The header's part of a row of the table. */
static int pack_born(struct store *store, const struct store_pack_file *file, struct err *err) {
    struct pack_header header;
    if (pack_header_get(span_of(file->header, sizeof file->header), &header, err) != 0)
        return -1;
    os_mutex_lock(&store->mutex);
    struct store_pack *pack = &store->table.packs.p[file->ordinal];
    memcpy(pack->job, header.job, sizeof pack->job);
    memcpy(pack->source, header.source, sizeof pack->source);
    os_mutex_unlock(&store->mutex);
    return 0;
}

int store_index_pack(struct store *store, uint32_t ordinal, struct err *err) {
    struct store_pack_file file = {.object = NULL};
    struct buf bytes = {0};
    struct pack_footer footer;
    struct err why = {0};
    bool whole = false;
    int rc = store_pack_open(store, ordinal, &file, &why);
    if (rc == 0)
        rc = pack_born(store, &file, &why);
    if (rc == 0)
        rc = store_pack_rows(store, &file, &bytes, &footer, &whole, &why);
    if (rc == 0)
        store_index_add(store, ordinal, &footer);
    buf_done(&bytes);
    store_pack_file_done(&file);
    if (whole)
        return 0;
    bool absent = why.code == ERR_NOT_FOUND;
    if (rc != 0 && !absent && !store_pack_is_damage(&why)) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    os_mutex_lock(&store->mutex);
    store->table.packs.p[ordinal].indexed = true;
    if (absent)
        store->table.packs.p[ordinal].state = STORE_PACK_LOST;
    else
        (void)store_table_damage(&store->table, ordinal, rc == 0 ? STORE_FOOTER : STORE_WHOLE_PACK);
    store->damage_revision++;
    os_mutex_unlock(&store->mutex);
    return 0;
}

/* The run's packs, as far as their files are there. */
static int reindex(struct store *store, const struct store_run *run, struct err *err) {
    for (uint32_t i = 0; i < run->pack_n; i++) {
        uint32_t ordinal = run->ordinals[i];
        os_mutex_lock(&store->mutex);
        bool there =
            ordinal != STORE_NO_PACK && store->table.packs.p[ordinal].state == STORE_PACK_SEALED;
        if (there) /* its bits are lost with the run */
            store_condemned_touch(store->condemned, ordinal);
        os_mutex_unlock(&store->mutex);
        if (there && store_index_pack(store, ordinal, err) != 0)
            return -1;
    }
    return 0;
}

int store_index_heal(struct store *store, struct store_run *bad, struct err *err) {
    os_mutex_lock(&store->insert);
    struct store_view *view = store_view_current(store);
    size_t n = 0;
    bool here = false;
    for (size_t i = 0; i < view->run_n; i++)
        here = here || view->runs[i] == bad;
    int rc = here ? reindex(store, bad, err) : 0;
    store_view_unref(view);
    view = store_view_current(store); /* with what was flushed meanwhile */
    MEM_AUTO struct store_run **now = mem_new_array(view->run_n, sizeof *now);
    for (size_t i = 0; i < view->run_n; i++)
        if (view->runs[i] != bad)
            now[n++] = view->runs[i];
    if (rc == 0 && here) {
        char name[OS_NAME_MAX];
        store_run_name(name, bad->low, bad->high);
        store_view_install(store, now, n);
        (void)os_unlink(store->index_fd, name, NULL); /* one that stays is refused at start */
    }
    store_view_unref(view);
    os_mutex_unlock(&store->insert);
    return rc;
}
