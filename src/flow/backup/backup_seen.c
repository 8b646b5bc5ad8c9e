/* Names of chunks this session has sent, so that equal content is sent once.
 *
 * Only 64 bits of each name are kept, mixed with a secret of the session: a collision (about 2^-23
 * for two million names) would leave a chunk out, the server's closure check would refuse the
 * commit, and the next run, with another secret, sends it.  Nobody can make one on purpose.  When
 * the table is full, later names are no longer remembered: they are sent again and the store drops
 * them. */
#include "flow/backup/backup_int.h"
#include "os/random.h"

#define SEEN_MAX (2u << 20)

__extension__ typedef unsigned __int128 wide;

struct seen {
    struct os_mutex mutex;
    uint64_t secret[2];
    uint64_t *slots; /* 0 = empty */
    size_t slot_n;   /* a power of two, at least twice `n` */
    size_t n;
};

struct seen *seen_new(void) {
    struct seen *seen = mem_new(sizeof *seen);
    os_mutex_init(&seen->mutex);
    os_random(seen->secret, sizeof seen->secret);
    seen->slot_n = 4096;
    seen->slots = mem_new_array(seen->slot_n, sizeof *seen->slots);
    return seen;
}

void seen_free(struct seen *seen) {
    if (seen == NULL)
        return;
    os_mutex_done(&seen->mutex);
    mem_free(seen->slots);
    mem_free(seen);
}

static uint64_t fingerprint(const struct seen *seen, const struct digest *name) {
    uint64_t a = be64_get(name->b) ^ seen->secret[0];
    uint64_t b = be64_get(name->b + 8) ^ seen->secret[1];
    wide product = (wide)a * (b | 1);
    uint64_t mixed = (uint64_t)product ^ (uint64_t)(product >> 64) ^ be64_get(name->b + 16);
    return mixed != 0 ? mixed : 1;
}

/* The slot that holds `value`, or the empty one where it belongs. */
static uint64_t *slot_of(uint64_t *slots, size_t slot_n, uint64_t value) {
    size_t i = (size_t)value & (slot_n - 1);
    while (slots[i] != 0 && slots[i] != value)
        i = (i + 1) & (slot_n - 1);
    return &slots[i];
}

static void grow(struct seen *seen) {
    size_t slot_n = seen->slot_n * 2;
    uint64_t *slots = mem_new_array(slot_n, sizeof *slots);
    for (size_t i = 0; i < seen->slot_n; i++)
        if (seen->slots[i] != 0)
            *slot_of(slots, slot_n, seen->slots[i]) = seen->slots[i];
    mem_free(seen->slots);
    seen->slots = slots;
    seen->slot_n = slot_n;
}

static bool add(struct seen *seen, const struct digest *name) {
    uint64_t value = fingerprint(seen, name);
    uint64_t *slot = slot_of(seen->slots, seen->slot_n, value);
    if (*slot == value)
        return false;
    if (seen->n == SEEN_MAX)
        return true;
    *slot = value;
    seen->n++;
    if (seen->n * 2 > seen->slot_n)
        grow(seen);
    return true;
}

void seen_filter(struct seen *seen, struct fresh *chunks, size_t n) {
    os_mutex_lock(&seen->mutex);
    for (size_t i = 0; i < n; i++)
        chunks[i].wanted = add(seen, &chunks[i].name);
    os_mutex_unlock(&seen->mutex);
}
