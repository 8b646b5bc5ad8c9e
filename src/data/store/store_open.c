/* Making, opening and closing a store; what a crash left is put in order (docs/format/store.md). */
#include "data/store/store_int.h"
#include "os/random.h"

#define KEY_BYTES 32u
#define CONFIG_FILE_MAX 4096u

static const char *const config_names[] = {"config", "config.copy"};

/* ---- make ---- */

static int file_key_of(const struct secret *key, const struct store_id *id, struct secret **out,
                       struct err *err) {
    INVARIANT(secret_span(key).n == KEY_BYTES);
    return secret_derive(key, "casemate store file v1", span_of(id->b, sizeof id->b), out, err);
}

static int empty_check(int dirfd, const char *dir, struct err *err) {
    os_names names = {0};
    int rc = os_list(dirfd, &names, err);
    if (rc == 0 && names.n > 0)
        rc = ERR(err, ERR_EXISTS, "%s is not empty", dir);
    os_names_done(&names);
    return rc;
}

int store_reserve_make(int dirfd, struct err *err) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    bool there;
    if (os_exists(dirfd, "reserve", &there, err) != 0)
        return -1;
    if (there)
        return 0;
    if (os_file_create(dirfd, "reserve", STORE_FILE_MODE, &fd, err) != 0)
        return -1;
    return os_file_reserve(fd, STORE_RESERVE_FILE_BYTES, err);
}

bool store_reserve_use(struct store *store, const struct err *why) {
    return why->code == ERR_SPACE && os_unlink(store->dirfd, "reserve", NULL) == 0;
}

static int files_make(int dirfd, const struct store_id *id, const struct chunker_params *chunker,
                      const struct secret *file_key, struct err *err) {
    struct store_state state = {.epoch = 1};
    struct buf bytes = {0};
    store_state_put(&bytes, &state);
    store_file_close(&bytes, file_key);
    int rc = durable_write(dirfd, "state", buf_span(&bytes), STORE_FILE_MODE, false, err);
    buf_clear(&bytes);
    store_config_put(&bytes, id, chunker);
    store_file_close(&bytes, file_key);
    for (size_t i = ARRAY_N(config_names); i-- > 0 && rc == 0;) /* "config" last: then it exists */
        rc = durable_write(dirfd, config_names[i], buf_span(&bytes), STORE_FILE_MODE, false, err);
    buf_done(&bytes);
    return rc;
}

int store_create(const char *dir, const struct secret *key, const struct chunker_params *chunker,
                 struct err *err) {
    OS_FD_AUTO int dirfd = OS_FD_NONE, lock_fd = OS_FD_NONE;
    AUTO(secret) *file_key = NULL;
    AUTO(blob) *blob = NULL;
    struct store_id id;
    os_random(id.b, sizeof id.b);
    if (os_mkdirs(dir, 0700, err) != 0 || os_dir_open(OS_FD_CWD, dir, &dirfd, err) != 0 ||
        empty_check(dirfd, dir, err) != 0 || file_key_of(key, &id, &file_key, err) != 0 ||
        blob_posix_open(dirfd, true, &blob, err) != 0 ||
        os_mkdir(dirfd, "index", 0700, false, err) != 0 ||
        os_file_create(dirfd, "lock", STORE_FILE_MODE, &lock_fd, err) != 0)
        return ERR_NOTE(err, "store %s", dir);
    (void)store_reserve_make(dirfd, NULL); /* a full disk is met when something is written */
    if (files_make(dirfd, &id, chunker, file_key, err) != 0)
        return ERR_NOTE(err, "store %s", dir);
    return 0;
}

/* ---- open ---- */

static int config_load_one(struct store *store, const char *name, struct buf *bytes,
                           struct err *err) {
    struct span body;
    buf_clear(bytes);
    if (os_load(store->dirfd, name, CONFIG_FILE_MAX, bytes, err) != 0)
        return -1;
    if (bytes->n < 32)
        return ERR(err, ERR_STORE_CORRUPT, "%s of %zu bytes is cut", name, bytes->n);
    memcpy(store->id.b, bytes->p + 16, sizeof store->id.b); /* its key depends on it */
    secret_free(TAKE(store->file_key));
    if (file_key_of(store->key, &store->id, &store->file_key, err) != 0 ||
        store_file_open(buf_span(bytes), store->file_key, &body, err) != 0 ||
        store_config_get(body, &store->id, &store->chunker, err) != 0)
        return ERR_NOTE(err, "%s", name);
    return 0;
}

/* Either of the two files is enough. */
static int config_load(struct store *store, const char *dir, struct buf *bytes, struct err *err) {
    struct err first = {0}, second = {0};
    if (config_load_one(store, config_names[0], bytes, &first) == 0)
        return 0;
    bool other = first.code == ERR_NOT_FOUND || first.code == ERR_STORE_CORRUPT;
    if (other && config_load_one(store, config_names[1], bytes, &second) == 0)
        return 0;
    if (first.code == ERR_NOT_FOUND && second.code == ERR_NOT_FOUND)
        return ERR(err, ERR_STORE_MISSING, "no store in %s", dir);
    if (err != NULL)
        *err = first;
    return -1;
}

/* Both files as the good one.  A full disk does not keep a store closed: the next start tries
 * again. */
static void config_mend(struct store *store, struct span good) {
    for (size_t i = 0; i < ARRAY_N(config_names); i++) {
        struct buf bytes = {0};
        if (os_load(store->dirfd, config_names[i], CONFIG_FILE_MAX, &bytes, NULL) != 0 ||
            !span_equal(buf_span(&bytes), good))
            (void)durable_write(store->dirfd, config_names[i], good, STORE_FILE_MODE, true, NULL);
        buf_done(&bytes);
    }
}

static int lock_take(struct store *store, struct err *err) {
    bool there;
    if (os_exists(store->dirfd, "lock", &there, err) != 0)
        return -1;
    if (!there && os_file_create(store->dirfd, "lock", STORE_FILE_MODE, &store->lock_fd, err) != 0)
        return -1;
    if (there && os_file_open_write(store->dirfd, "lock", &store->lock_fd, err) != 0)
        return -1;
    return os_lock(store->lock_fd, err);
}

static void opts_fill(struct store_opts *opts) {
    if (opts->pack_bytes == 0 || opts->pack_bytes > PACK_BYTES_MAX / 2)
        opts->pack_bytes = STORE_PACK_BYTES;
    if (opts->memtable_entries == 0)
        opts->memtable_entries = STORE_MEMTABLE_ENTRIES;
    if (opts->reserve_bytes == 0)
        opts->reserve_bytes = STORE_RESERVE_BYTES;
}

static int keys_and_folders(struct store *store, const char *dir, struct err *err) {
    struct err why = {0};
    if (os_dir_open(OS_FD_CWD, dir, &store->dirfd, &why) != 0) {
        if (why.code == ERR_NOT_FOUND)
            return ERR(err, ERR_STORE_MISSING, "no store in %s", dir);
        if (err != NULL)
            *err = why;
        return -1;
    }
    struct buf config = {0}; /* read before the lock: a folder that is no store gets no lock file */
    int rc = config_load(store, dir, &config, err);
    if (rc == 0)
        rc = lock_take(store, err);
    if (rc == 0)
        config_mend(store, buf_span(&config));
    buf_done(&config);
    if (rc != 0 ||
        secret_derive(store->key, "casemate chunk name v1",
                      span_of(store->id.b, sizeof store->id.b), &store->name_key, err) != 0 ||
        os_mkdir(store->dirfd, "index", 0700, true, err) != 0 ||
        os_dir_open(store->dirfd, "index", &store->index_fd, err) != 0)
        return -1;
    return blob_posix_open(store->dirfd, false, &store->blob, err);
}

static struct store *store_empty(const struct secret *key, struct store_opts opts) {
    struct store *store = mem_new(sizeof *store);
    opts_fill(&opts);
    store->opts = opts;
    store->dirfd = store->lock_fd = store->index_fd = OS_FD_NONE;
    store->key = secret_of(secret_span(key));
    store->generation = 1;
    os_mutex_init(&store->collect);
    os_mutex_init(&store->insert);
    os_mutex_init(&store->save);
    os_mutex_init(&store->mutex);
    os_cond_init(&store->keeper_wake);
    store_memtable_init(&store->memtable);
    store->view = store_view_new(NULL, 0);
    return store;
}

int store_open(const char *dir, const struct secret *key, struct store_opts opts,
               struct store **out, struct err *err) {
    struct store *store = store_empty(key, opts);
    if (keys_and_folders(store, dir, err) != 0 || store_recover(store, err) != 0 ||
        store_keeper_start(store, err) != 0) {
        store_close(store);
        return ERR_NOTE(err, "store %s", dir);
    }
    (void)store_reserve_make(store->dirfd, NULL);
    *out = store;
    return 0;
}

/* ---- close ---- */

void store_close(struct store *store) {
    if (store == NULL)
        return;
    INVARIANT(store->writer_n == 0);
    store_keeper_stop(store);
    if (store->blob != NULL) { /* what fails now is read from the packs at the next start */
        os_mutex_lock(&store->insert);
        (void)store_index_flush(store, NULL);
        os_mutex_unlock(&store->insert);
        if (store->damage_revision > 0)
            (void)store_state_save(store, NULL);
    }
    store_condemned_free(store->condemned);
    store_view_unref(store->view);
    store_memtable_done(&store->memtable);
    store_table_done(&store->table);
    vec_done(&store->gone);
    vec_done(&store->fresh);
    blob_close(store->blob);
    os_close(&store->index_fd);
    os_close(&store->lock_fd);
    os_close(&store->dirfd);
    secret_free(store->key);
    secret_free(store->name_key);
    secret_free(store->file_key);
    os_cond_done(&store->keeper_wake);
    os_mutex_done(&store->mutex);
    os_mutex_done(&store->save);
    os_mutex_done(&store->insert);
    os_mutex_done(&store->collect);
    mem_free(store);
}

/* ---- tell ---- */

const struct store_id *store_id(const struct store *store) {
    return &store->id;
}

const struct chunker_params *store_chunker(const struct store *store) {
    return &store->chunker;
}

int store_dirfd(const struct store *store) {
    return store->dirfd;
}

int store_space_check(struct store *store, struct err *err) {
    struct os_space space;
    if (os_space_of(store->dirfd, &space, err) != 0)
        return -1;
    if (space.free_bytes < store->opts.reserve_bytes)
        return ERR(err, ERR_SPACE, "%llu bytes are free, %llu are kept for deleting",
                   (unsigned long long)space.free_bytes,
                   (unsigned long long)store->opts.reserve_bytes);
    return 0;
}

static void packs_count(const struct store *store, struct store_stats *out) {
    for (size_t i = 0; i < store->table.packs.n; i++) {
        const struct store_pack *pack = &store->table.packs.p[i];
        out->packs += pack->state == STORE_PACK_SEALED;
        out->pack_bytes += pack->state == STORE_PACK_SEALED ? pack->bytes : 0;
        out->lost_packs += pack->state == STORE_PACK_LOST;
        out->damaged_packs += pack->state == STORE_PACK_DAMAGED ||
                              (pack->state == STORE_PACK_SEALED && pack->damage_n > 0);
    }
}

void store_stats(struct store *store, struct store_stats *out) {
    blob_entries trash = {0};
    struct os_space space;
    *out = (struct store_stats){.packs = 0};
    os_mutex_lock(&store->mutex);
    packs_count(store, out);
    out->epoch = store->epoch;
    out->chunks = store->memtable.n;
    out->index_memory_bytes = (uint64_t)store->memtable.slot_n * sizeof(struct store_row) +
                              store->table.packs.cap * sizeof(struct store_pack) +
                              (uint64_t)store->table.slot_n * sizeof(uint32_t);
    for (size_t i = 0; i < store->view->run_n; i++) {
        out->chunks += store->view->runs[i]->row_n;
        out->index_memory_bytes += store_run_memory(store->view->runs[i]);
    }
    os_mutex_unlock(&store->mutex);
    if (blob_list_trash(store->blob, &trash, NULL) == 0)
        for (size_t i = 0; i < trash.n; i++) {
            out->trash_packs++;
            out->trash_bytes += trash.p[i].bytes;
        }
    vec_done(&trash);
    if (os_space_of(store->dirfd, &space, NULL) == 0)
        out->disk_free_bytes = space.free_bytes;
}

bool store_has_damage(struct store *store) {
    struct store_stats stats = {.packs = 0};
    os_mutex_lock(&store->mutex);
    packs_count(store, &stats);
    os_mutex_unlock(&store->mutex);
    return stats.lost_packs + stats.damaged_packs > 0;
}
