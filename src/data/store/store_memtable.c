/* Rows that are not in a run yet: open addressing, linear probing, at most three quarters full. */
#include "data/store/store_int.h"

#define SLOTS_MIN 4096u

void store_memtable_init(struct store_memtable *table) {
    *table = (struct store_memtable){.slot_n = SLOTS_MIN};
    table->slots = mem_new_array(SLOTS_MIN, sizeof *table->slots);
}

void store_memtable_done(struct store_memtable *table) {
    mem_free(table->slots);
    *table = (struct store_memtable){.slots = NULL};
}

/* Names are hashes.  Their first bytes order the runs; these choose the slot. */
static struct store_row *slot_of(const struct store_memtable *table,
                                 const uint8_t name[static 16]) {
    uint32_t i = (uint32_t)(((uint64_t)be32_get(name + 4) * table->slot_n) >> 32);
    while (table->slots[i].length != 0 && memcmp(table->slots[i].name, name, 16) != 0)
        i = i + 1 == table->slot_n ? 0 : i + 1;
    return &table->slots[i];
}

static void grow(struct store_memtable *table) {
    struct store_memtable wider = {.slot_n = table->slot_n + table->slot_n / 2, .n = table->n};
    wider.slots = mem_new_array(wider.slot_n, sizeof *wider.slots);
    for (uint32_t i = 0; i < table->slot_n; i++)
        if (table->slots[i].length != 0)
            *slot_of(&wider, table->slots[i].name) = table->slots[i];
    mem_free(table->slots);
    *table = wider;
}

void store_memtable_put(struct store_memtable *table, const struct store_row *row) {
    INVARIANT(row->length != 0);
    if ((table->n + 1) * 4ull > table->slot_n * 3ull)
        grow(table);
    struct store_row *slot = slot_of(table, row->name);
    table->n += slot->length == 0;
    *slot = *row;
}

const struct store_row *store_memtable_get(const struct store_memtable *table,
                                           const uint8_t name[static STORE_NAME_BYTES]) {
    const struct store_row *slot = slot_of(table, name);
    return slot->length == 0 ? NULL : slot;
}

static int by_name(const void *a, const void *b) {
    return memcmp(((const struct store_row *)a)->name, ((const struct store_row *)b)->name,
                  STORE_NAME_BYTES);
}

struct store_row *store_memtable_sorted(const struct store_memtable *table) {
    struct store_row *rows = mem_new_array(table->n, sizeof *rows);
    size_t n = 0;
    for (uint32_t i = 0; i < table->slot_n; i++)
        if (table->slots[i].length != 0)
            rows[n++] = table->slots[i];
    qsort(rows, n, sizeof *rows, by_name);
    return rows;
}
