#pragma once
/* data/tree/tree_seen -- an exact set of names, for walking pages shared by many points once.
 * Exact, because a page
 * wrongly believed to be marked would be collected. */
#include "crypto/hash.h"

struct tree_seen;
struct tree_seen *tree_seen_new(void);
void tree_seen_free(struct tree_seen *seen);
static inline void tree_seen_auto(struct tree_seen **p) {
    tree_seen_free(*p);
}
bool tree_seen_has(const struct tree_seen *seen, const struct digest *name);
/* True when it was not in the set before. */
bool tree_seen_add(struct tree_seen *seen, const struct digest *name);
