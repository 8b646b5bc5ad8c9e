/* Workers open segments, verify each chunk by its name, and write it to every place that wants
 * it. */
#include "flow/restore/restore_int.h"

static void copy_span(struct buf *bytes, struct span *span) {
    size_t at = bytes->n;
    buf_put_span(bytes, *span);
    *span = span_of(bytes->p + at, span->n);
}

struct target_file *target_file_new(const struct entry *entry) {
    struct target_file *file = mem_new(sizeof *file);
    size_t extents = entry->extent_n * sizeof *entry->extents;
    file->entry = *entry;
    buf_reserve(&file->bytes,
                extents + entry->path.n + entry->link.n + entry->xattrs.n); /* never moves below */
    struct span raw = span_of(entry->extents, extents);
    copy_span(&file->bytes, &raw); /* first, so that it is aligned */
    file->entry.extents = (const struct extent *)(const void *)raw.p;
    copy_span(&file->bytes, &file->entry.path);
    copy_span(&file->bytes, &file->entry.link);
    copy_span(&file->bytes, &file->entry.xattrs);
    file->entry.refs = NULL;
    file->entry.index_pages = NULL;
    os_mutex_init(&file->mutex);
    atomic_store(&file->missing, 1);
    return file;
}

void target_file_free(struct target_file *file) {
    apply_file_abort(file->out);
    os_mutex_done(&file->mutex);
    buf_done(&file->bytes);
    mem_free(file);
}

/* Under the file's mutex: make sure it was begun. */
static void begin(struct restoring *restoring, struct target_file *file) {
    if (file->out != NULL || file->refused)
        return;
    struct err why = {0};
    enum apply_result result = apply_file_begin(restoring->apply, &file->entry, &file->out, &why);
    if (result == APPLY_DONE)
        return;
    file->refused = true;
    restoring_note(restoring, file->entry.path, result, &why);
}

void target_file_release(struct restoring *restoring, struct target_file *file) {
    if (atomic_fetch_sub(&file->missing, 1) > 1)
        return;
    struct err why = {0};
    if (!file->refused && atomic_load(&file->lost)) {
        if (file->out == NULL)
            atomic_fetch_add(&restoring->unwritten, 1);
        (void)ERR(&why, ERR_CHUNK_DAMAGED, "its content is damaged or missing in the store");
        restoring_note(restoring, file->entry.path, APPLY_FAILED, &why);
    } else {
        begin(restoring, file); /* a file without content */
        if (!file->refused) {
            enum apply_result result = apply_file_commit(TAKE(file->out), &why);
            restoring_note(restoring, file->entry.path, result, &why);
        }
    }
    atomic_fetch_add(&restoring->files_done, 1);
    target_file_free(file);
}

static int write_place(struct restoring *restoring, struct place *place, struct span bytes,
                       struct err *err) {
    struct target_file *file = place->file;
    if (place->length != bytes.n)
        return ERR(err, ERR_PROTOCOL, "a chunk has another length than the point says");
    if (atomic_exchange(&place->done, true))
        return 0;
    os_mutex_lock(&file->mutex);
    begin(restoring, file);
    int rc = file->refused ? 0 : apply_file_write(file->out, place->offset, bytes, err);
    if (rc != 0) { /* this file cannot be completed (disk full, I/O error): all others may */
        file->refused = true;
        restoring_note(restoring, file->entry.path, APPLY_FAILED, err);
    }
    os_mutex_unlock(&file->mutex);
    atomic_fetch_add(&restoring->bytes, bytes.n);
    target_file_release(restoring, file);
    return rc != 0 && err->code == ERR_SPACE ? -1 : 0;
}

static int write_chunk(struct restoring *restoring, struct span bytes, struct err *err) {
    struct digest name;
    hash_typed(CHUNK_DATA, bytes, &name);
    struct place *place = window_find(restoring, &name);
    if (place == NULL)
        return ERR(err, ERR_PROTOCOL, "the server sent a chunk that nothing wants");
    for (;;) {
        uint32_t next = place->next; /* the last release may end the file, never the place */
        if (write_place(restoring, place, bytes, err) != 0)
            return -1;
        if (next == 0)
            return 0;
        place = &restoring->places[next - 1];
    }
}

struct opener {
    struct unsealer *unsealer;
    uint8_t *plain;
};

static int write_pick(struct restoring *restoring, struct opener *opener, struct span body,
                      struct err *err) {
    struct msg_pick pick;
    if (msg_pick_get(body, &pick, err) != 0)
        return -1;
    if (pick.plain_bytes > SEGMENT_BYTES_MAX || pick.codec > SEGMENT_ZSTD || pick.picks.n % 8 != 0)
        return ERR(err, ERR_PROTOCOL, "malformed segment of a restore");
    if (unsealer_unpack(opener->unsealer, (enum segment_codec)pick.codec, pick.payload,
                        opener->plain, pick.plain_bytes, err) != 0)
        return -1;
    for (size_t i = 0; i < pick.picks.n; i += 8) {
        uint32_t offset = be32_get(pick.picks.p + i), length = be32_get(pick.picks.p + i + 4);
        if (offset > pick.plain_bytes || length > pick.plain_bytes - offset)
            return ERR(err, ERR_PROTOCOL, "a chunk lies outside its segment");
        if (write_chunk(restoring, span_of(opener->plain + offset, length), err) != 0)
            return -1;
    }
    return 0;
}

void write_main(void *arg) {
    struct restoring *restoring = arg;
    struct opener opener = {.unsealer = unsealer_new(),
                            .plain = mem_resize(NULL, SEGMENT_BYTES_MAX)};
    struct err err;
    for (struct buf *task; (task = os_queue_pop(restoring->work)) != NULL;) {
        if (restoring_check(restoring, &err) == 0 &&
            write_pick(restoring, &opener, buf_span(task), &err) != 0)
            restoring_fail(restoring, &err);
        buf_done(task);
        mem_free(task);
        os_mutex_lock(&restoring->mutex);
        restoring->queued--;
        os_cond_broadcast(&restoring->changed);
        os_mutex_unlock(&restoring->mutex);
    }
    unsealer_free(opener.unsealer);
    mem_free(opener.plain);
}
