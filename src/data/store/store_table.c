#include "data/store/store_int.h"

void store_state_done(struct store_state *state) {
    vec_done(&state->gone);
    vec_done(&state->damage);
}

void store_table_done(struct store_table *table) {
    vec_done(&table->packs);
    vec_done(&table->damage);
    mem_free(table->slots);
    *table = (struct store_table){.slot_n = 0};
}

/* Ids are random: their own bytes are the hash. */
static uint32_t *slot_of(const struct store_table *table, const uint8_t id[static 16]) {
    uint32_t i = be32_get(id) & (table->slot_n - 1);
    while (table->slots[i] != 0 && memcmp(table->packs.p[table->slots[i] - 1].id, id, 16) != 0)
        i = (i + 1) & (table->slot_n - 1);
    return &table->slots[i];
}

static void grow(struct store_table *table) {
    mem_free(table->slots);
    table->slot_n = table->slot_n == 0 ? 64 : table->slot_n * 2;
    table->slots = mem_new_array(table->slot_n, sizeof *table->slots);
    for (size_t i = 0; i < table->packs.n; i++)
        *slot_of(table, table->packs.p[i].id) = (uint32_t)i + 1;
}

uint32_t store_table_find(const struct store_table *table,
                          const uint8_t id[static STORE_NAME_BYTES]) {
    if (table->slot_n == 0)
        return STORE_NO_PACK;
    uint32_t slot = *slot_of(table, id);
    return slot == 0 ? STORE_NO_PACK : slot - 1;
}

uint32_t store_table_add(struct store_table *table, const struct store_pack *pack) {
    if (table->packs.n * 3 >= (size_t)table->slot_n * 2)
        grow(table);
    uint32_t *slot = slot_of(table, pack->id);
    INVARIANT(*slot == 0 && table->packs.n < STORE_NO_PACK);
    *vec_push(&table->packs) = *pack;
    *slot = (uint32_t)table->packs.n;
    return *slot - 1;
}

/* Where the row is, or belongs: the list is sorted. */
static size_t damage_find(const struct store_table *table, uint32_t pack, uint32_t segment,
                          bool *found) {
    const struct store_damage_row *rows = table->damage.p;
    size_t low = 0, high = table->damage.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rows[middle].pack < pack ||
            (rows[middle].pack == pack && rows[middle].segment < segment))
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < table->damage.n && rows[low].pack == pack && rows[low].segment == segment;
    return low;
}

bool store_table_is_damaged(const struct store_table *table, uint32_t pack, uint32_t segment) {
    bool found = false;
    if (table->packs.p[pack].damage_n == 0)
        return false;
    (void)damage_find(table, pack, segment, &found);
    if (!found)
        (void)damage_find(table, pack, STORE_WHOLE_PACK, &found);
    return found;
}

bool store_table_damage(struct store_table *table, uint32_t pack, uint32_t segment) {
    if (store_table_is_damaged(table, pack, segment))
        return false;
    bool found;
    size_t at = damage_find(table, pack, segment, &found);
    (void)vec_push(&table->damage);
    memmove(&table->damage.p[at + 1], &table->damage.p[at],
            (table->damage.n - 1 - at) * sizeof *table->damage.p);
    table->damage.p[at] = (struct store_damage_row){.pack = pack, .segment = segment};
    table->packs.p[pack].damage_n++;
    if (segment == STORE_WHOLE_PACK && table->packs.p[pack].state == STORE_PACK_SEALED)
        table->packs.p[pack].state = STORE_PACK_DAMAGED;
    return true;
}

void store_table_mend(struct store_table *table, uint32_t pack) {
    size_t kept = 0;
    for (size_t i = 0; i < table->damage.n; i++)
        if (table->damage.p[i].pack != pack)
            table->damage.p[kept++] = table->damage.p[i];
    table->damage.n = kept;
    table->packs.p[pack].damage_n = 0;
    if (table->packs.p[pack].state == STORE_PACK_DAMAGED)
        table->packs.p[pack].state = STORE_PACK_SEALED;
}

bool store_table_readable(const struct store_table *table, uint32_t pack, uint32_t segment) {
    return pack != STORE_NO_PACK && table->packs.p[pack].state == STORE_PACK_SEALED &&
           !store_table_is_damaged(table, pack, segment);
}
