#include "data/tree/tree.h"

struct level {
    struct buf bytes;
    struct manifest_page *page;
    size_t next_child;
};

struct walk {
    struct store_reader *reader;
    const struct tree_visitor *visitor;
    struct level levels[MANIFEST_DEPTH_MAX + 1];
    size_t depth;
};

int tree_load(void *reader, enum chunk_type type, const struct digest *name, struct span *bytes,
              struct err *err) {
    return store_read(reader, type, name, bytes, err);
}

int tree_info(struct store_reader *reader, const struct digest *root, struct manifest_info *info,
              struct err *err) {
    struct span bytes;
    if (store_read(reader, CHUNK_MANIFEST, root, &bytes, err) != 0)
        return -1;
    return manifest_info_get(bytes, info, err);
}

/* Loads index pages for manifest_refs and shows them to the visitor. */
struct index_load {
    struct store_reader *reader;
    const struct tree_visitor *visitor;
    struct digest name; /* of the page asked for last */
};

static int load_index(void *ctx, enum chunk_type type, const struct digest *name,
                      struct span *bytes, struct err *err) {
    struct index_load *load = ctx;
    load->name = *name;
    if (store_read(load->reader, type, name, bytes, err) != 0)
        return -1;
    if (load->visitor->page != NULL)
        return load->visitor->page(load->visitor->ctx, type, name, *bytes, err);
    return 0;
}

static int chunks_of(struct store_reader *reader, const struct entry *entry,
                     const struct tree_visitor *visitor, struct err *err) {
    struct index_load load = {.reader = reader, .visitor = visitor};
    if (entry->kind != ENTRY_FILE || entry->chunk_n == 0)
        return 0;
    AUTO(manifest_refs) *refs = manifest_refs_new(entry, load_index, &load);
    for (;;) {
        const struct chunk_ref *ref;
        if (manifest_refs_next(refs, &ref, err) != 0) {
            struct err why = *err;
            return visitor->broken != NULL ? visitor->broken(visitor->ctx, &load.name, &why, err)
                                           : -1;
        }
        if (ref == NULL)
            return 0;
        if (visitor->chunk(visitor->ctx, ref, err) != 0)
            return -1;
    }
}

static int visit_entries(struct walk *walk, struct manifest_page *page, struct err *err) {
    const struct tree_visitor *visitor = walk->visitor;
    if (visitor->entry == NULL && visitor->chunk == NULL)
        return 0;
    for (;;) {
        const struct entry *entry;
        if (manifest_page_next(page, &entry, err) != 0)
            return -1;
        if (entry == NULL)
            return 0;
        if (visitor->entry != NULL && visitor->entry(visitor->ctx, entry, err) != 0)
            return -1;
        if (visitor->chunk != NULL && chunks_of(walk->reader, entry, visitor, err) != 0)
            return -1;
    }
}

/* Load a page into the next level; a leaf is visited and left at once. */
static int load_page(struct walk *walk, const struct manifest_ref *ref, struct err *err) {
    struct level *level = &walk->levels[walk->depth];
    struct span bytes;
    if (store_read(walk->reader, CHUNK_TREE, &ref->page, &bytes, err) != 0)
        return -1;
    buf_clear(&level->bytes);
    buf_put_span(&level->bytes, bytes); /* the reader's next call would take it away */
    if (manifest_page_open(buf_span(&level->bytes), &level->page, err) != 0)
        return -1;
    return manifest_page_expect(level->page, ref, err);
}

static int enter(struct walk *walk, const struct manifest_ref *ref, struct err *err) {
    const struct tree_visitor *visitor = walk->visitor;
    struct level *level = &walk->levels[walk->depth];
    if (visitor->enter != NULL && !visitor->enter(visitor->ctx, ref))
        return 0;
    if (load_page(walk, ref, err) != 0) {
        manifest_page_free(TAKE(level->page));
        struct err why = *err;
        return visitor->broken != NULL ? visitor->broken(visitor->ctx, &ref->page, &why, err) : -1;
    }
    if (visitor->page != NULL &&
        visitor->page(visitor->ctx, CHUNK_TREE, &ref->page, buf_span(&level->bytes), err) != 0)
        return -1;
    if (ref->level > 0) {
        level->next_child = 0;
        walk->depth++;
        return 0;
    }
    int rc = visit_entries(walk, level->page, err);
    manifest_page_free(TAKE(level->page));
    return rc;
}

static int walk_tree(struct walk *walk, const struct manifest_ref *tree, struct err *err) {
    if (tree->level >= MANIFEST_DEPTH_MAX)
        return ERR(err, ERR_FORMAT, "manifest is deeper than %u levels", MANIFEST_DEPTH_MAX);
    if (enter(walk, tree, err) != 0)
        return -1;
    while (walk->depth > 0) {
        struct level *level = &walk->levels[walk->depth - 1];
        if (level->next_child == manifest_page_n(level->page)) {
            manifest_page_free(TAKE(level->page));
            walk->depth--;
            continue;
        }
        if (enter(walk, manifest_page_child(level->page, level->next_child++), err) != 0)
            return -1;
    }
    return 0;
}

int tree_walk(struct store_reader *reader, const struct digest *root,
              const struct tree_visitor *visitor, struct err *err) {
    struct walk walk = {.reader = reader, .visitor = visitor};
    struct manifest_info info;
    struct span record;
    if (store_read(reader, CHUNK_MANIFEST, root, &record, err) != 0 ||
        manifest_info_get(record, &info, err) != 0) {
        struct err why = *err;
        return visitor->broken != NULL ? visitor->broken(visitor->ctx, root, &why, err) : -1;
    }
    if (visitor->page != NULL &&
        visitor->page(visitor->ctx, CHUNK_MANIFEST, root, record, err) != 0)
        return -1;
    int rc = walk_tree(&walk, &info.tree, err);
    for (size_t i = 0; i < ARRAY_N(walk.levels); i++) {
        manifest_page_free(walk.levels[i].page);
        buf_done(&walk.levels[i].bytes);
    }
    return rc;
}
