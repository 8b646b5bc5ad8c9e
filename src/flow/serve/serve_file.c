/* The content of one file as a stream: chunks in order, holes as zeros. */
#include "data/tree/tree.h"
#include "flow/serve/serve.h"

struct serve_file {
    struct store_reader *reader;       /* content */
    struct store_reader *index_reader; /* its index pages: a page must survive reads of content */
    struct manifest_refs *refs;
    struct span rest; /* of the chunk being given out */
    uint64_t size, offset;
    VEC(struct extent) extents; /* empty = one from 0 to size */
    size_t extent_i;
};

static int find_entry(struct store_reader *reader, const struct manifest_info *info,
                      struct span path, struct serve_file *file, struct buf *link,
                      struct err *err) {
    AUTO(manifest_reader) *entries = manifest_reader_new(&info->tree, tree_load, reader);
    const struct entry *entry;
    if (manifest_seek(entries, path, err) != 0 || manifest_next(entries, &entry, err) != 0)
        return -1;
    int shown = (int)MIN(path.n, (size_t)200);
    if (entry == NULL || !span_equal(entry->path, path))
        return ERR(err, ERR_NOT_FOUND, "the point has no %.*s", shown, (const char *)path.p);
    if (entry->kind == ENTRY_HARDLINK) {
        buf_put_span(link, entry->link);
        return 0;
    }
    if (entry->kind != ENTRY_FILE)
        return ERR(err, ERR_USAGE, "%.*s is not a file", shown, (const char *)path.p);
    file->size = entry->size;
    for (uint32_t i = 0; i < entry->extent_n; i++)
        *vec_push(&file->extents) = entry->extents[i];
    if ((entry->flags & ENTRY_SPARSE) == 0)
        *vec_push(&file->extents) = (struct extent){.offset = 0, .length = entry->size};
    file->refs = manifest_refs_new(entry, tree_load, file->index_reader);
    return 0;
}

int serve_file_open(struct store *store, const struct digest *manifest, struct span path,
                    struct serve_file **out, struct err *err) {
    struct serve_file *file = mem_new(sizeof *file);
    file->reader = store_reader_new(store);
    file->index_reader = store_reader_new(store);
    struct manifest_info info;
    SCOPED(buf) link = {0};
    int rc = tree_info(file->reader, manifest, &info, err);
    if (rc == 0)
        rc = find_entry(file->reader, &info, path, file, &link, err);
    if (rc == 0 && file->refs == NULL) {
        SCOPED(buf) none = {0};
        rc = find_entry(file->reader, &info, buf_span(&link), file, &none, err);
    }
    if (rc == 0 && file->refs == NULL)
        rc = ERR(err, ERR_FORMAT, "a hard link leads to another");
    if (rc != 0) {
        serve_file_close(file);
        return -1;
    }
    *out = file;
    return 0;
}

/* The next chunk with bytes. */
static int next_chunk(struct serve_file *file, struct err *err) {
    const struct chunk_ref *ref;
    if (manifest_refs_next(file->refs, &ref, err) != 0)
        return -1;
    if (ref == NULL)
        return ERR(err, ERR_FORMAT, "the chunk list ends before the file");
    return store_read(file->reader, CHUNK_DATA, &ref->name, &file->rest, err);
}

int serve_file_read(struct serve_file *file, uint8_t *to, size_t size, size_t *got,
                    struct err *err) {
    *got = 0;
    while (*got < size && file->offset < file->size) {
        while (file->extent_i < file->extents.n &&
               file->extents.p[file->extent_i].offset + file->extents.p[file->extent_i].length <=
                   file->offset)
            file->extent_i++;
        const struct extent *extent =
            file->extent_i < file->extents.n ? &file->extents.p[file->extent_i] : NULL;
        bool hole = extent == NULL || file->offset < extent->offset;
        uint64_t end = extent == NULL ? file->size
                       : hole         ? extent->offset
                                      : extent->offset + extent->length;
        size_t n = (size_t)MIN((uint64_t)(size - *got), end - file->offset);
        if (hole) {
            memset(to + *got, 0, n);
        } else {
            if (file->rest.n == 0 && next_chunk(file, err) != 0)
                return -1;
            n = MIN(n, file->rest.n);
            memcpy(to + *got, file->rest.p, n);
            file->rest = span_of(file->rest.p + n, file->rest.n - n);
        }
        *got += n;
        file->offset += n;
    }
    return 0;
}

void serve_file_close(struct serve_file *file) {
    if (file == NULL)
        return;
    manifest_refs_free(file->refs);
    store_reader_free(file->reader);
    store_reader_free(file->index_reader);
    vec_done(&file->extents);
    mem_free(file);
}
