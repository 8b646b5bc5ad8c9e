#pragma once
/* format/frame -- what travels between server and agent.
 * Owns: the frame header, the messages of message.def and their codecs, who may send what when.
 * Knows nothing of: sockets, TLS, keys, the store.
 * Threads: pure functions.
 * Lifetime: text and bytes of a decoded message borrow the frame.
 * Limits: FRAME_BYTES_MAX; every list and text has its bound in message.def.
 *
 * A frame is an 8-byte header (u32 body length, u16 message number, u16 zero) and the body:
 * docs/format/frame.md. */
#include "base/base.h"
#include "format/chunk/chunk.h"
#include "format/frame/message.def"

#define FRAME_HEADER_BYTES 8u
#define FRAME_BYTES_MAX (384u * 1024)     /* body */
#define FRAME_CRL_BYTES_MAX 262144u       /* crl.pem, as message.def says */
#define FRAME_SELECTION_BYTES_MAX 262144u /* begin_restore.selection */
#define FRAME_NAMES_MAX 1024u             /* chunk names in one `have` */
#define FRAME_PICKS_MAX 4096u
#define FRAME_VERSION 1u

/* Where a conversation stands.  Control connection: OPENING, CONTROL.  Data: OPENING, ATTACHED,
 * BACKUP or RESTORE. */
enum frame_state {
    FRAME_OPENING = 1,
    FRAME_CONTROL = 2,
    FRAME_ATTACHED = 4,
    FRAME_BACKUP = 8,
    FRAME_RESTORE = 16,
    FRAME_ANY = 31,
};
enum frame_role { FRAME_SERVER = 1, FRAME_AGENT = 2, FRAME_BOTH = 3 };

#define FRAME_ENUM_(name, number, sender, states) FRAME_TYPE_##name = (number),
enum frame_type { FRAME_TYPE_none = 0, FRAME_MESSAGES(FRAME_ENUM_) };

/* The fields' C types. */
#define FRAME_FIELD_u8(field) uint8_t field;
#define FRAME_FIELD_u16(field) uint16_t field;
#define FRAME_FIELD_u32(field) uint32_t field;
#define FRAME_FIELD_u64(field) uint64_t field;
#define FRAME_FIELD_i64(field) int64_t field;
#define FRAME_FIELD_id(field) uint8_t field[16];
#define FRAME_FIELD_name(field) struct digest field;
#define FRAME_FIELD_signature(field) uint8_t field[64];
#define FRAME_FIELD_text(field) struct span field;
#define FRAME_FIELD_bytes(field) struct span field;
#define FRAME_FIELD_(kind, field, max) FRAME_FIELD_##kind(field)

/* struct msg_NAME; msg_NAME_put appends the body; msg_NAME_get decodes a whole body (ERR_PROTOCOL).
 */
#define FRAME_DECLARE_(name, number, sender, states)                                               \
    struct msg_##name {                                                                            \
        FIELDS_##name(FRAME_FIELD_)                                                                \
    };                                                                                             \
    void msg_##name##_put(struct buf *out, const struct msg_##name *message);                      \
    [[nodiscard]] int msg_##name##_get(struct span body, struct msg_##name *out, struct err *err);
FRAME_MESSAGES(FRAME_DECLARE_)

/* "order_backup"; "unknown" for a number that is no message. */
const char *frame_type_name(enum frame_type type);
/* May `sender` send `type` in `state`?  Everything not declared is refused. */
bool frame_permitted(enum frame_type type, enum frame_role sender, enum frame_state state);

void frame_header_put(uint8_t to[static FRAME_HEADER_BYTES], enum frame_type type,
                      size_t body_bytes);
/* ERR_PROTOCOL: too long, unknown number, reserved bits set. */
[[nodiscard]] int frame_header_get(const uint8_t from[static FRAME_HEADER_BYTES],
                                   enum frame_type *type, size_t *body_bytes, struct err *err);

/* Read one message of the fields of `text` kind into a C string; false when it does not fit. */
bool frame_text(char *to, size_t size, struct span text);
