#include "format/manifest/manifest_int.h"

/* Flags that say something about a file's content. */
#define FLAGS_OF_FILES (ENTRY_CHANGED | ENTRY_SPARSE | ENTRY_FIXED)
#define FLAGS_ALL (FLAGS_OF_FILES | ENTRY_UNREADABLE)
#define MODE_MAX 07777u

void entry_xattr_put(struct buf *out, struct span name, struct span value) {
    buf_put_lstr(out, name);
    buf_put_lstr(out, value);
}

bool entry_xattr_next(struct cursor *c, struct span *name, struct span *value) {
    if (c->bad || cursor_left(c) == 0)
        return false;
    *name = cursor_lstr(c, SIZE_MAX);
    *value = cursor_lstr(c, SIZE_MAX);
    c->bad |= name->n == 0 || memchr(name->p, 0, name->n) != NULL;
    return !c->bad;
}

bool entry_xattrs_valid(struct span list) {
    if (list.n == 0)
        return true;
    struct cursor c = cursor_of(list);
    struct span before = {0}, name, value;
    while (entry_xattr_next(&c, &name, &value)) {
        if (span_compare(before, name) >= 0)
            return false;
        before = name;
    }
    return !c.bad;
}

const char *entry_class_problem(uint8_t kind, uint8_t flags, uint16_t mode) {
    if (kind < ENTRY_FILE || kind > ENTRY_HARDLINK)
        return "an unknown kind";
    if ((flags & ~FLAGS_ALL) != 0)
        return "an unknown flag";
    if (kind != ENTRY_FILE && (flags & FLAGS_OF_FILES) != 0)
        return "a flag that only a file has";
    if (mode > MODE_MAX)
        return "a mode out of range";
    return NULL;
}

static bool target_valid(const struct entry *entry) {
    struct span link = entry->link;
    if (entry->kind == ENTRY_HARDLINK)
        return manifest_path_valid(link) && manifest_path_compare(link, entry->path) < 0;
    if (entry->kind == ENTRY_SYMLINK)
        return memchr(link.p != NULL ? (const char *)link.p : "", 0, link.n) == NULL &&
               (link.n > 0 || (entry->flags & ENTRY_UNREADABLE) != 0);
    return link.n == 0;
}

/* Sum of the extents, which must ascend within the size. */
static bool extents_sum(const struct entry *entry, uint64_t *sum) {
    uint64_t end = 0;
    *sum = 0;
    for (uint32_t i = 0; i < entry->extent_n; i++) {
        struct extent extent = entry->extents[i];
        if (extent.length == 0 || extent.offset < end || extent.offset > entry->size ||
            extent.length > entry->size - extent.offset)
            return false;
        end = extent.offset + extent.length;
        *sum += extent.length; /* <= end: cannot overflow */
    }
    return true;
}

static const char *file_problem(const struct entry *entry) {
    uint64_t data = entry->size;
    bool sparse = (entry->flags & ENTRY_SPARSE) != 0;
    if (!sparse && entry->extent_n > 0)
        return "extents without the flag";
    if (sparse && !extents_sum(entry, &data))
        return "extents that do not ascend within the size";
    bool torn = (entry->flags & ENTRY_UNREADABLE) != 0;
    if (entry->index_page_n > 0)
        return entry->ref_n == 0 && entry->chunk_n >= entry->index_page_n &&
                       entry->chunk_n > MANIFEST_CHUNKS_MAX && entry->chunk_n <= data
                   ? NULL
                   : "index pages that do not fit its other fields";
    if (entry->chunk_n != entry->ref_n || entry->index_level != 0)
        return "a chunk count without index pages";
    uint64_t sum = 0;
    for (uint32_t i = 0; i < entry->ref_n; i++) {
        uint32_t n = entry->refs[i].length;
        if (n == 0 || n > CHUNK_BYTES_MAX)
            return "a chunk length out of range";
        sum += n;
    }
    return sum == data || (torn && sum < data) ? NULL : "chunks that do not add up to the size";
}

static const char *entry_problem(const struct entry *entry) {
    if (!target_valid(entry))
        return "a link target that cannot be";
    bool unreadable = (entry->flags & ENTRY_UNREADABLE) != 0;
    if (!unreadable && entry->problem != 0)
        return "a problem without the flag";
    bool device = entry->kind == ENTRY_CHAR || entry->kind == ENTRY_BLOCK;
    if (!device && (entry->rdev_major | entry->rdev_minor) != 0)
        return "a device number";
    if (entry->kind == ENTRY_FILE)
        return file_problem(entry);
    return entry->ref_n + entry->index_page_n + entry->extent_n == 0 && entry->chunk_n == 0 &&
                   entry->index_level == 0
               ? NULL
               : "content without being a file";
}

static unsigned varint_bytes(uint64_t v) {
    unsigned n = 1;
    while ((v >>= 7) != 0)
        n++;
    return n;
}

/* At most what its encoding adds to a page. */
static uint64_t entry_bytes(const struct entry *entry) {
    uint64_t pages = MIN(entry->index_page_n, MANIFEST_INDEX_PAGES_MAX);
    uint64_t bytes = entry->path.n + entry->link.n + entry->xattrs.n + 36 * (uint64_t)entry->ref_n +
                     sizeof(struct digest) * pages + 128;
    uint64_t end = 0;
    unsigned shift = entry->extent_n > 0 ? entry_extents_shift(entry) : 0;
    for (uint32_t i = 0; i < entry->extent_n; i++) {
        struct extent extent = entry->extents[i];
        bytes +=
            varint_bytes((extent.offset - end) >> shift) + varint_bytes(extent.length >> shift);
        end = extent.offset + extent.length;
    }
    return bytes;
}

int entry_content_check(const struct entry *entry, struct err *err) {
    const char *problem = entry_class_problem(entry->kind, entry->flags, entry->mode);
    if (problem == NULL)
        problem = entry_problem(entry);
    if (problem != NULL)
        return manifest_refuse(err, ERR_FORMAT, entry->path, problem);
    if (entry->ref_n > MANIFEST_CHUNKS_MAX || entry->index_level > MANIFEST_INDEX_LEVEL_MAX)
        return manifest_refuse(err, ERR_LIMIT, entry->path, "too many chunks for the manifest");
    if (entry->extent_n > MANIFEST_EXTENTS_MAX || entry_bytes(entry) > MANIFEST_ENTRY_BYTES_MAX)
        return manifest_refuse(err, ERR_LIMIT, entry->path,
                               "more attributes or extents than the manifest can hold");
    return 0;
}

int manifest_entry_check(const struct entry *entry, struct err *err) {
    if (!manifest_path_valid(entry->path))
        return manifest_refuse(err, ERR_FORMAT, entry->path, "a path that cannot be");
    if (!entry_xattrs_valid(entry->xattrs))
        return manifest_refuse(err, ERR_FORMAT, entry->path,
                               "attributes that are not a sorted list");
    return entry_content_check(entry, err);
}

static bool content_equal(const struct entry *a, const struct entry *b) {
    if (a->ref_n != b->ref_n || a->index_page_n != b->index_page_n || a->chunk_n != b->chunk_n ||
        a->index_level != b->index_level || a->extent_n != b->extent_n)
        return false;
    for (uint32_t i = 0; i < a->ref_n; i++)
        if (a->refs[i].length != b->refs[i].length ||
            !digest_equal(&a->refs[i].name, &b->refs[i].name))
            return false;
    for (uint32_t i = 0; i < a->index_page_n; i++)
        if (!digest_equal(&a->index_pages[i], &b->index_pages[i]))
            return false;
    for (uint32_t i = 0; i < a->extent_n; i++)
        if (a->extents[i].offset != b->extents[i].offset ||
            a->extents[i].length != b->extents[i].length)
            return false;
    return true;
}

bool manifest_entry_equal(const struct entry *a, const struct entry *b) {
    return span_equal(a->path, b->path) && a->kind == b->kind && a->flags == b->flags &&
           a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->size == b->size &&
           a->mtime_ns == b->mtime_ns && a->rdev_major == b->rdev_major &&
           a->rdev_minor == b->rdev_minor && span_equal(a->link, b->link) &&
           span_equal(a->xattrs, b->xattrs) && a->problem == b->problem && content_equal(a, b);
}

/* What it takes in a page, roughly, and from the entry alone: its neighbours, times and inode must
 * not move a cut. */
uint64_t entry_weight(const struct entry *entry) {
    size_t name_n = 0;
    while (name_n < entry->path.n && entry->path.p[entry->path.n - 1 - name_n] != '/')
        name_n++;
    return 24 + name_n + entry->link.n + entry->xattrs.n +
           sizeof(struct digest) * (entry->ref_n + entry->index_page_n) +
           4 * (uint64_t)entry->extent_n;
}

static void add_capped(uint64_t *sum, uint64_t more) {
    if (__builtin_add_overflow(*sum, more, sum))
        *sum = UINT64_MAX;
}

void manifest_totals_add_entry(struct manifest_totals *totals, const struct entry *entry) {
    totals->entries++;
    totals->files += entry->kind == ENTRY_FILE || entry->kind == ENTRY_HARDLINK;
    totals->dirs += entry->kind == ENTRY_DIR;
    if (entry->kind == ENTRY_FILE)
        add_capped(&totals->bytes, entry->size);
    totals->problems += (entry->flags & (ENTRY_CHANGED | ENTRY_UNREADABLE)) != 0;
}

void manifest_totals_add(struct manifest_totals *totals, const struct manifest_totals *more) {
    add_capped(&totals->entries, more->entries);
    add_capped(&totals->files, more->files);
    add_capped(&totals->dirs, more->dirs);
    add_capped(&totals->bytes, more->bytes);
    add_capped(&totals->problems, more->problems);
}

bool manifest_totals_equal(const struct manifest_totals *a, const struct manifest_totals *b) {
    return a->entries == b->entries && a->files == b->files && a->dirs == b->dirs &&
           a->bytes == b->bytes && a->problems == b->problems;
}
