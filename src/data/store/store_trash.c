/* The trash: emptied when its time has come, or undone. */
#include "data/store/store_int.h"

int store_empty_trash(struct store *store, int64_t now_s, int64_t window_s,
                      struct store_collect_result *result, struct err *err) {
    blob_entries entries = {0};
    bool removed = false;
    os_mutex_lock(&store->collect);
    int rc = blob_list_trash(store->blob, &entries, err);
    for (size_t i = 0; i < entries.n && rc == 0; i++) {
        const struct blob_entry *entry = &entries.p[i];
        if (entry->trashed_s > now_s || now_s - entry->trashed_s < window_s)
            continue;
        rc = blob_trash_remove(store->blob, entry, err);
        if (rc != 0)
            break;
        OS_COMMIT_POINT("G3");
        removed = true;
        result->freed_packs++;
        result->freed_bytes += entry->bytes;
    }
    if (rc == 0 && removed)
        rc = blob_trash_sync(store->blob, err);
    if (rc == 0)
        (void)store_reserve_make(store->dirfd, NULL); /* there may be room for it again */
    os_mutex_unlock(&store->collect);
    vec_done(&entries);
    return rc;
}

/* Nothing is known to be given up of this pack any more; its ordinal, if it has one. */
static uint32_t forget_gone(struct store *store, const struct store_pack *back) {
    os_mutex_lock(&store->mutex);
    size_t kept = 0;
    for (size_t i = 0; i < store->gone.n; i++)
        if (memcmp(store->gone.p[i].id, back->id, STORE_NAME_BYTES) != 0)
            store->gone.p[kept++] = store->gone.p[i];
    store->gone.n = kept;
    uint32_t ordinal = store_table_find(&store->table, back->id);
    if (ordinal == STORE_NO_PACK) {
        ordinal = store_table_add(&store->table, back);
    } else {
        store->table.packs.p[ordinal].state = STORE_PACK_SEALED;
        store->table.packs.p[ordinal].bytes = back->bytes;
    }
    store_condemned_touch(store->condemned, ordinal); /* it was not there to be marked */
    os_mutex_unlock(&store->mutex);
    return ordinal;
}

static int bring_back(struct store *store, const struct blob_entry *entry, struct err *err) {
    struct store_pack back = {.bytes = entry->bytes, .state = STORE_PACK_SEALED};
    INVARIANT(text_unhex(entry->name, BLOB_NAME_DIGITS, back.id, sizeof back.id));
    if (blob_untrash(store->blob, entry, err) != 0)
        return -1;
    uint32_t ordinal = forget_gone(store, &back);
    os_mutex_lock(&store->insert);
    int rc = store_index_pack(store, ordinal, err); /* its rows may have been merged away */
    os_mutex_unlock(&store->insert);
    return rc;
}

int store_untrash(struct store *store, uint64_t *packs, struct err *err) {
    blob_entries entries = {0};
    *packs = 0;
    os_mutex_lock(&store->collect);
    int rc = blob_list_trash(store->blob, &entries, err);
    for (size_t i = 0; i < entries.n && rc == 0; i++) {
        rc = bring_back(store, &entries.p[i], err);
        *packs += rc == 0;
    }
    if (*packs > 0 && store_state_save(store, rc == 0 ? err : NULL) != 0)
        rc = -1;
    os_mutex_unlock(&store->collect);
    vec_done(&entries);
    return rc;
}
