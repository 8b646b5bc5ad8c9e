/* From verified pages to files that wait for content.  Every page is checked against the name
 * its parent gave, from the
 * root that we signed: the server can leave out nothing and add nothing. */
#include "flow/restore/restore_int.h"

static int take_page(struct restoring *restoring, enum chunk_type type, const struct digest *name,
                     struct buf *page, struct span *bytes, struct err *err) {
    struct span body;
    struct msg_page message;
    struct digest actual;
    if (channel_expect(restoring->channel, FRAME_TYPE_page, &body, CHANNEL_IDLE_MS, err) != 0 ||
        msg_page_get(body, &message, err) != 0)
        return -1;
    hash_typed((uint8_t)type, message.content, &actual);
    if (message.type != (uint8_t)type || !digest_equal(&actual, name))
        return ERR(err, ERR_PROTOCOL, "a page of the point is not the one that was signed");
    buf_clear(page);
    buf_put_span(page, message.content);
    *bytes = buf_span(page);
    return 0;
}

static int load_tree(void *ctx, enum chunk_type type, const struct digest *name, struct span *bytes,
                     struct err *err) {
    struct restoring *restoring = ctx;
    return take_page(restoring, type, name, &restoring->tree_page, bytes, err);
}

static int load_index(void *ctx, enum chunk_type type, const struct digest *name,
                      struct span *bytes, struct err *err) {
    struct restoring *restoring = ctx;
    return take_page(restoring, type, name, &restoring->index_page, bytes, err);
}

static void send_progress(struct restoring *restoring, struct span current) {
    uint64_t now = os_mono_ns();
    if (now < restoring->progress_at)
        return;
    restoring->progress_at = now + PROGRESS_EVERY_NS;
    struct err err;
    uint64_t bytes = atomic_load(&restoring->bytes);
    current.n = MIN(current.n, (size_t)4096);
    if (CHANNEL_SEND(restoring->channel, progress, &err, .found = atomic_load(&restoring->found),
                     .entries = atomic_load(&restoring->entries),
                     .files = atomic_load(&restoring->files_done), .bytes = bytes, .read = bytes,
                     .current = current) != 0)
        restoring_fail(restoring, &err);
}

/* Where content goes in the file: extents of a sparse one, else straight on. */
struct cursor_in_file {
    const struct target_file *file;
    uint32_t extent_i;
    uint64_t in_extent, offset;
};

static uint64_t place_of(struct cursor_in_file *at, uint32_t length) {
    const struct entry *entry = &at->file->entry;
    if ((entry->flags & ENTRY_SPARSE) == 0) {
        uint64_t offset = at->offset;
        at->offset += length;
        return offset;
    }
    while (at->extent_i + 1 < entry->extent_n &&
           at->in_extent >= entry->extents[at->extent_i].length) {
        at->extent_i++;
        at->in_extent = 0;
    }
    uint64_t offset =
        (entry->extent_n > 0 ? entry->extents[at->extent_i].offset : 0) + at->in_extent;
    at->in_extent += length;
    return offset;
}

static int plan_content(struct restoring *restoring, const struct entry *entry,
                        struct target_file *file, struct err *err) {
    struct cursor_in_file at = {.file = file};
    AUTO(manifest_refs) *refs = manifest_refs_new(entry, load_index, restoring);
    for (;;) {
        const struct chunk_ref *ref;
        if (manifest_refs_next(refs, &ref, err) != 0)
            return -1;
        if (ref == NULL)
            return 0;
        window_add(restoring, file, ref, place_of(&at, ref->length));
        if (restore_window_chunk(&restoring->window) && window_run(restoring, err) != 0)
            return -1;
        send_progress(restoring, file->entry.path);
    }
}

/* A file of which a part was readable: better than nothing, but not better than what is there. */
static void tell_torn(struct restoring *restoring, struct target_file *file) {
    struct err why;
    file->refused = !restoring->torn_too;
    (void)ERR_SYS(&why, ERR_IO, file->entry.problem, "only its first %llu bytes were readable%s",
                  (unsigned long long)file->entry.size,
                  file->refused ? ": not put over what is there" : "");
    atomic_fetch_add(&restoring->unwritten, 1);
    restoring_note(restoring, file->entry.path, APPLY_FAILED, &why);
}

static int plan_file(struct restoring *restoring, const struct entry *entry, struct err *err) {
    if (entry->chunk_n == 0 && (entry->flags & ENTRY_UNREADABLE) != 0) {
        struct err why;
        (void)ERR_SYS(&why, ERR_IO, entry->problem, "was not readable when the point was made");
        atomic_fetch_add(&restoring->unwritten, 1);
        restoring_note(restoring, entry->path, APPLY_FAILED, &why);
        return 0;
    }
    if (entry->chunk_n > 1 && restore_window_file(&restoring->window) &&
        window_run(restoring, err) != 0)
        return -1;
    struct target_file *file = target_file_new(entry);
    if ((entry->flags & ENTRY_UNREADABLE) != 0)
        tell_torn(restoring, file);
    int rc = entry->chunk_n > 0 ? plan_content(restoring, entry, file, err) : 0;
    if (rc != 0)
        atomic_store(&file->lost, true);
    target_file_release(restoring, file);
    return rc;
}

static int plan_entry(void *ctx, const struct entry *entry, struct err *err) {
    struct restoring *restoring = ctx;
    atomic_fetch_add(&restoring->found, 1);
    send_progress(restoring, entry->path);
    bool selected = selection_has(&restoring->selection, entry->path);
    if (selected && entry->kind == ENTRY_FILE)
        return plan_file(restoring, entry, err);
    if (selected && entry->kind == ENTRY_HARDLINK) {
        *vec_push(&restoring->links) = target_file_new(entry);
        return 0;
    }
    struct err why = {0};
    enum apply_result result = apply_entry(restoring->apply, entry, &why);
    restoring_note(restoring, entry->path, result, &why);
    return 0;
}

int plan_point(struct restoring *restoring, struct err *err) {
    struct span record;
    struct manifest_info info;
    if (load_tree(restoring, CHUNK_MANIFEST, &restoring->commit.manifest, &record, err) != 0 ||
        manifest_info_get(record, &info, err) != 0)
        return -1;
    if (selection_walk(&restoring->selection, &info.tree, load_tree, restoring, plan_entry,
                       restoring, err) != 0)
        return -1;
    return window_run(restoring, err);
}
