#include "data/tree/tree_seen.h"

#include "base/base.h"

struct tree_seen {
    VEC(struct digest) names;
    uint32_t *slots; /* index + 1 */
    size_t slot_n;
};

struct tree_seen *tree_seen_new(void) {
    struct tree_seen *seen = mem_new(sizeof *seen);
    seen->slot_n = 1024;
    seen->slots = mem_new_array(seen->slot_n, sizeof *seen->slots);
    return seen;
}

void tree_seen_free(struct tree_seen *seen) {
    if (seen == NULL)
        return;
    vec_done(&seen->names);
    mem_free(seen->slots);
    mem_free(seen);
}

static uint32_t *slot_of(const struct tree_seen *seen, const struct digest *name) {
    size_t i = (size_t)be64_get(name->b) & (seen->slot_n - 1);
    while (seen->slots[i] != 0 && !digest_equal(&seen->names.p[seen->slots[i] - 1], name))
        i = (i + 1) & (seen->slot_n - 1);
    return &seen->slots[i];
}

bool tree_seen_has(const struct tree_seen *seen, const struct digest *name) {
    return *slot_of(seen, name) != 0;
}

bool tree_seen_add(struct tree_seen *seen, const struct digest *name) {
    uint32_t *slot = slot_of(seen, name);
    if (*slot != 0)
        return false;
    INVARIANT(seen->names.n < UINT32_MAX);
    *vec_push(&seen->names) = *name;
    *slot = (uint32_t)seen->names.n;
    if (seen->names.n * 2 < seen->slot_n)
        return true;
    mem_free(seen->slots);
    seen->slot_n *= 2;
    seen->slots = mem_new_array(seen->slot_n, sizeof *seen->slots);
    for (size_t i = 0; i < seen->names.n; i++)
        *slot_of(seen, &seen->names.p[i]) = (uint32_t)i + 1;
    return true;
}
