#pragma once
/* The packs a store knows, by ordinal and by id, what became of each, and what is damaged in them.
 * Everything here is done under the store's mutex. */
#include "base/base.h"
#include "data/store/store.h"

#define STORE_NO_PACK UINT32_MAX    /* no ordinal */
#define STORE_WHOLE_PACK UINT32_MAX /* no segment: all of them */
#define STORE_FOOTER 0u             /* no segment lies there: only the footer is damaged */
#define STORE_NAME_BYTES                                                                           \
    16 /* of a pack's id in file names; of a chunk's keyed name in the index                       \
        */

enum store_pack_state {
    STORE_PACK_SEALED,  /* in packs/, of the recorded length */
    STORE_PACK_LOST,    /* a run lists it, but it is absent or of another length */
    STORE_PACK_DAMAGED, /* it is there, but nothing in it opens */
    STORE_PACK_GONE,    /* given up: in the trash or on its way */
};

struct store_pack {
    uint8_t id[STORE_NAME_BYTES];
    uint64_t bytes, plain_bytes;
    uint32_t chunk_n;
    uint32_t damage_n;                /* damaged segments known */
    uint32_t generation;              /* when its file was last looked at */
    enum store_pack_state state, was; /* was: before it was given up */
    bool indexed;                     /* a run or the memtable has its rows */
    uint8_t job[16], source[16];
};

struct store_gone {
    uint8_t id[STORE_NAME_BYTES];
};
struct store_damaged { /* in the state file */
    uint8_t id[STORE_NAME_BYTES];
    uint32_t segment; /* offset of its record, or STORE_WHOLE_PACK */
};
struct store_state {
    uint64_t epoch;
    VEC(struct store_gone) gone;
    VEC(struct store_damaged) damage;
};
void store_state_done(struct store_state *state);

struct store_damage_row {
    uint32_t pack, segment;
};

struct store_table {
    VEC(struct store_pack)
    packs;           /* by ordinal; never shrinks: an ordinal means one pack for ever */
    uint32_t *slots; /* hash of ids: ordinal + 1 */
    uint32_t slot_n;
    VEC(struct store_damage_row) damage; /* sorted */
};
void store_table_done(struct store_table *table);
/* STORE_NO_PACK when unknown. */
uint32_t store_table_find(const struct store_table *table,
                          const uint8_t id[static STORE_NAME_BYTES]);
uint32_t store_table_add(struct store_table *table, const struct store_pack *pack);
bool store_table_is_damaged(const struct store_table *table, uint32_t pack, uint32_t segment);
/* True when it was not known. */
bool store_table_damage(struct store_table *table, uint32_t pack, uint32_t segment);
/* All damage of the pack is forgotten. */
void store_table_mend(struct store_table *table, uint32_t pack);
/* May a row be answered?  The pack is sealed and the segment not known to be damaged. */
bool store_table_readable(const struct store_table *table, uint32_t pack, uint32_t segment);
