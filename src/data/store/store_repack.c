/* Packs that are mostly garbage: what is live in them is sealed anew in other packs, then they are
 * given up.  Readers that have them open go on; new look-ups find the new place. */
#include "data/store/store_int.h"

struct repack {
    struct store *store;
    int64_t now_s;
    struct store_collect_result *result;
    struct store_build *build;
    VEC(uint32_t) moved; /* copied in full, the last part into `build` */
    struct unsealer *unsealer;
    struct sealer *sealer;
    struct segment_chunk *list, *part_list; /* of the segment at hand; of what is kept of it */
    struct pack_chunk *chunks;              /* its rows of the footer */
    struct pack_chunk *rows;                /* those that are kept */
    bool *keep, *drop;
    uint64_t taken_n; /* live chunks of the pack at hand */
    struct buf opened, plain, part, payload, record;
};

/* Is this very copy of the chunk live?  Rows that a merge dropped are copies of something newer. */
static int row_live(struct repack *repack, uint32_t pack, const struct pack_walk *walk, bool *live,
                    struct err *err) {
    struct store *store = repack->store;
    const struct store_live *set = &store->condemned->live;
    *live = false;
    struct store_run_page page;
    for (size_t r = 0; r < set->view->run_n && !*live; r++) {
        struct store_row row;
        uint64_t position;
        page.row_n = 0;
        if (store_run_find(set->view->runs[r], walk->chunk.name.b, &page, &row, &position, err) !=
            0)
            return -1;
        if (position == STORE_ROW_NOWHERE || row.pack != pack || row.segment != walk->segment_off ||
            row.offset != walk->offset)
            continue;
        os_mutex_lock(&store->mutex);
        *live = store_live_get(set, r, position);
        os_mutex_unlock(&store->mutex);
    }
    return 0;
}

/* The full build becomes a pack; what was moved, all of it sealed by now, is given up. */
static int turn(struct repack *repack, struct err *err) {
    struct store_collect_result before = *repack->result;
    bool any = repack->build != NULL && repack->build->segments.n > 0;
    int rc = any ? store_build_seal(repack->build, err) : 0;
    store_build_free(TAKE(repack->build));
    if (rc != 0)
        return -1;
    rc = store_give_up(repack->store, repack->moved.p, repack->moved.n, repack->now_s,
                       repack->result, err);
    repack->result->rewritten_packs += repack->result->trashed_packs - before.trashed_packs;
    repack->result->rewritten_bytes += repack->result->trashed_bytes - before.trashed_bytes;
    repack->moved.n = 0;
    return rc;
}

/* The kept part of a segment, encoded anew behind repack->record. */
static int part_encode(struct repack *repack, const struct segment *segment, struct err *err) {
    struct segment part = {.chunks = repack->part_list};
    uint32_t at = 0;
    buf_clear(&repack->part);
    buf_clear(&repack->payload);
    buf_clear(&repack->plain);
    uint8_t *plain = buf_extend(&repack->plain, segment->plain_bytes);
    if (unsealer_unpack(repack->unsealer, segment->codec, segment->payload, plain,
                        segment->plain_bytes, err) != 0)
        return -1;
    for (uint32_t i = 0; i < segment->chunk_n; at += segment->chunks[i++].length)
        if (repack->keep[i]) {
            repack->part_list[part.chunk_n++] = segment->chunks[i];
            buf_put(&repack->part, plain + at, segment->chunks[i].length);
        }
    part.plain_bytes = (uint32_t)repack->part.n;
    part.codec = sealer_pack(repack->sealer, buf_span(&repack->part), &repack->payload);
    part.payload = buf_span(&repack->payload);
    segment_put(&repack->record, &part);
    return 0;
}

/* The record for those n chunks of the segment that keep[] tells. */
static int record_make(struct repack *repack, const struct segment *segment, size_t n,
                       struct err *err) {
    buf_clear(&repack->record);
    (void)buf_extend(&repack->record, PACK_RECORD_BYTES);
    if (n == segment->chunk_n)
        buf_put_span(&repack->record, buf_span(&repack->opened));
    else if (part_encode(repack, segment, err) != 0)
        return -1;
    (void)buf_extend(&repack->record, AEAD_TAG_BYTES);
    return 0;
}

static int room(struct repack *repack, size_t kept, struct err *err) {
    static const struct store_session nobody;
    size_t sealed_bytes = repack->record.n - PACK_RECORD_EXTRA;
    if (repack->build != NULL && !store_build_fits(repack->build, sealed_bytes, kept) &&
        turn(repack, err) != 0)
        return -1;
    return repack->build != NULL ? 0 : store_build_new(repack->store, &nobody, &repack->build, err);
}

/* Rows of the chunks that keep[] tells. */
static size_t kept_rows(const struct repack *repack, uint32_t chunk_n, struct pack_chunk *rows) {
    size_t n = 0;
    for (uint32_t i = 0; i < chunk_n; i++)
        if (repack->keep[i])
            rows[n++] = repack->chunks[i];
    return n;
}

/* Leave out what drop[], which counts kept chunks only, tells. */
static void keep_less(struct repack *repack, uint32_t chunk_n) {
    for (uint32_t i = 0, k = 0; i < chunk_n; i++)
        if (repack->keep[i])
            repack->keep[i] = !repack->drop[k++];
}

/* Write what keep[] tells; less when the build has some of it already.  *damaged: the segment does
 * not decode. */
static int segment_move(struct repack *repack, const struct segment *segment, bool *damaged,
                        struct err *err) {
    size_t n;
    while ((n = kept_rows(repack, segment->chunk_n, repack->rows)) > 0) {
        struct store_claim claim;
        struct digest digest = {{0}};
        if (record_make(repack, segment, n, err) != 0) {
            *damaged = true;
            return -1;
        }
        if (room(repack, n, err) != 0)
            return -1;
        if (store_build_claim(repack->build, repack->rows, n, repack->record.n - PACK_RECORD_EXTRA,
                              repack->drop, &claim)) {
            int rc = store_build_write(&claim, &repack->record, &digest, err);
            store_build_written(&claim, &digest);
            return rc;
        }
        keep_less(repack, segment->chunk_n);
    }
    return 0;
}

/* One segment; `walk` stands at its first chunk and is led to its last. */
static int segment_take(struct repack *repack, struct store_pack_file *file, struct pack_walk *walk,
                        bool *damaged, struct err *err) {
    uint32_t n = walk->segment.chunk_n, counter;
    uint64_t off = walk->segment_off;
    size_t kept = 0;
    struct segment segment;
    struct err why = {0};
    for (uint32_t i = 0; i < n; i++) {
        if (row_live(repack, file->ordinal, walk, &repack->keep[i], err) != 0)
            return -1;
        repack->chunks[i] = walk->chunk;
        kept += repack->keep[i];
        if (i + 1 < n)
            INVARIANT(pack_walk_next(walk));
    }
    repack->taken_n += kept;
    if (kept == 0)
        return 0;
    if (store_pack_record(file, off, PACK_SEGMENT, &repack->opened, &counter, NULL, &why) != 0 ||
        segment_get(buf_span(&repack->opened), repack->list, &segment, &why) != 0 ||
        (segment.chunk_n != n && ERR(&why, ERR_FORMAT, "segment and footer differ") != 0)) {
        *damaged = store_pack_is_damage(&why);
        if (err != NULL)
            *err = why;
        return -1;
    }
    return segment_move(repack, &segment, damaged, err);
}

/* *damaged: not all of its live_n live chunks could be read.  What was copied is copied. */
static int pack_take(struct repack *repack, uint32_t ordinal, uint32_t live_n, bool *damaged,
                     struct err *err) {
    struct store_pack_file file;
    struct pack_footer footer;
    struct buf bytes = {0};
    struct err why = {0};
    bool whole;
    repack->taken_n = 0;
    int rc = store_pack_open(repack->store, ordinal, &file, &why);
    if (rc == 0)
        rc = store_pack_rows(repack->store, &file, &bytes, &footer, &whole, &why);
    if (rc != 0)
        *damaged = store_pack_is_damage(&why) || why.code == ERR_NOT_FOUND;
    struct pack_walk walk = pack_walk_of(&footer);
    while (rc == 0 && pack_walk_next(&walk))
        rc = segment_take(repack, &file, &walk, damaged, &why);
    if (rc == 0 && repack->taken_n < live_n) { /* its footer did not open, nor all segments */
        *damaged = true;
        rc = ERR(&why, ERR_FORMAT, "pack has live chunks that cannot be read");
    }
    store_pack_file_done(&file);
    buf_done(&bytes);
    if (rc != 0 && err != NULL)
        *err = why;
    return rc;
}

static void repack_done(struct repack *repack) {
    store_build_free(repack->build);
    vec_done(&repack->moved);
    unsealer_free(repack->unsealer);
    sealer_free(repack->sealer);
    mem_free(repack->list);
    mem_free(repack->part_list);
    mem_free(repack->chunks);
    mem_free(repack->rows);
    mem_free(repack->keep);
    mem_free(repack->drop);
    buf_done(&repack->opened);
    buf_done(&repack->plain);
    buf_done(&repack->part);
    buf_done(&repack->payload);
    buf_done(&repack->record);
}

int store_repack(struct store *store, const uint32_t *ordinals, size_t n, const uint32_t *live_n,
                 int64_t now_s, struct store_collect_result *result, struct err *err) {
    if (n == 0)
        return 0;
    struct repack repack = {.store = store, .now_s = now_s, .result = result};
    repack.unsealer = unsealer_new();
    repack.sealer = sealer_new(0);
    repack.list = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *repack.list);
    repack.part_list = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *repack.part_list);
    repack.chunks = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *repack.chunks);
    repack.rows = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *repack.rows);
    repack.keep = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *repack.keep);
    repack.drop = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *repack.drop);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        bool damaged = false;
        rc = pack_take(&repack, ordinals[i], live_n[ordinals[i]], &damaged, err);
        if (rc == 0)
            *vec_push(&repack.moved) = ordinals[i];
        result->unreadable_packs += damaged;
        rc = damaged ? 0 : rc;
    }
    if (rc == 0)
        rc = turn(&repack, err);
    repack_done(&repack);
    return rc;
}
