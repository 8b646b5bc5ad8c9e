#include "format/manifest/manifest_int.h"

#define EXTENTS_SHIFT_MAX 20u

unsigned entry_extents_shift(const struct entry *entry) {
    uint64_t bits = (uint64_t)1 << EXTENTS_SHIFT_MAX, end = 0;
    for (uint32_t i = 0; i < entry->extent_n; i++) {
        struct extent extent = entry->extents[i];
        bits |= extent.offset - end;
        if (i + 1 < entry->extent_n)
            bits |= extent.length;
        end = extent.offset + extent.length;
    }
    return (unsigned)__builtin_ctzll(bits);
}

static void put_extents(struct buf *out, const struct entry *entry) {
    buf_room(out, (2 * (size_t)entry->extent_n + 2) * VARINT_BYTES_MAX);
    varint_put(out, entry->extent_n);
    if (entry->extent_n == 0)
        return;
    unsigned shift = entry_extents_shift(entry);
    varint_put(out, shift);
    uint64_t end = 0;
    for (uint32_t i = 0; i < entry->extent_n; i++) {
        struct extent extent = entry->extents[i];
        bool last = i + 1 == entry->extent_n;
        varint_put(out, (extent.offset - end) >> shift);
        varint_put(out, last ? extent.length : extent.length >> shift);
        end = extent.offset + extent.length;
    }
}

/* The last length follows from the size, unless reading broke off. */
static void put_refs(struct buf *out, struct buf *digests, const struct entry *entry) {
    bool torn = (entry->flags & ENTRY_UNREADABLE) != 0;
    buf_room(out, (entry->ref_n + 1) * (size_t)VARINT_BYTES_MAX);
    varint_put(out, (uint64_t)entry->ref_n << 1);
    for (uint32_t i = 0; i + !torn < entry->ref_n; i++)
        varint_put(out, entry->refs[i].length);
    for (uint32_t i = 0; i < entry->ref_n; i++)
        buf_put(digests, entry->refs[i].name.b, sizeof entry->refs[i].name.b);
}

static void put_index(struct buf *out, struct buf *digests, const struct entry *entry) {
    buf_put_varint(out, (uint64_t)entry->index_page_n << 1 | 1);
    buf_put_varint(out, entry->index_level);
    buf_put_varint(out, entry->chunk_n);
    buf_put(digests, entry->index_pages, entry->index_page_n * sizeof *entry->index_pages);
}

void manifest_content_put(struct buf *content, struct buf *digests, const struct entry *entry) {
    if ((entry->flags & ENTRY_UNREADABLE) != 0)
        buf_put_varint(content, entry->problem);
    if (entry->kind == ENTRY_FILE) {
        if ((entry->flags & ENTRY_SPARSE) != 0)
            put_extents(content, entry);
        if (entry->index_page_n > 0)
            put_index(content, digests, entry);
        else
            put_refs(content, digests, entry);
    } else if (entry->kind == ENTRY_SYMLINK || entry->kind == ENTRY_HARDLINK) {
        buf_put_lstr(content, entry->link);
    } else if (entry->kind == ENTRY_CHAR || entry->kind == ENTRY_BLOCK) {
        buf_put_varint(content, entry->rdev_major);
        buf_put_varint(content, entry->rdev_minor);
    }
}

/* v << shift, or bad. */
static uint64_t shifted(struct cursor *c, unsigned shift) {
    uint64_t v = varint_get(c);
    c->bad |= v > UINT64_MAX >> shift;
    return v << shift;
}

/* The extents and their sum. */
static void get_extents(struct leaf_in *leaf, struct entry *entry, uint64_t *data) {
    struct cursor *c = &leaf->column[LEAF_CONTENT];
    uint64_t n = varint_get(c);
    unsigned shift = n > 0 ? (unsigned)MIN(varint_get(c), (uint64_t)EXTENTS_SHIFT_MAX) : 0;
    c->bad |= n > MANIFEST_EXTENTS_MAX || n > cursor_left(c) / 2;
    if (c->bad)
        return;
    vec_reserve(&leaf->extents, n);
    uint64_t end = 0;
    *data = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t gap = shifted(c, shift);
        uint64_t length = shifted(c, i + 1 == n ? 0 : shift);
        struct extent *extent = &leaf->extents.p[i];
        c->bad |= __builtin_add_overflow(end, gap, &extent->offset) ||
                  __builtin_add_overflow(extent->offset, length, &end);
        extent->length = length;
        *data += length;
    }
    entry->extents = leaf->extents.p;
    entry->extent_n = (uint32_t)n;
}

static void get_refs(struct leaf_in *leaf, struct entry *entry, uint64_t n, uint64_t data) {
    struct cursor *c = &leaf->column[LEAF_CONTENT];
    struct span names = cursor_bytes(&leaf->column[LEAF_DIGESTS], n * sizeof(struct digest));
    if (names.p == NULL)
        return;
    bool torn = (entry->flags & ENTRY_UNREADABLE) != 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t length = torn || i + 1 < n ? varint_get(c) : data;
        c->bad |= length > CHUNK_BYTES_MAX || length > data;
        data -= length;
        leaf->refs[i].length = (uint32_t)length;
        memcpy(leaf->refs[i].name.b, names.p + i * sizeof(struct digest), sizeof(struct digest));
    }
    entry->refs = leaf->refs;
    entry->ref_n = (uint32_t)n;
    entry->chunk_n = n;
}

static void get_index(struct leaf_in *leaf, struct entry *entry, uint64_t n) {
    struct cursor *c = &leaf->column[LEAF_CONTENT];
    uint64_t level = varint_get(c);
    c->bad |= level > MANIFEST_INDEX_LEVEL_MAX || n == 0;
    entry->index_level = (uint8_t)level;
    entry->chunk_n = varint_get(c);
    cursor_copy(&leaf->column[LEAF_DIGESTS], leaf->index_pages, n * sizeof(struct digest));
    entry->index_pages = leaf->index_pages;
    entry->index_page_n = (uint32_t)n;
}

static void get_file(struct leaf_in *leaf, struct entry *entry) {
    struct cursor *c = &leaf->column[LEAF_CONTENT];
    uint64_t data = entry->size;
    if ((entry->flags & ENTRY_SPARSE) != 0)
        get_extents(leaf, entry, &data);
    uint64_t v = varint_get(c), n = v >> 1;
    bool paged = (v & 1) != 0;
    c->bad |= n > (paged ? MANIFEST_INDEX_PAGES_MAX : MANIFEST_CHUNKS_MAX);
    if (c->bad)
        return;
    if (paged)
        get_index(leaf, entry, n);
    else if (n > 0)
        get_refs(leaf, entry, n, data);
}

static uint32_t get_u32(struct cursor *c, uint32_t max) {
    uint64_t v = varint_get(c);
    c->bad |= v > max;
    return (uint32_t)v;
}

/* Most entries are files of one chunk without any flag: those are right when the size is one that a
 * chunk may have, and need no further look. */
static bool get_single_chunk(struct leaf_in *leaf, struct entry *entry) {
    struct cursor *c = &leaf->column[LEAF_CONTENT], *digests = &leaf->column[LEAF_DIGESTS];
    if (entry->kind != ENTRY_FILE || entry->flags != 0 || cursor_left(c) == 0 || *c->p != 1 << 1 ||
        entry->size == 0 || entry->size > CHUNK_BYTES_MAX ||
        entry->path.n + entry->xattrs.n > MANIFEST_ENTRY_BYTES_MAX / 2 ||
        cursor_left(digests) < sizeof(struct digest))
        return false;
    c->p++;
    leaf->refs[0].length = (uint32_t)entry->size;
    memcpy(leaf->refs[0].name.b, digests->p, sizeof(struct digest));
    digests->p += sizeof(struct digest);
    entry->refs = leaf->refs;
    entry->ref_n = 1;
    entry->chunk_n = 1;
    return true;
}

int manifest_content_get(struct leaf_in *leaf, struct entry *entry, struct err *err) {
    if (get_single_chunk(leaf, entry))
        return 0;
    struct cursor *c = &leaf->column[LEAF_CONTENT];
    if ((entry->flags & ENTRY_UNREADABLE) != 0)
        entry->problem = (uint16_t)get_u32(c, UINT16_MAX);
    if (entry->kind == ENTRY_FILE) {
        get_file(leaf, entry);
    } else if (entry->kind == ENTRY_SYMLINK || entry->kind == ENTRY_HARDLINK) {
        entry->link = cursor_lstr(c, MANIFEST_PATH_MAX);
    } else if (entry->kind == ENTRY_CHAR || entry->kind == ENTRY_BLOCK) {
        entry->rdev_major = get_u32(c, UINT32_MAX);
        entry->rdev_minor = get_u32(c, UINT32_MAX);
    }
    if (c->bad || leaf->column[LEAF_DIGESTS].bad)
        return manifest_refuse(err, ERR_FORMAT, entry->path, "malformed content");
    return entry_content_check(entry, err);
}
