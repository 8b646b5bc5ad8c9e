#include "format/manifest/manifest_int.h"

static int read_columns(struct leaf_in *leaf, struct cursor page, struct err *err) {
    uint64_t n = varint_get(&page), lengths[LEAF_COLUMNS];
    for (size_t i = 0; i < LEAF_COLUMNS; i++)
        lengths[i] = varint_get(&page);
    if (page.bad || n > MANIFEST_LEAF_ENTRIES_MAX)
        return ERR(err, ERR_FORMAT, "manifest page: its header is malformed");
    for (size_t i = 0; i < LEAF_COLUMNS; i++) {
        if (lengths[i] > cursor_left(&page))
            return ERR(err, ERR_FORMAT, "manifest page: column %zu is longer than the page", i);
        leaf->column[i] = cursor_of(cursor_bytes(&page, (size_t)lengths[i]));
    }
    if (!cursor_ended(&page))
        return ERR(err, ERR_FORMAT, "manifest page: bytes behind its columns");
    leaf->entry_n = (size_t)n;
    return 0;
}

static int read_xattrs(struct leaf_in *leaf, struct err *err) {
    struct cursor *c = &leaf->column[LEAF_XATTRS];
    leaf->xattrs.n = 0;
    while (cursor_left(c) > 0) {
        struct span list = cursor_lstr(c, MANIFEST_ENTRY_BYTES_MAX);
        if (c->bad || list.n == 0 || !entry_xattrs_valid(list) || leaf->xattrs.n >= leaf->entry_n)
            return ERR(err, ERR_FORMAT, "manifest page: attribute list %zu is malformed",
                       leaf->xattrs.n);
        *vec_push(&leaf->xattrs) = list;
    }
    return 0;
}

static uint32_t row_u32(struct cursor *c) {
    uint64_t v = varint_get(c);
    c->bad |= v > UINT32_MAX;
    return (uint32_t)v;
}

static void read_row(struct cursor *c, struct leaf_class *class) {
    class->kind = cursor_u8(c);
    class->flags = cursor_u8(c);
    uint32_t mode = row_u32(c);
    class->mode = (uint16_t)MIN(mode, (uint32_t)UINT16_MAX);
    class->uid = row_u32(c);
    class->gid = row_u32(c);
    class->nlink = row_u32(c);
    class->dev = varint_get(c);
    class->xattr = row_u32(c);
}

/* Classes, which refer to the attribute lists in the order of their first use. */
static int read_classes(struct leaf_in *leaf, struct err *err) {
    struct cursor *c = &leaf->column[LEAF_ROWS];
    size_t lists_seen = 0;
    leaf->classes.n = 0;
    while (cursor_left(c) > 0) {
        struct leaf_class class = {0};
        read_row(c, &class);
        if (c->bad || leaf->classes.n >= leaf->entry_n || class.xattr > lists_seen + 1 ||
            class.xattr > leaf->xattrs.n)
            return ERR(err, ERR_FORMAT, "manifest page: class %zu is malformed", leaf->classes.n);
        const char *problem = entry_class_problem(class.kind, class.flags, class.mode);
        if (problem != NULL)
            return ERR(err, ERR_FORMAT, "manifest page: class %zu has %s", leaf->classes.n,
                       problem);
        lists_seen = MAX(lists_seen, (size_t) class.xattr);
        *vec_push(&leaf->classes) = class;
    }
    if (lists_seen != leaf->xattrs.n)
        return ERR(err, ERR_FORMAT, "manifest page: an attribute list that nothing has");
    return 0;
}

int manifest_leaf_in_open(struct leaf_in *leaf, struct cursor page, struct err *err) {
    leaf->entry_i = leaf->class_seen = leaf->path_bytes = 0;
    leaf->ctime = leaf->seconds = leaf->ino = 0;
    leaf->totals = (struct manifest_totals){0};
    leaf->expects = false;
    leaf->walk = (struct path_walk){.any = false};
    if (leaf->path == NULL)
        leaf->path = mem_resize(NULL, MANIFEST_PATH_MAX);
    if (read_columns(leaf, page, err) != 0 || read_xattrs(leaf, err) != 0)
        return -1;
    return read_classes(leaf, err);
}

void manifest_leaf_in_done(struct leaf_in *leaf) {
    vec_done(&leaf->classes);
    vec_done(&leaf->xattrs);
    vec_done(&leaf->extents);
    mem_free(leaf->path);
}

int manifest_leaf_in_first_path(const struct leaf_in *leaf, struct span *path, struct err *err) {
    struct cursor names =
        cursor_of(span_of(leaf->column[LEAF_NAMES].p, cursor_left(&leaf->column[LEAF_NAMES])));
    uint64_t shared = varint_get(&names);
    *path = cursor_lstr(&names, MANIFEST_PATH_MAX);
    if (names.bad || shared != 0)
        return ERR(err, ERR_FORMAT, "manifest page: its first path is malformed");
    return 0;
}

static int read_path(struct leaf_in *leaf, struct entry *entry, struct err *err) {
    struct cursor *c = &leaf->column[LEAF_NAMES];
    size_t before_n = leaf->walk.n;
    uint64_t shared = varint_get(c), own = varint_get(c);
    if (c->bad || shared > before_n || own > MANIFEST_PATH_MAX - shared || own > cursor_left(c))
        return ERR(err, ERR_FORMAT, "manifest page: the path of entry %zu is malformed",
                   leaf->entry_i);
    size_t n = (size_t)(shared + own);
    leaf->path_bytes += n;
    if (leaf->path_bytes > LEAF_PATHS_BYTES_MAX)
        return ERR(err, ERR_FORMAT, "manifest page: its paths are longer than %u bytes in all",
                   LEAF_PATHS_BYTES_MAX);
    if (leaf->walk.any &&
        (own == 0 || (shared < before_n && !path_byte_less(leaf->path[shared], *c->p))))
        return manifest_refuse(err, ERR_FORMAT, span_of(leaf->path, before_n),
                               "a successor that is not in order");
    memcpy(leaf->path + shared, c->p, (size_t)own);
    c->p += own;
    entry->path = span_of(leaf->path, n);
    const char *problem =
        manifest_path_step(&leaf->walk, leaf->path, n, (size_t)shared, entry->kind);
    return problem == NULL ? 0 : manifest_refuse(err, ERR_FORMAT, entry->path, problem);
}

static void read_times(struct leaf_in *leaf, struct entry *entry, enum mtime_form form) {
    struct cursor *mtimes = &leaf->column[LEAF_MTIMES];
    leaf->ctime += unzigzag(varint_get(&leaf->column[LEAF_CTIMES]));
    entry->ctime_ns = (int64_t)leaf->ctime;
    entry->mtime_ns = (int64_t)leaf->ctime;
    if (form == MTIME_FROM_CTIME) {
        entry->mtime_ns = (int64_t)(leaf->ctime + unzigzag(varint_get(mtimes)));
    } else if (form == MTIME_SECONDS) {
        leaf->seconds += unzigzag(varint_get(mtimes));
        mtimes->bad |= __builtin_mul_overflow((int64_t)leaf->seconds, NS_PER_S, &entry->mtime_ns);
    } else {
        mtimes->bad |= form != MTIME_IS_CTIME;
    }
}

/* What the class says, and nothing of the entry before.  Field by field: a compound literal would
 * be cleared by a slow string instruction. */
static void begin_entry(struct entry *entry, const struct leaf_class *class, struct span xattrs) {
    entry->kind = class->kind;
    entry->flags = class->flags;
    entry->mode = class->mode;
    entry->uid = class->uid;
    entry->gid = class->gid;
    entry->nlink = class->nlink;
    entry->dev = class->dev;
    entry->xattrs = xattrs;
    entry->rdev_major = entry->rdev_minor = 0;
    entry->link = (struct span){0};
    entry->problem = 0;
    entry->refs = NULL;
    entry->ref_n = 0;
    entry->index_pages = NULL;
    entry->index_page_n = 0;
    entry->index_level = 0;
    entry->chunk_n = 0;
    entry->extents = NULL;
    entry->extent_n = 0;
}

/* Class, times and numbers; the path and the content follow. */
static int read_numbers(struct leaf_in *leaf, struct entry *entry, struct err *err) {
    struct cursor *classes = &leaf->column[LEAF_CLASSES], *sizes = &leaf->column[LEAF_SIZES],
                  *inodes = &leaf->column[LEAF_INODES];
    uint64_t v = varint_get(classes), i = v >> 2;
    if (classes->bad || i > leaf->class_seen || i >= leaf->classes.n)
        return ERR(err, ERR_FORMAT, "manifest page: entry %zu is of no class", leaf->entry_i);
    leaf->class_seen += i == leaf->class_seen;
    const struct leaf_class *class = &leaf->classes.p[i];
    begin_entry(entry, class,
                class->xattr > 0 ? leaf->xattrs.p[class->xattr - 1] : (struct span){0});
    entry->size = varint_get(sizes);
    leaf->ino += unzigzag(varint_get(inodes));
    entry->ino = leaf->ino;
    read_times(leaf, entry, (enum mtime_form)(v & 3));
    if (sizes->bad || inodes->bad || leaf->column[LEAF_CTIMES].bad || leaf->column[LEAF_MTIMES].bad)
        return ERR(err, ERR_FORMAT, "manifest page: the numbers of entry %zu are malformed",
                   leaf->entry_i);
    return 0;
}

static int check_end(struct leaf_in *leaf, struct err *err) {
    for (size_t i = 0; i < LEAF_COLUMNS; i++)
        if (!cursor_ended(&leaf->column[i]))
            return ERR(err, ERR_FORMAT, "manifest page: column %zu has bytes left", i);
    if (leaf->class_seen != leaf->classes.n)
        return ERR(err, ERR_FORMAT, "manifest page: a class that nothing has");
    if (leaf->expects && !manifest_totals_equal(&leaf->totals, &leaf->expected))
        return ERR(err, ERR_FORMAT, "manifest page: its sums are not those its parent tells");
    return 0;
}

int manifest_leaf_in_next(struct leaf_in *leaf, const struct entry **entry, struct err *err) {
    *entry = NULL;
    if (leaf->entry_i == leaf->entry_n)
        return check_end(leaf, err);
    struct entry *next = &leaf->entry;
    if (read_numbers(leaf, next, err) != 0 || read_path(leaf, next, err) != 0 ||
        manifest_content_get(leaf, next, err) != 0)
        return -1;
    manifest_totals_add_entry(&leaf->totals, next);
    leaf->entry_i++;
    *entry = next;
    return 0;
}
