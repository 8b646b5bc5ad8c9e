#pragma once
/* data/select -- which part of a point is meant. Server and agent decide with the same code
 * which pages of a manifest a restore needs, so that neither can leave one out unnoticed.
 * Owns: a set of relative paths, its encoding in a message, tests of paths and of page ranges
 *   against it.
 * Knows nothing of: where points are, what is done with the entries.
 * Threads: read-only after creation.
 * Lifetime: paths borrow the encoded bytes.
 * Limits: SELECT_PATHS_MAX. */
#include "base/base.h"
#include "format/manifest/manifest.h"

#define SELECT_PATHS_MAX 4096u

/* A restore goes window by window: entries are planned until a window is full, then their
 * content is sent.  Both sides
 * count alike: a window ends behind the reference that fills it, or, between entries, when so
 * many files of several
 * chunks are open. */
#define RESTORE_WINDOW_CHUNKS 65536u
#define RESTORE_WINDOW_FILES 2048u
struct restore_window {
    uint32_t chunks, files;
};
/* Before a file of several chunks is planned: does the window end here? */
static inline bool restore_window_file(struct restore_window *window) {
    if (++window->files <= RESTORE_WINDOW_FILES)
        return false;
    *window = (struct restore_window){.files = 1};
    return true;
}
/* Behind a chunk: does the window end here? */
static inline bool restore_window_chunk(struct restore_window *window) {
    if (++window->chunks < RESTORE_WINDOW_CHUNKS)
        return false;
    *window = (struct restore_window){.files = 1};
    return true;
}

struct selection {
    VEC(struct span) paths; /* none = everything */
};

void selection_put(struct buf *out, struct span path); /* append one path to an encoded selection */
/* ERR_PROTOCOL: malformed, or a path that cannot be in a manifest. */
[[nodiscard]] int selection_get(struct span encoded, struct selection *out, struct err *err);
void selection_done(struct selection *selection);

/* The path is one of the selected, or lies below one. */
bool selection_has(const struct selection *selection, struct span path);

/* Walks the tree below `tree` in order, loading only pages that may matter: fn gets every entry
 * that the selection
 * touches.  Both sides of a restore run this, one sending what it loads, one loading what was
 * sent. */
typedef int selection_entry_fn(void *ctx, const struct entry *entry, struct err *err);
[[nodiscard]] int selection_walk(const struct selection *selection, const struct manifest_ref *tree,
                                 manifest_load_fn *load, void *load_ctx, selection_entry_fn *fn,
                                 void *ctx, struct err *err);
