#include "format/manifest/manifest_int.h"

#define INDEX_VERSION 1u
#define INDEX_PAGES_MIN 128u /* of a page of pages, unless it is the last */

static void put_header(struct buf *out, uint8_t level, size_t n) {
    INVARIANT(n > 0 && n <= MANIFEST_INDEX_REFS);
    buf_put_u8(out, INDEX_VERSION);
    buf_put_u8(out, level);
    buf_put_varint(out, n);
}

void manifest_index_put(struct buf *out, const struct chunk_ref *refs, size_t n) {
    put_header(out, 0, n);
    for (size_t i = 0; i < n; i++)
        buf_put_varint(out, refs[i].length);
    for (size_t i = 0; i < n; i++)
        buf_put(out, refs[i].name.b, sizeof refs[i].name.b);
}

static int get_header(struct cursor *c, uint8_t *level, size_t *n, struct err *err) {
    uint8_t version = cursor_u8(c);
    *level = cursor_u8(c);
    uint64_t count = cursor_varint(c);
    if (!c->bad && version != INDEX_VERSION)
        return ERR(err, ERR_FORMAT_VERSION, "index page: version %u is not known", version);
    if (c->bad || *level > MANIFEST_INDEX_LEVEL_MAX || count == 0 || count > MANIFEST_INDEX_REFS)
        return ERR(err, ERR_FORMAT, "index page: its header is malformed");
    *n = (size_t)count;
    return 0;
}

static uint32_t get_length(struct cursor *c) {
    uint64_t n = varint_get(c);
    c->bad |= n == 0 || n > CHUNK_BYTES_MAX;
    return (uint32_t)n;
}

int manifest_index_get(struct span page, struct chunk_ref *refs, size_t max, size_t *n,
                       struct err *err) {
    struct cursor c = cursor_of(page);
    uint8_t level;
    if (get_header(&c, &level, n, err) != 0)
        return -1;
    if (level != 0 || *n > max)
        return ERR(err, ERR_FORMAT, "index page: level %u, %zu references", level, *n);
    for (size_t i = 0; i < *n; i++)
        refs[i].length = get_length(&c);
    for (size_t i = 0; i < *n; i++)
        cursor_copy(&c, refs[i].name.b, sizeof refs[i].name.b);
    return cursor_ended(&c) ? 0 : ERR(err, ERR_FORMAT, "index page: its references are malformed");
}

int manifest_index_names(struct span page, struct digest *names, size_t *n, uint8_t *level,
                         struct err *err) {
    struct cursor c = cursor_of(page);
    if (get_header(&c, level, n, err) != 0)
        return -1;
    for (size_t i = 0; *level == 0 && i < *n; i++)
        (void)get_length(&c);
    cursor_copy(&c, names, *n * sizeof *names);
    return cursor_ended(&c) ? 0 : ERR(err, ERR_FORMAT, "index page: its names are malformed");
}

/* How many of `names` make the next page: up to one whose name says so, so that an insertion moves
 * one cut only. */
static size_t page_of_pages(const struct digest *names, size_t n) {
    size_t max = MIN(n, (size_t)MANIFEST_INDEX_REFS);
    for (size_t i = INDEX_PAGES_MIN; i < max; i++)
        if (be16_get(names[i - 1].b) >> 7 == 0) /* one in 512 */
            return i;
    return max;
}

/* Replace names[n] by the names of the pages that list them. */
static int fold_once(struct digest *names, uint32_t *n, uint8_t level, manifest_emit_fn *emit,
                     void *ctx, struct err *err) {
    SCOPED(buf) page = {0};
    uint32_t made = 0;
    for (uint32_t at = 0; at < *n;) {
        size_t count = page_of_pages(names + at, *n - at);
        buf_clear(&page);
        put_header(&page, level, count);
        buf_put(&page, names + at, count * sizeof *names);
        at += (uint32_t)count;
        hash_typed(CHUNK_INDEX, buf_span(&page), &names[made]);
        if (emit(ctx, CHUNK_INDEX, &names[made], buf_span(&page), err) != 0)
            return -1;
        made++;
    }
    *n = made;
    return 0;
}

int manifest_index_fold(const struct entry *entry, manifest_emit_fn *emit, void *ctx,
                        struct digest **pages, struct entry *folded, struct err *err) {
    *folded = *entry;
    *pages = mem_copy(entry->index_pages, entry->index_page_n * sizeof **pages);
    folded->index_pages = *pages;
    while (folded->index_page_n > MANIFEST_INDEX_PAGES_MAX) {
        if (++folded->index_level > MANIFEST_INDEX_LEVEL_MAX)
            return ERR(err, ERR_LIMIT, "a file of %llu chunks is too large",
                       (unsigned long long)entry->chunk_n);
        if (fold_once(*pages, &folded->index_page_n, folded->index_level, emit, ctx, err) != 0)
            return -1;
    }
    return 0;
}
