#include "format/manifest/manifest_int.h"

void manifest_leaf_out_begin(struct leaf_out *leaf) {
    for (size_t i = 0; i < LEAF_COLUMNS; i++)
        buf_clear(&leaf->column[i]);
    leaf->entry_n = 0;
    leaf->weight = leaf->last_weight = 0;
    leaf->path_bytes = 0;
    leaf->ctime = leaf->seconds = leaf->ino = 0;
    leaf->totals = (struct manifest_totals){0};
    leaf->classes.n = leaf->xattrs.n = 0;
    memset(leaf->class_slots, 0, sizeof leaf->class_slots);
    memset(leaf->xattr_slots, 0, sizeof leaf->xattr_slots);
}

void manifest_leaf_out_done(struct leaf_out *leaf) {
    for (size_t i = 0; i < LEAF_COLUMNS; i++)
        buf_done(&leaf->column[i]);
    buf_done(&leaf->first_path);
    buf_done(&leaf->path);
    vec_done(&leaf->classes);
    vec_done(&leaf->xattrs);
}

static size_t slot_of(struct span key) {
    return manifest_path_hash(key) % LEAF_SLOTS;
}

/* Number of the list in this page's column, from 1. */
static uint32_t intern_xattrs(struct leaf_out *leaf, struct span list) {
    struct buf *column = &leaf->column[LEAF_XATTRS];
    size_t slot = slot_of(list);
    for (uint16_t i; (i = leaf->xattr_slots[slot]) != 0; slot = (slot + 1) % LEAF_SLOTS) {
        struct leaf_list known = leaf->xattrs.p[i - 1];
        if (span_equal(span_of(column->p + known.at, known.n), list))
            return i;
    }
    buf_put_varint(column, list.n);
    *vec_push(&leaf->xattrs) = (struct leaf_list){.at = column->n, .n = list.n};
    buf_put_span(column, list);
    leaf->xattr_slots[slot] = (uint16_t)leaf->xattrs.n;
    return (uint32_t)leaf->xattrs.n;
}

static void put_row(struct buf *rows, const struct leaf_class *class) {
    buf_room(rows, 8 * VARINT_BYTES_MAX);
    rows->p[rows->n++] = class->kind;
    rows->p[rows->n++] = class->flags;
    varint_put(rows, class->mode);
    varint_put(rows, class->uid);
    varint_put(rows, class->gid);
    varint_put(rows, class->nlink);
    varint_put(rows, class->dev);
    varint_put(rows, class->xattr);
}

static uint32_t intern_class(struct leaf_out *leaf, const struct leaf_class *class) {
    size_t slot = slot_of(span_of(class, sizeof *class));
    for (uint16_t i; (i = leaf->class_slots[slot]) != 0; slot = (slot + 1) % LEAF_SLOTS)
        if (memcmp(&leaf->classes.p[i - 1], class, sizeof *class) == 0)
            return i - 1u;
    *vec_push(&leaf->classes) = *class;
    leaf->class_slots[slot] = (uint16_t)leaf->classes.n;
    put_row(&leaf->column[LEAF_ROWS], class);
    return (uint32_t)leaf->classes.n - 1;
}

static uint32_t class_of(struct leaf_out *leaf, const struct entry *entry) {
    struct leaf_class class = {
        .dev = entry->dev,
        .uid = entry->uid,
        .gid = entry->gid,
        .nlink = entry->nlink,
        .xattr = entry->xattrs.n > 0 ? intern_xattrs(leaf, entry->xattrs) : 0,
        .mode = entry->mode,
        .kind = entry->kind,
        .flags = entry->flags,
    };
    return intern_class(leaf, &class);
}

static void put_name(struct leaf_out *leaf, struct span path, size_t shared) {
    struct buf *names = &leaf->column[LEAF_NAMES];
    if (leaf->entry_n == 0) {
        shared = 0; /* a page can be read alone */
        buf_clear(&leaf->first_path);
        buf_put_span(&leaf->first_path, path);
    }
    size_t own = path.n - shared;
    buf_room(names, 2 * VARINT_BYTES_MAX + own);
    varint_put(names, shared);
    varint_put(names, own);
    if (own > 0)
        memcpy(names->p + names->n, path.p + shared, own);
    names->n += own;
}

/* Both times, told from each other or from those of the entry before; the form of the mtime. */
static enum mtime_form put_times(struct leaf_out *leaf, const struct entry *entry) {
    struct buf *ctimes = &leaf->column[LEAF_CTIMES], *mtimes = &leaf->column[LEAF_MTIMES];
    uint64_t ctime = (uint64_t)entry->ctime_ns, mtime = (uint64_t)entry->mtime_ns;
    buf_room(ctimes, VARINT_BYTES_MAX);
    buf_room(mtimes, VARINT_BYTES_MAX);
    varint_put(ctimes, zigzag(ctime - leaf->ctime));
    leaf->ctime = ctime;
    if (mtime == ctime)
        return MTIME_IS_CTIME;
    if (entry->mtime_ns % NS_PER_S != 0) {
        varint_put(mtimes, zigzag(mtime - ctime));
        return MTIME_FROM_CTIME;
    }
    uint64_t seconds = (uint64_t)(entry->mtime_ns / NS_PER_S);
    varint_put(mtimes, zigzag(seconds - leaf->seconds));
    leaf->seconds = seconds;
    return MTIME_SECONDS;
}

void manifest_leaf_out_add(struct leaf_out *leaf, const struct entry *entry, size_t shared) {
    struct buf *classes = &leaf->column[LEAF_CLASSES], *sizes = &leaf->column[LEAF_SIZES],
               *inodes = &leaf->column[LEAF_INODES];
    buf_room(classes, VARINT_BYTES_MAX);
    buf_room(sizes, VARINT_BYTES_MAX);
    buf_room(inodes, VARINT_BYTES_MAX);
    put_name(leaf, entry->path, shared);
    enum mtime_form form = put_times(leaf, entry);
    varint_put(classes, (uint64_t)class_of(leaf, entry) << 2 | form);
    varint_put(sizes, entry->size);
    varint_put(inodes, zigzag(entry->ino - leaf->ino));
    leaf->ino = entry->ino;
    manifest_content_put(&leaf->column[LEAF_CONTENT], &leaf->column[LEAF_DIGESTS], entry);
    manifest_totals_add_entry(&leaf->totals, entry);
    leaf->path.n = shared; /* the same bytes up to here */
    buf_put(&leaf->path, entry->path.p + shared, entry->path.n - shared);
    leaf->last_weight = entry_weight(entry);
    leaf->weight += leaf->last_weight;
    leaf->path_bytes += entry->path.n;
    leaf->entry_n++;
}

static size_t leaf_bytes(const struct leaf_out *leaf) {
    size_t n = 0;
    for (size_t i = 0; i < LEAF_COLUMNS; i++)
        n += leaf->column[i].n;
    return n;
}

/* Decided by the last entry's path and by weights, never by what comes next: see
 * manifest_at_boundary(). */
bool manifest_leaf_out_cut(const struct leaf_out *leaf) {
    if (leaf->weight >= LEAF_WEIGHT_MAX || leaf->entry_n >= MANIFEST_LEAF_ENTRIES_MAX ||
        leaf->path_bytes >= LEAF_PATHS_BYTES_SOFT || leaf_bytes(leaf) >= PAGE_BYTES_SOFT)
        return true;
    if (leaf->weight < LEAF_WEIGHT_MIN)
        return false;
    unsigned bits = leaf->weight < LEAF_WEIGHT_TARGET ? 17 : 13; /* a cut per 128 or 8 KiB */
    return manifest_path_hash(buf_span(&leaf->path)) >> (64 - bits) < leaf->last_weight;
}

void manifest_leaf_out_page(const struct leaf_out *leaf, struct buf *page) {
    buf_clear(page);
    buf_put_u8(page, PAGE_VERSION);
    buf_put_u8(page, 0);
    buf_put_varint(page, leaf->entry_n);
    for (size_t i = 0; i < LEAF_COLUMNS; i++)
        buf_put_varint(page, leaf->column[i].n);
    for (size_t i = 0; i < LEAF_COLUMNS; i++)
        buf_put_span(page, buf_span(&leaf->column[i]));
    INVARIANT(page->n <= MANIFEST_PAGE_BYTES_MAX);
}
