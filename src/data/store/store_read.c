/* Chunks out of packs: found, opened, decoded, and held against their names. */
#include "data/store/store_cache.h"
#include "data/store/store_int.h"

#define FILES_MAX 16u
#define TRIES 8u /* copies of one chunk, or packs that a collection moves below us */

struct store_reader {
    struct store *store;
    struct unsealer *unsealer;
    struct store_cache *cache;
    struct buf record;
    struct segment_chunk *list;
    struct store_pack_file files[FILES_MAX];
    uint64_t uses;
};

struct store_reader *store_reader_new(struct store *store) {
    struct store_reader *reader = mem_new(sizeof *reader);
    reader->store = store;
    reader->unsealer = unsealer_new();
    reader->cache = store_cache_new(STORE_CACHE_BYTES);
    reader->list = mem_new_array(SEGMENT_CHUNKS_MAX, sizeof *reader->list);
    return reader;
}

void store_reader_free(struct store_reader *reader) {
    if (reader == NULL)
        return;
    for (size_t i = 0; i < FILES_MAX; i++)
        store_pack_file_done(&reader->files[i]);
    unsealer_free(reader->unsealer);
    store_cache_free(reader->cache);
    buf_done(&reader->record);
    mem_free(reader->list);
    mem_free(reader);
}

/* An open file of the pack: one of the few kept, else in place of the one not used for longest.
 * An open one is used even when its pack was given up: its bytes stay. */
static int file_of(struct store_reader *reader, uint32_t pack, struct store_pack_file **out,
                   struct err *err) {
    struct store_pack_file *oldest = &reader->files[0];
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct store_pack_file *file = &reader->files[i];
        if (file->object != NULL && file->ordinal == pack) {
            file->used = ++reader->uses;
            *out = file;
            return 0;
        }
        if (file->object == NULL ? oldest->object != NULL : file->used < oldest->used)
            oldest = file;
    }
    store_pack_file_done(oldest);
    if (store_pack_open(reader->store, pack, oldest, err) != 0)
        return -1;
    oldest->used = ++reader->uses;
    *out = oldest;
    return 0;
}

/* A segment's encoding, in reader->record. */
static int segment_load(struct store_reader *reader, uint32_t pack, uint32_t segment_off,
                        struct segment *segment, struct err *err) {
    struct store_pack_file *file;
    uint32_t counter;
    if (file_of(reader, pack, &file, err) != 0 ||
        store_pack_record(file, segment_off, PACK_SEGMENT, &reader->record, &counter, NULL, err) !=
            0 ||
        segment_get(buf_span(&reader->record), reader->list, segment, err) != 0)
        return -1;
    return 0;
}

static int plain_of(struct store_reader *reader, uint32_t pack, uint32_t segment_off,
                    const struct buf **plain, struct err *err) {
    uint64_t key = (uint64_t)pack << 32 | segment_off;
    struct segment segment;
    *plain = store_cache_get(reader->cache, key);
    if (*plain != NULL)
        return 0;
    if (segment_load(reader, pack, segment_off, &segment, err) != 0)
        return -1;
    struct buf *to = store_cache_put(reader->cache, key, segment.plain_bytes);
    if (unsealer_unpack(reader->unsealer, segment.codec, segment.payload, to->p, to->n, err) != 0) {
        store_cache_drop(reader->cache, key);
        return -1;
    }
    *plain = to;
    return 0;
}

static int chunk_of(struct store_reader *reader, const struct store_row *row, uint8_t type,
                    const struct digest *name, struct span *bytes, struct err *err) {
    const struct buf *plain;
    struct digest found;
    if (plain_of(reader, row->pack, row->segment, &plain, err) != 0)
        return -1;
    if (row->offset > plain->n || row->length > plain->n - row->offset)
        return ERR(err, ERR_FORMAT, "index places a chunk outside of its segment");
    *bytes = span_of(plain->p + row->offset, row->length);
    hash_typed(type, *bytes, &found);
    if (digest_equal(&found, name))
        return 0;
    for (unsigned other = CHUNK_DATA; other <= CHUNK_INDEX; other++) {
        hash_typed((uint8_t)other, *bytes, &found);
        if (digest_equal(&found, name)) /* the asker is wrong, not the pack */
            return ERR(err, ERR_CHUNK_MISSING, "chunk is of type %u, not %u", other, type);
    }
    return ERR(err, ERR_FORMAT, "content of a chunk is not what its name says");
}

/* Remember what could not be read, so that another copy is found, or the next backup heals it.
 * False: the failure tells nothing about the bytes. */
static bool note_damage(struct store *store, const struct store_row *row, const struct err *why) {
    bool absent = why->code == ERR_NOT_FOUND, damaged = store_pack_is_damage(why);
    os_mutex_lock(&store->mutex);
    struct store_pack *pack = &store->table.packs.p[row->pack];
    if (absent && pack->state == STORE_PACK_SEALED) {
        pack->state = STORE_PACK_LOST;
        store->damage_revision++;
    }
    if (damaged && store_table_damage(&store->table, row->pack, row->segment))
        store->damage_revision++;
    os_mutex_unlock(&store->mutex);
    return absent || damaged;
}

static const char *hex_of(char to[static 65], const struct digest *name) {
    text_hex(to, name->b, sizeof name->b);
    return to;
}

int store_read(struct store_reader *reader, enum chunk_type type, const struct digest *name,
               struct span *bytes, struct err *err) {
    struct digest keyed;
    struct err why = {0};
    char hex[65];
    bool damaged = false;
    store_keyed_name(reader->store, name, &keyed);
    for (unsigned i = 0; i < TRIES; i++) {
        struct store_row row;
        bool found;
        if (store_index_find(reader->store, &keyed, STORE_FIND_LOOK, &found, &row, err) != 0)
            return -1;
        if (!found)
            break;
        why = (struct err){0};
        if (chunk_of(reader, &row, (uint8_t)type, name, bytes, &why) == 0)
            return 0;
        if (!note_damage(reader->store, &row, &why)) {
            if (err != NULL)
                *err = why;
            return ERR_NOTE(err, "chunk %s", hex_of(hex, name));
        }
        damaged = damaged || why.code != ERR_NOT_FOUND;
    }
    if (damaged)
        return ERR(err, ERR_CHUNK_DAMAGED, "chunk %s cannot be read: %s", hex_of(hex, name),
                   why.text);
    return ERR(err, ERR_CHUNK_MISSING, "chunk %s is not in the store", hex_of(hex, name));
}

int store_read_segment(struct store_reader *reader, uint32_t pack, uint32_t segment_off,
                       struct buf *out, struct store_segment *info, struct err *err) {
    struct segment segment;
    struct err why = {0};
    os_mutex_lock(&reader->store->mutex);
    bool known = pack < reader->store->table.packs.n;
    *info = (struct store_segment){.codec = SEGMENT_RAW};
    if (known)
        memcpy(info->source, reader->store->table.packs.p[pack].source, sizeof info->source);
    os_mutex_unlock(&reader->store->mutex);
    if (!known)
        return ERR(err, ERR_CHUNK_MISSING, "no pack has the number %u", pack);
    if (segment_load(reader, pack, segment_off, &segment, &why) != 0) {
        struct store_row row = {.pack = pack, .segment = segment_off};
        bool absent = why.code == ERR_NOT_FOUND;
        if (!note_damage(reader->store, &row, &why)) {
            if (err != NULL)
                *err = why;
            return -1;
        }
        return ERR(err, absent ? ERR_CHUNK_MISSING : ERR_CHUNK_DAMAGED,
                   "segment at %u cannot be read: %s", segment_off, why.text);
    }
    buf_put_span(out, segment.payload);
    info->codec = segment.codec;
    info->plain_bytes = segment.plain_bytes;
    return 0;
}
