#include <errno.h>

#include "base/base.h"
#include "data/scan/scan_int.h"

#define CACHE_TAG "CACHEDIR.TAG"
#define CACHE_SIGNATURE "Signature: 8a477f597d28d172789f06886806bc55"

/* ---- directories and batches: reference counts ---- */

struct scan_dir *scan_dir_new(struct scan *scan, struct span path, uint64_t dev, uint64_t ino) {
    struct scan_dir *dir = mem_new(sizeof *dir + path.n + 1);
    dir->scan = scan;
    dir->dev = dev;
    dir->ino = ino;
    atomic_init(&dir->refs, 1);
    atomic_init(&dir->fd, OS_FD_NONE);
    dir->path_n = path.n;
    if (path.n > 0)
        memcpy(dir->path, path.p, path.n);
    return dir;
}

void scan_dir_drop(struct scan_dir *dir) {
    if (atomic_fetch_sub(&dir->refs, 1) != 1)
        return;
    int fd = atomic_load(&dir->fd);
    if (fd != OS_FD_NONE) {
        os_close(&fd);
        (void)atomic_fetch_sub(&dir->scan->open_n, 1);
    }
    mem_free(dir);
}

struct scan_batch *scan_batch_new(struct scan_dir *dir, uint32_t n, size_t text_bytes) {
    struct scan_batch *batch = mem_new(sizeof *batch + n * sizeof(struct scan_entry) + text_bytes);
    batch->dir = dir;
    batch->n = n;
    atomic_init(&batch->live, n);
    (void)atomic_fetch_add(&dir->refs, 1);
    return batch;
}

void scan_batch_drop(struct scan_batch *batch, uint32_t n) {
    if (n == 0 || atomic_fetch_sub(&batch->live, n) != n)
        return;
    scan_dir_drop(batch->dir);
    mem_free(batch);
}

/* ---- names ---- */

void scan_listing_done(struct scan_listing *listing) {
    os_close(&listing->fd);
    vec_done(&listing->names);
    buf_done(&listing->text);
}

static uint64_t head_of(struct span name) {
    uint8_t head[8] = {0};
    memcpy(head, name.p, MIN(name.n, sizeof head));
    return be64_get(head);
}

static int by_name(const void *a, const void *b, void *text) {
    const struct scan_name *x = a, *y = b;
    if (x->head != y->head)
        return x->head < y->head ? -1 : 1;
    const char *base = text;
    return strcmp(base + x->text_off, base + y->text_off); /* as unsigned bytes */
}

static void keep_name(struct scan_listing *listing, const struct os_dirent *found) {
    *vec_push(&listing->names) = (struct scan_name){
        .head = head_of(span_of(found->name, found->name_n)),
        .text_off = (uint32_t)listing->text.n,
        .length = (uint16_t)found->name_n,
        .kind = (uint8_t)found->kind,
    };
    buf_put(&listing->text, found->name, found->name_n + 1);
}

static bool is_excluded(const struct scan *scan, int fd, struct buf *path, size_t prefix_n,
                        struct os_dirent *found) {
    if (scan->exclude == NULL)
        return false;
    struct os_meta meta;
    if (found->kind == OS_KIND_UNKNOWN && os_fs_meta(fd, found->name, &meta) == 0)
        found->kind = meta.kind;
    path->n = prefix_n;
    buf_put(path, found->name, found->name_n);
    return scan_exclude_match(scan->exclude, buf_span(path), prefix_n, found->kind == OS_KIND_DIR);
}

/* Does the directory call itself a cache, with the signature that proves it is meant? */
static bool is_cache(int dirfd) {
    char head[sizeof CACHE_SIGNATURE - 1];
    struct os_meta meta;
    size_t got = 0;
    OS_FD_AUTO int fd = OS_FD_NONE;
    return os_fs_open_file(dirfd, CACHE_TAG, &fd, &meta) == 0 &&
           os_fs_read(fd, 0, head, sizeof head, &got) == 0 && got == sizeof head &&
           memcmp(head, CACHE_SIGNATURE, sizeof head) == 0;
}

static void keep_only_tag(struct scan_listing *listing) {
    size_t kept = 0;
    for (size_t i = 0; i < listing->names.n; i++)
        if (strcmp((char *)listing->text.p + listing->names.p[i].text_off, CACHE_TAG) == 0)
            listing->names.p[kept++] = listing->names.p[i];
    listing->names.n = kept;
}

/* A directory that changes while it is listed may show a name twice. */
static void sort_names(struct scan_listing *listing) {
    struct scan_name *names = listing->names.p;
    size_t kept = 1;
    qsort_r(names, listing->names.n, sizeof *names, by_name, listing->text.p);
    for (size_t i = 1; i < listing->names.n; i++)
        if (by_name(&names[kept - 1], &names[i], listing->text.p) != 0)
            names[kept++] = names[i];
    listing->names.n = kept;
}

int scan_list_dir(struct scan_hand *hand, struct scan_dir *dir, int fd) {
    struct scan *scan = hand->scan;
    struct scan_listing *listing = &hand->listing;
    listing->names.n = 0;
    listing->dir = dir;
    buf_clear(&listing->text);
    buf_clear(&hand->path);
    buf_put(&hand->path, dir->path, dir->path_n);
    if (dir->path_n > 0)
        buf_put_u8(&hand->path, '/');
    size_t prefix_n = hand->path.n, n;
    int sys = 0, problem = 0;
    bool tagged = false;
    while ((sys = os_fs_read_dir(fd, hand->block, SCAN_BLOCK_BYTES, &n)) == 0 && n > 0) {
        struct os_dirent found;
        for (size_t pos = 0; os_fs_next_name(hand->block, n, &pos, &found);) {
            tagged = tagged || (found.name_n == sizeof CACHE_TAG - 1 &&
                                memcmp(found.name, CACHE_TAG, found.name_n) == 0);
            if (is_excluded(scan, fd, &hand->path, prefix_n, &found))
                continue;
            if (prefix_n + found.name_n > MANIFEST_PATH_MAX || listing->text.n > UINT32_MAX / 2)
                problem = ENAMETOOLONG;
            else
                keep_name(listing, &found);
        }
    }
    if (tagged && scan->opts.exclude_caches && is_cache(fd))
        keep_only_tag(listing);
    if (listing->names.n > 1)
        sort_names(listing);
    return sys != 0 ? sys : problem;
}

/* ---- metadata ---- */

static uint8_t entry_kind_of(enum os_kind kind) {
    switch (kind) {
    case OS_KIND_DIR:
        return ENTRY_DIR;
    case OS_KIND_SYMLINK:
        return ENTRY_SYMLINK;
    case OS_KIND_CHAR:
        return ENTRY_CHAR;
    case OS_KIND_BLOCK:
        return ENTRY_BLOCK;
    case OS_KIND_FIFO:
        return ENTRY_FIFO;
    case OS_KIND_SOCKET:
        return ENTRY_SOCKET;
    case OS_KIND_FILE:
    case OS_KIND_UNKNOWN: /* vanished before anybody could tell: `problem` says so */
        break;
    }
    return ENTRY_FILE;
}

void scan_entry_fill(struct scan_entry *entry, const struct os_meta *from) {
    struct entry *meta = &entry->meta;
    meta->kind = entry_kind_of(from->kind);
    meta->mode = from->mode;
    meta->uid = from->uid;
    meta->gid = from->gid;
    meta->size = from->kind == OS_KIND_FILE ? from->size : 0;
    meta->mtime_ns = from->mtime_ns;
    meta->ctime_ns = from->ctime_ns;
    meta->ino = from->ino;
    meta->dev = from->dev;
    meta->nlink = from->nlink;
    bool device = from->kind == OS_KIND_CHAR || from->kind == OS_KIND_BLOCK;
    meta->rdev_major = device ? from->rdev_major : 0;
    meta->rdev_minor = device ? from->rdev_minor : 0;
    entry->blocks = from->blocks;
    entry->btime_ns = from->btime_ns;
}

struct scan_batch *scan_stat_batch(struct scan *scan, const struct scan_listing *listing,
                                   uint32_t from, uint32_t to) {
    const struct scan_dir *dir = listing->dir;
    size_t prefix_n = dir->path_n + (dir->path_n > 0 ? 1 : 0), bytes = 0;
    uint64_t content = 0;
    for (uint32_t i = from; i < to; i++)
        bytes += prefix_n + listing->names.p[i].length + 1;
    struct scan_batch *batch = scan_batch_new(listing->dir, to - from, bytes);
    char *text = (char *)&batch->entries[to - from];
    for (uint32_t i = from; i < to; i++) {
        const struct scan_name *name = &listing->names.p[i];
        struct scan_entry *entry = &batch->entries[i - from];
        entry->batch = batch;
        entry->meta.path = span_of(text, prefix_n + name->length);
        entry->name = text + prefix_n;
        memcpy(text, dir->path, dir->path_n);
        if (prefix_n > 0)
            text[prefix_n - 1] = '/';
        memcpy(text + prefix_n, listing->text.p + name->text_off, (size_t)name->length + 1);
        text += prefix_n + name->length + 1;
        struct os_meta meta = {.kind = (enum os_kind)name->kind};
        entry->problem = os_fs_meta(listing->fd, entry->name, &meta);
        scan_entry_fill(entry, &meta);
        content += entry->meta.size;
    }
    (void)atomic_fetch_add_explicit(&scan->found, to - from, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&scan->found_bytes, content, memory_order_relaxed);
    return batch;
}
