/* Is a chunk here, and where. */
#include "data/store/store_int.h"

void store_keyed_name(const struct store *store, const struct digest *name, struct digest *keyed) {
    hash_keyed(secret_span(store->name_key).p, span_of(name->b, sizeof name->b), keyed);
}

/* Look at the pack's file once after each sync: a commit rests on what is there, not on what was.
 * An error is no absence: it is handed up. */
static int pack_look(struct store *store, uint32_t ordinal, struct err *err) {
    char name[BLOB_NAME_DIGITS + 1];
    os_mutex_lock(&store->mutex);
    struct store_pack *pack = &store->table.packs.p[ordinal];
    uint32_t generation = store->generation;
    uint64_t want = pack->bytes, bytes;
    bool due = pack->state == STORE_PACK_SEALED && pack->generation != generation, exists;
    store_pack_name(name, pack->id);
    os_mutex_unlock(&store->mutex);
    if (!due)
        return 0;
    if (blob_look(store->blob, name, &exists, &bytes, err) != 0)
        return -1;
    os_mutex_lock(&store->mutex);
    pack = &store->table.packs.p[ordinal]; /* the table may have grown */
    pack->generation = generation;
    if ((!exists || bytes != want) && pack->state == STORE_PACK_SEALED) {
        pack->state = STORE_PACK_LOST;
        store->damage_revision++;
    }
    os_mutex_unlock(&store->mutex);
    return 0;
}

static bool readable(struct store *store, const struct store_row *row) {
    os_mutex_lock(&store->mutex);
    bool yes = store_table_readable(&store->table, row->pack, row->segment);
    os_mutex_unlock(&store->mutex);
    return yes;
}

int store_has(struct store *store, const struct digest *name, bool *has, struct err *err) {
    struct digest keyed;
    struct store_row row;
    store_keyed_name(store, name, &keyed);
    do { /* each turn but the last finds a pack lost, so there are few */
        if (store_index_find(store, &keyed, STORE_FIND_USE, has, &row, err) != 0 ||
            (*has && pack_look(store, row.pack, err) != 0))
            return -1;
    } while (*has && !readable(store, &row));
    return 0;
}

int store_find(struct store *store, const struct digest *name, bool *found,
               struct store_place *place, struct err *err) {
    struct digest keyed;
    struct store_row row;
    store_keyed_name(store, name, &keyed);
    if (store_index_find(store, &keyed, STORE_FIND_LOOK, found, &row, err) != 0)
        return -1;
    if (*found)
        *place = (struct store_place){
            .pack = row.pack, .segment = row.segment, .offset = row.offset, .length = row.length};
    return 0;
}

/* Its packs' chunks; a pack that cannot be read is passed over: not offered, so sent again. */
static int orphans_in(struct store *store, uint32_t ordinal, struct buf *bytes, store_name_fn *fn,
                      void *ctx, bool *stop, struct err *err) {
    struct store_pack_file file;
    struct pack_footer footer;
    struct err why = {0};
    bool whole;
    int rc = store_pack_open(store, ordinal, &file, &why);
    if (rc == 0)
        rc = store_pack_rows(store, &file, bytes, &footer, &whole, &why);
    struct pack_walk walk = pack_walk_of(&footer);
    while (rc == 0 && !*stop && pack_walk_next(&walk))
        *stop = fn(ctx, walk.chunk.name.b) != 0;
    store_pack_file_done(&file);
    if (rc == 0 || why.code == ERR_NOT_FOUND || store_pack_is_damage(&why))
        return 0;
    if (err != NULL)
        *err = why;
    return -1;
}

int store_origin_of(struct store *store, const struct digest *name, const uint8_t source[static 16],
                    struct store_origin *origin, struct err *err) {
    struct digest keyed;
    struct store_row row;
    *origin = (struct store_origin){.found = false};
    store_keyed_name(store, name, &keyed);
    if (store_index_find(store, &keyed, STORE_FIND_LOOK, &origin->found, &row, err) != 0)
        return -1;
    if (!origin->found)
        return 0;
    os_mutex_lock(&store->mutex);
    origin->own = memcmp(store->table.packs.p[row.pack].source, source, 16) == 0;
    os_mutex_unlock(&store->mutex);
    return 0;
}

int store_orphans_of(struct store *store, const uint8_t source[static 16], store_name_fn *fn,
                     void *ctx, struct err *err) {
    struct buf bytes = {0};
    bool stop = false;
    int rc = 0;
    os_mutex_lock(&store->mutex);
    size_t n = store->table.packs.n;
    os_mutex_unlock(&store->mutex);
    while (n-- > 0 && rc == 0 && !stop) {
        os_mutex_lock(&store->mutex);
        const struct store_pack *pack = &store->table.packs.p[n];
        bool born = pack->state == STORE_PACK_SEALED && memcmp(pack->source, source, 16) == 0;
        os_mutex_unlock(&store->mutex);
        if (born)
            rc = orphans_in(store, (uint32_t)n, &bytes, fn, ctx, &stop, err);
    }
    buf_done(&bytes);
    return rc;
}
