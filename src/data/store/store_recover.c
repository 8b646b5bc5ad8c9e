/* Start-up: whatever a crash left becomes a state that a crash could not have left.  Every step may
 * be interrupted and done again. */
#include "data/store/store_int.h"

/* What is met while runs are read. */
struct recovery {
    struct store *store;
    struct store_state state;
    bool state_lost; /* then no run may be believed: it may list packs that were given up */
    bool *listed;    /* by position in state.gone: a run still lists it */
};

static int state_load(struct recovery *recovery, struct err *err) {
    struct store *store = recovery->store;
    struct buf bytes = {0};
    struct span body = {0};
    struct err why = {0};
    int rc = os_load(store->dirfd, "state", (size_t)512 << 20, &bytes, &why);
    if (rc == 0)
        rc = store_file_open(buf_span(&bytes), store->file_key, &body, &why);
    if (rc == 0)
        rc = store_state_get(body, &recovery->state, &why);
    buf_done(&bytes);
    if (rc != 0 && why.code != ERR_NOT_FOUND && why.code != ERR_STORE_CORRUPT &&
        why.code != ERR_STORE_KEY) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    recovery->state_lost = rc != 0;
    if (rc != 0) {
        store_state_done(&recovery->state);
        recovery->state = (struct store_state){.epoch = 1};
    }
    store->epoch = recovery->state.epoch;
    recovery->listed = mem_new_array(recovery->state.gone.n, sizeof *recovery->listed);
    return 0;
}

static int by_id(const void *a, const void *b) {
    return memcmp(a, b, STORE_NAME_BYTES);
}

/* Position in the sorted list of packs that were given up, or -1. */
static ptrdiff_t gone_find(const struct recovery *recovery, const uint8_t id[static 16]) {
    const struct store_gone *list = recovery->state.gone.p;
    if (recovery->state.gone.n == 0)
        return -1;
    const struct store_gone *found = bsearch(id, list, recovery->state.gone.n, sizeof *list, by_id);
    return found != NULL ? found - list : -1;
}

static int packs_list(struct store *store, struct err *err) {
    blob_entries entries = {0};
    int rc = blob_list(store->blob, &entries, err);
    for (size_t i = 0; i < entries.n && rc == 0; i++) {
        struct store_pack pack = {.bytes = entries.p[i].bytes,
                                  .state = STORE_PACK_SEALED,
                                  .generation = store->generation};
        INVARIANT(text_unhex(entries.p[i].name, BLOB_NAME_DIGITS, pack.id, sizeof pack.id));
        (void)store_table_add(&store->table, &pack);
    }
    vec_done(&entries);
    return rc;
}

/* A run tells of a pack: is it there, was it given up, or is it lost? */
static uint32_t listed_pack(void *ctx, const struct store_pack *listed) {
    struct recovery *recovery = ctx;
    struct store_table *table = &recovery->store->table;
    uint32_t ordinal = store_table_find(table, listed->id);
    ptrdiff_t gone_i = gone_find(recovery, listed->id);
    if (gone_i >= 0)
        recovery->listed[gone_i] = true;
    if (ordinal == STORE_NO_PACK) {
        struct store_pack pack = *listed;
        pack.state = gone_i >= 0 ? STORE_PACK_GONE : STORE_PACK_LOST;
        pack.indexed = true;
        return store_table_add(table, &pack);
    }
    struct store_pack *pack = &table->packs.p[ordinal];
    if (pack->bytes != listed->bytes) {
        pack->bytes = listed->bytes; /* what it had: verify compares with that, not with the rest */
        if (pack->state == STORE_PACK_SEALED)
            pack->state = STORE_PACK_LOST; /* it may open one day; nothing is removed */
    }
    if (gone_i >= 0)
        pack->state = STORE_PACK_GONE;
    pack->plain_bytes = listed->plain_bytes;
    pack->chunk_n = listed->chunk_n;
    memcpy(pack->job, listed->job, sizeof pack->job);
    memcpy(pack->source, listed->source, sizeof pack->source);
    pack->indexed = true;
    return ordinal;
}

struct numbers {
    uint64_t low, high;
};

/* Newest first; of two with the same end the wider. */
static int by_number(const void *a, const void *b) {
    const struct numbers *x = a, *y = b;
    if (x->high != y->high)
        return x->high < y->high ? 1 : -1;
    return (x->low > y->low) - (x->low < y->low);
}

typedef VEC(struct numbers) numbers_list;

/* Names of runs; everything else in the folder is a leftover. */
static int runs_list(struct store *store, numbers_list *out, struct err *err) {
    os_names names = {0};
    int rc = os_list(store->index_fd, &names, err);
    for (size_t i = 0; i < names.n && rc == 0; i++) {
        struct numbers numbers;
        if (store_run_parse(names.p[i], &numbers.low, &numbers.high))
            *vec_push(out) = numbers;
        else
            rc = os_unlink(store->index_fd, names.p[i], err);
    }
    os_names_done(&names);
    if (out->n > 1)
        qsort(out->p, out->n, sizeof *out->p, by_number);
    return rc;
}

static int run_drop(struct store *store, const struct numbers *numbers, struct err *err) {
    char name[OS_NAME_MAX];
    store_run_name(name, numbers->low, numbers->high);
    return os_unlink(store->index_fd, name, err);
}

/* Is the run to be believed?  One that is not, or that a merged run replaced, is removed: its packs
 * are then read from their footers. */
static int run_load(struct recovery *recovery, const struct numbers *numbers, uint64_t low_known,
                    struct store_run **out, struct err *err) {
    struct store *store = recovery->store;
    struct err why = {0};
    char name[OS_NAME_MAX];
    *out = NULL;
    store_run_name(name, numbers->low, numbers->high);
    if (recovery->state_lost || numbers->high >= low_known)
        return run_drop(store, numbers, err);
    if (store_run_open(store, name, listed_pack, recovery, out, &why) == 0)
        return 0;
    if (store_pack_is_damage(&why))
        return run_drop(store, numbers, err);
    if (err != NULL)
        *err = why;
    return -1;
}

static int runs_load(struct recovery *recovery, struct err *err) {
    struct store *store = recovery->store;
    numbers_list list = {0};
    VEC(struct store_run *) runs = {0};
    uint64_t low_known = UINT64_MAX; /* runs above this number are read */
    int rc = runs_list(store, &list, err);
    for (size_t i = 0; i < list.n && rc == 0; i++) {
        struct store_run *run;
        store->run_last = MAX(store->run_last, list.p[i].high);
        rc = run_load(recovery, &list.p[i], low_known, &run, err);
        if (rc == 0 && run != NULL) {
            *vec_push(&runs) = run;
            low_known = run->low;
        }
    }
    if (rc == 0)
        store_view_install(store, runs.p, runs.n);
    for (size_t i = 0; i < runs.n; i++)
        store_run_unref(runs.p[i]);
    vec_done(&runs);
    vec_done(&list);
    return rc;
}

/* Renames that were decided and did not happen. */
static int finish_deleting(struct recovery *recovery, struct err *err) {
    struct store *store = recovery->store;
    bool moved = false;
    for (size_t i = 0; i < recovery->state.gone.n; i++) {
        const struct store_gone *gone = &recovery->state.gone.p[i];
        char name[BLOB_NAME_DIGITS + 1];
        bool there;
        uint64_t bytes;
        store_pack_name(name, gone->id);
        if (blob_look(store->blob, name, &there, &bytes, err) != 0 ||
            (there && blob_trash(store->blob, name, os_wall_s(), err) != 0))
            return -1;
        uint32_t ordinal = store_table_find(&store->table, gone->id);
        if (ordinal != STORE_NO_PACK)
            store->table.packs.p[ordinal].state = STORE_PACK_GONE;
        moved = moved || there;
        if (recovery->listed[i]) /* else nobody asks for it any more */
            *vec_push(&store->gone) = *gone;
    }
    return moved ? blob_trash_sync(store->blob, err) : 0;
}

static void damage_apply(struct recovery *recovery) {
    struct store_table *table = &recovery->store->table;
    for (size_t i = 0; i < recovery->state.damage.n; i++) {
        const struct store_damaged *damaged = &recovery->state.damage.p[i];
        uint32_t ordinal = store_table_find(table, damaged->id);
        if (ordinal != STORE_NO_PACK)
            (void)store_table_damage(table, ordinal, damaged->segment);
    }
}

/* Packs that no run lists: sealed after the last flush, or the run was not believed. */
static int packs_index(struct store *store, struct err *err) {
    int rc = 0;
    os_mutex_lock(&store->insert);
    for (size_t i = 0; i < store->table.packs.n && rc == 0; i++)
        if (!store->table.packs.p[i].indexed && store->table.packs.p[i].state == STORE_PACK_SEALED)
            rc = store_index_pack(store, (uint32_t)i, err);
    os_mutex_unlock(&store->insert);
    return rc;
}

int store_recover(struct store *store, struct err *err) {
    struct recovery recovery = {.store = store};
    int rc = state_load(&recovery, err);
    if (rc == 0 && recovery.state.gone.n > 1)
        qsort(recovery.state.gone.p, recovery.state.gone.n, sizeof *recovery.state.gone.p, by_id);
    if (rc == 0)
        rc = blob_clean(store->blob, err);
    if (rc == 0)
        rc = packs_list(store, err);
    if (rc == 0)
        rc = runs_load(&recovery, err);
    if (rc == 0)
        rc = finish_deleting(&recovery, err);
    if (rc == 0) {
        damage_apply(&recovery);
        rc = packs_index(store, err);
    }
    if (rc == 0 && recovery.state_lost)
        rc = store_state_save(store, err);
    store_state_done(&recovery.state);
    mem_free(recovery.listed);
    return rc;
}
