#include "flow/retain/retain.h"

#include "data/tree/tree.h"
#include "data/tree/tree_seen.h"

struct marking {
    struct store *store;
    struct ledger *ledger;
    const struct retain_opts *opts;
    struct store_mark *mark;
    struct store_reader *reader;
    struct tree_seen *seen;
    uint64_t points, points_total;
};

static bool is_new(void *ctx, const struct manifest_ref *ref) {
    struct marking *marking = ctx;
    return !tree_seen_has(marking->seen, &ref->page);
}

static int mark_page(void *ctx, enum chunk_type type, const struct digest *name, struct span bytes,
                     struct err *err) {
    struct marking *marking = ctx;
    (void)type, (void)bytes;
    if (marking->opts->cancelled != NULL && marking->opts->cancelled(marking->opts->ctx))
        return ERR(err, ERR_INTERRUPTED, "gc was cancelled");
    (void)tree_seen_add(marking->seen, name);
    return store_mark_live(marking->mark, name, err);
}

static int mark_chunk(void *ctx, const struct digest *name, struct err *err) {
    struct marking *marking = ctx;
    return store_mark_live(marking->mark, name, err);
}

static int mark_point(void *ctx, const char *name, const struct commit *commit,
                      const struct digest *hash, enum ledger_state state, struct err *err) {
    struct marking *marking = ctx;
    (void)hash;
    if (state == LEDGER_PURGED)
        return 0;
    if (commit == NULL)
        return ERR(err, ERR_FORMAT, "commit %s cannot be read: nothing is collected", name);
    struct tree_visitor visitor = {
        .ctx = marking, .once = true, .enter = is_new, .page = mark_page, .chunk = mark_chunk};
    if (tree_walk(marking->reader, &commit->manifest, &visitor, err) != 0)
        return ERR_NOTE(err, "commit %s", name);
    marking->points++;
    if (marking->opts->progress != NULL)
        marking->opts->progress(marking->opts->ctx, marking->points, marking->points_total);
    return 0;
}

/* The mark starts before the commits are listed: what is committed later was written later, and
 * counts as live. */
static int mark_all(struct marking *marking, struct err *err) {
    marking->points_total = marking->points;
    marking->points = 0;
    if (store_mark_begin(marking->store, &marking->mark, err) != 0)
        return -1;
    marking->reader = store_reader_new(marking->store);
    marking->seen = tree_seen_new();
    int rc = ledger_walk(marking->ledger, mark_point, marking, err);
    store_reader_free(TAKE(marking->reader));
    tree_seen_free(TAKE(marking->seen));
    return rc;
}

static int condemn_and_sweep(struct marking *marking, struct retain_result *result,
                             struct err *err) {
    int rc = mark_all(marking, err);
    result->points_held = marking->points;
    if (rc == 0 && !marking->opts->what_if)
        rc = store_condemn(marking->store, marking->mark, &result->store, err);
    store_mark_free(TAKE(marking->mark));
    if (rc != 0 || marking->opts->what_if)
        return rc;
    rc = mark_all(marking, err);
    if (rc == 0)
        rc = store_sweep(marking->store, marking->mark, marking->opts->now_s, &result->store, err);
    store_mark_free(TAKE(marking->mark));
    return rc;
}

int retain_run(struct store *store, struct ledger *ledger, const struct retain_opts *opts,
               struct retain_result *result, struct err *err) {
    struct marking marking = {.store = store, .ledger = ledger, .opts = opts};
    *result = (struct retain_result){0};
    if (condemn_and_sweep(&marking, result, err) != 0)
        return -1;
    return opts->what_if
               ? 0
               : store_empty_trash(store, opts->now_s, opts->window_s, &result->store, err);
}
