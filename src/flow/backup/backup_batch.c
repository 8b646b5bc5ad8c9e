/* The pool of batches.  A batch is about a megabyte of plain content in directory order: small
 * files to be read, a part of a large file, or pages of the manifest.  Submitted, it belongs to the
 * workers until batch_return(). */
#include "flow/backup/backup_int.h"

int batch_pool_open(struct run *run) {
    run->batches = mem_new_array(BACKUP_BATCHES, sizeof *run->batches);
    for (uint32_t i = 0; i < BACKUP_BATCHES; i++) {
        struct batch *batch = &run->batches[i];
        batch->id = i;
        batch->next = run->free_batches;
        run->free_batches = batch;
    }
    run->free_n = BACKUP_BATCHES;
    return 0;
}

void batch_pool_close(struct run *run) {
    for (uint32_t i = 0; run->batches != NULL && i < BACKUP_BATCHES; i++)
        mem_free(run->batches[i].bytes);
    mem_free(run->batches);
}

static void make_empty(struct batch *batch) {
    if (batch->bytes == NULL)
        batch->bytes = mem_resize(NULL, BACKUP_BATCH_BYTES);
    batch->next = NULL;
    batch->used = batch->item_n = batch->chunk_n = batch->cut_n = 0;
    atomic_store(&batch->asked, false);
    batch->answered = batch->tree = batch->fixed = false;
}

int batch_take(struct run *run, struct batch **out, struct err *err) {
    os_mutex_lock(&run->mutex);
    while (run->free_batches == NULL && !run->failed)
        os_cond_wait(&run->changed, &run->mutex);
    bool failed = run->failed;
    struct batch *batch = run->free_batches;
    if (!failed) {
        run->free_batches = batch->next;
        run->free_n--;
    }
    os_mutex_unlock(&run->mutex);
    if (failed)
        return run_failure(run, err);
    make_empty(batch);
    *out = batch;
    return 0;
}

void batch_return(struct run *run, struct batch *batch) {
    os_mutex_lock(&run->mutex);
    batch->next = run->free_batches;
    run->free_batches = batch;
    run->free_n++;
    os_cond_broadcast(&run->changed);
    os_mutex_unlock(&run->mutex);
}

void batch_submit(struct run *run, struct batch *batch) {
    if (!os_queue_push(run->work, batch))
        batch_return(run, batch); /* the run failed: nobody works any more */
}

void batch_flush(struct run *run) {
    if (run->filling != NULL)
        batch_submit(run, TAKE(run->filling));
    if (run->filling_tree != NULL)
        batch_submit(run, TAKE(run->filling_tree));
}

int batch_drain(struct run *run, struct err *err) {
    batch_flush(run);
    os_mutex_lock(&run->mutex);
    while (run->free_n < BACKUP_BATCHES && !run->failed)
        os_cond_wait(&run->changed, &run->mutex);
    bool failed = run->failed;
    os_mutex_unlock(&run->mutex);
    return failed ? run_failure(run, err) : 0;
}

struct piece *piece_add(struct node *node) {
    struct piece *piece = mem_new(sizeof *piece);
    *node->pieces_tail = piece;
    node->pieces_tail = &piece->next;
    return piece;
}

/* Chunks that `size` bytes may be cut into at the worst. */
static uint32_t chunks_of(const struct run *run, uint32_t size) {
    return size / run->params.min_bytes + 1;
}

int batch_add_file(struct run *run, struct node *node, uint32_t size, struct err *err) {
    struct batch *batch = run->filling;
    if (batch != NULL &&
        (batch->used + size > BACKUP_BATCH_BYTES || batch->item_n == BATCH_ITEMS_MAX ||
         batch->chunk_n + chunks_of(run, size) > BATCH_CHUNKS_MAX)) {
        batch_submit(run, TAKE(run->filling));
        batch = NULL;
    }
    if (batch == NULL) {
        if (batch_take(run, &batch, err) != 0)
            return -1;
        run->filling = batch;
    }
    node->content_complete = true;
    batch->items[batch->item_n++] = (struct item){
        .node = node, .piece = piece_add(node), .offset = batch->used, .length = size};
    batch->used += size;
    batch->chunk_n += chunks_of(run, size); /* an estimate while filling; the worker counts anew */
    return 0;
}

int batch_add_tree(struct run *run, enum chunk_type type, const struct digest *name,
                   struct span bytes, struct err *err) {
    INVARIANT(bytes.n <= CHUNK_BYTES_MAX);
    struct batch *batch = run->filling_tree;
    if (batch != NULL &&
        (batch->used + bytes.n > BACKUP_BATCH_BYTES || batch->chunk_n == BATCH_CHUNKS_MAX)) {
        batch_submit(run, TAKE(run->filling_tree));
        batch = NULL;
    }
    if (batch == NULL) {
        if (batch_take(run, &batch, err) != 0)
            return -1;
        batch->tree = true;
        run->filling_tree = batch;
    }
    memcpy(batch->bytes + batch->used, bytes.p, bytes.n);
    batch->chunks[batch->chunk_n++] = (struct fresh){
        .name = *name, .offset = batch->used, .length = (uint32_t)bytes.n, .type = (uint8_t)type};
    batch->used += (uint32_t)bytes.n;
    return 0;
}
