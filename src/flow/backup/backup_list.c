/* Entries wait here, in manifest order, until their content is named; then they go to the manifest
 * builder. */
#include "flow/backup/backup_int.h"

static void hold(struct run *run, struct node *node, size_t bytes) {
    node->held_bytes = bytes;
    run->held_bytes += bytes;
    *run->tail = node;
    run->tail = &node->next;
}

struct node *list_add_entry(struct run *run, struct scan_entry *scanned) {
    struct node *node = mem_new(sizeof *node);
    node->kind = NODE_ENTRY;
    node->scanned = scanned;
    node->entry = scanned->meta;
    node->pieces_tail = &node->pieces;
    hold(run, node, sizeof *node + sizeof *scanned + 2 * scanned->meta.path.n);
    return node;
}

void list_add_run(struct run *run, struct leaf *leaf, uint32_t from, uint32_t to) {
    INVARIANT(from < to);
    struct node *node = mem_new(sizeof *node);
    node->kind = NODE_RUN;
    node->leaf = leaf;
    node->from = from;
    node->to = to;
    leaf->users++;
    hold(run, node, sizeof *node + leaf->bytes.n / 4);
}

void leaf_put(struct leaf *leaf) {
    if (leaf == NULL || --leaf->users > 0)
        return;
    buf_done(&leaf->bytes);
    buf_done(&leaf->first_path);
    mem_free(leaf);
}

static void free_node(struct node *node) {
    scan_entry_free(node->scanned);
    for (struct piece *piece = node->pieces; piece != NULL;) {
        struct piece *next = piece->next;
        mem_free(piece->refs);
        mem_free(piece);
        piece = next;
    }
    buf_done(&node->xattrs);
    buf_done(&node->link);
    vec_done(&node->refs);
    vec_done(&node->index_pages);
    vec_done(&node->extents);
    leaf_put(node->leaf);
    mem_free(node);
}

static int emit_index_page(struct run *run, struct node *node, size_t n, struct err *err) {
    SCOPED(buf) page = {0};
    struct digest name;
    manifest_index_put(&page, node->refs.p, n);
    hash_typed(CHUNK_INDEX, buf_span(&page), &name);
    *vec_push(&node->index_pages) = name;
    node->refs.n -= n;
    memmove(node->refs.p, node->refs.p + n, node->refs.n * sizeof *node->refs.p);
    return batch_add_tree(run, CHUNK_INDEX, &name, buf_span(&page), err);
}

/* Take over what workers have finished, in file order. */
static int take_pieces(struct run *run, struct node *node, bool *all, struct err *err) {
    for (struct piece *piece; (piece = node->pieces) != NULL;) {
        os_mutex_lock(&run->mutex);
        bool done = piece->done;
        os_mutex_unlock(&run->mutex);
        if (!done)
            break;
        for (uint32_t i = 0; i < piece->ref_n; i++)
            *vec_push(&node->refs) = piece->refs[i];
        node->chunk_n += piece->ref_n;
        node->pieces = piece->next;
        if (node->pieces == NULL)
            node->pieces_tail = &node->pieces;
        mem_free(piece->refs);
        mem_free(piece);
        while (node->refs.n >= MANIFEST_INDEX_REFS)
            if (emit_index_page(run, node, MANIFEST_INDEX_REFS, err) != 0)
                return -1;
    }
    *all = node->pieces == NULL && node->content_complete;
    return 0;
}

static int add_entry(struct run *run, struct node *node, struct err *err) {
    bool paged = node->index_pages.n > 0 || node->refs.n > MANIFEST_CHUNKS_MAX;
    if (paged && node->refs.n > 0 && emit_index_page(run, node, node->refs.n, err) != 0)
        return -1;
    struct entry *entry = &node->entry;
    entry->xattrs = buf_span(&node->xattrs);
    if (entry->kind == ENTRY_SYMLINK)
        entry->link = buf_span(&node->link);
    entry->refs = node->refs.p;
    entry->ref_n = (uint32_t)node->refs.n;
    entry->index_pages = node->index_pages.p;
    entry->index_page_n = (uint32_t)node->index_pages.n;
    entry->chunk_n = node->chunk_n;
    entry->extents = node->extents.p;
    entry->extent_n = (uint32_t)node->extents.n;
    atomic_fetch_add(&run->entries_done, 1);
    if (manifest_add(run->builder, entry, err) == 0)
        return 0;
    if (err->code != ERR_FORMAT && err->code != ERR_LIMIT)
        return -1;
    run_problem(run, entry->path, 0,
                err->text); /* e.g. xattrs beyond the limit: the rest goes on */
    return 0;
}

/* Stand before entry `from` of the leaf. */
static int decode_from(struct run *run, struct leaf *leaf, uint32_t from, struct err *err) {
    if (run->decoding != leaf || run->decoder == NULL || run->decoded > from) {
        manifest_page_free(TAKE(run->decoder));
        run->decoding = leaf;
        run->decoded = 0;
        if (manifest_page_open(buf_span(&leaf->bytes), &run->decoder, err) != 0)
            return -1;
    }
    const struct entry *entry;
    for (; run->decoded < from; run->decoded++)
        if (manifest_page_next(run->decoder, &entry, err) != 0)
            return -1;
    return 0;
}

static int add_run(struct run *run, struct node *node, struct err *err) {
    struct leaf *leaf = node->leaf;
    bool whole = node->from == 0 && leaf->walked && !leaf->last && node->to == leaf->entry_n;
    atomic_fetch_add(&run->entries_done, node->to - node->from);
    if (whole && manifest_at_boundary(run->builder))
        return manifest_add_leaf(run->builder, &leaf->ref, err);
    if (decode_from(run, leaf, node->from, err) != 0)
        return -1;
    for (; run->decoded < node->to; run->decoded++) {
        const struct entry *entry;
        if (manifest_page_next(run->decoder, &entry, err) != 0 ||
            manifest_add(run->builder, entry, err) != 0)
            return -1;
    }
    return 0;
}

int list_advance(struct run *run, struct err *err) {
    for (struct node *node; (node = run->head) != NULL;) {
        bool ready = true;
        if (node->kind == NODE_ENTRY && take_pieces(run, node, &ready, err) != 0)
            return -1;
        if (!ready)
            return 0;
        if ((node->kind == NODE_ENTRY ? add_entry(run, node, err) : add_run(run, node, err)) != 0)
            return -1;
        run->head = node->next;
        if (run->head == NULL)
            run->tail = &run->head;
        run->held_bytes -= node->held_bytes;
        if (run->decoding == node->leaf && node->leaf != NULL && node->leaf->users == 1) {
            manifest_page_free(TAKE(run->decoder)); /* the decoder borrows the leaf's bytes */
            run->decoding = NULL;
        }
        free_node(node);
    }
    return 0;
}

int list_wait(struct run *run, size_t bytes, struct err *err) {
    for (;;) {
        if (list_advance(run, err) != 0)
            return -1;
        if (run->head == NULL || run->held_bytes <= bytes)
            return 0;
        batch_flush(
            run); /* what the front waits for may still be in a batch that is being filled */
        const struct piece *piece = run->head->pieces;
        os_mutex_lock(&run->mutex);
        if (piece != NULL && !piece->done && !run->failed)
            (void)os_cond_wait_ms(&run->changed, &run->mutex, PROGRESS_EVERY_NS / 1000000);
        bool failed = run->failed;
        os_mutex_unlock(&run->mutex);
        if (failed)
            return run_failure(run, err);
        run_progress(run, run->head->entry.path);
    }
}

void list_free(struct run *run) {
    for (struct node *node = run->head; node != NULL;) {
        struct node *next = node->next;
        free_node(node);
        node = next;
    }
    run->head = NULL;
}
