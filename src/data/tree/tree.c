#include "data/tree/tree.h"

#include "data/tree/tree_seen.h"

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
    struct buf last[MANIFEST_DEPTH_MAX + 1]; /* first path of the last page of each level */
    bool begun[MANIFEST_DEPTH_MAX + 1];
    struct tree_seen *seen; /* index pages of the whole walk (visitor.once) */
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

/* An index page and those below it.  A page is visited once for an entry, however often the entry
 * names it: the work is bounded by what was really stored. */
static int visit_index(struct walk *walk, const struct digest *name, unsigned depth,
                       struct tree_seen *seen, struct err *err) {
    const struct tree_visitor *visitor = walk->visitor;
    struct span bytes;
    size_t n = 0;
    uint8_t level = 0;
    if (!tree_seen_add(seen, name))
        return 0;
    if (depth > MANIFEST_INDEX_LEVEL_MAX)
        return ERR(err, ERR_FORMAT, "index pages are deeper than %u", MANIFEST_INDEX_LEVEL_MAX);
    MEM_AUTO struct digest *names = mem_new_array(MANIFEST_INDEX_REFS, sizeof *names);
    if (store_read(walk->reader, CHUNK_INDEX, name, &bytes, err) != 0 ||
        manifest_index_names(bytes, names, &n, &level, err) != 0) {
        struct err why = *err;
        return visitor->broken != NULL ? visitor->broken(visitor->ctx, name, &why, err) : -1;
    }
    if (visitor->page != NULL && visitor->page(visitor->ctx, CHUNK_INDEX, name, bytes, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        int rc = level > 0 ? visit_index(walk, &names[i], depth + 1, seen, err)
                           : visitor->chunk(visitor->ctx, &names[i], err);
        if (rc != 0)
            return -1;
    }
    return 0;
}

static int visit_chunks(struct walk *walk, const struct entry *entry, struct err *err) {
    for (uint32_t i = 0; i < entry->ref_n; i++)
        if (walk->visitor->chunk(walk->visitor->ctx, &entry->refs[i].name, err) != 0)
            return -1;
    if (entry->index_page_n == 0)
        return 0;
    AUTO(tree_seen) *own = walk->visitor->once ? NULL : tree_seen_new();
    for (uint32_t i = 0; i < entry->index_page_n; i++)
        if (visit_index(walk, &entry->index_pages[i], 0, own != NULL ? own : walk->seen, err) != 0)
            return -1;
    return 0;
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
        if (visitor->chunk != NULL && visit_chunks(walk, entry, err) != 0)
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

/* Pages of one level ascend through the whole tree.  Without this a few pages that name each other
 * many times would be an endless walk. */
static int check_order(struct walk *walk, const struct manifest_ref *ref, struct err *err) {
    struct buf *last = &walk->last[ref->level];
    if (walk->begun[ref->level] && manifest_path_compare(buf_span(last), ref->first_path) >= 0)
        return ERR(err, ERR_FORMAT, "pages of the manifest are not in order");
    walk->begun[ref->level] = true;
    buf_clear(last);
    buf_put_span(last, ref->first_path);
    return 0;
}

static int enter(struct walk *walk, const struct manifest_ref *ref, struct err *err) {
    const struct tree_visitor *visitor = walk->visitor;
    struct level *level = &walk->levels[walk->depth];
    struct err disorder;
    if (check_order(walk, ref, &disorder) != 0) {
        if (visitor->broken != NULL)
            return visitor->broken(visitor->ctx, &ref->page, &disorder, err);
        if (err != NULL)
            *err = disorder;
        return -1;
    }
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
    walk.seen = visitor->once ? tree_seen_new() : NULL;
    int rc = walk_tree(&walk, &info.tree, err);
    tree_seen_free(walk.seen);
    for (size_t i = 0; i < ARRAY_N(walk.levels); i++) {
        buf_done(&walk.last[i]);
        manifest_page_free(walk.levels[i].page);
        buf_done(&walk.levels[i].bytes);
    }
    return rc;
}
