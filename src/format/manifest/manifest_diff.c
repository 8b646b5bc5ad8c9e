#include "format/manifest/manifest_int.h"

struct diff {
    struct manifest_reader *a, *b; /* old, new */
    manifest_diff_fn *fn;
    void *ctx;
};

/* Both stand in front of subtrees: step over what is equal, else into what begins first, or lies
 * higher. */
static int step_subtrees(struct diff *diff, const struct manifest_ref *a,
                         const struct manifest_ref *b, struct err *err) {
    if (a->level == b->level && digest_equal(&a->page, &b->page)) {
        manifest_reader_skip(diff->a);
        manifest_reader_skip(diff->b);
        return 0;
    }
    int order = manifest_path_compare(a->first_path, b->first_path);
    bool into_a = order < 0 || (order == 0 && a->level >= b->level);
    bool into_b = order > 0 || (order == 0 && b->level >= a->level);
    if (into_a && manifest_reader_enter(diff->a, err) != 0)
        return -1;
    return into_b ? manifest_reader_enter(diff->b, err) : 0;
}

/* One stands at an entry, the other in front of a subtree or at its end (NULL). */
static int step_one(struct diff *diff, bool old, const struct entry *entry,
                    const struct manifest_ref *other, struct err *err) {
    if (other != NULL && manifest_path_compare(entry->path, other->first_path) >= 0)
        return manifest_reader_enter(old ? diff->b : diff->a, err);
    if (diff->fn(diff->ctx, old ? entry : NULL, old ? NULL : entry, err) != 0)
        return -1;
    manifest_reader_pass(old ? diff->a : diff->b);
    return 0;
}

static int step_entries(struct diff *diff, const struct entry *a, const struct entry *b,
                        struct err *err) {
    int order = manifest_path_compare(a->path, b->path);
    if (order < 0)
        return step_one(diff, true, a, NULL, err);
    if (order > 0)
        return step_one(diff, false, b, NULL, err);
    if (!manifest_entry_equal(a, b) && diff->fn(diff->ctx, a, b, err) != 0)
        return -1;
    manifest_reader_pass(diff->a);
    manifest_reader_pass(diff->b);
    return 0;
}

static int step(struct diff *diff, bool *ended, struct err *err) {
    const struct entry *a, *b;
    if (manifest_reader_current(diff->a, &a, err) != 0 ||
        manifest_reader_current(diff->b, &b, err) != 0)
        return -1;
    if (a != NULL && b != NULL)
        return step_entries(diff, a, b, err);
    const struct manifest_ref *a_tree = manifest_reader_subtree(diff->a),
                              *b_tree = manifest_reader_subtree(diff->b);
    if (a != NULL)
        return step_one(diff, true, a, b_tree, err);
    if (b != NULL)
        return step_one(diff, false, b, a_tree, err);
    if (a_tree != NULL && b_tree != NULL)
        return step_subtrees(diff, a_tree, b_tree, err);
    *ended = a_tree == NULL && b_tree == NULL;
    if (*ended)
        return 0;
    return manifest_reader_enter(a_tree != NULL ? diff->a : diff->b, err);
}

int manifest_diff(const struct manifest_ref *old_tree, const struct manifest_ref *new_tree,
                  manifest_load_fn *load, void *old_ctx, void *new_ctx, manifest_diff_fn *fn,
                  void *ctx, struct err *err) {
    AUTO(manifest_reader) *a = manifest_reader_new(old_tree, load, old_ctx);
    AUTO(manifest_reader) *b = manifest_reader_new(new_tree, load, new_ctx);
    struct diff diff = {.a = a, .b = b, .fn = fn, .ctx = ctx};
    for (bool ended = false; !ended;)
        if (step(&diff, &ended, err) != 0)
            return -1;
    return 0;
}
