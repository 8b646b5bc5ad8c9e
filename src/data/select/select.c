#include "data/select/select.h"

void selection_put(struct buf *out, struct span path) {
    INVARIANT(path.n <= UINT16_MAX);
    buf_put_u16(out, (uint16_t)path.n);
    buf_put_span(out, path);
}

/* As the manifest has it: components that are not empty, "." or "..", no slash at either end. */
static bool is_relative_path(struct span path) {
    size_t start = 0;
    for (size_t i = 0; i <= path.n; i++) {
        if (i < path.n && path.p[i] == 0)
            return false;
        if (i < path.n && path.p[i] != '/')
            continue;
        size_t n = i - start;
        const uint8_t *p = path.p + start;
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        start = i + 1;
    }
    return true;
}

int selection_get(struct span encoded, struct selection *out, struct err *err) {
    struct cursor c = cursor_of(encoded);
    while (!c.bad && cursor_left(&c) > 0) {
        struct span path = cursor_bytes(&c, cursor_u16(&c));
        if (c.bad || out->paths.n == SELECT_PATHS_MAX || !is_relative_path(path))
            return ERR(err, ERR_PROTOCOL, "malformed selection of paths");
        *vec_push(&out->paths) = path;
    }
    return 0;
}

void selection_done(struct selection *selection) {
    vec_done(&selection->paths);
}

static bool within(struct span path, struct span root) {
    return path.n >= root.n && memcmp(path.p, root.p, root.n) == 0 &&
           (path.n == root.n || root.n == 0 || path.p[root.n] == '/');
}

bool selection_has(const struct selection *selection, struct span path) {
    for (size_t i = 0; i < selection->paths.n; i++)
        if (within(path, selection->paths.p[i]))
            return true;
    return selection->paths.n == 0;
}

/* ... or is a folder on the way to one. */
static bool selection_touches(const struct selection *selection, struct span path) {
    for (size_t i = 0; i < selection->paths.n; i++)
        if (path.n == 0 || within(path, selection->paths.p[i]) ||
            within(selection->paths.p[i], path))
            return true;
    return selection->paths.n == 0;
}

/* [first, next) holds `path` itself. */
static bool holds(struct span first, const struct span *next, struct span path) {
    return manifest_path_compare(first, path) <= 0 &&
           (next == NULL || manifest_path_compare(path, *next) < 0);
}

/* May entries from `first` on, before `next` (NULL = no end), touch the selection? */
static bool selection_overlaps(const struct selection *selection, struct span first,
                               const struct span *next) {
    for (size_t i = 0; i < selection->paths.n; i++) {
        struct span path = selection->paths.p[i];
        if (holds(first, next, path) || within(first, path))
            return true;
        for (size_t n = path.n; n > 0; n--) /* folders on the way */
            if (path.p[n - 1] == '/' && holds(first, next, span_of(path.p, n - 1)))
                return true;
        if (first.n == 0)
            return true; /* the root itself */
    }
    return selection->paths.n == 0;
}

struct level {
    struct buf bytes;
    struct manifest_page *page;
    size_t next_child;
    struct buf limit; /* first path behind this page */
    bool limited;
};

struct walk {
    const struct selection *selection;
    manifest_load_fn *load;
    void *load_ctx;
    selection_entry_fn *fn;
    void *ctx;
    struct level levels[MANIFEST_DEPTH_MAX + 1];
    size_t depth;
};

static int visit_leaf(struct walk *walk, struct manifest_page *page, struct err *err) {
    for (;;) {
        const struct entry *entry;
        if (manifest_page_next(page, &entry, err) != 0)
            return -1;
        if (entry == NULL)
            return 0;
        if (selection_touches(walk->selection, entry->path) && walk->fn(walk->ctx, entry, err) != 0)
            return -1;
    }
}

static int enter(struct walk *walk, const struct manifest_ref *ref, const struct span *next,
                 struct err *err) {
    if (!selection_overlaps(walk->selection, ref->first_path, next))
        return 0;
    if (walk->depth == ARRAY_N(walk->levels))
        return ERR(err, ERR_FORMAT, "manifest is deeper than %u levels", MANIFEST_DEPTH_MAX);
    struct level *level = &walk->levels[walk->depth];
    struct span bytes;
    buf_clear(&level->limit);
    level->limited = next != NULL;
    if (next != NULL)
        buf_put_span(&level->limit, *next);
    if (walk->load(walk->load_ctx, CHUNK_TREE, &ref->page, &bytes, err) != 0)
        return -1;
    buf_clear(&level->bytes);
    buf_put_span(&level->bytes, bytes);
    if (manifest_page_open(buf_span(&level->bytes), &level->page, err) != 0)
        return -1;
    if (manifest_page_expect(level->page, ref, err) != 0)
        return -1;
    level->next_child = 0;
    if (manifest_page_level(level->page) > 0) {
        walk->depth++;
        return 0;
    }
    int rc = visit_leaf(walk, level->page, err);
    manifest_page_free(TAKE(level->page));
    return rc;
}

static int next_child(struct walk *walk, struct err *err) {
    struct level *level = &walk->levels[walk->depth - 1];
    size_t i = level->next_child++, n = manifest_page_n(level->page);
    if (i == n) {
        manifest_page_free(TAKE(level->page));
        walk->depth--;
        return 0;
    }
    struct span limit = buf_span(&level->limit);
    const struct span *next = level->limited ? &limit : NULL;
    if (i + 1 < n)
        next = &manifest_page_child(level->page, i + 1)->first_path;
    return enter(walk, manifest_page_child(level->page, i), next, err);
}

int selection_walk(const struct selection *selection, const struct manifest_ref *tree,
                   manifest_load_fn *load, void *load_ctx, selection_entry_fn *fn, void *ctx,
                   struct err *err) {
    struct walk walk = {
        .selection = selection, .load = load, .load_ctx = load_ctx, .fn = fn, .ctx = ctx};
    int rc = enter(&walk, tree, NULL, err);
    while (rc == 0 && walk.depth > 0)
        rc = next_child(&walk, err);
    for (size_t i = 0; i < ARRAY_N(walk.levels); i++) {
        manifest_page_free(walk.levels[i].page);
        buf_done(&walk.levels[i].bytes);
        buf_done(&walk.levels[i].limit);
    }
    return rc;
}
