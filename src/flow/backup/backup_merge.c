/* The newest point's tree beside the scan, both in the same order.  Entries that are unchanged are
 * never copied: they become runs [from, to) of an old leaf, and a run that is a whole leaf goes
 * into the new tree as one reference. */
#include "flow/backup/backup_int.h"

/* Time stamps move in ticks: what changed this shortly before the last run began, or after, is read
 * again.  One without a fraction may come from a file system that counts whole seconds, or two. */
#define TICK_NS 20000000
#define COARSE_TICK_NS 2000000000
#define SECOND_NS 1000000000

struct level {
    struct buf bytes;
    struct manifest_page *page;
    size_t next_child;
};

struct base {
    struct run *run;
    struct level levels[MANIFEST_DEPTH_MAX]; /* inner pages from the root down */
    size_t depth;
    struct buf page;
    int64_t started_ns; /* when the last run began */
    bool broken;        /* the server cannot read the rest of its tree: everything counts as new */
    struct leaf *leaf;
    struct manifest_page *decoder;
    const struct entry *entry; /* next old entry; NULL at the end */
    uint32_t entry_i;          /* its place in the leaf */
    bool run_open;
    uint32_t run_from;
};

static int load(void *ctx, enum chunk_type type, const struct digest *name, struct span *bytes,
                struct err *err) {
    struct base *base = ctx;
    uint8_t got;
    if (receive_page(base->run, &base->page, &got, err) != 0)
        return -1;
    if (got == 0) {
        base->broken = true;
        return ERR(err, ERR_PEER, "the server cannot read a page of its newest point");
    }
    struct digest actual;
    hash_typed((uint8_t)type, buf_span(&base->page), &actual);
    if (got != (uint8_t)type || !digest_equal(&actual, name))
        return ERR(err, ERR_PROTOCOL, "a page of the newest point is not what it should be");
    *bytes = buf_span(&base->page);
    return 0;
}

void base_close(struct base *base) {
    if (base == NULL)
        return;
    manifest_page_free(base->decoder);
    for (size_t i = 0; i < base->depth; i++)
        manifest_page_free(base->levels[i].page);
    for (size_t i = 0; i < ARRAY_N(base->levels); i++)
        buf_done(&base->levels[i].bytes);
    leaf_put(base->leaf);
    buf_done(&base->page);
    mem_free(base);
}

/* 0 also when the tree turned out to be unreadable at the server: then nothing of it is left. */
static int end_if_broken(struct base *base, int rc) {
    if (rc != 0 && base->broken) {
        base->entry = NULL;
        leaf_put(TAKE(base->leaf));
        return 0;
    }
    return rc;
}

static int push_level(struct base *base, const struct manifest_ref *ref, struct err *err) {
    if (base->depth == ARRAY_N(base->levels))
        return ERR(err, ERR_FORMAT, "manifest is deeper than %u levels", MANIFEST_DEPTH_MAX);
    struct level *level = &base->levels[base->depth];
    struct span bytes;
    if (load(base, CHUNK_TREE, &ref->page, &bytes, err) != 0)
        return -1;
    buf_clear(&level->bytes);
    buf_put_span(&level->bytes, bytes);
    level->next_child = 0;
    if (manifest_page_open(buf_span(&level->bytes), &level->page, err) != 0)
        return -1;
    base->depth++;
    return manifest_page_expect(level->page, ref, err);
}

/* Down to the next leaf; *ref = NULL behind the last one. */
static int next_leaf(struct base *base, const struct manifest_ref **ref, struct err *err) {
    *ref = NULL;
    while (base->depth > 0) {
        struct level *level = &base->levels[base->depth - 1];
        if (level->next_child == manifest_page_n(level->page)) {
            manifest_page_free(TAKE(level->page));
            base->depth--;
            continue;
        }
        const struct manifest_ref *child = manifest_page_child(level->page, level->next_child++);
        if (child->level == 0) {
            *ref = child;
            return 0;
        }
        if (push_level(base, child, err) != 0)
            return -1;
    }
    return 0;
}

/* The last leaf ends where the tree ends, not at a cut: more entries may belong to it. */
static bool is_last(const struct base *base) {
    for (size_t i = 0; i < base->depth; i++)
        if (base->levels[i].next_child < manifest_page_n(base->levels[i].page))
            return false;
    return true;
}

static int load_leaf(struct base *base, const struct manifest_ref *ref, struct err *err) {
    struct leaf *leaf = mem_new(sizeof *leaf);
    base->leaf = leaf;
    base->entry_i = 0;
    leaf->users = 1;
    leaf->ref = *ref;
    leaf->last = is_last(base);
    buf_put_span(&leaf->first_path, ref->first_path);
    leaf->ref.first_path = buf_span(&leaf->first_path);
    struct span bytes;
    if (load(base, CHUNK_TREE, &leaf->ref.page, &bytes, err) != 0)
        return -1;
    buf_put_span(&leaf->bytes, bytes);
    return manifest_page_open(buf_span(&leaf->bytes), &base->decoder, err);
}

static int open_leaf(struct base *base, struct err *err) {
    const struct manifest_ref *ref;
    if (next_leaf(base, &ref, err) != 0)
        return -1;
    return ref != NULL ? load_leaf(base, ref, err) : 0;
}

static void close_run(struct base *base) {
    if (base->run_open && base->run_from < base->entry_i)
        list_add_run(base->run, base->leaf, base->run_from, base->entry_i);
    base->run_open = false;
}

static void close_leaf(struct base *base) {
    base->leaf->entry_n = base->entry_i;
    base->leaf->walked = true;
    close_run(base);
    manifest_page_free(TAKE(base->decoder));
    leaf_put(TAKE(base->leaf));
}

/* Make base->entry the entry at entry_i, going over to the next leaf at the end of one. */
static int fetch(struct base *base, struct err *err) {
    for (;;) {
        if (base->leaf == NULL) {
            base->entry = NULL;
            if (open_leaf(base, err) != 0)
                return -1;
            if (base->leaf == NULL)
                return 0;
        }
        if (manifest_page_next(base->decoder, &base->entry, err) != 0)
            return -1;
        if (base->entry != NULL)
            return 0;
        close_leaf(base);
    }
}

static int advance(struct base *base, struct err *err) {
    base->entry_i++;
    return end_if_broken(base, fetch(base, err));
}

int base_open(struct run *run, struct err *err) {
    struct base *base = mem_new(sizeof *base);
    run->base_walk = base;
    base->run = run;
    if (!run->base)
        return 0;
    struct span record;
    struct manifest_info info;
    if (load(base, CHUNK_MANIFEST, &run->last.manifest, &record, err) != 0)
        return end_if_broken(base, -1);
    if (manifest_info_get(record, &info, err) != 0)
        return -1;
    base->started_ns = info.started_ns;
    int rc =
        info.tree.level > 0 ? push_level(base, &info.tree, err) : load_leaf(base, &info.tree, err);
    return end_if_broken(base, rc == 0 ? fetch(base, err) : rc);
}

static bool unchanged(const struct base *base, const struct scan_entry *scanned) {
    const struct entry *old = base->entry, *now = &scanned->meta;
    if (scanned->problem != 0 || (old->flags & (ENTRY_CHANGED | ENTRY_UNREADABLE)) != 0)
        return false;
    if (old->kind != now->kind || old->mode != now->mode || old->uid != now->uid ||
        old->gid != now->gid)
        return false;
    if (old->ctime_ns != now->ctime_ns || old->mtime_ns != now->mtime_ns || old->ino != now->ino)
        return false;
    int64_t tick_ns = old->ctime_ns % SECOND_NS == 0 ? COARSE_TICK_NS : TICK_NS;
    if (old->ctime_ns >= base->started_ns - tick_ns)
        return false;
    if (old->kind == ENTRY_FILE)
        return old->size == now->size;
    if (old->kind == ENTRY_HARDLINK)
        return span_equal(old->link, now->link);
    return old->rdev_major == now->rdev_major && old->rdev_minor == now->rdev_minor;
}

int base_take(struct run *run, const struct scan_entry *scanned, bool *taken, struct err *err) {
    struct base *base = run->base_walk;
    int order = 1;
    *taken = false;
    while (base->entry != NULL &&
           (order = manifest_path_compare(base->entry->path, scanned->meta.path)) < 0) {
        close_run(base); /* this one is gone */
        if (advance(base, err) != 0)
            return -1;
    }
    if (base->entry == NULL || order > 0) {
        close_run(base);
        return 0;
    }
    *taken = unchanged(base, scanned);
    if (!*taken) {
        close_run(base);
    } else if (!base->run_open) {
        base->run_open = true;
        base->run_from = base->entry_i;
    }
    return advance(base, err);
}

void base_end(struct run *run) {
    if (run->base_walk->leaf != NULL)
        close_run(run->base_walk); /* what the old tree still lists is gone */
}
