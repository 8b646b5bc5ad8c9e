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

int scan_extents(const struct scan_item *item, uint64_t size, struct extent *extents, size_t max,
                 size_t *n) {
    *n = 0;
    uint64_t start, end = 0;
    while (end < size) {
        int sys = os_fs_next_data(item->fd, end, &start, &end);
        if (sys == ENXIO || (sys == 0 && start >= size))
            return 0;
        if (sys != 0 && sys != EINVAL && sys != EOPNOTSUPP)
            return sys;
        if (sys != 0 || *n == max) { /* not told, or too ragged to be worth it */
            extents[0] = (struct extent){.offset = 0, .length = size};
            *n = 1;
            return 0;
        }
        extents[(*n)++] = (struct extent){.offset = start, .length = MIN(end, size) - start};
    }
    return 0;
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

static int put_values(int fd, const char *name, const name_list *names, struct buf *out) {
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
        if (out->n - before > SCAN_XATTR_BYTES_MAX)
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
        sys = put_values(at.fd, name, &names, out);
        vec_done(&names);
    }
    buf_done(&raw);
    return sys;
}
