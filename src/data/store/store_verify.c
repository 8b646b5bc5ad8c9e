/* Is everything there, and is it what it should be?  What is found damaged is remembered, so that
 * the next backup sends it again; what was damaged and is well again is told so. */
#include "data/store/store_int.h"

struct verify {
    struct store *store;
    const struct store_verify_opts *opts;
    uint64_t done_bytes, total_bytes, damaged_chunks;
    bool changed; /* the state file must tell something new */
    struct unsealer *unsealer;
    struct hasher *record, *content;
    struct segment_chunk *list;
    struct buf footer, opened;
    uint8_t *plain;
    VEC(uint32_t) found; /* damaged segments of the pack at hand */
};

static void tell(struct verify *verify, uint32_t ordinal, const char *what, uint64_t offset,
                 uint64_t chunk_n) {
    struct store_damage damage = {.what = what, .offset = offset, .chunk_n = chunk_n};
    char name[BLOB_NAME_DIGITS + 1];
    os_mutex_lock(&verify->store->mutex);
    store_pack_name(name, verify->store->table.packs.p[ordinal].id);
    os_mutex_unlock(&verify->store->mutex);
    (void)text_format(damage.pack, sizeof damage.pack, "%s.pack", name);
    verify->damaged_chunks += chunk_n;
    if (verify->opts->damage != NULL)
        verify->opts->damage(verify->opts->ctx, &damage);
}

static void advance(struct verify *verify, uint64_t bytes) {
    verify->done_bytes = MIN(verify->done_bytes + bytes, verify->total_bytes);
    if (verify->opts->progress != NULL)
        verify->opts->progress(verify->opts->ctx, verify->done_bytes, verify->total_bytes);
}

/* Chunks of the segment that are nowhere else. */
static uint64_t needed_of(struct verify *verify, uint32_t ordinal, const struct pack_walk *at) {
    struct pack_walk walk = *at;
    uint64_t n = 0;
    do {
        struct store_row row;
        bool found = false;
        if (store_index_find(verify->store, &walk.chunk.name, STORE_FIND_LOOK, &found, &row,
                             NULL) != 0 ||
            !found || (row.pack == ordinal && row.segment == at->segment_off))
            n++;
    } while (pack_walk_next(&walk) && walk.segment_i == at->segment_i);
    return n;
}

/* Do the decoded chunks have the names that the footer tells?  `walk` is led to the last one. */
static int names_check(struct verify *verify, struct pack_walk *walk, const struct segment *segment,
                       struct err *err) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < segment->chunk_n; i++) {
        const struct segment_chunk *chunk = &segment->chunks[i];
        struct digest name, keyed;
        hash_typed(chunk->type, span_of(verify->plain + at, chunk->length), &name);
        store_keyed_name(verify->store, &name, &keyed);
        if (!digest_equal(&keyed, &walk->chunk.name) || chunk->length != walk->chunk.length ||
            chunk->type != walk->chunk.type)
            return ERR(err, ERR_FORMAT, "chunk %u of the segment is another one", i);
        at += chunk->length;
        if (i + 1 < segment->chunk_n && !pack_walk_next(walk))
            return ERR(err, ERR_FORMAT, "footer ends within a segment");
    }
    return 0;
}

static int segment_check(struct verify *verify, struct store_pack_file *file,
                         struct pack_walk *walk, const char **what, struct err *err) {
    struct segment segment;
    uint32_t counter;
    *what = "segment";
    hasher_reset(verify->record);
    if (store_pack_record(file, walk->segment_off, PACK_SEGMENT, &verify->opened, &counter,
                          verify->record, err) != 0 ||
        segment_get(buf_span(&verify->opened), verify->list, &segment, err) != 0)
        return -1;
    if (counter != walk->segment_i || segment.chunk_n != walk->segment.chunk_n ||
        verify->opened.n != walk->segment.sealed_bytes)
        return ERR(err, ERR_FORMAT, "segment is not the one that the footer tells of");
    *what = "chunk";
    if (unsealer_unpack(verify->unsealer, segment.codec, segment.payload, verify->plain,
                        segment.plain_bytes, err) != 0)
        return -1;
    return names_check(verify, walk, &segment, err);
}

static void content_add(struct verify *verify) {
    struct digest digest;
    hasher_get(verify->record, &digest);
    hasher_add(verify->content, span_of(digest.b, sizeof digest.b));
}

static int segments_check(struct verify *verify, struct store_pack_file *file,
                          const struct pack_footer *footer, struct err *err) {
    struct pack_walk walk = pack_walk_of(footer);
    bool more = pack_walk_next(&walk);
    while (more) {
        struct pack_walk first = walk;
        struct err why = {0};
        const char *what;
        if (segment_check(verify, file, &walk, &what, &why) != 0) {
            if (!store_pack_is_damage(&why)) {
                if (err != NULL)
                    *err = why;
                return -1;
            }
            tell(verify, file->ordinal, what, first.segment_off,
                 needed_of(verify, file->ordinal, &first));
            *vec_push(&verify->found) = first.segment_off;
        }
        content_add(verify);
        advance(verify, PACK_RECORD_EXTRA + first.segment.sealed_bytes);
        do
            more = pack_walk_next(&walk);
        while (more && walk.segment_i == first.segment_i);
    }
    return 0;
}

static int data_check(struct verify *verify, struct store_pack_file *file,
                      const struct pack_trailer *trailer, const struct pack_footer *footer,
                      struct err *err) {
    struct digest digest, footer_digest;
    hasher_get(verify->record, &footer_digest); /* its record was read last */
    hash_bytes(span_of(file->header, sizeof file->header), &digest);
    hasher_reset(verify->content);
    hasher_add(verify->content, span_of(digest.b, sizeof digest.b));
    blob_object_uncache(file->object);
    if (segments_check(verify, file, footer, err) != 0)
        return -1;
    blob_object_uncache(file->object);
    hasher_add(verify->content, span_of(footer_digest.b, sizeof footer_digest.b));
    hasher_get(verify->content, &digest);
    if (!digest_equal(&digest, &trailer->content) && verify->found.n == 0) {
        tell(verify, file->ordinal, "trailer", trailer->footer_off, 0);
        *vec_push(&verify->found) = STORE_FOOTER;
    }
    return 0;
}

/* Nothing opens, or only the footer does not: then the segments tell what is left. */
static int footer_damaged(struct verify *verify, struct store_pack_file *file, const char *what,
                          uint32_t chunk_n, struct err *err) {
    struct pack_footer footer;
    struct err why = {0};
    bool whole;
    if (store_pack_rows(verify->store, file, &verify->footer, &footer, &whole, &why) == 0) {
        uint32_t rest = chunk_n - MIN(chunk_n, footer.chunk_n);
        tell(verify, file->ordinal, what, 0, rest);
        *vec_push(&verify->found) = STORE_FOOTER;
        if (rest > 0)
            *vec_push(&verify->found) = (uint32_t)footer.end_off;
        return 0;
    }
    if (!store_pack_is_damage(&why)) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    tell(verify, file->ordinal, what, 0, chunk_n);
    *vec_push(&verify->found) = STORE_WHOLE_PACK;
    return 0;
}

/* Header, trailer, footer, and with read_data all between. */
static int file_check(struct verify *verify, struct store_pack_file *file, uint32_t chunk_n,
                      struct err *err) {
    struct pack_trailer trailer;
    struct pack_footer footer;
    struct err why = {0};
    const char *what = "header";
    int rc = store_pack_open(verify->store, file->ordinal, file, &why);
    if (rc == 0) {
        what = "trailer";
        rc = store_pack_trailer(file, &trailer, &why);
    }
    if (rc == 0) {
        what = "footer";
        rc = store_pack_footer(file, &trailer, &verify->footer, &footer, verify->record, &why);
    }
    if (rc == 0)
        return verify->opts->read_data ? data_check(verify, file, &trailer, &footer, err) : 0;
    if (store_pack_is_damage(&why) && file->object != NULL)
        return footer_damaged(verify, file, what, chunk_n, err);
    if (store_pack_is_damage(&why)) {
        tell(verify, file->ordinal, what, 0, chunk_n);
        *vec_push(&verify->found) = STORE_WHOLE_PACK;
        return 0;
    }
    if (err != NULL)
        *err = why;
    return -1;
}

/* What was found of the pack replaces what was known, as far as it was looked at. */
static void remember(struct verify *verify, uint32_t ordinal, bool lost) {
    struct store *store = verify->store;
    struct store_table *table = &store->table;
    os_mutex_lock(&store->mutex);
    struct store_pack *pack = &table->packs.p[ordinal], before = *pack;
    bool same = pack->damage_n == verify->found.n || !verify->opts->read_data || lost;
    for (size_t i = 0; i < verify->found.n; i++)
        same = same && store_table_is_damaged(table, ordinal, verify->found.p[i]);
    if (lost && pack->state != STORE_PACK_GONE)
        pack->state = STORE_PACK_LOST;
    if (!lost && pack->state == STORE_PACK_LOST)
        pack->state = STORE_PACK_SEALED; /* someone brought it back */
    if (!lost && verify->opts->read_data)
        store_table_mend(table, ordinal);
    for (size_t i = 0; i < verify->found.n; i++)
        (void)store_table_damage(table, ordinal, verify->found.p[i]);
    if (pack->state != before.state || !same) {
        store->damage_revision++;
        verify->changed = true;
    }
    os_mutex_unlock(&store->mutex);
}

static int pack_check(struct verify *verify, uint32_t ordinal, struct err *err) {
    struct store *store = verify->store;
    struct store_pack_file file = {.ordinal = ordinal};
    char name[BLOB_NAME_DIGITS + 1];
    os_mutex_lock(&store->mutex);
    struct store_pack pack = store->table.packs.p[ordinal];
    os_mutex_unlock(&store->mutex);
    if (pack.state == STORE_PACK_GONE)
        return 0;
    bool there;
    uint64_t bytes, before = verify->done_bytes;
    verify->found.n = 0;
    store_pack_name(name, pack.id);
    if (blob_look(store->blob, name, &there, &bytes, err) != 0)
        return -1;
    if (!there || bytes != pack.bytes) {
        tell(verify, ordinal, there ? "length" : "missing", bytes, pack.chunk_n);
        remember(verify, ordinal, true);
    } else {
        int rc = file_check(verify, &file, pack.chunk_n, err);
        store_pack_file_done(&file);
        if (rc != 0)
            return -1;
        remember(verify, ordinal, false);
    }
    advance(verify, pack.bytes - MIN(pack.bytes, verify->done_bytes - before));
    return 0;
}

/* Every page of the index; a run that does not verify is made anew from the packs. */
static int runs_check(struct store *store, struct err *err) {
    struct store_row rows[STORE_RUN_ROWS_PER_PAGE];
    struct store_view *view = store_view_current(store);
    int rc = 0;
    for (size_t i = 0; i < view->run_n && rc == 0; i++) {
        struct store_run *run = view->runs[i];
        struct err why = {0};
        uint32_t n;
        for (uint32_t page_i = 0; page_i < run->page_n && why.code == ERR_NONE; page_i++)
            (void)store_run_rows(run, page_i, rows, &n, &why);
        if (why.code == ERR_STORE_CORRUPT) {
            rc = store_index_heal(store, run, err);
        } else if (why.code != ERR_NONE) {
            rc = -1;
            if (err != NULL)
                *err = why;
        }
    }
    store_view_unref(view);
    return rc;
}

static int packs_check(struct verify *verify, struct err *err) {
    struct store *store = verify->store;
    os_mutex_lock(&store->mutex);
    size_t n = store->table.packs.n; /* those sealed while we look were just written */
    for (size_t i = 0; i < n; i++)
        if (store->table.packs.p[i].state != STORE_PACK_GONE)
            verify->total_bytes += store->table.packs.p[i].bytes;
    os_mutex_unlock(&store->mutex);
    for (size_t i = 0; i < n; i++)
        if (pack_check(verify, (uint32_t)i, err) != 0)
            return -1;
    return 0;
}

int store_verify(struct store *store, struct store_verify_opts opts, uint64_t *damaged_chunks,
                 struct err *err) {
    struct verify verify = {.store = store, .opts = &opts};
    verify.unsealer = unsealer_new();
    verify.record = hasher_new();
    verify.content = hasher_new();
    verify.list = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *verify.list);
    verify.plain = mem_new(SEGMENT_BYTES_MAX);
    os_mutex_lock(&store->collect);
    int rc = opts.read_data ? runs_check(store, err) : 0;
    if (rc == 0)
        rc = packs_check(&verify, err);
    if (verify.changed && store_state_save(store, rc == 0 ? err : NULL) != 0)
        rc = -1;
    os_mutex_unlock(&store->collect);
    *damaged_chunks = verify.damaged_chunks;
    unsealer_free(verify.unsealer);
    hasher_free(verify.record);
    hasher_free(verify.content);
    mem_free(verify.list);
    mem_free(verify.plain);
    buf_done(&verify.footer);
    buf_done(&verify.opened);
    vec_done(&verify.found);
    return rc;
}
