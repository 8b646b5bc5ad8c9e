/* A worker takes a batch twice: first it reads, cuts and names the content, then, when it is known
 * which chunks the server lacks, it compresses those into segments and sends them. */
#include <errno.h>

#include "flow/backup/backup_int.h"

struct worker {
    struct run *run;
    struct sealer *sealer, *fixed_sealer;
    uint8_t *gather;    /* plain bytes of a segment whose chunks do not lie side by side */
    struct buf payload; /* encoded segment bytes */
    struct buf body;
};

static void finish_pieces(struct run *run, struct batch *batch) {
    os_mutex_lock(&run->mutex);
    for (uint32_t i = 0; i < batch->item_n; i++)
        batch->items[i].piece->done = true;
    os_cond_broadcast(&run->changed);
    os_mutex_unlock(&run->mutex);
}

static void name_chunk(struct batch *batch, uint32_t offset, uint32_t length) {
    INVARIANT(batch->chunk_n < BATCH_CHUNKS_MAX);
    struct fresh *chunk = &batch->chunks[batch->chunk_n++];
    *chunk = (struct fresh){.offset = offset, .length = length, .type = CHUNK_DATA};
    hash_typed(CHUNK_DATA, span_of(batch->bytes + offset, length), &chunk->name);
}

static void cut_and_name(struct run *run, struct batch *batch, struct item *item) {
    uint32_t first = batch->chunk_n;
    uint32_t end = item->offset + item->length;
    uint32_t cut_i = item->cut_i;
    for (uint32_t at = item->offset; at < end;) {
        size_t n = item->loaded
                       ? batch->cuts[cut_i++]
                       : chunker_next(run->chunker, span_of(batch->bytes + at, end - at), true);
        name_chunk(batch, at, (uint32_t)n);
        at += (uint32_t)n;
    }
    struct piece *piece = item->piece;
    piece->ref_n = batch->chunk_n - first;
    piece->refs = piece->ref_n > 0 ? mem_new_array(piece->ref_n, sizeof *piece->refs) : NULL;
    for (uint32_t i = 0; i < piece->ref_n; i++) {
        const struct fresh *chunk = &batch->chunks[first + i];
        piece->refs[i] = (struct chunk_ref){.name = chunk->name, .length = chunk->length};
    }
}

static void unreadable(struct run *run, struct node *node, int sys) {
    node->entry.flags |= ENTRY_UNREADABLE;
    node->entry.problem = (uint16_t)sys;
    run_problem(run, node->entry.path, sys, sys == ENOENT ? "vanished" : "cannot be read");
}

/* Content counts for more than attributes: it is kept without them, and looked at again next time.
 */
void unattributed(struct run *run, struct node *node, int sys) {
    buf_clear(&node->xattrs);
    node->entry.flags |= ENTRY_CHANGED;
    run_problem(run, node->entry.path, sys, "its attributes cannot be read");
}

/* A small file, whole.  It was listed with item->length bytes: it may have fewer now, and more are
 * not read. */
static void read_file(struct run *run, struct batch *batch, struct item *item) {
    struct node *node = item->node;
    struct scan_item file = {.fd = OS_FD_NONE};
    size_t got = 0;
    int sys = scan_item_open(node->scanned, &file);
    int attributes = sys == 0 ? scan_xattrs(node->scanned, &file, &node->xattrs) : 0;
    if (sys == 0 && item->length > 0)
        sys = scan_item_read(&file, 0, batch->bytes + item->offset, item->length, &got);
    if (sys != 0) {
        unreadable(run, node, sys);
        got = 0;
    } else if (attributes != 0) {
        unattributed(run, node, attributes);
    } else if (!scan_item_unchanged(node->scanned, &file)) {
        node->entry.flags |= ENTRY_CHANGED;
        run_problem(run, node->entry.path, 0, "changed while it was read");
    }
    scan_item_close(&file);
    item->length = (uint32_t)got;
    node->entry.size = got;
    atomic_fetch_add(&run->read_bytes, got);
    atomic_fetch_add(&run->files_done, 1);
}

static int ask(struct run *run, struct batch *batch, struct err *err) {
    SCOPED(buf) names = {0};
    for (uint32_t i = 0; i < batch->chunk_n; i++)
        if (batch->chunks[i].wanted)
            buf_put(&names, batch->chunks[i].name.b, sizeof batch->chunks[i].name.b);
    batch->answered = true; /* when it comes back to a worker */
    if (names.n == 0)
        return os_queue_push(run->work, batch) ? 0 : -1;
    atomic_store(&batch->asked, true);
    return CHANNEL_SEND(run->channel, have, err, .batch = batch->id, .names = buf_span(&names));
}

static int send_segment(struct worker *worker, struct sealer *sealer,
                        const struct segment_chunk *chunks, uint32_t n, struct span plain,
                        struct err *err) {
    buf_clear(&worker->payload);
    buf_clear(&worker->body);
    struct segment segment = {.plain_bytes = (uint32_t)plain.n, .chunk_n = n, .chunks = chunks};
    segment.codec = sealer_pack(sealer, plain, &worker->payload);
    segment.payload = buf_span(&worker->payload);
    SCOPED(buf) encoded = {0};
    segment_put(&encoded, &segment);
    msg_segment_put(&worker->body, &(struct msg_segment){.encoded = buf_span(&encoded)});
    return channel_send(worker->run->channel, FRAME_TYPE_segment, buf_span(&worker->body),
                        span_of(NULL, 0), err);
}

/* Wanted chunks from *i on that fit into one segment; the plain bytes are joined only when
 * something lies between. */
static struct span gather(struct worker *worker, const struct batch *batch, uint32_t *i,
                          struct segment_chunk *chunks, uint32_t *n) {
    uint32_t room = batch->fixed ? SEGMENT_BYTES_MAX : SEGMENT_BYTES_CONTENT;
    uint32_t bytes = 0, start = 0;
    bool joined = true;
    for (*n = 0; *i < batch->chunk_n && *n < SEGMENT_CHUNKS_MAX; (*i)++) {
        const struct fresh *chunk = &batch->chunks[*i];
        if (!chunk->wanted)
            continue;
        if (*n > 0 && bytes + chunk->length > room)
            break;
        if (*n == 0)
            start = chunk->offset;
        if (joined && chunk->offset != start + bytes) {
            memcpy(worker->gather, batch->bytes + start, bytes);
            joined = false;
        }
        if (!joined)
            memcpy(worker->gather + bytes, batch->bytes + chunk->offset, chunk->length);
        chunks[(*n)++] = (struct segment_chunk){.type = chunk->type, .length = chunk->length};
        bytes += chunk->length;
    }
    return span_of(joined ? batch->bytes + start : worker->gather, bytes);
}

static int send_wanted(struct worker *worker, const struct batch *batch, struct err *err) {
    struct segment_chunk chunks[BATCH_CHUNKS_MAX];
    struct sealer *sealer = batch->fixed ? worker->fixed_sealer : worker->sealer;
    for (uint32_t i = 0; i < batch->chunk_n;) {
        uint32_t n;
        struct span plain = gather(worker, batch, &i, chunks, &n);
        if (n > 0 && send_segment(worker, sealer, chunks, n, plain, err) != 0)
            return -1;
    }
    return 0;
}

static int work(struct worker *worker, struct batch *batch, struct err *err) {
    struct run *run = worker->run;
    if (!batch->answered) {
        if (!batch->tree) {
            batch->chunk_n = 0;
            for (uint32_t i = 0; i < batch->item_n; i++) {
                if (!batch->items[i].loaded)
                    read_file(run, batch, &batch->items[i]);
                cut_and_name(run, batch, &batch->items[i]);
            }
            finish_pieces(run, batch);
        }
        seen_filter(run->seen, batch->chunks, batch->chunk_n);
        if (run->history && !batch->tree)
            return ask(run, batch, err);
    }
    if (send_wanted(worker, batch, err) != 0)
        return -1;
    batch_return(run, batch);
    return 0;
}

void work_main(void *arg) {
    struct worker worker = {.run = arg};
    int level = worker.run->level;
    worker.sealer = sealer_new(level > 0 ? level : LEVEL_CONTENT);
    worker.fixed_sealer = level > 0 ? sealer_new(level) : sealer_new_for_blocks();
    worker.gather = mem_resize(NULL, SEGMENT_BYTES_MAX);
    struct err err;
    for (struct batch *batch; (batch = os_queue_pop(worker.run->work)) != NULL;)
        if (work(&worker, batch, &err) != 0) {
            run_fail(worker.run, &err);
            break;
        }
    sealer_free(worker.sealer);
    sealer_free(worker.fixed_sealer);
    mem_free(worker.gather);
    buf_done(&worker.payload);
    buf_done(&worker.body);
}
