/* Large files: the sequencer reads them part by part and finds the cuts; workers name, compress and
 * send.  So one file keeps every processor busy. */
#include <errno.h>

#include "flow/backup/backup_int.h"

#define FIRST_BYTES (8u * 8192u) /* enough to tell a database file from its first pages */

struct stream {
    struct run *run;
    struct node *node;
    struct scan_item file;
    bool fixed;
    uint64_t end;    /* of the extent being read */
    uint64_t offset; /* next byte to read */
    uint8_t *rest;   /* read, but not cut yet: the start of the next part */
    size_t rest_n;
    int sys;          /* errno that stopped the reading */
    bool short_read;  /* the file ended before its listed size */
    uint64_t content; /* bytes taken */
};

static void submit(struct stream *stream, struct batch *batch, uint32_t length) {
    batch->item_n = 1;
    batch->fixed = stream->fixed;
    batch->items[0] = (struct item){.node = stream->node,
                                    .piece = piece_add(stream->node),
                                    .length = length,
                                    .loaded = true,
                                    .cut_n = batch->cut_n};
    stream->content += length;
    atomic_fetch_add(&stream->run->read_bytes, length);
    batch_submit(stream->run, batch);
}

/* Blocks of the file, aligned to its offsets: an insertion is rare in what is cut this way, an
 * overwrite common. */
static uint32_t cut_fixed(const struct stream *stream, struct batch *batch, uint64_t start,
                          size_t n) {
    uint32_t block = stream->run->params.fixed_bytes;
    uint32_t at = 0;
    while (at < n) {
        uint64_t to_border = block - (start + at) % block;
        uint32_t length = (uint32_t)MIN(to_border, (uint64_t)(n - at));
        batch->cuts[batch->cut_n++] = length;
        at += length;
    }
    return at;
}

static uint32_t cut_by_content(const struct stream *stream, struct batch *batch, size_t n,
                               bool last) {
    uint32_t at = 0;
    while (at < n && batch->cut_n < BATCH_CHUNKS_MAX) {
        size_t length =
            chunker_next(stream->run->chunker, span_of(batch->bytes + at, n - at), last);
        if (length == 0)
            break;
        batch->cuts[batch->cut_n++] = (uint32_t)length;
        at += (uint32_t)length;
    }
    return at;
}

/* One part: what was left over and what the file gives next. */
static int read_part(struct stream *stream, struct err *err) {
    struct batch *batch;
    if (batch_take(stream->run, &batch, err) != 0)
        return -1;
    uint64_t start = stream->offset - stream->rest_n;
    memcpy(batch->bytes, stream->rest, stream->rest_n);
    size_t n = stream->rest_n, got = 0;
    size_t room = BACKUP_BATCH_BYTES - n;
    if (stream->fixed) /* end on a block border, so that no block is split between parts */
        room -= (size_t)((start + BACKUP_BATCH_BYTES) % stream->run->params.fixed_bytes);
    size_t want = (size_t)MIN((uint64_t)room, stream->end - stream->offset);
    stream->sys = scan_item_read(&stream->file, stream->offset, batch->bytes + n, want, &got);
    stream->short_read = got < want;
    stream->offset += got;
    n += got;
    bool last = stream->offset == stream->end || stream->short_read || stream->sys != 0;
    uint32_t cut =
        stream->fixed ? cut_fixed(stream, batch, start, n) : cut_by_content(stream, batch, n, last);
    stream->rest_n = n - cut;
    memcpy(stream->rest, batch->bytes + cut, stream->rest_n);
    if (cut == 0) {
        batch_return(stream->run, batch);
        return 0;
    }
    submit(stream, batch, cut);
    return 0;
}

static int read_extent(struct stream *stream, const struct extent *extent, struct err *err) {
    stream->offset = extent->offset;
    stream->end = extent->offset + extent->length;
    stream->rest_n = 0;
    while ((stream->offset < stream->end || stream->rest_n > 0) && stream->sys == 0 &&
           !stream->short_read) {
        if (read_part(stream, err) != 0)
            return -1;
        run_progress(stream->run, stream->node->entry.path);
        if (list_advance(stream->run, err) != 0)
            return -1;
    }
    return 0;
}

/* Where the data lies: all of it, or, for a file with fewer blocks than its size needs, its
 * extents. */
static int find_extents(struct stream *stream) {
    struct node *node = stream->node;
    uint64_t size = node->entry.size;
    size_t n = 0;
    if (node->scanned->blocks * 512 < size) {
        vec_reserve(&node->extents, MANIFEST_EXTENTS_MAX);
        int sys = scan_extents(&stream->file, size, node->extents.p, MANIFEST_EXTENTS_MAX, &n);
        if (sys != 0)
            return sys;
        node->extents.n = n;
        if (!(n == 1 && node->extents.p[0].offset == 0 && node->extents.p[0].length == size))
            node->entry.flags |= ENTRY_SPARSE;
    }
    if ((node->entry.flags & ENTRY_SPARSE) == 0) {
        node->extents.n = 0;
        *vec_push(&node->extents) = (struct extent){.offset = 0, .length = size};
    }
    uint64_t data = 0;
    for (size_t i = 0; i < node->extents.n; i++)
        data += node->extents.p[i].length;
    stream->run->unread_bytes += size - MIN(data, size);
    return 0;
}

/* A file that ended early: the listing must describe what was read. */
static void cut_listing(struct stream *stream, size_t extent_i) {
    struct node *node = stream->node;
    node->entry.flags |= ENTRY_CHANGED;
    node->entry.size = stream->offset;
    if (extent_i < node->extents.n) {
        struct extent *extent = &node->extents.p[extent_i];
        node->extents.n = extent_i + (stream->offset > extent->offset ? 1 : 0);
        extent->length = stream->offset - extent->offset;
    }
}

static int read_all(struct stream *stream, struct err *err) {
    struct node *node = stream->node;
    size_t first_n = 0;
    stream->sys = find_extents(stream);
    if (stream->sys == 0 && node->extents.n > 0)
        stream->sys = scan_item_read(&stream->file, node->extents.p[0].offset, stream->rest,
                                     FIRST_BYTES, &first_n);
    stream->fixed = scan_wants_fixed(node->scanned, span_of(stream->rest, first_n));
    if (stream->fixed)
        node->entry.flags |= ENTRY_FIXED;
    for (size_t i = 0; i < node->extents.n && stream->sys == 0; i++) {
        if (read_extent(stream, &node->extents.p[i], err) != 0)
            return -1;
        if (stream->short_read || stream->sys != 0) {
            cut_listing(stream, i);
            break;
        }
    }
    if ((node->entry.flags & ENTRY_SPARSE) == 0)
        node->extents.n = 0;
    return 0;
}

int stream_file(struct run *run, struct node *node, struct err *err) {
    struct stream stream = {.run = run, .node = node, .file = {.fd = OS_FD_NONE}};
    stream.rest = mem_resize(NULL, BACKUP_BATCH_BYTES);
    batch_flush(run); /* what was listed before goes ahead of a long file */
    stream.sys = scan_item_open(node->scanned, &stream.file);
    int attributes = stream.sys == 0 ? scan_xattrs(node->scanned, &stream.file, &node->xattrs) : 0;
    int rc = stream.sys == 0 ? read_all(&stream, err) : 0;
    if (rc == 0 && stream.sys == 0 && !scan_item_unchanged(node->scanned, &stream.file))
        node->entry.flags |= ENTRY_CHANGED;
    scan_item_close(&stream.file);
    mem_free(stream.rest);
    if (stream.sys != 0) {
        if (stream.content == 0) {
            node->entry.size = 0;
            node->entry.flags &= (uint8_t)~ENTRY_SPARSE;
            node->extents.n = 0;
        }
        node->entry.flags |= ENTRY_UNREADABLE;
        node->entry.problem = (uint16_t)stream.sys;
        run_problem(run, node->entry.path, stream.sys,
                    stream.sys == ENOENT ? "vanished" : "cannot be read");
    } else if (attributes != 0) {
        unattributed(run, node, attributes);
    } else if ((node->entry.flags & ENTRY_CHANGED) != 0) {
        run_problem(run, node->entry.path, 0, "changed while it was read");
    }
    atomic_fetch_add(&run->files_done, 1);
    node->content_complete = true;
    return rc;
}
