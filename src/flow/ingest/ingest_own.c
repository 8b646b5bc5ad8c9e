/* What a source may learn about: only names it gave us itself.  64 bits of each keyed name are
 * kept; the key is the store's, so nobody can aim at a collision, and a yes is given only when the
 * index agrees on the whole name. */
#include "flow/ingest/ingest_int.h"

struct own {
    struct store *store;
    uint64_t *slots; /* 0 = empty */
    size_t slot_n, n;
    uint64_t sent_left; /* names from packs still to be taken */
};

static uint64_t *slot_of(uint64_t *slots, size_t slot_n, uint64_t value) {
    size_t i = (size_t)value & (slot_n - 1);
    while (slots[i] != 0 && slots[i] != value)
        i = (i + 1) & (slot_n - 1);
    return &slots[i];
}

static uint64_t value_of(const uint8_t keyed[static 32]) {
    uint64_t value = be64_get(keyed + 16); /* not the bytes the index is sorted by */
    return value != 0 ? value : 1;
}

static void grow(struct own *own) {
    size_t slot_n = own->slot_n * 2;
    uint64_t *slots = mem_new_array(slot_n, sizeof *slots);
    for (size_t i = 0; i < own->slot_n; i++)
        if (own->slots[i] != 0)
            *slot_of(slots, slot_n, own->slots[i]) = own->slots[i];
    mem_free(own->slots);
    own->slots = slots;
    own->slot_n = slot_n;
}

static int add(void *ctx, const uint8_t keyed[static 32]) {
    struct own *own = ctx;
    uint64_t *slot = slot_of(own->slots, own->slot_n, value_of(keyed));
    if (*slot != 0 || own->n == INGEST_OWN_MAX)
        return 0; /* beyond the limit chunks are sent once more, and dropped after they arrived */
    *slot = value_of(keyed);
    own->n++;
    if (own->n * 3 > own->slot_n * 2)
        grow(own);
    return 0;
}

static int add_sent(void *ctx, const uint8_t keyed[static 32]) {
    struct own *own = ctx;
    (void)add(own, keyed);
    return --own->sent_left == 0 ? 1 : 0;
}

static int add_chunk(void *ctx, const struct digest *name, struct err *err) {
    struct own *own = ctx;
    struct digest keyed;
    (void)err;
    store_keyed_name(own->store, name, &keyed);
    return add(own, keyed.b);
}

static int pass_over(void *ctx, const struct digest *name, const struct err *why, struct err *err) {
    (void)ctx, (void)name, (void)why, (void)err;
    return 0; /* what cannot be read is not offered: it will be sent again */
}

int own_build(struct store *store, const uint8_t source[static 16],
              const struct digest *newest_manifest, struct own **out, struct err *err) {
    struct own *own = mem_new(sizeof *own);
    own->store = store;
    own->slot_n = 4096;
    own->slots = mem_new_array(own->slot_n, sizeof *own->slots);
    *out = own;
    own->sent_left = newest_manifest != NULL ? INGEST_SENT_MAX : INGEST_OWN_MAX;
    if (store_orphans_of(store, source, add_sent, own, err) != 0)
        return -1;
    if (newest_manifest == NULL)
        return 0;
    AUTO(store_reader) *reader = store_reader_new(store);
    struct tree_visitor visitor = {
        .ctx = own, .once = true, .chunk = add_chunk, .broken = pass_over};
    return tree_walk(reader, newest_manifest, &visitor, err);
}

void own_free(struct own *own) {
    if (own == NULL)
        return;
    mem_free(own->slots);
    mem_free(own);
}

bool own_has(const struct own *own, struct store *store, const struct digest *name) {
    struct digest keyed;
    store_keyed_name(store, name, &keyed);
    return *slot_of(own->slots, own->slot_n, value_of(keyed.b)) != 0;
}
