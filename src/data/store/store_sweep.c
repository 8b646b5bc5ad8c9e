/* Deleting, in two phases decided by epochs: condemn what no mark found, sweep what a second mark
 * does not find either (docs/decisions tells why nothing that is used can go). */
#include "data/store/store_int.h"

#define GARBAGE_PERCENT 30u
#define SMALL_PACKS 16u /* so many packs of less than a quarter of the usual size become few */

void store_condemned_free(struct store_condemned *condemned) {
    if (condemned == NULL)
        return;
    store_live_done(&condemned->live);
    mem_free(condemned->touched);
    mem_free(condemned);
}

void store_condemned_touch(struct store_condemned *condemned, uint32_t pack) {
    if (condemned != NULL && pack < condemned->pack_n)
        condemned->touched[pack] = true;
}

/* ---- phase 1 ---- */

/* Rows without a bit, in packs that are still there. */
static int dead_count(struct store *store, const struct store_live *live,
                      struct store_collect_result *result, struct err *err) {
    struct store_row rows[STORE_RUN_ROWS_PER_PAGE];
    for (size_t r = 0; r < live->view->run_n; r++)
        for (uint32_t page_i = 0; page_i < live->view->runs[r]->page_n; page_i++) {
            uint32_t n;
            if (store_run_rows(live->view->runs[r], page_i, rows, &n, err) != 0)
                return -1;
            os_mutex_lock(&store->mutex);
            for (uint32_t i = 0; i < n; i++) {
                uint64_t position = (uint64_t)page_i * STORE_RUN_ROWS_PER_PAGE + i;
                if (store_live_get(live, r, position) ||
                    store->table.packs.p[rows[i].pack].state == STORE_PACK_GONE)
                    continue;
                result->condemned_chunks++;
                result->condemned_bytes += rows[i].length;
            }
            os_mutex_unlock(&store->mutex);
        }
    return 0;
}

/* Epoch and set change together: a writer that opens later is of the new epoch, and each of its
 * uses finds the set. */
static int condemned_install(struct store *store, struct store_condemned *condemned,
                             struct err *err) {
    os_mutex_lock(&store->mutex);
    struct store_condemned *old = store->condemned;
    condemned->epoch = ++store->epoch;
    store->condemned = condemned;
    os_mutex_unlock(&store->mutex);
    store_condemned_free(old);
    if (store_state_save(store, err) == 0)
        return 0;
    os_mutex_lock(&store->mutex);
    store->condemned = NULL;
    os_mutex_unlock(&store->mutex);
    store_condemned_free(condemned);
    return ERR_NOTE(err, "epoch");
}

static int condemn(struct store *store, struct store_mark *mark,
                   struct store_collect_result *result, struct err *err) {
    if (store_mark_apply(mark, err) != 0 || dead_count(store, &mark->live, result, err) != 0)
        return -1;
    struct store_condemned *condemned = mem_new(sizeof *condemned);
    os_mutex_lock(&store->mutex);
    bool stale = mark->epoch != store->epoch;
    store_live_init(&condemned->live, store_view_ref(mark->live.view));
    condemned->pack_n = store->table.packs.n;
    os_mutex_unlock(&store->mutex);
    condemned->touched = mem_new_array(condemned->pack_n, sizeof *condemned->touched);
    for (size_t r = 0; r < mark->live.view->run_n; r++)
        memcpy(condemned->live.bits[r], mark->live.bits[r],
               (size_t)mark->live.view->runs[r]->page_n * STORE_RUN_ROWS_PER_PAGE / 8 + 1);
    if (stale) {
        store_condemned_free(condemned);
        return ERR(err, ERR_BUSY, "another collection began after this mark");
    }
    return condemned_install(store, condemned, err);
}

int store_condemn(struct store *store, struct store_mark *mark, struct store_collect_result *result,
                  struct err *err) {
    os_mutex_lock(&store->collect);
    int rc = condemn(store, mark, result, err);
    os_mutex_unlock(&store->collect);
    return rc;
}

/* ---- giving up ---- */

/* Mark as gone what nobody used since; `taken` receives it.  From here on no look-up answers with
 * these packs. */
static void take_dead(struct store *store, const uint32_t *ordinals, size_t n, uint32_t *taken,
                      size_t *taken_n) {
    os_mutex_lock(&store->mutex);
    for (size_t i = 0; i < n; i++) {
        struct store_pack *pack = &store->table.packs.p[ordinals[i]];
        if (store->condemned->touched[ordinals[i]] || pack->state == STORE_PACK_GONE)
            continue;
        pack->was = pack->state;
        pack->state = STORE_PACK_GONE;
        memcpy(vec_push(&store->gone)->id, pack->id, STORE_NAME_BYTES);
        taken[(*taken_n)++] = ordinals[i];
    }
    os_mutex_unlock(&store->mutex);
}

static void take_back(struct store *store, const uint32_t *taken, size_t n) {
    os_mutex_lock(&store->mutex);
    store->gone.n -= n; /* they are the last ones: `collect` is held */
    for (size_t i = 0; i < n; i++) {
        struct store_pack *pack = &store->table.packs.p[taken[i]];
        pack->state = pack->was;
    }
    os_mutex_unlock(&store->mutex);
}

static int to_trash(struct store *store, uint32_t ordinal, int64_t now_s,
                    struct store_collect_result *result, struct err *err) {
    struct err why = {0};
    char name[BLOB_NAME_DIGITS + 1];
    os_mutex_lock(&store->mutex);
    store_pack_name(name, store->table.packs.p[ordinal].id);
    uint64_t bytes = store->table.packs.p[ordinal].bytes;
    os_mutex_unlock(&store->mutex);
    if (blob_trash(store->blob, name, now_s, &why) == 0) {
        result->trashed_packs++;
        result->trashed_bytes += bytes;
        return 0;
    }
    if (why.code == ERR_NOT_FOUND)
        return 0; /* it was lost before */
    if (err != NULL)
        *err = why;
    return -1;
}

int store_give_up(struct store *store, const uint32_t *ordinals, size_t n, int64_t now_s,
                  struct store_collect_result *result, struct err *err) {
    MEM_AUTO uint32_t *taken = mem_new_array(n, sizeof *taken);
    size_t taken_n = 0;
    take_dead(store, ordinals, n, taken, &taken_n);
    if (taken_n == 0)
        return 0;
    if (store_state_save(store, err) != 0) {
        take_back(store, taken, taken_n);
        return -1;
    }
    OS_COMMIT_POINT("G1");
    int rc = 0;
    for (size_t i = 0; i < taken_n; i++) /* one that fails is finished by the next start */
        if (to_trash(store, taken[i], now_s, result, rc == 0 ? err : NULL) != 0)
            rc = -1;
    OS_COMMIT_POINT("G2");
    return rc == 0 ? blob_trash_sync(store->blob, err) : -1;
}

/* ---- phase 2 ---- */

struct count {
    size_t pack_n;
    uint32_t *live_n; /* by ordinal: rows with a bit */
    uint64_t *live_bytes;
    bool *covered; /* by a run of the condemned view */
};

static void count_done(struct count *count) {
    mem_free(count->live_n);
    mem_free(count->live_bytes);
    mem_free(count->covered);
}

/* May the sweep go on?  Under the mutex. */
static int sweep_check(const struct store *store, const struct store_mark *mark, struct err *err) {
    const struct store_condemned *condemned = store->condemned;
    if (condemned == NULL)
        return ERR(err, ERR_BUSY, "nothing is condemned: the collection must begin again");
    if (mark->epoch < condemned->epoch)
        return ERR(err, ERR_BUSY, "the second mark began before the condemnation");
    if (mark->oldest_writer < condemned->epoch)
        return ERR(err, ERR_BUSY,
                   "a session older than the condemnation was open when the "
                   "second mark began");
    for (const struct store_writer *writer = store->writers; writer != NULL; writer = writer->next)
        if (writer->epoch < condemned->epoch)
            return ERR(err, ERR_BUSY, "a session older than the condemnation is open");
    if (mark->damage_revision != store->damage_revision)
        return ERR(err, ERR_BUSY, "damage was found since the mark began");
    return 0;
}

/* What the second mark found is live.  A run that it does not have was repaired away: its packs are
 * left alone. */
static void marks_join(struct store *store, const struct store_mark *mark) {
    struct store_condemned *condemned = store->condemned;
    for (size_t r = 0; r < condemned->live.view->run_n; r++) {
        const struct store_run *run = condemned->live.view->runs[r];
        size_t n = (size_t)run->page_n * STORE_RUN_ROWS_PER_PAGE / 8 + 1, k = 0;
        while (k < mark->live.view->run_n && mark->live.view->runs[k] != run)
            k++;
        os_mutex_lock(&store->mutex);
        for (size_t i = 0; i < n && k < mark->live.view->run_n; i++)
            condemned->live.bits[r][i] |= mark->live.bits[k][i];
        for (uint32_t i = 0; i < run->pack_n && k == mark->live.view->run_n; i++)
            store_condemned_touch(condemned, run->ordinals[i]);
        os_mutex_unlock(&store->mutex);
    }
}

static int live_count(struct store *store, struct count *count, struct err *err) {
    const struct store_live *live = &store->condemned->live;
    struct store_row rows[STORE_RUN_ROWS_PER_PAGE];
    for (size_t r = 0; r < live->view->run_n; r++) {
        const struct store_run *run = live->view->runs[r];
        for (uint32_t i = 0; i < run->pack_n; i++)
            count->covered[run->ordinals[i]] = true;
        for (uint32_t page_i = 0; page_i < run->page_n; page_i++) {
            uint32_t n;
            if (store_run_rows(run, page_i, rows, &n, err) != 0)
                return -1;
            os_mutex_lock(&store->mutex);
            for (uint32_t i = 0; i < n; i++) {
                uint64_t position = (uint64_t)page_i * STORE_RUN_ROWS_PER_PAGE + i;
                bool alive = store_live_get(live, r, position);
                count->live_n[rows[i].pack] += alive;
                count->live_bytes[rows[i].pack] += alive ? rows[i].length : 0;
            }
            os_mutex_unlock(&store->mutex);
        }
    }
    return 0;
}

typedef VEC(uint32_t) ordinals;

/* Nothing live: dead.  Much garbage, or damage that is healed elsewhere: worth rewriting.  Small
 * packs: when there are many. */
static void classify(struct store *store, const struct count *count, ordinals *dead,
                     ordinals *partly) {
    ordinals small = {0};
    os_mutex_lock(&store->mutex);
    for (size_t i = 0; i < count->pack_n; i++) {
        const struct store_pack *pack = &store->table.packs.p[i];
        if (!count->covered[i] || pack->state == STORE_PACK_GONE)
            continue;
        uint64_t garbage = pack->plain_bytes - MIN(pack->plain_bytes, count->live_bytes[i]);
        if (count->live_n[i] == 0)
            *vec_push(dead) = (uint32_t)i;
        else if (pack->state != STORE_PACK_SEALED)
            continue;
        else if (garbage * 100 > pack->plain_bytes * GARBAGE_PERCENT || pack->damage_n > 0)
            *vec_push(partly) = (uint32_t)i;
        else if (pack->bytes < store->opts.pack_bytes / 4)
            *vec_push(&small) = (uint32_t)i;
    }
    os_mutex_unlock(&store->mutex);
    for (size_t i = 0; i < small.n && small.n >= SMALL_PACKS; i++)
        *vec_push(partly) = small.p[i];
    vec_done(&small);
}

static int sweep(struct store *store, struct store_mark *mark, int64_t now_s,
                 struct store_collect_result *result, struct err *err) {
    if (store_mark_apply(mark, err) != 0)
        return -1;
    os_mutex_lock(&store->mutex);
    int rc = sweep_check(store, mark, err);
    os_mutex_unlock(&store->mutex);
    if (rc != 0)
        return -1;
    marks_join(store, mark);
    struct count count = {.pack_n = store->condemned->pack_n};
    ordinals dead = {0}, partly = {0};
    count.live_n = mem_new_array(count.pack_n, sizeof *count.live_n);
    count.live_bytes = mem_new_array(count.pack_n, sizeof *count.live_bytes);
    count.covered = mem_new_array(count.pack_n, sizeof *count.covered);
    rc = live_count(store, &count, err);
    if (rc == 0) {
        classify(store, &count, &dead, &partly);
        rc = store_give_up(store, dead.p, dead.n, now_s, result, err);
    }
    if (rc == 0)
        rc = store_repack(store, partly.p, partly.n, count.live_n, now_s, result, err);
    count_done(&count);
    vec_done(&dead);
    vec_done(&partly);
    return rc;
}

int store_sweep(struct store *store, struct store_mark *mark, int64_t now_s,
                struct store_collect_result *result, struct err *err) {
    struct err why = {0};
    os_mutex_lock(&store->collect);
    int rc = sweep(store, mark, now_s, result, &why);
    os_mutex_lock(&store->mutex);
    struct store_condemned *condemned = NULL;
    if (rc == 0 || why.code != ERR_BUSY) /* a busy store may be swept later with a newer mark */
        condemned = TAKE(store->condemned);
    store_keeper_ask(store);
    os_mutex_unlock(&store->mutex);
    store_condemned_free(condemned);
    os_mutex_unlock(&store->collect);
    if (rc != 0 && err != NULL)
        *err = why;
    return rc;
}
