#include "format/manifest/manifest_int.h"

struct manifest_builder {
    manifest_emit_fn *emit;
    void *ctx;
    struct leaf_out leaf;
    struct inner_out inner[MANIFEST_DEPTH_MAX]; /* [0] is not used */
    bool emitted[MANIFEST_DEPTH_MAX];           /* a page of this level */
    struct buf page;
    struct buf xattrs; /* the last list that was found valid */
};

struct manifest_builder *manifest_builder_new(manifest_emit_fn *emit, void *ctx) {
    struct manifest_builder *builder = mem_new(sizeof *builder);
    builder->emit = emit;
    builder->ctx = ctx;
    manifest_leaf_out_begin(&builder->leaf);
    for (uint8_t level = 1; level < MANIFEST_DEPTH_MAX; level++)
        manifest_inner_out_begin(&builder->inner[level], level);
    return builder;
}

void manifest_builder_free(struct manifest_builder *builder) {
    if (builder == NULL)
        return;
    manifest_leaf_out_done(&builder->leaf);
    for (size_t level = 1; level < MANIFEST_DEPTH_MAX; level++)
        manifest_inner_out_done(&builder->inner[level]);
    buf_done(&builder->page);
    buf_done(&builder->xattrs);
    mem_free(builder);
}

static int emit_page(struct manifest_builder *builder, uint8_t level, struct digest *name,
                     struct err *err) {
    struct span page = buf_span(&builder->page);
    hash_typed(CHUNK_TREE, page, name);
    builder->emitted[level] = true;
    return builder->emit(builder->ctx, CHUNK_TREE, name, page, err);
}

static int emit_inner(struct manifest_builder *builder, uint8_t level, struct manifest_ref *ref,
                      struct err *err) {
    struct inner_out *inner = &builder->inner[level];
    manifest_inner_out_page(inner, &builder->page);
    *ref = (struct manifest_ref){
        .level = level, .totals = inner->sum, .first_path = buf_span(&inner->first_path)};
    manifest_inner_out_begin(inner, level);
    return emit_page(builder, level, &ref->page, err);
}

/* Put a finished page into its parent, and that into its own when it is full. */
static int add_child(struct manifest_builder *builder, struct manifest_ref child, struct err *err) {
    for (uint8_t level = (uint8_t)(child.level + 1);; level++) {
        if (level >= MANIFEST_DEPTH_MAX)
            return ERR(err, ERR_LIMIT, "the manifest has more than %u levels", MANIFEST_DEPTH_MAX);
        manifest_inner_out_add(&builder->inner[level], &child);
        if (!manifest_inner_out_cut(&builder->inner[level]))
            return 0;
        if (emit_inner(builder, level, &child, err) != 0)
            return -1;
    }
}

static int emit_leaf(struct manifest_builder *builder, struct err *err) {
    struct leaf_out *leaf = &builder->leaf;
    manifest_leaf_out_page(leaf, &builder->page);
    struct manifest_ref ref = {.totals = leaf->totals, .first_path = buf_span(&leaf->first_path)};
    manifest_leaf_out_begin(leaf);
    if (emit_page(builder, 0, &ref.page, err) != 0)
        return -1;
    return add_child(builder, ref, err);
}

static int check_xattrs(struct manifest_builder *builder, const struct entry *entry,
                        struct err *err) {
    if (entry->xattrs.n == 0 || span_equal(entry->xattrs, buf_span(&builder->xattrs)))
        return 0;
    if (!entry_xattrs_valid(entry->xattrs))
        return manifest_refuse(err, ERR_FORMAT, entry->path,
                               "attributes that are not a sorted list");
    buf_clear(&builder->xattrs);
    buf_put_span(&builder->xattrs, entry->xattrs);
    return 0;
}

/* Path, order and content; *shared is what the path has in common with the one before, *walk what
 * the next one needs to know of it. */
static int check_entry(struct manifest_builder *builder, const struct entry *entry, size_t *shared,
                       struct path_walk *walk, struct err *err) {
    struct span before = buf_span(&builder->leaf.path), path = entry->path;
    *walk = builder->leaf.walk;
    if (path.n > MANIFEST_PATH_MAX)
        return manifest_refuse(err, ERR_LIMIT, path, "a path that is too long");
    *shared = manifest_path_shared(before, path);
    bool first = !walk->any && !builder->emitted[0];
    INVARIANT(first || (*shared < path.n && (*shared == before.n ||
                                             path_byte_less(before.p[*shared], path.p[*shared]))));
    const char *problem = manifest_path_step(walk, path.p, path.n, *shared, entry->kind);
    if (problem != NULL)
        return manifest_refuse(err, ERR_FORMAT, path, problem);
    if (check_xattrs(builder, entry, err) != 0)
        return -1;
    return entry_content_check(entry, err);
}

static int put_entry(struct manifest_builder *builder, const struct entry *entry, size_t shared,
                     struct path_walk walk, struct err *err) {
    builder->leaf.walk = walk;
    manifest_leaf_out_add(&builder->leaf, entry, shared);
    return manifest_leaf_out_cut(&builder->leaf) ? emit_leaf(builder, err) : 0;
}

int manifest_add(struct manifest_builder *builder, const struct entry *entry, struct err *err) {
    size_t shared = 0;
    struct path_walk walk;
    if (check_entry(builder, entry, &shared, &walk, err) != 0)
        return -1;
    if (entry->index_page_n <= MANIFEST_INDEX_PAGES_MAX)
        return put_entry(builder, entry, shared, walk, err);
    MEM_AUTO struct digest *pages = NULL;
    struct entry folded;
    if (manifest_index_fold(entry, builder->emit, builder->ctx, &pages, &folded, err) != 0)
        return -1;
    return put_entry(builder, &folded, shared, walk, err);
}

bool manifest_at_boundary(const struct manifest_builder *builder) {
    return builder->leaf.entry_n == 0;
}

int manifest_add_leaf(struct manifest_builder *builder, const struct manifest_ref *leaf,
                      struct err *err) {
    struct leaf_out *out = &builder->leaf;
    INVARIANT(leaf->level == 0 && leaf->totals.entries > 0 && manifest_at_boundary(builder));
    INVARIANT(!builder->emitted[0] ||
              manifest_path_compare(buf_span(&out->path), leaf->first_path) < 0);
    /* Its last path is not known here: the first stands for it, and the next parent goes unchecked.
     */
    buf_clear(&out->path);
    buf_put_span(&out->path, leaf->first_path);
    out->walk = (struct path_walk){.any = false};
    builder->emitted[0] = true;
    return add_child(builder, *leaf, err);
}

/* Close what is open, from the leaves up to the page that holds everything. */
static int finish_tree(struct manifest_builder *builder, struct manifest_ref *tree,
                       struct err *err) {
    if ((builder->leaf.entry_n > 0 || !builder->emitted[0]) && emit_leaf(builder, err) != 0)
        return -1;
    for (uint8_t level = 1; level < MANIFEST_DEPTH_MAX; level++) {
        struct inner_out *inner = &builder->inner[level];
        bool top = !builder->emitted[level]; /* then it holds everything below */
        if (top && inner->child_n == 1) {
            *tree = (struct manifest_ref){.page = inner->last_page,
                                          .level = (uint8_t)(level - 1),
                                          .totals = inner->last_totals};
            return 0;
        }
        if (inner->child_n == 0)
            continue; /* its last page was full */
        struct manifest_ref page;
        if (emit_inner(builder, level, &page, err) != 0)
            return -1;
        if (top) {
            *tree = page;
            tree->first_path = span_of(NULL, 0);
            return 0;
        }
        if (add_child(builder, page, err) != 0)
            return -1;
    }
    return ERR(err, ERR_LIMIT, "the manifest has more than %u levels", MANIFEST_DEPTH_MAX);
}

int manifest_finish(struct manifest_builder *builder, struct manifest_info *info,
                    struct digest *root, struct err *err) {
    if (finish_tree(builder, &info->tree, err) != 0)
        return -1;
    buf_clear(&builder->page);
    manifest_info_put(&builder->page, info);
    hash_typed(CHUNK_MANIFEST, buf_span(&builder->page), root);
    return builder->emit(builder->ctx, CHUNK_MANIFEST, root, buf_span(&builder->page), err);
}
