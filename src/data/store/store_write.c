/* A session's packs: put by many threads, handed over to the sealing thread when full. */
#include "data/store/store_int.h"

/* What one put needs; kept from put to put. */
struct store_scratch {
    struct store_scratch *next;
    struct sealer *sealer;
    struct buf record, plain, payload;
    struct pack_chunk chunks[SEGMENT_CHUNKS_MAX];  /* those that are kept, keyed */
    struct segment_chunk list[SEGMENT_CHUNKS_MAX]; /* the same, as a segment lists them */
    uint32_t offsets[SEGMENT_CHUNKS_MAX];          /* where they lie in the caller's plain bytes */
    bool drop[SEGMENT_CHUNKS_MAX];
    size_t n;
    uint64_t sealed_n; /* of the writer, before the index was asked */
};

static struct store_scratch *scratch_take(struct store_writer *writer) {
    os_mutex_lock(&writer->mutex);
    struct store_scratch *scratch = writer->scratch;
    if (scratch != NULL)
        writer->scratch = scratch->next;
    os_mutex_unlock(&writer->mutex);
    return scratch != NULL ? scratch : mem_new(sizeof *scratch);
}

static void scratch_give(struct store_writer *writer, struct store_scratch *scratch) {
    os_mutex_lock(&writer->mutex);
    scratch->next = writer->scratch;
    writer->scratch = scratch;
    os_mutex_unlock(&writer->mutex);
}

static void scratch_free(struct store_scratch *scratch) {
    sealer_free(scratch->sealer);
    buf_done(&scratch->record);
    buf_done(&scratch->plain);
    buf_done(&scratch->payload);
    mem_free(scratch);
}

/* ---- open and close ---- */

int store_writer_open(struct store *store, const struct store_session *session,
                      struct store_writer **out, struct err *err) {
    struct store_writer *writer = mem_new(sizeof *writer);
    writer->store = store;
    writer->session = *session;
    writer->waiting_end = &writer->waiting;
    os_mutex_init(&writer->mutex);
    os_cond_init(&writer->changed);
    os_mutex_lock(&store->mutex);
    bool room = store->writer_n < STORE_WRITERS_MAX;
    if (room) {
        writer->epoch = store->epoch;
        writer->next = store->writers;
        store->writers = writer;
        store->writer_n++;
    }
    os_mutex_unlock(&store->mutex);
    int rc = room
                 ? os_thread_start(&writer->sealer, "store-sealer", store_writer_run, writer, err)
                 : ERR(err, ERR_LIMIT, "%d sessions write to the store already", STORE_WRITERS_MAX);
    if (rc != 0)
        store_writer_close(writer);
    else
        *out = writer;
    return rc;
}

static void leave(struct store_writer *writer) {
    struct store *store = writer->store;
    os_mutex_lock(&store->mutex);
    for (struct store_writer **p = &store->writers; *p != NULL; p = &(*p)->next)
        if (*p == writer) {
            *p = writer->next;
            store->writer_n--;
            break;
        }
    os_mutex_unlock(&store->mutex);
}

void store_writer_close(struct store_writer *writer) {
    if (writer == NULL)
        return;
    os_mutex_lock(&writer->mutex);
    writer->closing = true;
    os_cond_broadcast(&writer->changed);
    os_mutex_unlock(&writer->mutex);
    os_thread_join(&writer->sealer);
    leave(writer);
    store_build_free(writer->current);
    while (writer->waiting != NULL) {
        struct store_build *build = writer->waiting;
        writer->waiting = build->next;
        store_build_free(build);
    }
    while (writer->scratch != NULL) {
        struct store_scratch *scratch = writer->scratch;
        writer->scratch = scratch->next;
        scratch_free(scratch);
    }
    os_cond_done(&writer->changed);
    os_mutex_done(&writer->mutex);
    mem_free(writer);
}

/* ---- look up ---- */

static bool own_has(const struct store_writer *writer, const struct digest *keyed) {
    if (writer->current != NULL && store_build_has(writer->current, keyed))
        return true;
    for (const struct store_build *build = writer->waiting; build != NULL; build = build->next)
        if (store_build_has(build, keyed))
            return true;
    return false;
}

int store_writer_has(struct store_writer *writer, const struct digest *name, bool *has,
                     struct err *err) {
    struct digest keyed;
    struct store_row row;
    store_keyed_name(writer->store, name, &keyed);
    os_mutex_lock(&writer->mutex);
    *has = !writer->dead && own_has(writer, &keyed);
    os_mutex_unlock(&writer->mutex);
    return *has ? 0 : store_index_find(writer->store, &keyed, STORE_FIND_USE, has, &row, err);
}

/* ---- put ---- */

/* Everything of the segment that the index does not have. */
static int missing_of(struct store_writer *writer, struct store_scratch *scratch,
                      const struct segment *segment, const struct digest *names, struct err *err) {
    uint32_t offset = 0;
    scratch->n = 0;
    os_mutex_lock(&writer->mutex);
    scratch->sealed_n = writer->sealed_n;
    os_mutex_unlock(&writer->mutex);
    for (uint32_t i = 0; i < segment->chunk_n; i++) {
        const struct segment_chunk *from = &segment->chunks[i];
        struct pack_chunk *chunk = &scratch->chunks[scratch->n];
        struct store_row row;
        bool found;
        store_keyed_name(writer->store, &names[i], &chunk->name);
        if (store_index_find(writer->store, &chunk->name, STORE_FIND_USE, &found, &row, err) != 0)
            return -1;
        if (!found) {
            chunk->type = from->type;
            chunk->length = from->length;
            scratch->list[scratch->n] = *from;
            scratch->offsets[scratch->n] = offset;
            scratch->n++;
        }
        offset += from->length;
    }
    return 0;
}

/* Keep what drop[] does not tell. */
static void drop_known(struct store_scratch *scratch) {
    size_t kept = 0;
    for (size_t i = 0; i < scratch->n; i++)
        if (!scratch->drop[i]) {
            scratch->chunks[kept] = scratch->chunks[i];
            scratch->list[kept] = scratch->list[i];
            scratch->offsets[kept] = scratch->offsets[i];
            kept++;
        }
    scratch->n = kept;
}

/* The record with the kept chunks: as they came, or encoded anew when some are left out. */
static void record_make(struct store_scratch *scratch, const struct segment *segment,
                        struct span plain) {
    buf_clear(&scratch->record);
    (void)buf_extend(&scratch->record, PACK_RECORD_BYTES);
    if (scratch->n == segment->chunk_n) {
        segment_put(&scratch->record, segment);
    } else {
        buf_clear(&scratch->plain);
        buf_clear(&scratch->payload);
        for (size_t i = 0; i < scratch->n; i++)
            buf_put(&scratch->plain, plain.p + scratch->offsets[i], scratch->list[i].length);
        if (scratch->sealer == NULL)
            scratch->sealer = sealer_new(0);
        struct segment part = {.plain_bytes = (uint32_t)scratch->plain.n,
                               .chunk_n = (uint32_t)scratch->n,
                               .chunks = scratch->list};
        part.codec = sealer_pack(scratch->sealer, buf_span(&scratch->plain), &scratch->payload);
        part.payload = buf_span(&scratch->payload);
        segment_put(&scratch->record, &part);
    }
    (void)buf_extend(&scratch->record, AEAD_TAG_BYTES);
}

int store_writer_die(struct store_writer *writer, const struct err *why, struct err *err) {
    if (!writer->dead)
        writer->error = *why;
    writer->dead = true;
    os_cond_broadcast(&writer->changed);
    if (err != NULL)
        *err = writer->error;
    return -1;
}

/* A pack with room for the record is current. */
static int make_room(struct store_writer *writer, const struct store_scratch *scratch,
                     size_t sealed_bytes, struct err *err) REQUIRES(writer->mutex) {
    struct err why = {0};
    while (writer->current != NULL && !store_build_fits(writer->current, sealed_bytes, scratch->n))
        if (store_writer_turn(writer, err) != 0)
            return -1;
    if (writer->dead)
        return store_writer_die(writer, &writer->error, err);
    if (writer->current == NULL &&
        store_build_new(writer->store, &writer->session, &writer->current, &why) != 0)
        return store_writer_die(writer, &why, err);
    return 0;
}

/* Why a record did not get its place. */
enum claim { CLAIMED, CLAIM_KNOWN, CLAIM_STALE };

/* Reserve the record's place.  KNOWN: some chunks came meanwhile (see drop).  STALE: a pack of ours
 * went from this writer's own set to the index since the index was asked. */
static int claim(struct store_writer *writer, struct store_scratch *scratch, enum claim *claimed,
                 struct store_claim *place, struct err *err) {
    size_t sealed_bytes = scratch->record.n - PACK_RECORD_EXTRA;
    os_mutex_lock(&writer->mutex);
    int rc = make_room(writer, scratch, sealed_bytes, err);
    *claimed = writer->sealed_n == scratch->sealed_n ? CLAIMED : CLAIM_STALE;
    for (size_t i = 0; i < scratch->n && rc == 0 && *claimed != CLAIM_STALE; i++) {
        scratch->drop[i] = own_has(writer, &scratch->chunks[i].name);
        *claimed = scratch->drop[i] ? CLAIM_KNOWN : *claimed;
    }
    if (rc == 0 && *claimed == CLAIMED &&
        !store_build_claim(writer->current, scratch->chunks, scratch->n, sealed_bytes,
                           scratch->drop, place))
        *claimed = CLAIM_KNOWN;
    os_mutex_unlock(&writer->mutex);
    return rc;
}

static int place_record(struct store_writer *writer, struct store_scratch *scratch,
                        struct store_claim *place, struct err *err) {
    struct digest digest = {{0}};
    struct err why = {0};
    int rc = store_build_write(place, &scratch->record, &digest, &why);
    os_mutex_lock(&writer->mutex);
    store_build_written(place, &digest);
    if (rc != 0)
        rc = store_writer_die(writer, &why, err);
    else if (place->build != writer->current)
        os_cond_broadcast(&writer->changed); /* the sealing thread may wait for it */
    os_mutex_unlock(&writer->mutex);
    return rc;
}

static int put(struct store_writer *writer, struct store_scratch *scratch,
               const struct segment *segment, struct span plain, const struct digest *names,
               uint64_t *stored_bytes, struct err *err) {
    struct store_claim place;
    enum claim claimed = CLAIM_STALE;
    while (claimed != CLAIMED) {
        if (claimed == CLAIM_STALE && missing_of(writer, scratch, segment, names, err) != 0)
            return -1;
        if (claimed == CLAIM_KNOWN)
            drop_known(scratch);
        if (scratch->n == 0)
            return 0;
        record_make(scratch, segment, plain);
        if (claim(writer, scratch, &claimed, &place, err) != 0)
            return -1;
    }
    if (place_record(writer, scratch, &place, err) != 0)
        return -1;
    *stored_bytes = place.n + PACK_FOOTER_SEGMENT_BYTES + scratch->n * PACK_FOOTER_CHUNK_BYTES;
    return 0;
}

int store_put(struct store_writer *writer, const struct segment *segment, struct span plain,
              const struct digest *names, uint64_t *stored_bytes, struct err *err) {
    INVARIANT(segment->chunk_n > 0 && segment->chunk_n <= SEGMENT_CHUNKS_MAX);
    INVARIANT(plain.n == segment->plain_bytes);
    struct store_scratch *scratch = scratch_take(writer);
    *stored_bytes = 0;
    int rc = put(writer, scratch, segment, plain, names, stored_bytes, err);
    scratch_give(writer, scratch);
    return rc;
}
