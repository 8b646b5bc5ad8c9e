#pragma once
/* base/span -- borrowed bytes, growing buffers, bounded decoding.
 *
 * Integers in every format of ours are big-endian with explicit width; `varint` is LEB128, at most
 * ten bytes, shortest form only. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed, never owned. */
struct span {
    const uint8_t *p;
    size_t n;
};

static inline struct span span_of(const void *p, size_t n) {
    return (struct span){.p = p, .n = n};
}
static inline struct span span_text(const char *s) {
    return (struct span){.p = (const uint8_t *)s, .n = strlen(s)};
}
static inline bool span_equal(struct span a, struct span b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
/* Byte order; a prefix sorts first.  <0, 0, >0. */
int span_compare(struct span a, struct span b);

/* Owned, growing.  `n` bytes used of `cap`. */
#define BUF_BYTES_MAX ((size_t)1 << 40)
struct buf {
    uint8_t *p;
    size_t n;
    size_t cap;
};

void buf_done(struct buf *buf);                    /* free the bytes; usable again */
void buf_reserve(struct buf *buf, size_t more);    /* room for `more` bytes after n */
uint8_t *buf_extend(struct buf *buf, size_t more); /* n += more; pointer to the new bytes */
void buf_put(struct buf *buf, const void *p, size_t n);
void buf_put_span(struct buf *buf, struct span s);
void buf_put_u8(struct buf *buf, uint8_t v);
void buf_put_u16(struct buf *buf, uint16_t v);
void buf_put_u32(struct buf *buf, uint32_t v);
void buf_put_u64(struct buf *buf, uint64_t v);
void buf_put_varint(struct buf *buf, uint64_t v);
void buf_put_lstr(struct buf *buf, struct span s); /* varint length, bytes */
static inline void buf_clear(struct buf *buf) {
    buf->n = 0;
}
static inline struct span buf_span(const struct buf *buf) {
    return (struct span){.p = buf->p, .n = buf->n};
}

static inline void be16_put(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void be32_put(uint8_t *p, uint32_t v) {
    be16_put(p, (uint16_t)(v >> 16));
    be16_put(p + 2, (uint16_t)v);
}
static inline void be64_put(uint8_t *p, uint64_t v) {
    be32_put(p, (uint32_t)(v >> 32));
    be32_put(p + 4, (uint32_t)v);
}
static inline uint16_t be16_get(const uint8_t *p) {
    return (uint16_t)((uint32_t)p[0] << 8 | p[1]);
}
static inline uint32_t be32_get(const uint8_t *p) {
    return (uint32_t)be16_get(p) << 16 | be16_get(p + 2);
}
static inline uint64_t be64_get(const uint8_t *p) {
    return (uint64_t)be32_get(p) << 32 | be32_get(p + 4);
}

/* A decoder over bytes from outside.  After the first read past the end, or the first non-canonical
 * varint, `bad` stays set and every read gives zero: decode a whole record, then ask once. */
struct cursor {
    const uint8_t *p;
    const uint8_t *end;
    bool bad;
};

static inline struct cursor cursor_of(struct span s) {
    return (struct cursor){.p = s.p, .end = s.p + s.n, .bad = false};
}
static inline size_t cursor_left(const struct cursor *c) {
    return (size_t)(c->end - c->p);
}
/* Everything was read and nothing was bad. */
static inline bool cursor_ended(const struct cursor *c) {
    return !c->bad && c->p == c->end;
}
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
uint64_t cursor_varint(struct cursor *c);
struct span cursor_bytes(struct cursor *c, size_t n);
/* varint length, bytes; longer than `max` is bad. */
struct span cursor_lstr(struct cursor *c, size_t max);
void cursor_copy(struct cursor *c, void *to, size_t n);
