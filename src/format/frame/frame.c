#include "format/frame/frame.h"

/* Bodies are concatenated fields; every kind has a put and a get with the same shape, so that the
 * field lists of message.def expand to straight-line code. */
static void put_u8(struct buf *out, uint8_t v) {
    buf_put_u8(out, v);
}
static void put_u16(struct buf *out, uint16_t v) {
    buf_put_u16(out, v);
}
static void put_u32(struct buf *out, uint32_t v) {
    buf_put_u32(out, v);
}
static void put_u64(struct buf *out, uint64_t v) {
    buf_put_u64(out, v);
}
static void put_i64(struct buf *out, int64_t v) {
    buf_put_u64(out, (uint64_t)v);
}
static void put_id(struct buf *out, const uint8_t v[16]) {
    buf_put(out, v, 16);
}
static void put_name(struct buf *out, struct digest v) {
    buf_put(out, v.b, sizeof v.b);
}
static void put_signature(struct buf *out, const uint8_t v[64]) {
    buf_put(out, v, 64);
}

static void put_text(struct buf *out, struct span v) {
    buf_put_u16(out, (uint16_t)v.n);
    buf_put_span(out, v);
}

static void put_bytes(struct buf *out, struct span v) {
    buf_put_u32(out, (uint32_t)v.n);
    buf_put_span(out, v);
}

#define GET_INTEGER(kind, type, read)                                                              \
    static void get_##kind(struct cursor *c, size_t max, type *v) {                                \
        (void)max;                                                                                 \
        *v = (type)read(c);                                                                        \
    }
GET_INTEGER(u8, uint8_t, cursor_u8)
GET_INTEGER(u16, uint16_t, cursor_u16)
GET_INTEGER(u32, uint32_t, cursor_u32)
GET_INTEGER(u64, uint64_t, cursor_u64)
GET_INTEGER(i64, int64_t, cursor_u64)

static void get_id(struct cursor *c, size_t max, uint8_t (*v)[16]) {
    (void)max;
    cursor_copy(c, *v, 16);
}

static void get_name(struct cursor *c, size_t max, struct digest *v) {
    (void)max;
    cursor_copy(c, v->b, sizeof v->b);
}

static void get_signature(struct cursor *c, size_t max, uint8_t (*v)[64]) {
    (void)max;
    cursor_copy(c, *v, 64);
}

static void get_bytes(struct cursor *c, size_t max, struct span *v) {
    uint32_t n = cursor_u32(c);
    if (n > max)
        c->bad = true;
    *v = c->bad ? span_of(NULL, 0) : cursor_bytes(c, n);
}

static void get_text(struct cursor *c, size_t max, struct span *v) {
    uint16_t n = cursor_u16(c);
    if (n > max)
        c->bad = true;
    *v = c->bad ? span_of(NULL, 0) : cursor_bytes(c, n);
    if (v->n > 0 && memchr(v->p, 0, v->n) != NULL)
        c->bad = true;
}

#define BOUND_u8(field, max)
#define BOUND_u16(field, max)
#define BOUND_u32(field, max)
#define BOUND_u64(field, max)
#define BOUND_i64(field, max)
#define BOUND_id(field, max)
#define BOUND_name(field, max)
#define BOUND_signature(field, max)
#define BOUND_text(field, max) INVARIANT(message->field.n <= (max));
#define BOUND_bytes(field, max) INVARIANT(message->field.n <= (max));

#define PUT_FIELD(kind, field, max) BOUND_##kind(field, max) put_##kind(out, message->field);
#define GET_FIELD(kind, field, max) get_##kind(&c, (max), &out->field);

#define DEFINE(name_, number, sender, states)                                                      \
    void msg_##name_##_put(struct buf *out, const struct msg_##name_ *message) {                   \
        FIELDS_##name_(PUT_FIELD)                                                                  \
    }                                                                                              \
    int msg_##name_##_get(struct span body, struct msg_##name_ *out, struct err *err) {            \
        struct cursor c = cursor_of(body);                                                         \
        FIELDS_##name_(GET_FIELD) return cursor_ended(&c)                                          \
            ? 0                                                                                    \
            : ERR(err, ERR_PROTOCOL, "malformed %s message", #name_);                              \
    }
FRAME_MESSAGES(DEFINE)

static const struct row {
    enum frame_type type;
    enum frame_role sender;
    unsigned states;
    const char *name;
} rows[] = {
#define ROW(name_, number, sender_, states_)                                                       \
    {.type = FRAME_TYPE_##name_, .sender = FRAME_##sender_, .states = (states_), .name = #name_},
    FRAME_MESSAGES(ROW)};

static const struct row *row_of(unsigned type) {
    for (size_t i = 0; i < ARRAY_N(rows); i++)
        if ((unsigned)rows[i].type == type)
            return &rows[i];
    return NULL;
}

const char *frame_type_name(enum frame_type type) {
    const struct row *row = row_of(type);
    return row != NULL ? row->name : "unknown";
}

bool frame_permitted(enum frame_type type, enum frame_role sender, enum frame_state state) {
    const struct row *row = row_of(type);
    return row != NULL && ((unsigned)row->sender & (unsigned)sender) != 0 &&
           (row->states & (unsigned)state) != 0;
}

void frame_header_put(uint8_t to[static FRAME_HEADER_BYTES], enum frame_type type,
                      size_t body_bytes) {
    INVARIANT(body_bytes <= FRAME_BYTES_MAX);
    be32_put(to, (uint32_t)body_bytes);
    be16_put(to + 4, (uint16_t)type);
    be16_put(to + 6, 0);
}

int frame_header_get(const uint8_t from[static FRAME_HEADER_BYTES], enum frame_type *type,
                     size_t *body_bytes, struct err *err) {
    uint32_t n = be32_get(from);
    const struct row *row = row_of(be16_get(from + 4));
    if (row == NULL)
        return ERR(err, ERR_PROTOCOL, "message number %u is unknown", (unsigned)be16_get(from + 4));
    if (n > FRAME_BYTES_MAX)
        return ERR(err, ERR_PROTOCOL, "%s message of %u bytes, at most %u", row->name, n,
                   FRAME_BYTES_MAX);
    if (be16_get(from + 6) != 0)
        return ERR(err, ERR_PROTOCOL, "reserved bits set in the header of %s", row->name);
    *type = row->type;
    *body_bytes = n;
    return 0;
}

bool frame_text(char *to, size_t size, struct span text) {
    if (text.n >= size)
        return false;
    if (text.n > 0)
        memcpy(to, text.p, text.n);
    to[text.n] = 0;
    return true;
}
