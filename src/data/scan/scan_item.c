#include <errno.h>

#include "base/base.h"
#include "data/scan/scan_int.h"

/* A directory that items are opened in: borrowed while `own` is OS_FD_NONE. */
struct at_dir {
    int fd;
    int own;
};

static void at_dir_done(struct at_dir *at) {
    os_close(&at->own);
}

/* Keep it open for the other entries, unless enough are or another thread was first. */
static void share(struct scan_dir *dir, struct at_dir *at) {
    struct scan *scan = dir->scan;
    int none = OS_FD_NONE;
    if (atomic_fetch_add(&scan->open_n, 1) < SCAN_OPEN_DIRS_MAX &&
        atomic_compare_exchange_strong(&dir->fd, &none, at->own)) {
        at->own = OS_FD_NONE;
        return;
    }
    (void)atomic_fetch_sub(&scan->open_n, 1);
}

/* By path from the root, no link followed, and only if it is still the directory that was listed:
 * so none needs to stay open between listing and reading. */
static int dir_of(const struct scan_entry *entry, struct at_dir *at) {
    struct scan_dir *dir = entry->batch->dir;
    at->own = OS_FD_NONE;
    at->fd = dir->path_n == 0 ? dir->scan->root_fd : atomic_load(&dir->fd);
    if (at->fd != OS_FD_NONE)
        return 0;
    struct os_meta meta;
    int sys = os_fs_open_dir(dir->scan->root_fd, dir->path, OS_FS_PATH_ONLY, &at->own);
    if (sys == 0)
        sys = os_fs_meta(at->own, "", &meta);
    if (sys == 0 && (meta.ino != dir->ino || meta.dev != dir->dev))
        sys = ESTALE;
    at->fd = at->own;
    if (sys == 0)
        share(dir, at);
    return sys == ELOOP || sys == ENOTDIR ? ESTALE : sys;
}

static bool is_same(const struct scan_entry *entry, const struct os_meta *meta) {
    return meta->ino == entry->meta.ino && meta->dev == entry->meta.dev;
}

int scan_item_open(const struct scan_entry *entry, struct scan_item *item) {
    item->fd = OS_FD_NONE;
    SCOPED(at_dir) at;
    int sys = dir_of(entry, &at);
    struct os_meta meta;
    if (sys == 0)
        sys = os_fs_open_file(at.fd, entry->name, &item->fd, &meta);
    if (sys == 0 && !is_same(entry, &meta)) {
        os_close(&item->fd);
        sys = ESTALE;
    }
    return sys;
}

int scan_entry_refresh(struct scan_entry *entry) {
    SCOPED(at_dir) at;
    int sys = dir_of(entry, &at);
    struct os_meta meta;
    if (sys == 0)
        sys = os_fs_meta(at.fd, entry->name, &meta);
    if (sys != 0)
        return sys;
    struct scan_entry now = {0};
    scan_entry_fill(&now, &meta);
    if (now.meta.kind != entry->meta.kind)
        return ESTALE;
    scan_entry_fill(entry, &meta);
    entry->problem = 0;
    return 0;
}

void scan_item_close(struct scan_item *item) {
    os_close(&item->fd);
}

int scan_item_read(const struct scan_item *item, uint64_t offset, void *to, size_t n, size_t *got) {
    return os_fs_read(item->fd, offset, to, n, got);
}

bool scan_item_unchanged(const struct scan_entry *entry, const struct scan_item *item) {
    struct os_meta meta;
    return os_fs_meta(item->fd, "", &meta) == 0 && is_same(entry, &meta) &&
           meta.size == entry->meta.size && meta.mtime_ns == entry->meta.mtime_ns &&
           meta.ctime_ns == entry->meta.ctime_ns;
}

int scan_link(const struct scan_entry *entry, struct buf *out) {
    SCOPED(at_dir) at;
    int sys = dir_of(entry, &at);
    return sys != 0 ? sys : os_fs_read_link(at.fd, entry->name, out);
}

struct extent_list {
    struct extent *p;
    size_t n, max;
    uint64_t gap; /* holes narrower than this are taken as data */
};

static uint64_t end_of(const struct extent *extent) {
    return extent->offset + extent->length;
}

/* Room for more: join neighbours across the narrowest holes until a quarter of the list is
 * free. */
static void join_near(struct extent_list *list) {
    while (list->n > 1 && list->n > list->max - list->max / 4) {
        list->gap *= 2;
        size_t kept = 0;
        for (size_t i = 1; i < list->n; i++) {
            struct extent *last = &list->p[kept];
            if (list->p[i].offset - end_of(last) < list->gap)
                last->length = end_of(&list->p[i]) - last->offset;
            else
                list->p[++kept] = list->p[i];
        }
        list->n = kept + 1;
    }
}

static void add_extent(struct extent_list *list, uint64_t start, uint64_t end) {
    if (list->n == list->max)
        join_near(list);
    struct extent *last = list->n > 0 ? &list->p[list->n - 1] : NULL;
    if (last != NULL && (list->n == list->max || start - end_of(last) < list->gap))
        last->length = end - last->offset;
    else
        list->p[list->n++] = (struct extent){.offset = start, .length = end - start};
}

int scan_extents(const struct scan_item *item, uint64_t size, struct extent *extents, size_t max,
                 size_t *n) {
    struct extent_list list = {.p = extents, .max = max, .gap = 1};
    uint64_t start, end = 0;
    int sys = 0;
    while (end < size && sys == 0) {
        sys = os_fs_next_data(item->fd, end, &start, &end);
        if (sys == EINVAL || sys == EOPNOTSUPP) { /* a file system that does not tell */
            list.n = 0;
            start = 0;
            end = size;
            sys = 0;
        }
        if (sys == 0 && start < size)
            add_extent(&list, start, MIN(end, size));
    }
    *n = list.n;
    return sys == ENXIO ? 0 : sys;
}

/* ---- extended attributes ---- */

static bool is_kept(struct span name) {
    static const char *const spaces[] = {"user.", "trusted.", "security."};
    for (size_t i = 0; i < ARRAY_N(spaces); i++) {
        size_t n = strlen(spaces[i]);
        if (name.n > n && memcmp(name.p, spaces[i], n) == 0)
            return true;
    }
    return span_equal(name, span_text("system.posix_acl_access")) ||
           span_equal(name, span_text("system.posix_acl_default"));
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

typedef VEC(const char *) name_list;

static void names_of(const struct buf *raw, name_list *names) {
    const char *at = (const char *)raw->p, *end = at + raw->n;
    while (at < end) {
        struct span name = span_text(at);
        if (is_kept(name))
            *vec_push(names) = at;
        at += name.n + 1;
    }
    if (names->n > 1)
        qsort(names->p, names->n, sizeof *names->p, by_bytes);
}

static int put_values(int fd, const char *name, const name_list *names, size_t max,
                      struct buf *out) {
    size_t before = out->n;
    struct buf value = {0};
    int sys = 0;
    for (size_t i = 0; i < names->n && sys == 0; i++) {
        buf_clear(&value);
        sys = os_fs_xattr_get(fd, name, names->p[i], &value);
        if (sys == 0)
            entry_xattr_put(out, span_text(names->p[i]), buf_span(&value));
        else if (sys == ENODATA) /* removed since it was listed */
            sys = 0;
        if (out->n - before > max)
            sys = E2BIG;
    }
    buf_done(&value);
    if (sys != 0)
        out->n = before;
    return sys;
}

int scan_xattrs(const struct scan_entry *entry, const struct scan_item *item, struct buf *out) {
    SCOPED(at_dir) at = {.fd = item != NULL ? item->fd : OS_FD_NONE, .own = OS_FD_NONE};
    const char *name = "";
    int sys = 0;
    if (at.fd == OS_FD_NONE) {
        sys = dir_of(entry, &at);
        name = entry->name;
    }
    struct buf raw = {0};
    if (sys == 0)
        sys = os_fs_xattr_list(at.fd, name, &raw);
    if (sys == 0 && raw.n > 0) {
        buf_put_u8(&raw, 0); /* ends, whatever the kernel wrote */
        raw.n--;
        name_list names = {0};
        names_of(&raw, &names);
        size_t max = MANIFEST_ENTRY_BYTES_MAX / 2; /* the rest is for extents and chunks */
        sys = put_values(at.fd, name, &names, max - MIN(max, entry->meta.path.n), out);
        vec_done(&names);
    }
    buf_done(&raw);
    return sys;
}
