#include "format/manifest/manifest_int.h"

enum inner_column { INNER_NAMES, INNER_TOTALS, INNER_DIGESTS, INNER_COLUMNS };

void manifest_inner_out_begin(struct inner_out *inner, uint8_t level) {
    inner->level = level;
    inner->child_n = 0;
    buf_clear(&inner->names);
    buf_clear(&inner->totals);
    buf_clear(&inner->digests);
    buf_clear(&inner->path);
    inner->path_bytes = 0;
    inner->sum = (struct manifest_totals){0};
}

void manifest_inner_out_done(struct inner_out *inner) {
    buf_done(&inner->names);
    buf_done(&inner->totals);
    buf_done(&inner->digests);
    buf_done(&inner->first_path);
    buf_done(&inner->path);
}

void manifest_inner_out_add(struct inner_out *inner, const struct manifest_ref *child) {
    struct span path = child->first_path;
    size_t shared = manifest_path_shared(buf_span(&inner->path), path);
    if (inner->child_n == 0) {
        buf_clear(&inner->first_path);
        buf_put_span(&inner->first_path, path);
    }
    buf_put_varint(&inner->names, shared);
    buf_put_lstr(&inner->names, span_of(path.n > 0 ? path.p + shared : NULL, path.n - shared));
    inner->path.n = shared;
    buf_put_span(&inner->path, span_of(path.n > 0 ? path.p + shared : NULL, path.n - shared));
    buf_put_varint(&inner->totals, child->totals.entries);
    buf_put_varint(&inner->totals, child->totals.files);
    buf_put_varint(&inner->totals, child->totals.dirs);
    buf_put_varint(&inner->totals, child->totals.bytes);
    buf_put_varint(&inner->totals, child->totals.problems);
    buf_put(&inner->digests, child->page.b, sizeof child->page.b);
    manifest_totals_add(&inner->sum, &child->totals);
    inner->last_page = child->page;
    inner->last_totals = child->totals;
    inner->path_bytes += path.n;
    inner->child_n++;
}

/* As with leaves: by the last child's first path, never by what follows. */
bool manifest_inner_out_cut(const struct inner_out *inner) {
    if (inner->child_n >= MANIFEST_CHILDREN_MAX || inner->path_bytes >= INNER_PATHS_BYTES_SOFT ||
        inner->names.n + inner->totals.n + inner->digests.n >= PAGE_BYTES_SOFT)
        return true;
    if (inner->child_n < INNER_CHILDREN_MIN)
        return false;
    unsigned bits = inner->child_n < INNER_CHILDREN_TARGET ? 9 : 6; /* one in 512, or in 64 */
    uint64_t hash = manifest_path_hash(buf_span(&inner->path)) << 5 * inner->level;
    return hash >> (64 - bits) == 0;
}

void manifest_inner_out_page(const struct inner_out *inner, struct buf *page) {
    buf_clear(page);
    buf_put_u8(page, PAGE_VERSION);
    buf_put_u8(page, inner->level);
    buf_put_varint(page, inner->child_n);
    buf_put_varint(page, inner->names.n);
    buf_put_varint(page, inner->totals.n);
    buf_put_span(page, buf_span(&inner->names));
    buf_put_span(page, buf_span(&inner->totals));
    buf_put_span(page, buf_span(&inner->digests));
    INVARIANT(page->n <= MANIFEST_PAGE_BYTES_MAX);
}

static int read_columns(struct cursor page, size_t *child_n, struct cursor column[INNER_COLUMNS],
                        struct err *err) {
    uint64_t n = varint_get(&page), names_n = varint_get(&page), totals_n = varint_get(&page);
    if (page.bad || n == 0 || n > MANIFEST_CHILDREN_MAX || names_n > cursor_left(&page) ||
        totals_n > cursor_left(&page) - names_n)
        return ERR(err, ERR_FORMAT, "manifest page: its header is malformed");
    column[INNER_NAMES] = cursor_of(cursor_bytes(&page, (size_t)names_n));
    column[INNER_TOTALS] = cursor_of(cursor_bytes(&page, (size_t)totals_n));
    column[INNER_DIGESTS] = cursor_of(cursor_bytes(&page, cursor_left(&page)));
    *child_n = (size_t)n;
    return 0;
}

/* The first paths in full, one behind the other; their lengths go to the children. */
static int read_paths(struct inner_in *inner, struct cursor *names, struct err *err) {
    struct buf *paths = &inner->paths;
    size_t before_at = 0, before_n = 0;
    buf_clear(paths);
    buf_reserve(paths, 1); /* a single child may be "": its span must not be NULL */
    for (size_t i = 0; i < inner->children.n; i++) {
        uint64_t shared = cursor_varint(names);
        struct span own = cursor_lstr(names, MANIFEST_PATH_MAX);
        if (names->bad || shared > before_n || shared + own.n > MANIFEST_PATH_MAX ||
            paths->n + shared + own.n > INNER_PATHS_BYTES_MAX)
            return ERR(err, ERR_FORMAT, "manifest page: the path of child %zu is malformed", i);
        size_t at = paths->n;
        uint8_t *to = buf_extend(paths, (size_t)shared + own.n);
        const uint8_t *before = paths->p + before_at;
        if (i > 0 && (own.n == 0 || (shared < before_n && !path_byte_less(before[shared], *own.p))))
            return ERR(err, ERR_FORMAT, "manifest page: child %zu is not in order", i);
        memmove(to, before, (size_t)shared);
        if (own.n > 0)
            memcpy(to + shared, own.p, own.n);
        before_at = at;
        before_n = (size_t)shared + own.n;
        if (!manifest_path_valid(span_of(to, before_n)))
            return ERR(err, ERR_FORMAT, "manifest page: the path of child %zu cannot be", i);
        inner->children.p[i].first_path.n = before_n;
    }
    return 0;
}

static void read_totals(struct cursor *c, struct manifest_totals *totals) {
    totals->entries = cursor_varint(c);
    totals->files = cursor_varint(c);
    totals->dirs = cursor_varint(c);
    totals->bytes = cursor_varint(c);
    totals->problems = cursor_varint(c);
    c->bad |= totals->files > totals->entries || totals->dirs > totals->entries - totals->files ||
              totals->problems > totals->entries;
}

int manifest_inner_in_open(struct inner_in *inner, uint8_t level, struct cursor page,
                           struct err *err) {
    struct cursor column[INNER_COLUMNS];
    size_t n;
    inner->children.n = 0;
    inner->totals = (struct manifest_totals){0};
    if (read_columns(page, &n, column, err) != 0)
        return -1;
    vec_reserve(&inner->children, n);
    inner->children.n = n;
    if (read_paths(inner, &column[INNER_NAMES], err) != 0)
        return -1;
    const uint8_t *path = inner->paths.p;
    for (size_t i = 0; i < n; i++) {
        struct manifest_ref *child = &inner->children.p[i];
        child->level = (uint8_t)(level - 1);
        child->first_path.p = path;
        path += child->first_path.n;
        read_totals(&column[INNER_TOTALS], &child->totals);
        cursor_copy(&column[INNER_DIGESTS], child->page.b, sizeof child->page.b);
        manifest_totals_add(&inner->totals, &child->totals);
    }
    for (size_t i = 0; i < INNER_COLUMNS; i++)
        if (!cursor_ended(&column[i]))
            return ERR(err, ERR_FORMAT, "manifest page: column %zu does not fit its children", i);
    return 0;
}

void manifest_inner_in_done(struct inner_in *inner) {
    vec_done(&inner->children);
    buf_done(&inner->paths);
}
