/* What is live: one bit for each row of the index that existed when the mark began. */
#include "data/store/store_int.h"

#define BATCH_NAMES (256u << 10) /* looked up together, in order: each page is read once */

void store_live_init(struct store_live *live, struct store_view *view) {
    live->view = view;
    live->bits = mem_new_array(view->run_n, sizeof *live->bits);
    for (size_t i = 0; i < view->run_n; i++) {
        (void)atomic_fetch_add(&view->runs[i]->pins, 1);
        live->bits[i] = mem_new((size_t)view->runs[i]->page_n * STORE_RUN_ROWS_PER_PAGE / 8 + 1);
    }
}

void store_live_done(struct store_live *live) {
    if (live->view == NULL)
        return;
    for (size_t i = 0; i < live->view->run_n; i++) {
        (void)atomic_fetch_sub(&live->view->runs[i]->pins, 1);
        mem_free(live->bits[i]);
    }
    mem_free(live->bits);
    store_view_unref(TAKE(live->view));
}

bool store_live_set(struct store_live *live, size_t run_i, uint64_t position) {
    uint8_t *byte = &live->bits[run_i][position / 8], bit = (uint8_t)(1u << position % 8);
    bool fresh = (*byte & bit) == 0;
    *byte |= bit;
    return fresh;
}

bool store_live_get(const struct store_live *live, size_t run_i, uint64_t position) {
    return (live->bits[run_i][position / 8] >> position % 8 & 1) != 0;
}

static uint64_t oldest_writer(const struct store *store) {
    uint64_t oldest = UINT64_MAX;
    for (const struct store_writer *writer = store->writers; writer != NULL; writer = writer->next)
        oldest = MIN(oldest, writer->epoch);
    return oldest;
}

int store_mark_begin(struct store *store, struct store_mark **out, struct err *err) {
    struct store_mark *mark = mem_new(sizeof *mark);
    mark->store = store;
    os_mutex_lock(&store->insert);
    struct err why = {0};
    int rc = store_index_flush(store, &why); /* so that every row that exists has a bit */
    if (rc != 0 && store_reserve_use(store, &why))
        rc = store_index_flush(store, &why);
    if (rc == 0) {
        os_mutex_lock(&store->mutex);
        store_live_init(&mark->live, store_view_ref(store->view));
        mark->epoch = store->epoch;
        mark->oldest_writer = oldest_writer(store);
        mark->damage_revision = store->damage_revision;
        os_mutex_unlock(&store->mutex);
    }
    os_mutex_unlock(&store->insert);
    if (rc != 0) {
        store_mark_free(mark);
        if (err != NULL)
            *err = why;
        return -1;
    }
    *out = mark;
    return 0;
}

void store_mark_free(struct store_mark *mark) {
    if (mark == NULL)
        return;
    store_live_done(&mark->live);
    vec_done(&mark->names);
    mem_free(mark);
}

/* Mark the copy that a look-up would give; when none can be read, all: what is damaged must not be
 * thrown away before it is healed. */
static int mark_one(struct store_mark *mark, struct store_run_page *pages,
                    const struct digest *keyed, size_t *run_i, struct err *err) {
    struct store *store = mark->store;
    struct store_live *live = &mark->live;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (*run_i = 0; *run_i < live->view->run_n; ++*run_i) {
            struct store_row row;
            uint64_t position;
            if (store_run_find(live->view->runs[*run_i], keyed->b, &pages[*run_i], &row, &position,
                               err) != 0)
                return -1;
            if (position == STORE_ROW_NOWHERE)
                continue;
            os_mutex_lock(&store->mutex);
            bool readable = store_table_readable(&store->table, row.pack, row.segment);
            os_mutex_unlock(&store->mutex);
            if (readable || pass == 1)
                (void)store_live_set(live, *run_i, position);
            if (readable)
                return 0;
        }
    }
    return 0;
}

static int by_bytes(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct digest));
}

int store_mark_apply(struct store_mark *mark, struct err *err) {
    struct err why = {0};
    size_t run_i = 0;
    MEM_AUTO struct store_run_page *pages =
        mem_new_array(mark->live.view->run_n, sizeof(struct store_run_page));
    if (mark->names.n > 1)
        qsort(mark->names.p, mark->names.n, sizeof *mark->names.p, by_bytes);
    for (size_t i = 0; i < mark->names.n; i++) {
        if (mark_one(mark, pages, &mark->names.p[i], &run_i, &why) == 0)
            continue;
        if (why.code == ERR_STORE_CORRUPT &&
            store_index_heal(mark->store, mark->live.view->runs[run_i], &why) == 0)
            return ERR(err, ERR_BUSY, "the index was repaired: the collection must begin again");
        if (err != NULL)
            *err = why;
        return -1;
    }
    mark->names.n = 0;
    return 0;
}

int store_mark_live(struct store_mark *mark, const struct digest *name, struct err *err) {
    store_keyed_name(mark->store, name, vec_push(&mark->names));
    return mark->names.n >= BATCH_NAMES ? store_mark_apply(mark, err) : 0;
}
