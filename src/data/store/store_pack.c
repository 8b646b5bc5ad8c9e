/* Packs as they are read: every byte that leaves this file was authentic. */
#include <errno.h>

#include "data/store/store_int.h"

void store_pack_name(char to[static BLOB_NAME_DIGITS + 1], const uint8_t id[static 16]) {
    text_hex(to, id, 16);
}

bool store_pack_is_damage(const struct err *err) {
    switch ((int)err->code) {
    case ERR_TAMPERED:
    case ERR_FORMAT:
    case ERR_FORMAT_VERSION:
    case ERR_STORE_CORRUPT:
        return true;
    default:
        return err->sys == EIO; /* the disk says so itself */
    }
}

void store_pack_file_done(struct store_pack_file *file) {
    blob_object_close(file->object);
    aead_free(file->aead);
    *file = (struct store_pack_file){.object = NULL};
}

int store_pack_key(struct store *store, const struct pack_id *id, struct secret **key,
                   struct err *err) {
    return secret_derive(store->key, "casemate pack v1", span_of(id->b, sizeof id->b), key, err);
}

static int head_check(struct store *store, struct store_pack_file *file,
                      const uint8_t id[static 16], struct err *err) {
    struct pack_header header;
    AUTO(secret) *key = NULL;
    if (blob_read(file->object, 0, file->header, sizeof file->header, err) != 0 ||
        pack_header_get(span_of(file->header, sizeof file->header), &header, err) != 0)
        return -1;
    if (memcmp(header.store, store->id.b, sizeof header.store) != 0 ||
        memcmp(header.id.b, id, STORE_NAME_BYTES) != 0)
        return ERR(err, ERR_FORMAT, "pack of another name or store");
    if (store_pack_key(store, &header.id, &key, err) != 0)
        return -1;
    file->aead = aead_new(secret_span(key).p);
    return 0;
}

int store_pack_open(struct store *store, uint32_t ordinal, struct store_pack_file *file,
                    struct err *err) {
    char name[BLOB_NAME_DIGITS + 1];
    uint8_t id[STORE_NAME_BYTES];
    *file = (struct store_pack_file){.ordinal = ordinal};
    os_mutex_lock(&store->mutex);
    memcpy(id, store->table.packs.p[ordinal].id, sizeof id);
    os_mutex_unlock(&store->mutex);
    store_pack_name(name, id);
    if (blob_open(store->blob, name, &file->object, err) == 0 &&
        head_check(store, file, id, err) == 0)
        return 0;
    store_pack_file_done(file);
    return ERR_NOTE(err, "pack %s", name);
}

int store_pack_record(struct store_pack_file *file, uint64_t off, enum pack_record_kind kind,
                      struct buf *out, uint32_t *counter, struct hasher *hasher, struct err *err) {
    uint8_t aad[PACK_AAD_BYTES], nonce[AEAD_NONCE_BYTES];
    struct pack_record record;
    uint8_t *head = aad + PACK_HEADER_BYTES;
    memcpy(aad, file->header, PACK_HEADER_BYTES);
    if (blob_read(file->object, off, head, PACK_RECORD_BYTES, err) != 0 ||
        pack_record_get(span_of(head, PACK_RECORD_BYTES), &record, err) != 0)
        return -1;
    if (record.kind != kind)
        return ERR(err, ERR_FORMAT, "record of kind %d instead of %d", (int)record.kind, (int)kind);
    buf_clear(out);
    uint8_t *p = buf_extend(out, record.sealed_bytes + AEAD_TAG_BYTES);
    if (blob_read(file->object, off + PACK_RECORD_BYTES, p, out->n, err) != 0)
        return -1;
    if (hasher != NULL) {
        hasher_reset(hasher);
        hasher_add(hasher, span_of(head, PACK_RECORD_BYTES));
        hasher_add(hasher, buf_span(out));
    }
    pack_nonce(nonce, record.counter);
    if (aead_open(file->aead, nonce, span_of(aad, sizeof aad), buf_span(out), p, err) != 0)
        return -1;
    out->n = record.sealed_bytes;
    *counter = record.counter;
    return 0;
}

int store_pack_trailer(struct store_pack_file *file, struct pack_trailer *trailer,
                       struct err *err) {
    uint8_t end[PACK_TRAILER_BYTES];
    uint64_t size = blob_object_bytes(file->object);
    if (size < PACK_HEADER_BYTES + PACK_TRAILER_BYTES)
        return ERR(err, ERR_FORMAT, "pack of %llu bytes", (unsigned long long)size);
    if (blob_read(file->object, size - sizeof end, end, sizeof end, err) != 0 ||
        pack_trailer_get(span_of(end, sizeof end), trailer, err) != 0)
        return -1;
    if (trailer->footer_off + PACK_RECORD_EXTRA + trailer->footer_bytes + sizeof end != size)
        return ERR(err, ERR_FORMAT, "pack of %llu bytes is cut or longer than it says",
                   (unsigned long long)size);
    return 0;
}

int store_pack_footer(struct store_pack_file *file, const struct pack_trailer *trailer,
                      struct buf *bytes, struct pack_footer *footer, struct hasher *hasher,
                      struct err *err) {
    uint32_t counter = 0;
    if (store_pack_record(file, trailer->footer_off, PACK_FOOTER, bytes, &counter, hasher, err) !=
            0 ||
        pack_footer_get(buf_span(bytes), footer, err) != 0)
        return ERR_NOTE(err, "footer");
    if (counter != trailer->segment_n || footer->segment_n != trailer->segment_n ||
        footer->chunk_n != trailer->chunk_n || footer->end_off != trailer->footer_off ||
        bytes->n != trailer->footer_bytes)
        return ERR(err, ERR_FORMAT, "footer and trailer of a pack differ");
    return 0;
}

/* What salvage collects. */
struct salvage {
    struct store *store;
    struct unsealer *unsealer;
    struct segment_chunk *list;
    struct buf record;
    uint8_t *plain;
    VEC(struct pack_segment) segments;
    VEC(struct pack_chunk) chunks;
};

static int salvage_segment(struct salvage *salvage, struct store_pack_file *file, uint64_t *off,
                           struct err *err) {
    struct segment segment;
    uint32_t counter = 0, at = 0;
    if (store_pack_record(file, *off, PACK_SEGMENT, &salvage->record, &counter, NULL, err) != 0 ||
        segment_get(buf_span(&salvage->record), salvage->list, &segment, err) != 0 ||
        unsealer_unpack(salvage->unsealer, segment.codec, segment.payload, salvage->plain,
                        segment.plain_bytes, err) != 0)
        return -1;
    if (counter != salvage->segments.n || counter == PACK_SEGMENTS_MAX ||
        salvage->chunks.n + segment.chunk_n > PACK_CHUNKS_MAX)
        return ERR(err, ERR_FORMAT, "segment %u is not where it belongs", counter);
    for (uint32_t i = 0; i < segment.chunk_n; i++) {
        const struct segment_chunk *from = &segment.chunks[i];
        struct pack_chunk *chunk = vec_push(&salvage->chunks);
        struct digest name;
        hash_typed(from->type, span_of(salvage->plain + at, from->length), &name);
        store_keyed_name(salvage->store, &name, &chunk->name);
        chunk->type = from->type;
        chunk->length = from->length;
        at += from->length;
    }
    *vec_push(&salvage->segments) = (struct pack_segment){
        .sealed_bytes = (uint32_t)salvage->record.n, .chunk_n = (uint16_t)segment.chunk_n};
    *off += PACK_RECORD_EXTRA + salvage->record.n;
    return 0;
}

/* A footer told again from the segments themselves, as far as they open. */
static int salvage_rows(struct store *store, struct store_pack_file *file, struct buf *bytes,
                        struct pack_footer *footer, struct err *err) {
    struct salvage salvage = {.store = store, .unsealer = unsealer_new()};
    struct err why = {0};
    uint64_t off = PACK_HEADER_BYTES;
    salvage.list = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *salvage.list);
    salvage.plain = mem_new(SEGMENT_BYTES_MAX);
    while (salvage_segment(&salvage, file, &off, &why) == 0)
        ;
    int rc = 0;
    if (!store_pack_is_damage(&why)) { /* out of descriptors or the like: no word on the pack */
        if (err != NULL)
            *err = why;
        rc = -1;
    } else if (salvage.segments.n == 0) {
        rc = ERR(err, ERR_FORMAT, "no segment of the pack opens");
    } else {
        buf_clear(bytes);
        pack_footer_put(bytes, salvage.segments.p, (uint32_t)salvage.segments.n, salvage.chunks.p,
                        (uint32_t)salvage.chunks.n);
        rc = pack_footer_get(buf_span(bytes), footer, err);
    }
    unsealer_free(salvage.unsealer);
    mem_free(salvage.list);
    mem_free(salvage.plain);
    buf_done(&salvage.record);
    vec_done(&salvage.segments);
    vec_done(&salvage.chunks);
    return rc;
}

int store_pack_rows(struct store *store, struct store_pack_file *file, struct buf *bytes,
                    struct pack_footer *footer, bool *whole, struct err *err) {
    struct pack_trailer trailer;
    struct err why = {0};
    *whole = store_pack_trailer(file, &trailer, &why) == 0 &&
             store_pack_footer(file, &trailer, bytes, footer, NULL, &why) == 0;
    if (*whole)
        return 0;
    if (store_pack_is_damage(&why))
        return salvage_rows(store, file, bytes, footer, err);
    if (err != NULL)
        *err = why;
    return -1;
}
