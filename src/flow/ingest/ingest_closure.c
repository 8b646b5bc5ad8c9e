/* I5: a point may exist when everything it names is here, and its source has shown to have it.
 *
 * Naming a chunk is no proof of having it: whoever could guess a name would learn whether another
 * computer has it, and could read it out of the point.  So it must lie in a pack that this source
 * brought, or have come in this session, or be in the base.  The first two are looked up; what
 * is left are doubts, which are settled together. */
#include <stdlib.h>

#include "base/text.h"
#include "flow/ingest/ingest_int.h"

struct doubt {
    struct digest keyed, name;
    bool shown;
};

struct closure {
    struct session *session;
    struct digest *held; /* pages of the base: its own closure was checked, and it is held */
    size_t held_n;
    VEC(struct doubt) doubts;
    struct digest missing;
    uint64_t missing_n;
};

typedef VEC(struct digest) digests;

static int by_name(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct digest)); /* of a doubt, its keyed name */
}

static bool remember(void *ctx, const struct manifest_ref *ref) {
    digests *held = ctx;
    *vec_push(held) = ref->page;
    return ref->level > 0; /* leaves are named by their parents: no need to read them */
}

static bool is_new(void *ctx, const struct manifest_ref *ref) {
    const struct closure *closure = ctx;
    return closure->held_n == 0 ||
           bsearch(&ref->page, closure->held, closure->held_n, sizeof ref->page, by_name) == NULL;
}

static void note_missing(struct closure *closure, const struct digest *name) {
    if (closure->missing_n++ == 0)
        closure->missing = *name;
}

static int check_chunk(void *ctx, const struct digest *name, struct err *err) {
    struct closure *closure = ctx;
    struct session *session = closure->session;
    struct store_origin origin;
    bool has;
    if (store_has(session->store, name, &has, err) != 0 ||
        store_origin_of(session->store, name, session->order->source, &origin, err) != 0)
        return -1;
    if (!has) {
        note_missing(closure, name);
    } else if (!origin.own && !tree_seen_has(session->elsewhere, name)) { /* workers are idle */
        struct doubt *doubt = vec_push(&closure->doubts);
        *doubt = (struct doubt){.name = *name};
        store_keyed_name(session->store, name, &doubt->keyed);
    }
    return 0;
}

static int check_page(void *ctx, enum chunk_type type, const struct digest *name, struct span bytes,
                      struct err *err) {
    (void)type, (void)bytes;
    return check_chunk(ctx, name, err);
}

static int missing_page(void *ctx, const struct digest *name, const struct err *why,
                        struct err *err) {
    (void)why, (void)err;
    note_missing(ctx, name);
    return 0;
}

/* ---- doubts ---- */

static int shown_keyed(void *ctx, const uint8_t keyed[static 32]) {
    struct closure *closure = ctx;
    struct doubt *found =
        bsearch(keyed, closure->doubts.p, closure->doubts.n, sizeof *closure->doubts.p, by_name);
    if (found != NULL)
        found->shown = true;
    return 0;
}

static int shown_chunk(void *ctx, const struct digest *name, struct err *err) {
    struct closure *closure = ctx;
    struct digest keyed;
    (void)err;
    store_keyed_name(closure->session->store, name, &keyed);
    return shown_keyed(closure, keyed.b);
}

static int shown_page(void *ctx, enum chunk_type type, const struct digest *name, struct span bytes,
                      struct err *err) {
    (void)type, (void)bytes;
    return shown_chunk(ctx, name, err);
}

static int pass_over(void *ctx, const struct digest *name, const struct err *why, struct err *err) {
    (void)ctx, (void)name, (void)why, (void)err;
    return 0;
}

/* Each once. */
static void sort_doubts(struct closure *closure) {
    struct doubt *p = closure->doubts.p;
    size_t n = 0;
    qsort(p, closure->doubts.n, sizeof *p, by_name);
    for (size_t i = 0; i < closure->doubts.n; i++)
        if (n == 0 || !digest_equal(&p[i].keyed, &p[n - 1].keyed))
            p[n++] = p[i];
    closure->doubts.n = n;
}

/* Copies of its own beside the one that the index tells of, and everything that the base names. */
static int settle_doubts(struct closure *closure, struct store_reader *reader, struct err *err) {
    struct session *session = closure->session;
    struct tree_visitor base = {.ctx = closure,
                                .once = true,
                                .page = shown_page,
                                .chunk = shown_chunk,
                                .broken = pass_over};
    if (closure->doubts.n == 0)
        return 0;
    sort_doubts(closure);
    if (store_orphans_of(session->store, session->order->source, shown_keyed, closure, err) != 0 ||
        (session->has_base && tree_walk(reader, &session->base.manifest, &base, err) != 0))
        return -1;
    for (size_t i = 0; i < closure->doubts.n; i++)
        if (!closure->doubts.p[i].shown)
            note_missing(closure, &closure->doubts.p[i].name);
    return 0;
}

/* A store with known damage checks all. */
static int check_all(struct closure *closure, struct store_reader *reader,
                     const struct digest *manifest, struct err *err) {
    struct session *session = closure->session;
    digests held = {0};
    if (session->has_base && !store_has_damage(session->store)) {
        struct tree_visitor collect = {.ctx = &held, .enter = remember};
        if (tree_walk(reader, &session->base.manifest, &collect, NULL) != 0)
            held.n = 0;
        if (held.n > 1)
            qsort(held.p, held.n, sizeof *held.p, by_name);
    }
    closure->held = held.p;
    closure->held_n = held.n;
    struct tree_visitor check = {.ctx = closure,
                                 .once = true,
                                 .enter = is_new,
                                 .page = check_page,
                                 .chunk = check_chunk,
                                 .broken = missing_page};
    int rc = tree_walk(reader, manifest, &check, err);
    vec_done(&held);
    return rc == 0 ? settle_doubts(closure, reader, err) : -1;
}

int ingest_closure(struct session *session, const struct digest *manifest, struct err *err) {
    struct closure closure = {.session = session};
    AUTO(store_reader) *reader = store_reader_new(session->store);
    int rc = check_all(&closure, reader, manifest, err);
    vec_done(&closure.doubts);
    if (rc == 0 && closure.missing_n > 0) {
        char hex[2 * sizeof closure.missing.b + 1];
        text_hex(hex, closure.missing.b, sizeof closure.missing.b);
        rc = ERR(err, ERR_CLOSURE, "the manifest names %llu chunks that did not come, first %s",
                 (unsigned long long)closure.missing_n, hex);
    }
    return rc;
}
