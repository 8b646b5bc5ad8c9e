#pragma once
/* data/tree -- walks the manifest of a point inside a store.
 * Owns: the order of the walk, loading pages by name, following index pages.
 * Knows nothing of: why somebody walks (restore, closure, mark, verify, listing).
 * Threads: a walk by one thread, with its own reader.
 * Lifetime: spans given to a visitor are valid during the call.
 * Limits: MANIFEST_DEPTH_MAX. */
#include "base/base.h"
#include "data/store/store.h"
#include "format/manifest/manifest.h"

/* Every member may be NULL.  A function that returns -1 has filled err and ends the walk. */
struct tree_visitor {
    void *ctx;
    bool once; /* index pages once for the whole walk, for who collects names: else once an entry */
    /* Before a page is loaded; false passes over the subtree. */
    bool (*enter)(void *ctx, const struct manifest_ref *ref);
    /* A root record, tree page or index page, in walk order. */
    int (*page)(void *ctx, enum chunk_type type, const struct digest *name, struct span bytes,
                struct err *err);
    int (*entry)(void *ctx, const struct entry *entry, struct err *err);
    /* Every content chunk of every entry, from its list or its index pages (each page once for an
     * entry). */
    int (*chunk)(void *ctx, const struct digest *name, struct err *err);
    /* A page that cannot be read or does not decode: NULL = the walk fails; else it goes on
     * without the subtree. */
    int (*broken)(void *ctx, const struct digest *name, const struct err *why, struct err *err);
};

/* From the root record on. */
[[nodiscard]] int tree_walk(struct store_reader *reader, const struct digest *root,
                            const struct tree_visitor *visitor, struct err *err);
/* The root record alone. */
[[nodiscard]] int tree_info(struct store_reader *reader, const struct digest *root,
                            struct manifest_info *info, struct err *err);
/* manifest_load_fn over a store_reader. */
[[nodiscard]] int tree_load(void *reader, enum chunk_type type, const struct digest *name,
                            struct span *bytes, struct err *err);
