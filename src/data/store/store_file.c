/* The small files of a store, docs/format/store.md: authenticated as a whole, replaced as a whole.
 */
#include "data/store/store_int.h"

#define VERSION 1u
#define CONFIG_BYTES 60u
#define GONE_MAX (16u << 20)
#define DAMAGE_MAX (1u << 20)

static const uint8_t config_magic[8] = {0x89, 'C', 'M', 'S', 'T', 'O', 'R', '\n'};
static const uint8_t state_magic[8] = {0x89, 'C', 'M', 'S', 'T', 'A', 'T', '\n'};

void store_file_close(struct buf *body, const struct secret *file_key) {
    struct digest mac, check;
    hash_keyed(secret_span(file_key).p, buf_span(body), &mac);
    buf_put(body, mac.b, sizeof mac.b);
    hash_bytes(buf_span(body), &check);
    buf_put(body, check.b, sizeof check.b);
}

int store_file_open(struct span in, const struct secret *file_key, struct span *body,
                    struct err *err) {
    struct digest want;
    if (in.n < 2 * sizeof want.b)
        return ERR(err, ERR_STORE_CORRUPT, "file of %zu bytes is too short", in.n);
    size_t body_n = in.n - 2 * sizeof want.b, mac_end = in.n - sizeof want.b;
    hash_bytes(span_of(in.p, mac_end), &want);
    if (memcmp(want.b, in.p + mac_end, sizeof want.b) != 0)
        return ERR(err, ERR_STORE_CORRUPT, "file is damaged");
    hash_keyed(secret_span(file_key).p, span_of(in.p, body_n), &want);
    if (memcmp(want.b, in.p + body_n, sizeof want.b) != 0)
        return ERR(err, ERR_STORE_KEY, "file was written with another key");
    *body = span_of(in.p, body_n);
    return 0;
}

static void head_put(struct buf *out, const uint8_t magic[static 8]) {
    buf_put(out, magic, 8);
    buf_put_u16(out, VERSION);
    buf_put_u16(out, 0);
    buf_put_u32(out, 0); /* required features */
}

static int head_get(struct cursor *c, const uint8_t magic[static 8], struct err *err) {
    struct span found = cursor_bytes(c, 8);
    uint16_t version = cursor_u16(c), zero = cursor_u16(c);
    uint32_t features = cursor_u32(c);
    if (c->bad || memcmp(found.p, magic, 8) != 0 || zero != 0)
        return ERR(err, ERR_STORE_CORRUPT, "not a file of a store");
    if (version != VERSION || features != 0)
        return ERR(err, ERR_FORMAT_VERSION, "file of version %u with features %#x", version,
                   features);
    return 0;
}

void store_config_put(struct buf *out, const struct store_id *id,
                      const struct chunker_params *chunker) {
    static const uint8_t zero[3] = {0};
    head_put(out, config_magic);
    buf_put(out, id->b, sizeof id->b);
    buf_put_u8(out, chunker->method);
    buf_put(out, zero, sizeof zero);
    buf_put_u32(out, chunker->min_bytes);
    buf_put_u32(out, chunker->avg_bytes);
    buf_put_u32(out, chunker->max_bytes);
    buf_put_u32(out, chunker->fixed_bytes);
    buf_put_u64(out, chunker->seed);
}

int store_config_get(struct span body, struct store_id *id, struct chunker_params *chunker,
                     struct err *err) {
    struct cursor c = cursor_of(body);
    if (head_get(&c, config_magic, err) != 0)
        return -1;
    cursor_copy(&c, id->b, sizeof id->b);
    chunker->method = cursor_u8(&c);
    struct span zero = cursor_bytes(&c, 3);
    chunker->min_bytes = cursor_u32(&c);
    chunker->avg_bytes = cursor_u32(&c);
    chunker->max_bytes = cursor_u32(&c);
    chunker->fixed_bytes = cursor_u32(&c);
    chunker->seed = cursor_u64(&c);
    if (!cursor_ended(&c) || (zero.p[0] | zero.p[1] | zero.p[2]) != 0)
        return ERR(err, ERR_STORE_CORRUPT, "configuration of %zu bytes instead of %u", body.n,
                   CONFIG_BYTES);
    return 0;
}

void store_state_put(struct buf *out, const struct store_state *state) {
    INVARIANT(state->gone.n <= GONE_MAX && state->damage.n <= DAMAGE_MAX);
    head_put(out, state_magic);
    buf_put_u64(out, state->epoch);
    buf_put_u32(out, (uint32_t)state->gone.n);
    buf_put_u32(out, (uint32_t)state->damage.n);
    for (size_t i = 0; i < state->gone.n; i++)
        buf_put(out, state->gone.p[i].id, STORE_NAME_BYTES);
    for (size_t i = 0; i < state->damage.n; i++) {
        buf_put(out, state->damage.p[i].id, STORE_NAME_BYTES);
        buf_put_u32(out, state->damage.p[i].segment);
    }
}

int store_state_get(struct span body, struct store_state *out, struct err *err) {
    struct cursor c = cursor_of(body);
    *out = (struct store_state){.epoch = 0};
    if (head_get(&c, state_magic, err) != 0)
        return -1;
    out->epoch = cursor_u64(&c);
    uint32_t gone_n = cursor_u32(&c), damage_n = cursor_u32(&c);
    uint64_t rest = (uint64_t)gone_n * STORE_NAME_BYTES + (uint64_t)damage_n * 20;
    if (c.bad || gone_n > GONE_MAX || damage_n > DAMAGE_MAX || rest != cursor_left(&c))
        return ERR(err, ERR_STORE_CORRUPT, "state of %zu bytes tells of %u and %u packs", body.n,
                   gone_n, damage_n);
    vec_reserve(&out->gone, gone_n);
    vec_reserve(&out->damage, damage_n);
    for (uint32_t i = 0; i < gone_n; i++)
        cursor_copy(&c, vec_push(&out->gone)->id, STORE_NAME_BYTES);
    for (uint32_t i = 0; i < damage_n; i++) {
        struct store_damaged *damaged = vec_push(&out->damage);
        cursor_copy(&c, damaged->id, STORE_NAME_BYTES);
        damaged->segment = cursor_u32(&c);
    }
    return 0;
}

/* What belongs into the file now.  Damage of packs that were given up is forgotten. */
static void state_collect(struct store *store, struct store_state *state) {
    os_mutex_lock(&store->mutex);
    state->epoch = store->epoch;
    for (size_t i = 0; i < store->gone.n; i++)
        *vec_push(&state->gone) = store->gone.p[i];
    for (size_t i = 0; i < store->table.damage.n && state->damage.n < DAMAGE_MAX; i++) {
        const struct store_damage_row *row = &store->table.damage.p[i];
        const struct store_pack *pack = &store->table.packs.p[row->pack];
        if (pack->state == STORE_PACK_GONE)
            continue;
        struct store_damaged *damaged = vec_push(&state->damage);
        damaged->segment = row->segment;
        memcpy(damaged->id, pack->id, sizeof damaged->id);
    }
    os_mutex_unlock(&store->mutex);
}

int store_state_save(struct store *store, struct err *err) {
    struct store_state state = {.epoch = 0};
    struct buf bytes = {0};
    os_mutex_lock(&store->save);
    state_collect(store, &state);
    store_state_put(&bytes, &state);
    store_file_close(&bytes, store->file_key);
    struct err why = {0};
    int rc = durable_write(store->dirfd, "state", buf_span(&bytes), STORE_FILE_MODE, true, &why);
    if (rc != 0 && store_reserve_use(store, &why))
        rc = durable_write(store->dirfd, "state", buf_span(&bytes), STORE_FILE_MODE, true, &why);
    os_mutex_unlock(&store->save);
    buf_done(&bytes);
    store_state_done(&state);
    if (rc != 0 && err != NULL)
        *err = why;
    return rc;
}
