/* A pack being built: many threads write records at once, one seals it.
 *
 * Counter and offset of a record are given out together under the lock, so records touch and count
 * up in file order, whoever writes first.  Each record's digest is made by the thread that wrote
 * it; the trailer's content hash is over the digests, so nothing is read back and nothing is hashed
 * under the lock. */
#include "data/store/store_int.h"
#include "os/random.h"

#define FLUSH_BYTES (8u << 20) /* write-back is asked for in strides of this */

static int build_begin(struct store *store, struct store_build *build, struct err *err) {
    char name[BLOB_NAME_DIGITS + 1];
    os_random(build->header.id.b, sizeof build->header.id.b);
    memcpy(build->header.store, store->id.b, sizeof build->header.store);
    pack_header_put(build->header_bytes, &build->header);
    store_pack_name(name, build->header.id.b);
    if (store_space_check(store, err) != 0 ||
        store_pack_key(store, &build->header.id, &build->key, err) != 0 ||
        blob_temp_new(store->blob, name, &build->temp, err) != 0)
        return -1;
    return blob_temp_write(build->temp, 0, span_of(build->header_bytes, sizeof build->header_bytes),
                           err);
}

int store_build_new(struct store *store, const struct store_session *session,
                    struct store_build **out, struct err *err) {
    struct store_build *build = mem_new(sizeof *build);
    build->store = store;
    build->end_off = PACK_HEADER_BYTES;
    memcpy(build->header.job, session->job, sizeof build->header.job);
    memcpy(build->header.source, session->source, sizeof build->header.source);
    if (build_begin(store, build, err) != 0) {
        store_build_free(build);
        return -1;
    }
    *out = build;
    return 0;
}

void store_build_free(struct store_build *build) {
    if (build == NULL)
        return;
    INVARIANT(build->busy == 0);
    blob_temp_drop(&build->temp);
    secret_free(build->key);
    for (size_t i = 0; i < build->aeads.n; i++)
        aead_free(build->aeads.p[i]);
    vec_done(&build->segments);
    vec_done(&build->chunks);
    vec_done(&build->digests);
    vec_done(&build->aeads);
    mem_free(build->slots);
    mem_free(build);
}

/* Keyed names are hashes already. */
static uint32_t *slot_of(const struct store_build *build, const struct digest *keyed) {
    uint32_t i = be32_get(keyed->b) & (build->slot_n - 1);
    while (build->slots[i] != 0 && !digest_equal(&build->chunks.p[build->slots[i] - 1].name, keyed))
        i = (i + 1) & (build->slot_n - 1);
    return &build->slots[i];
}

bool store_build_has(const struct store_build *build, const struct digest *keyed) {
    return build->slot_n > 0 && *slot_of(build, keyed) != 0;
}

static void slots_reserve(struct store_build *build, size_t more) {
    size_t need = (build->chunks.n + more) * 2, slot_n = build->slot_n > 0 ? build->slot_n : 256;
    while (slot_n < need)
        slot_n *= 2;
    if (slot_n == build->slot_n)
        return;
    mem_free(build->slots);
    build->slots = mem_new_array(slot_n, sizeof *build->slots);
    build->slot_n = (uint32_t)slot_n;
    for (size_t i = 0; i < build->chunks.n; i++)
        *slot_of(build, &build->chunks.p[i].name) = (uint32_t)i + 1;
}

bool store_build_fits(const struct store_build *build, size_t sealed_bytes, size_t chunk_n) {
    size_t chunks = build->chunks.n + chunk_n;
    size_t footer =
        (build->segments.n + 1) * PACK_FOOTER_SEGMENT_BYTES + chunks * PACK_FOOTER_CHUNK_BYTES;
    return build->segments.n == 0 ||
           (build->end_off + PACK_RECORD_EXTRA + sealed_bytes + footer <=
                build->store->opts.pack_bytes &&
            chunks <= PACK_CHUNKS_MAX && build->segments.n < PACK_SEGMENTS_MAX);
}

/* Enter the chunks; those that were known, or come twice, are told in drop[] and left out. */
static size_t chunks_enter(struct store_build *build, const struct pack_chunk *chunks,
                           size_t chunk_n, bool *drop) {
    size_t dropped = 0;
    slots_reserve(build, chunk_n);
    for (size_t i = 0; i < chunk_n; i++) {
        uint32_t *slot = slot_of(build, &chunks[i].name);
        drop[i] = *slot != 0;
        dropped += drop[i];
        if (drop[i])
            continue;
        *vec_push(&build->chunks) = chunks[i];
        *slot = (uint32_t)build->chunks.n;
    }
    return dropped;
}

/* Take back what chunks_enter entered, the last first: so no probe sequence is broken. */
static void chunks_leave(struct store_build *build, size_t chunk_n) {
    for (; chunk_n > 0; chunk_n--) {
        *slot_of(build, &build->chunks.p[build->chunks.n - 1].name) = 0;
        build->chunks.n--;
    }
}

bool store_build_claim(struct store_build *build, const struct pack_chunk *chunks, size_t chunk_n,
                       size_t sealed_bytes, bool *drop, struct store_claim *claim) {
    size_t dropped = chunks_enter(build, chunks, chunk_n, drop);
    if (dropped > 0) {
        chunks_leave(build, chunk_n - dropped);
        return false;
    }
    *claim = (struct store_claim){.build = build,
                                  .counter = (uint32_t)build->segments.n,
                                  .off = build->end_off,
                                  .n = PACK_RECORD_EXTRA + sealed_bytes};
    *vec_push(&build->segments) =
        (struct pack_segment){.sealed_bytes = (uint32_t)sealed_bytes, .chunk_n = (uint16_t)chunk_n};
    (void)vec_push(&build->digests);
    build->end_off += claim->n;
    build->busy++;
    if (build->aeads.n > 0)
        claim->aead = build->aeads.p[--build->aeads.n];
    return true;
}

/* Header, seal and hash `record` (room for the header, plain bytes, room for the tag). */
static int record_seal(const struct store_build *build, struct aead *aead,
                       enum pack_record_kind kind, uint32_t counter, struct buf *record,
                       struct digest *digest, struct err *err) {
    uint8_t aad[PACK_AAD_BYTES], nonce[AEAD_NONCE_BYTES], *plain = record->p + PACK_RECORD_BYTES;
    struct pack_record head = {.kind = kind,
                               .counter = counter,
                               .sealed_bytes = (uint32_t)(record->n - PACK_RECORD_EXTRA)};
    memcpy(aad, build->header_bytes, PACK_HEADER_BYTES);
    pack_record_put(aad + PACK_HEADER_BYTES, &head);
    memcpy(record->p, aad + PACK_HEADER_BYTES, PACK_RECORD_BYTES);
    pack_nonce(nonce, counter);
    if (aead_seal(aead, nonce, span_of(aad, sizeof aad), span_of(plain, head.sealed_bytes), plain,
                  err) != 0)
        return -1;
    hash_bytes(buf_span(record), digest);
    return 0;
}

int store_build_write(struct store_claim *claim, struct buf *record, struct digest *digest,
                      struct err *err) {
    struct store_build *build = claim->build;
    INVARIANT(record->n == claim->n);
    if (claim->aead == NULL)
        claim->aead = aead_new(secret_span(build->key).p);
    if (record_seal(build, claim->aead, PACK_SEGMENT, claim->counter, record, digest, err) != 0 ||
        blob_temp_write(build->temp, claim->off, buf_span(record), err) != 0)
        return -1;
    if (claim->off / FLUSH_BYTES != (claim->off + claim->n) / FLUSH_BYTES) /* crosses a stride */
        blob_temp_flush(build->temp, claim->off / FLUSH_BYTES * FLUSH_BYTES, FLUSH_BYTES);
    return 0;
}

void store_build_written(struct store_claim *claim, const struct digest *digest) {
    struct store_build *build = claim->build;
    build->digests.p[claim->counter] = *digest;
    build->busy--;
    if (claim->aead != NULL)
        *vec_push(&build->aeads) = TAKE(claim->aead);
}

static void content_hash(const struct store_build *build, const struct digest *footer,
                         struct digest *out) {
    struct hasher *hasher = hasher_new();
    struct digest header;
    hash_bytes(span_of(build->header_bytes, sizeof build->header_bytes), &header);
    hasher_add(hasher, span_of(header.b, sizeof header.b));
    for (size_t i = 0; i < build->digests.n; i++)
        hasher_add(hasher, span_of(build->digests.p[i].b, sizeof header.b));
    hasher_add(hasher, span_of(footer->b, sizeof footer->b));
    hasher_get(hasher, out);
    hasher_free(hasher);
}

/* Footer record and trailer behind the segments. */
static int end_write(struct store_build *build, struct span footer, struct err *err) {
    struct buf end = {0};
    struct digest digest;
    struct aead *aead = aead_new(secret_span(build->key).p);
    struct pack_trailer trailer = {.footer_off = build->end_off,
                                   .footer_bytes = (uint32_t)footer.n,
                                   .segment_n = (uint32_t)build->segments.n,
                                   .chunk_n = (uint32_t)build->chunks.n};
    (void)buf_extend(&end, PACK_RECORD_BYTES);
    buf_put_span(&end, footer);
    (void)buf_extend(&end, AEAD_TAG_BYTES);
    int rc = record_seal(build, aead, PACK_FOOTER, trailer.segment_n, &end, &digest, err);
    if (rc == 0) {
        content_hash(build, &digest, &trailer.content);
        pack_trailer_put(buf_extend(&end, PACK_TRAILER_BYTES), &trailer);
        rc = blob_temp_write(build->temp, build->end_off, buf_span(&end), err);
        build->end_off += end.n;
    }
    aead_free(aead);
    buf_done(&end);
    return rc;
}

/* I3: only now may anyone find the chunks. */
static int make_known(struct store_build *build, struct span footer_bytes, struct err *err) {
    struct store *store = build->store;
    struct pack_footer footer;
    if (pack_footer_get(footer_bytes, &footer, err) != 0)
        return -1; /* what was written is read back before it is trusted */
    struct store_pack pack = {.bytes = build->end_off, .state = STORE_PACK_SEALED};
    memcpy(pack.id, build->header.id.b, sizeof pack.id);
    memcpy(pack.job, build->header.job, sizeof pack.job);
    memcpy(pack.source, build->header.source, sizeof pack.source);
    os_mutex_lock(&store->insert);
    os_mutex_lock(&store->mutex);
    pack.generation = store->generation;
    uint32_t ordinal = store_table_add(&store->table, &pack);
    os_mutex_unlock(&store->mutex);
    store_index_add(store, ordinal, &footer);
    os_mutex_unlock(&store->insert);
    OS_COMMIT_POINT("I3");
    return 0;
}

int store_build_seal(struct store_build *build, struct err *err) {
    struct buf footer = {0};
    INVARIANT(build->busy == 0 && build->segments.n > 0);
    pack_footer_put(&footer, build->segments.p, (uint32_t)build->segments.n, build->chunks.p,
                    (uint32_t)build->chunks.n);
    int rc = end_write(build, buf_span(&footer), err);
    if (rc == 0)
        rc = blob_temp_seal(&build->temp, "I1", "I2", err);
    if (rc == 0)
        rc = make_known(build, buf_span(&footer), err);
    buf_done(&footer);
    return rc;
}
