#pragma once
/* From a walk straight into the restore engine: what backup and restore do, without what lies
 * between them. */
#include "base/base.h"
#include "base/vec.h"
#include "data/apply/apply.h"
#include "data/scan/scan.h"
#include "os/os.h"
#include "seed.h"

struct copy_tree {
    struct apply *apply;
    struct os_queue *files; /* NULL: one thread does it all */
    struct os_mutex mutex;
    uint64_t salt; /* sizes of the pieces written */
    /* The first entry that did not come out as DONE or SKIPPED. */
    char trouble[ERR_TEXT_MAX];
};

static inline void copy_trouble(struct copy_tree *copy, const char *text) {
    os_mutex_lock(&copy->mutex);
    if (copy->trouble[0] == 0)
        memcpy(copy->trouble, text, MIN(strlen(text) + 1, sizeof copy->trouble - 1));
    os_mutex_unlock(&copy->mutex);
}

static inline int copy_content(struct copy_tree *copy, const struct scan_item *item,
                               const struct entry *meta, struct apply_file *file, struct err *err) {
    const struct extent whole = {.offset = 0, .length = meta->size};
    bool sparse = (meta->flags & ENTRY_SPARSE) != 0;
    const struct extent *extents = sparse ? meta->extents : &whole;
    uint8_t bytes[8192];
    struct seed seed = {.state = copy->salt ^ meta->ino};
    for (size_t i = 0; i < (sparse ? meta->extent_n : 1); i++)
        for (uint64_t at = extents[i].offset, end = at + extents[i].length; at < end;) {
            size_t got, want = 1 + seed_below(&seed, sizeof bytes);
            if (scan_item_read(item, at, bytes, MIN(want, end - at), &got) != 0 || got == 0)
                return ERR(err, ERR_IO, "cannot read");
            if (apply_file_write(file, at, span_of(bytes, got), err) != 0)
                return -1;
            at += got;
        }
    return 0;
}

static inline void copy_file(struct copy_tree *copy, const struct scan_entry *entry) {
    struct err why = {0};
    struct scan_item item;
    struct extent extents[64];
    size_t extent_n = 0;
    struct buf xattrs = {0};
    struct entry meta = entry->meta;
    if (scan_item_open(entry, &item) != 0 || scan_xattrs(entry, &item, &xattrs) != 0) {
        copy_trouble(copy, (const char *)meta.path.p);
        return;
    }
    meta.xattrs = buf_span(&xattrs);
    /* (entry->blocks would say cheaply that there may be holes, but counts an attribute block.) */
    if (scan_extents(&item, meta.size, extents, ARRAY_N(extents), &extent_n) == 0) {
        meta.flags |= ENTRY_SPARSE;
        meta.extents = extents;
        meta.extent_n = (uint32_t)extent_n;
    }
    struct apply_file *file;
    enum apply_result result = apply_file_begin(copy->apply, &meta, &file, &why);
    if (result == APPLY_DONE) {
        if (copy_content(copy, &item, &meta, file, &why) == 0)
            result = apply_file_commit(file, &why);
        else
            apply_file_abort(file);
    }
    if (why.code != ERR_NONE)
        copy_trouble(copy, why.text);
    buf_done(&xattrs);
    scan_item_close(&item);
}

static inline void copy_worker(void *arg) {
    struct copy_tree *copy = arg;
    for (struct scan_entry *entry; (entry = os_queue_pop(copy->files)) != NULL;
         scan_entry_free(entry))
        copy_file(copy, entry);
}

static inline void copy_other(struct copy_tree *copy, const struct scan_entry *entry) {
    struct err why = {0};
    struct buf xattrs = {0}, target = {0};
    struct entry meta = entry->meta;
    int sys = meta.kind == ENTRY_HARDLINK ? 0 : scan_xattrs(entry, NULL, &xattrs);
    if (sys == 0 && meta.kind == ENTRY_SYMLINK) {
        sys = scan_link(entry, &target);
        meta.link = buf_span(&target);
    }
    meta.xattrs = buf_span(&xattrs);
    (void)apply_entry(copy->apply, &meta, &why);
    if (sys != 0 || why.code != ERR_NONE)
        copy_trouble(copy, why.code != ERR_NONE ? why.text : "cannot read an entry");
    buf_done(&xattrs);
    buf_done(&target);
}

static inline void copy_walk(struct copy_tree *copy, struct scan *scan, unsigned threads) {
    struct os_thread started[8] = {0};
    VEC(struct scan_entry *) links = {0};
    for (unsigned i = 0; i < threads && i < ARRAY_N(started); i++)
        INVARIANT(os_thread_start(&started[i], "copy", copy_worker, copy, NULL) == 0);
    for (struct scan_entry *entry; scan_next(scan, &entry, NULL) == 0 && entry != NULL;) {
        if (entry->meta.kind == ENTRY_HARDLINK) {
            *vec_push(&links) = entry; /* when all first names are there */
            continue;
        }
        if (entry->problem != 0)
            copy_trouble(copy, "an entry has a problem");
        if (entry->meta.kind == ENTRY_FILE && copy->files != NULL) {
            INVARIANT(os_queue_push(copy->files, entry));
            continue;
        }
        if (entry->meta.kind == ENTRY_FILE)
            copy_file(copy, entry);
        else
            copy_other(copy, entry);
        scan_entry_free(entry);
    }
    if (copy->files != NULL)
        os_queue_close(copy->files);
    for (unsigned i = 0; i < threads && i < ARRAY_N(started); i++)
        os_thread_join(&started[i]);
    for (size_t i = 0; i < links.n; i++) {
        copy_other(copy, links.p[i]);
        scan_entry_free(links.p[i]);
    }
    vec_done(&links);
}

/* 0, or -1 when the whole job could not run; `trouble` names the first entry with one. */
static inline int copy_tree(const char *from, const char *to, struct apply_opts opts,
                            unsigned threads, uint64_t salt, struct apply_totals *totals,
                            char trouble[static ERR_TEXT_MAX], struct err *err) {
    struct copy_tree copy = {.salt = salt};
    AUTO(scan) *scan = NULL;
    AUTO(apply) *apply = NULL;
    struct scan_opts scan_opts = {0};
    if (scan_open(from, &scan_opts, &scan, err) != 0 || apply_open(to, opts, &apply, err) != 0)
        return -1;
    copy.apply = apply;
    copy.files = threads > 0 ? os_queue_new(200) : NULL;
    os_mutex_init(&copy.mutex);
    copy_walk(&copy, scan, threads);
    os_mutex_done(&copy.mutex);
    if (copy.files != NULL)
        os_queue_free(copy.files);
    memcpy(trouble, copy.trouble, ERR_TEXT_MAX);
    return apply_finish(apply, totals, err);
}
