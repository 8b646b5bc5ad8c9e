#include "base/base.h"
#include "data/scan/scan_int.h"

/* A group is known by device, inode and birth: an inode number that is used again while the walk
 * lasts does not join strangers (where the file system knows births). */
static size_t slot_of(const struct scan_links *links, uint64_t dev, uint64_t ino,
                      int64_t btime_ns) {
    uint64_t h = (ino ^ dev << 32 ^ dev >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(h >> 20) & (links->cap - 1);
    for (;; i = (i + 1) & (links->cap - 1)) {
        const struct scan_link *at = &links->slots[i];
        if (at->path == NULL || (at->ino == ino && at->dev == dev && at->btime_ns == btime_ns))
            return i;
    }
}

static void grow(struct scan_links *links) {
    struct scan_links wider = {.cap = links->cap > 0 ? links->cap * 2 : 256, .n = links->n};
    wider.slots = mem_new_array(wider.cap, sizeof *wider.slots);
    for (size_t i = 0; i < links->cap; i++) {
        const struct scan_link *link = &links->slots[i];
        if (link->path != NULL)
            wider.slots[slot_of(&wider, link->dev, link->ino, link->btime_ns)] = *link;
    }
    mem_free(links->slots);
    *links = wider;
}

void scan_links_mark(struct scan_links *links, struct scan_entry *entry) {
    struct entry *meta = &entry->meta;
    if (meta->nlink < 2 || meta->kind == ENTRY_DIR || entry->problem != 0)
        return;
    if (links->n + links->n / 2 >= links->cap)
        grow(links);
    struct scan_link *link = &links->slots[slot_of(links, meta->dev, meta->ino, entry->btime_ns)];
    if (link->path != NULL) {
        meta->kind = ENTRY_HARDLINK;
        meta->rdev_major = meta->rdev_minor = 0; /* told by the first path */
        meta->link = span_text(link->path);
        return;
    }
    *link = (struct scan_link){.dev = meta->dev,
                               .ino = meta->ino,
                               .btime_ns = entry->btime_ns,
                               .path = mem_text((const char *)meta->path.p)};
    links->n++;
}

void scan_links_done(struct scan_links *links) {
    for (size_t i = 0; i < links->cap; i++)
        mem_free(links->slots[i].path);
    mem_free(links->slots);
    *links = (struct scan_links){0};
}
