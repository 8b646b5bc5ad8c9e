#include "format/manifest/manifest_int.h"

/* The reader stands in a leaf, or in front of children[next] of its innermost frame, or in front of
 * the whole tree. */
struct frame {
    struct manifest_page *page;
    size_t next;
};
struct manifest_reader {
    manifest_load_fn *load;
    void *ctx;
    struct manifest_ref tree;
    struct buf tree_path; /* what tree.first_path points to */
    bool begun;           /* the tree's own page was entered or skipped */
    struct frame frames[MANIFEST_DEPTH_MAX];
    size_t depth;
    struct manifest_page *leaf;
    struct buf leaf_bytes; /* a copy: the loader may be used for other things between our calls */
    bool in_leaf;
    const struct entry *current; /* decoded, not yet passed */
    struct buf last;             /* the greatest path so far, */
    struct path_walk last_walk;  /* and what is known of it when it is that of the entry before */
    bool any;
};

struct manifest_reader *manifest_reader_new(const struct manifest_ref *tree, manifest_load_fn *load,
                                            void *ctx) {
    struct manifest_reader *reader = mem_new(sizeof *reader);
    reader->load = load;
    reader->ctx = ctx;
    reader->tree = *tree;
    buf_put_span(&reader->tree_path, tree->first_path);
    reader->tree.first_path = buf_span(&reader->tree_path);
    reader->leaf = manifest_page_new();
    return reader;
}

void manifest_reader_free(struct manifest_reader *reader) {
    if (reader == NULL)
        return;
    for (size_t i = 0; i < MANIFEST_DEPTH_MAX; i++)
        manifest_page_free(reader->frames[i].page);
    manifest_page_free(reader->leaf);
    buf_done(&reader->leaf_bytes);
    buf_done(&reader->tree_path);
    buf_done(&reader->last);
    mem_free(reader);
}

static void remember(struct manifest_reader *reader, struct span path, struct path_walk walk) {
    buf_clear(&reader->last);
    buf_put_span(&reader->last, path);
    reader->last_walk = walk;
    reader->any = true;
}

/* Leave the frames that are used up. */
static void settle(struct manifest_reader *reader) {
    while (reader->depth > 0) {
        struct frame *frame = &reader->frames[reader->depth - 1];
        if (frame->next < manifest_page_n(frame->page))
            return;
        reader->depth--;
    }
}

const struct manifest_ref *manifest_reader_subtree(const struct manifest_reader *reader) {
    if (reader->in_leaf)
        return NULL;
    if (!reader->begun)
        return &reader->tree;
    if (reader->depth == 0)
        return NULL;
    const struct frame *frame = &reader->frames[reader->depth - 1];
    return manifest_page_child(frame->page, frame->next);
}

static void step_over(struct manifest_reader *reader) {
    if (!reader->begun)
        reader->begun = true;
    else
        reader->frames[reader->depth - 1].next++;
}

void manifest_reader_skip(struct manifest_reader *reader) {
    const struct manifest_ref *ref = manifest_reader_subtree(reader);
    INVARIANT(ref != NULL);
    remember(reader, ref->first_path, (struct path_walk){.any = false});
    step_over(reader);
    settle(reader);
}

static int load_page(struct manifest_reader *reader, const struct manifest_ref *ref,
                     struct manifest_page *page, struct err *err) {
    struct span bytes;
    if (reader->load(reader->ctx, CHUNK_TREE, &ref->page, &bytes, err) != 0)
        return -1;
    if (ref->level == 0) {
        buf_clear(&reader->leaf_bytes);
        buf_put_span(&reader->leaf_bytes, bytes);
        bytes = buf_span(&reader->leaf_bytes);
    }
    if (manifest_page_reopen(page, bytes, err) != 0)
        return -1;
    return manifest_page_expect(page, ref, err);
}

/* Within a page its decoder checks the order; this is what comes between pages. */
static int check_order(const struct manifest_reader *reader, const struct manifest_ref *ref,
                       struct err *err) {
    if (reader->any && manifest_path_compare(buf_span(&reader->last), ref->first_path) >= 0)
        return manifest_refuse(err, ERR_FORMAT, ref->first_path, "a page that is not in order");
    return 0;
}

int manifest_reader_enter(struct manifest_reader *reader, struct err *err) {
    const struct manifest_ref *ref = manifest_reader_subtree(reader);
    INVARIANT(ref != NULL);
    bool leaf = ref->level == 0;
    INVARIANT(leaf || reader->depth < MANIFEST_DEPTH_MAX);
    struct manifest_page **page = leaf ? &reader->leaf : &reader->frames[reader->depth].page;
    if (*page == NULL)
        *page = manifest_page_new();
    if (check_order(reader, ref, err) != 0 || load_page(reader, ref, *page, err) != 0)
        return -1;
    step_over(reader);
    reader->in_leaf = leaf;
    reader->current = NULL;
    if (!leaf)
        reader->frames[reader->depth++].next = 0;
    return 0;
}

/* The first entry of a leaf that follows another: its parent folder was in that one. */
static int check_parent(struct manifest_reader *reader, const struct entry *entry,
                        struct err *err) {
    struct path_walk walk = reader->last_walk;
    if (reader->leaf->leaf.entry_i != 1 || !walk.any)
        return 0;
    size_t shared = manifest_path_shared(buf_span(&reader->last), entry->path);
    const char *problem =
        manifest_path_step(&walk, entry->path.p, entry->path.n, shared, entry->kind);
    return problem == NULL ? 0 : manifest_refuse(err, ERR_FORMAT, entry->path, problem);
}

int manifest_reader_current(struct manifest_reader *reader, const struct entry **entry,
                            struct err *err) {
    *entry = reader->current;
    if (!reader->in_leaf || reader->current != NULL)
        return 0;
    struct leaf_in *leaf = &reader->leaf->leaf;
    if (manifest_leaf_in_next(leaf, entry, err) != 0)
        return -1;
    reader->current = *entry;
    if (*entry != NULL)
        return check_parent(reader, *entry, err);
    if (leaf->walk.any)
        remember(reader, span_of(leaf->path, leaf->walk.n), leaf->walk);
    reader->in_leaf = false;
    settle(reader);
    return 0;
}

void manifest_reader_pass(struct manifest_reader *reader) {
    reader->current = NULL;
}

int manifest_next(struct manifest_reader *reader, const struct entry **entry, struct err *err) {
    for (;;) {
        if (manifest_reader_current(reader, entry, err) != 0)
            return -1;
        if (*entry != NULL) {
            manifest_reader_pass(reader);
            return 0;
        }
        if (manifest_reader_subtree(reader) == NULL)
            return 0;
        if (manifest_reader_enter(reader, err) != 0)
            return -1;
    }
}

/* Does anything come behind the subtree the reader stands in front of? */
static bool at_last(const struct manifest_reader *reader) {
    if (!reader->begun)
        return true;
    for (size_t i = 0; i < reader->depth; i++) {
        const struct frame *frame = &reader->frames[i];
        size_t next = frame->next + (i + 1 == reader->depth);
        if (next < manifest_page_n(frame->page))
            return false;
    }
    return true;
}

int manifest_peek_leaf(struct manifest_reader *reader, const struct manifest_ref **leaf,
                       struct err *err) {
    *leaf = NULL;
    const struct entry *entry;
    bool ended = reader->leaf->leaf.entry_i == reader->leaf->leaf.entry_n;
    if (reader->in_leaf && reader->current == NULL && ended &&
        manifest_reader_current(reader, &entry, err) != 0)
        return -1;
    const struct manifest_ref *ref;
    while ((ref = manifest_reader_subtree(reader)) != NULL && ref->level > 0)
        if (manifest_reader_enter(reader, err) != 0)
            return -1;
    if (ref == NULL || at_last(reader))
        return 0;
    *leaf = ref;
    return check_order(reader, ref, err);
}

void manifest_skip_leaf(struct manifest_reader *reader) {
    const struct manifest_ref *ref = manifest_reader_subtree(reader);
    INVARIANT(ref != NULL && ref->level == 0);
    manifest_reader_skip(reader);
}

/* The last child that does not begin behind `path`. */
static size_t child_for(const struct manifest_page *page, struct span path) {
    size_t low = 0, high = manifest_page_n(page);
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (manifest_path_compare(manifest_page_child(page, middle)->first_path, path) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int manifest_seek(struct manifest_reader *reader, struct span path, struct err *err) {
    reader->begun = reader->in_leaf = reader->any = false;
    reader->current = NULL;
    reader->depth = 0;
    reader->last_walk = (struct path_walk){.any = false};
    do {
        if (manifest_reader_enter(reader, err) != 0)
            return -1;
        if (!reader->in_leaf) {
            struct frame *frame = &reader->frames[reader->depth - 1];
            frame->next = child_for(frame->page, path);
        }
    } while (!reader->in_leaf);
    for (const struct entry *entry;;) {
        if (manifest_reader_current(reader, &entry, err) != 0)
            return -1;
        if (entry == NULL || manifest_path_compare(entry->path, path) >= 0)
            return 0;
        manifest_reader_pass(reader);
    }
}
