#include "base/span.h"

#include "base/base.h"

int span_compare(struct span a, struct span b) {
    size_t n = MIN(a.n, b.n);
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;
    if (order != 0)
        return order;
    return (a.n > b.n) - (a.n < b.n);
}

void buf_done(struct buf *buf) {
    mem_free(buf->p);
    *buf = (struct buf){0};
}

void buf_reserve(struct buf *buf, size_t more) {
    INVARIANT(more <= BUF_BYTES_MAX && buf->n <= BUF_BYTES_MAX);
    size_t need = buf->n + more;
    if (need <= buf->cap)
        return;
    size_t cap = buf->cap < 64 ? 64 : buf->cap;
    while (cap < need)
        cap += cap / 2;
    buf->p = mem_resize(buf->p, cap);
    buf->cap = cap;
}

uint8_t *buf_extend(struct buf *buf, size_t more) {
    buf_reserve(buf, more > 0 ? more : 1); /* p is never NULL afterwards */
    uint8_t *p = buf->p + buf->n;
    buf->n += more;
    return p;
}

void buf_put(struct buf *buf, const void *p, size_t n) {
    if (n > 0)
        memcpy(buf_extend(buf, n), p, n);
}

void buf_put_span(struct buf *buf, struct span s) {
    buf_put(buf, s.p, s.n);
}
void buf_put_u8(struct buf *buf, uint8_t v) {
    *buf_extend(buf, 1) = v;
}
void buf_put_u16(struct buf *buf, uint16_t v) {
    be16_put(buf_extend(buf, 2), v);
}
void buf_put_u32(struct buf *buf, uint32_t v) {
    be32_put(buf_extend(buf, 4), v);
}
void buf_put_u64(struct buf *buf, uint64_t v) {
    be64_put(buf_extend(buf, 8), v);
}

void buf_put_varint(struct buf *buf, uint64_t v) {
    buf_reserve(buf, 10);
    while (v >= 0x80) {
        buf->p[buf->n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    buf->p[buf->n++] = (uint8_t)v;
}

void buf_put_lstr(struct buf *buf, struct span s) {
    buf_put_varint(buf, s.n);
    buf_put_span(buf, s);
}

static const uint8_t *take(struct cursor *c, size_t n) {
    if (c->bad || n > cursor_left(c)) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += n;
    return p;
}

uint8_t cursor_u8(struct cursor *c) {
    const uint8_t *p = take(c, 1);
    return p != NULL ? *p : 0;
}

uint16_t cursor_u16(struct cursor *c) {
    const uint8_t *p = take(c, 2);
    return p != NULL ? be16_get(p) : 0;
}

uint32_t cursor_u32(struct cursor *c) {
    const uint8_t *p = take(c, 4);
    return p != NULL ? be32_get(p) : 0;
}

uint64_t cursor_u64(struct cursor *c) {
    const uint8_t *p = take(c, 8);
    return p != NULL ? be64_get(p) : 0;
}

uint64_t cursor_varint(struct cursor *c) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = cursor_u8(c);
        if (shift == 63 && b > 1)
            break;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            if (b == 0 && shift > 0)
                break; /* a longer form of a smaller number */
            return c->bad ? 0 : v;
        }
    }
    c->bad = true;
    return 0;
}

struct span cursor_bytes(struct cursor *c, size_t n) {
    const uint8_t *p = take(c, n);
    return p != NULL ? span_of(p, n) : span_of(NULL, 0);
}

struct span cursor_lstr(struct cursor *c, size_t max) {
    uint64_t n = cursor_varint(c);
    if (n > max) {
        c->bad = true;
        return span_of(NULL, 0);
    }
    return cursor_bytes(c, (size_t)n);
}

void cursor_copy(struct cursor *c, void *to, size_t n) {
    const uint8_t *p = take(c, n);
    if (p != NULL)
        memcpy(to, p, n);
    else
        memset(to, 0, n);
}
