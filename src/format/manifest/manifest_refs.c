#include "format/manifest/manifest_int.h"

/* Names of index pages of one level, and how many of them were visited. */
struct names {
    struct digest *p; /* MANIFEST_INDEX_REFS */
    size_t n, next;
};

struct manifest_refs {
    manifest_load_fn *load;
    void *ctx;
    struct names pages[MANIFEST_INDEX_LEVEL_MAX + 1]; /* pages[i]: of pages of level i */
    uint8_t top;                                      /* the entry's own level */
    struct chunk_ref *refs;                           /* MANIFEST_INDEX_REFS */
    size_t ref_n, next;
    uint64_t chunk_n, data; /* what the entry promises */
    uint64_t seen_n, seen_bytes;
    bool torn;
};

struct manifest_refs *manifest_refs_new(const struct entry *entry, manifest_load_fn *load,
                                        void *ctx) {
    INVARIANT(entry->kind == ENTRY_FILE && entry->ref_n <= MANIFEST_CHUNKS_MAX &&
              entry->index_page_n <= MANIFEST_INDEX_PAGES_MAX &&
              entry->index_level <= MANIFEST_INDEX_LEVEL_MAX);
    struct manifest_refs *refs = mem_new(sizeof *refs);
    refs->load = load;
    refs->ctx = ctx;
    refs->chunk_n = entry->chunk_n;
    refs->torn = (entry->flags & ENTRY_UNREADABLE) != 0;
    refs->data = entry->size;
    if ((entry->flags & ENTRY_SPARSE) != 0) {
        refs->data = 0;
        for (uint32_t i = 0; i < entry->extent_n; i++)
            refs->data += entry->extents[i].length;
    }
    refs->refs = mem_new_array(MANIFEST_INDEX_REFS, sizeof *refs->refs);
    refs->ref_n = entry->ref_n;
    if (entry->ref_n > 0)
        memcpy(refs->refs, entry->refs, entry->ref_n * sizeof *entry->refs);
    refs->top = entry->index_level;
    if (entry->index_page_n > 0) {
        struct names *names = &refs->pages[refs->top];
        names->n = entry->index_page_n;
        names->p = mem_new_array(MANIFEST_INDEX_REFS, sizeof *names->p);
        memcpy(names->p, entry->index_pages, names->n * sizeof *names->p);
    }
    return refs;
}

void manifest_refs_free(struct manifest_refs *refs) {
    if (refs == NULL)
        return;
    for (size_t i = 0; i <= MANIFEST_INDEX_LEVEL_MAX; i++)
        mem_free(refs->pages[i].p);
    mem_free(refs->refs);
    mem_free(refs);
}

static int read_names(struct manifest_refs *refs, uint8_t level, struct span page,
                      struct err *err) {
    struct names *below = &refs->pages[level - 1];
    uint8_t got;
    if (below->p == NULL)
        below->p = mem_new_array(MANIFEST_INDEX_REFS, sizeof *below->p);
    if (manifest_index_names(page, below->p, &below->n, &got, err) != 0)
        return -1;
    below->next = 0;
    if (got != level)
        return ERR(err, ERR_FORMAT, "index page: level %u where %u belongs", got, level);
    return 0;
}

/* Go on to the next page of references, down from the lowest level that has one left. */
static int next_page(struct manifest_refs *refs, struct err *err) {
    refs->ref_n = refs->next = 0;
    uint8_t level = 0;
    while (level <= refs->top && refs->pages[level].next == refs->pages[level].n)
        level++;
    if (level > refs->top)
        return 0;
    for (;; level--) {
        struct names *names = &refs->pages[level];
        struct span page;
        if (refs->load(refs->ctx, CHUNK_INDEX, &names->p[names->next++], &page, err) != 0)
            return -1;
        if (level == 0)
            return manifest_index_get(page, refs->refs, MANIFEST_INDEX_REFS, &refs->ref_n, err);
        if (read_names(refs, level, page, err) != 0)
            return -1;
    }
}

int manifest_refs_next(struct manifest_refs *refs, const struct chunk_ref **ref, struct err *err) {
    *ref = NULL;
    if (refs->next == refs->ref_n && next_page(refs, err) != 0)
        return -1;
    bool ended = refs->next == refs->ref_n;
    if (!ended) {
        *ref = &refs->refs[refs->next++];
        refs->seen_n++;
        refs->seen_bytes += (*ref)->length;
    }
    bool short_of = refs->seen_n < refs->chunk_n || (refs->seen_bytes < refs->data && !refs->torn);
    if (refs->seen_n > refs->chunk_n || refs->seen_bytes > refs->data || (ended && short_of))
        return ERR(err, ERR_FORMAT,
                   "index pages: %llu chunks of %llu bytes in all do not fit the entry",
                   (unsigned long long)refs->seen_n, (unsigned long long)refs->seen_bytes);
    return 0;
}
