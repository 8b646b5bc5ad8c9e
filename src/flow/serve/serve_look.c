/* Looking inside a point without restoring: the manifest tree is sorted, so a path is found in a
 * few page reads. */
#include <fnmatch.h>

#include "base/text.h"
#include "data/tree/tree.h"
#include "flow/serve/serve.h"

/* A reader over the tree of a point. */
#define PATTERN_TEXT_MAX 4096u /* longer paths match no pattern */

struct look {
    struct store_reader *reader;
    struct manifest_info info;
    struct manifest_reader *entries;
};

static void look_done(struct look *look) {
    manifest_reader_free(look->entries);
    store_reader_free(look->reader);
}

static int look_open(struct look *look, struct store *store, const struct digest *manifest,
                     struct err *err) {
    *look = (struct look){.reader = store_reader_new(store)};
    if (tree_info(look->reader, manifest, &look->info, err) != 0)
        return -1;
    look->entries = manifest_reader_new(&look->info.tree, tree_load, look->reader);
    return 0;
}

static bool below(struct span path, struct span root) {
    if (root.n == 0)
        return true;
    return path.n > root.n && path.p[root.n] == '/' && memcmp(path.p, root.p, root.n) == 0;
}

/* Is `path` an entry of the folder itself, not of a folder in it? */
static bool direct(struct span path, struct span root) {
    size_t from = root.n > 0 ? root.n + 1 : 0;
    return path.n > from && memchr(path.p + from, '/', path.n - from) == NULL;
}

/* Behind everything below `path`: the first path that is not within it begins with path +
 * "/\xff...". */
static void behind_subtree(struct buf *key, struct span path) {
    buf_clear(key);
    buf_put_span(key, path);
    buf_put_u8(key, '/');
    for (int i = 0; i < 256; i++)
        buf_put_u8(key, 0xff);
}

/* One level of a folder: after each sub-folder the walk jumps over what is in it. */
static int list_entries(struct look *look, struct span root, bool recursive, serve_entry_fn *fn,
                        void *ctx, struct err *err) {
    SCOPED(buf) key = {0};
    for (;;) {
        const struct entry *entry;
        if (manifest_next(look->entries, &entry, err) != 0)
            return -1;
        if (entry == NULL || !below(entry->path, root))
            return 0;
        if (entry->path.n == 0)
            continue;
        if (!recursive && !direct(entry->path, root)) {
            /* can only be the content of a folder before `after`: jump over it */
            size_t from = root.n > 0 ? root.n + 1 : 0;
            const uint8_t *slash = memchr(entry->path.p + from, '/', entry->path.n - from);
            INVARIANT(slash != NULL);
            behind_subtree(&key, span_of(entry->path.p, (size_t)(slash - entry->path.p)));
            if (manifest_seek(look->entries, buf_span(&key), err) != 0)
                return -1;
            continue;
        }
        bool folder = entry->kind == ENTRY_DIR;
        behind_subtree(&key, entry->path);
        int rc = fn(ctx, entry, err);
        if (rc != 0)
            return rc < 0 ? -1 : 0;
        if (folder && !recursive && manifest_seek(look->entries, buf_span(&key), err) != 0)
            return -1;
    }
}

static int seek_after(struct look *look, struct span after, struct err *err) {
    if (manifest_seek(look->entries, after, err) != 0)
        return -1;
    const struct entry *entry;
    if (manifest_next(look->entries, &entry, err) != 0)
        return -1;
    if (entry != NULL && !span_equal(entry->path, after)) /* it is gone: begin with what follows */
        return manifest_seek(look->entries, after, err);
    return 0;
}

/* Stand behind the entry at `path`, which is given out. */
static int look_at(struct look *look, struct span path, const struct entry **entry,
                   struct err *err) {
    if (manifest_seek(look->entries, path, err) != 0 ||
        manifest_next(look->entries, entry, err) != 0)
        return -1;
    if (*entry == NULL || !span_equal((*entry)->path, path))
        return ERR(err, ERR_NOT_FOUND, "the point has no %.*s", (int)MIN(path.n, (size_t)200),
                   (const char *)path.p);
    return 0;
}

int serve_entry(struct store *store, const struct digest *manifest, struct span path,
                serve_entry_fn *fn, void *ctx, struct err *err) {
    SCOPED(look) look;
    const struct entry *entry;
    if (look_open(&look, store, manifest, err) != 0 || look_at(&look, path, &entry, err) != 0)
        return -1;
    return fn(ctx, entry, err) < 0 ? -1 : 0;
}

int serve_list(struct store *store, const struct digest *manifest, struct span path, bool recursive,
               struct span after, serve_entry_fn *fn, void *ctx, struct err *err) {
    SCOPED(look) look;
    const struct entry *entry;
    if (look_open(&look, store, manifest, err) != 0 || look_at(&look, path, &entry, err) != 0)
        return -1;
    if (entry->kind != ENTRY_DIR)
        return fn(ctx, entry, err) < 0 ? -1 : 0;
    if (after.n > 0 && seek_after(&look, after, err) != 0)
        return -1;
    return list_entries(&look, path, recursive, fn, ctx, err);
}

static bool matches(const char *pattern, bool by_path, struct span path) {
    char text[PATTERN_TEXT_MAX];
    struct span part = path;
    if (!by_path)
        for (size_t i = path.n; i > 0; i--)
            if (path.p[i - 1] == '/') {
                part = span_of(path.p + i, path.n - i);
                break;
            }
    if (part.n >= sizeof text)
        return false;
    memcpy(text, part.p, part.n);
    text[part.n] = 0;
    if (strpbrk(pattern, "*?[") == NULL)
        return strstr(text, pattern) != NULL;
    return fnmatch(pattern, text, by_path ? FNM_PATHNAME | FNM_LEADING_DIR : 0) == 0;
}

int serve_find(struct store *store, const struct digest *manifest, const char *pattern,
               struct span after, serve_entry_fn *fn, void *ctx, struct err *err) {
    SCOPED(look) look;
    bool by_path = strchr(pattern, '/') != NULL;
    if (look_open(&look, store, manifest, err) != 0)
        return -1;
    if (after.n > 0 && seek_after(&look, after, err) != 0)
        return -1;
    for (;;) {
        const struct entry *entry;
        if (manifest_next(look.entries, &entry, err) != 0)
            return -1;
        if (entry == NULL)
            return 0;
        if (entry->path.n == 0 || !matches(pattern, by_path, entry->path))
            continue;
        int rc = fn(ctx, entry, err);
        if (rc != 0)
            return rc < 0 ? -1 : 0;
    }
}

int serve_diff(struct store *store, const struct digest *old_manifest,
               const struct digest *new_manifest, manifest_diff_fn *fn, void *ctx,
               struct err *err) {
    SCOPED(look) old_look, new_look;
    if (look_open(&old_look, store, old_manifest, err) != 0) {
        new_look = (struct look){0};
        return -1;
    }
    if (look_open(&new_look, store, new_manifest, err) != 0)
        return -1;
    return manifest_diff(&old_look.info.tree, &new_look.info.tree, tree_load, old_look.reader,
                         new_look.reader, fn, ctx, err);
}
