/* src/format/frame/frame.c */
#include "format/frame/frame.h"
#include "base/text.h"
#include "golden.h"
#include "unit.h"

/* Every field of every message gets a value that depends on where it stands. */
static uint8_t filling[64];
static unsigned next;

static void begin(void) {
    for (size_t i = 0; i < sizeof filling; i++)
        filling[i] = (uint8_t)('a' + i % 26);
    next = 1;
}

#define FILL_u8(field, max) message.field = (uint8_t)next++;
#define FILL_u16(field, max) message.field = (uint16_t)(0x100u * next++);
#define FILL_u32(field, max) message.field = 0x10000u * next++;
#define FILL_u64(field, max) message.field = 0x100000000u * next++;
#define FILL_i64(field, max) message.field = -(int64_t)next++;
#define FILL_id(field, max) memset(message.field, (int)next++, sizeof message.field);
#define FILL_name(field, max) memset(message.field.b, (int)next++, sizeof message.field.b);
#define FILL_signature(field, max) memset(message.field, (int)next++, sizeof message.field);
#define FILL_text(field, max) message.field = span_of(filling, next++ % 32);
#define FILL_bytes(field, max) message.field = span_of(filling, next++ % 32);
#define FILL(kind, field, max) FILL_##kind(field, max)

static void put_frame(struct buf *out, enum frame_type type, struct span body) {
    frame_header_put(buf_extend(out, FRAME_HEADER_BYTES), type, body.n);
    buf_put_span(out, body);
}

#define PUT_ONE(name, number, sender, states)                                                      \
    {                                                                                              \
        struct msg_##name message = {0};                                                           \
        struct buf body = {0};                                                                     \
        begin();                                                                                   \
        FIELDS_##name(FILL) msg_##name##_put(&body, &message);                                     \
        put_frame(out, FRAME_TYPE_##name, buf_span(&body));                                        \
        buf_done(&body);                                                                           \
    }

static void put_all(struct buf *out) {
    FRAME_MESSAGES(PUT_ONE)
}

/* Written by version 1 with every message in order: what travels must not change under a version's
 * number. */
static void messages_are_encoded_as_in_version_1(void **state) {
    (void)state;
    struct buf now = {0};
    put_all(&now);
    golden_equal("frame/v1.frames", buf_span(&now));
    buf_done(&now);
}

#define CHECK_ONE(name, number, sender, states)                                                    \
    {                                                                                              \
        struct msg_##name message = {0}, again;                                                    \
        struct buf body = {0}, twice = {0};                                                        \
        struct err err;                                                                            \
        begin();                                                                                   \
        FIELDS_##name(FILL) msg_##name##_put(&body, &message);                                     \
        assert_int_equal(msg_##name##_get(buf_span(&body), &again, &err), 0);                      \
        msg_##name##_put(&twice, &again);                                                          \
        assert_true(span_equal(buf_span(&body), buf_span(&twice)));                                \
        for (size_t n = 0; n < body.n; n++)                                                        \
            assert_int_equal(msg_##name##_get(span_of(body.p, n), &again, &err), -1);              \
        buf_put_u8(&body, 0);                                                                      \
        assert_int_equal(msg_##name##_get(buf_span(&body), &again, &err), -1);                     \
        assert_int_equal(err.code, ERR_PROTOCOL);                                                  \
        buf_done(&body);                                                                           \
        buf_done(&twice);                                                                          \
    }

static void every_message_survives_and_every_cut_is_refused(void **state) {
    (void)state;
    FRAME_MESSAGES(CHECK_ONE)
}

static void headers_are_bounded(void **state) {
    (void)state;
    uint8_t header[FRAME_HEADER_BYTES];
    enum frame_type type;
    size_t n;
    struct err err;
    frame_header_put(header, FRAME_TYPE_segment, FRAME_BYTES_MAX);
    assert_int_equal(frame_header_get(header, &type, &n, &err), 0);
    assert_int_equal(type, FRAME_TYPE_segment);
    assert_int_equal(n, FRAME_BYTES_MAX);
    be32_put(header, FRAME_BYTES_MAX + 1);
    assert_int_equal(frame_header_get(header, &type, &n, &err), -1);
    frame_header_put(header, FRAME_TYPE_hello, 5);
    header[7] = 1;
    assert_int_equal(frame_header_get(header, &type, &n, &err), -1);
    frame_header_put(header, FRAME_TYPE_hello, 5);
    be16_put(header + 4, 999);
    assert_int_equal(frame_header_get(header, &type, &n, &err), -1);
    assert_int_equal(err.code, ERR_PROTOCOL);
}

static void texts_and_bytes_are_bounded_at_their_limit(void **state) {
    (void)state;
    struct buf body = {0};
    struct msg_refuse refuse;
    struct err err;
    uint8_t *text = mem_new(65);
    memset(text, 'x', 65);
    msg_refuse_put(&body,
                   &(struct msg_refuse){.symbol = span_of(text, 64), .message = span_of(text, 0)});
    assert_int_equal(msg_refuse_get(buf_span(&body), &refuse, &err), 0);
    buf_clear(&body);
    buf_put_u16(&body, 65);
    buf_put(&body, text, 65);
    buf_put_u16(&body, 0);
    assert_int_equal(msg_refuse_get(buf_span(&body), &refuse, &err), -1);
    buf_clear(&body);
    buf_put_u16(&body, 3);
    buf_put(&body, "a\0b", 3);
    buf_put_u16(&body, 0);
    assert_int_equal(msg_refuse_get(buf_span(&body), &refuse, &err), -1);
    buf_done(&body);
    mem_free(text);
}

/* The table of who may say what when, whole: default deny. */
static void only_declared_messages_are_permitted(void **state) {
    (void)state;
    static const enum frame_state states[] = {FRAME_OPENING, FRAME_CONTROL, FRAME_ATTACHED,
                                              FRAME_BACKUP, FRAME_RESTORE};
    unsigned allowed = 0;
    for (unsigned number = 0; number < 256; number++)
        for (size_t s = 0; s < ARRAY_N(states); s++) {
            allowed += frame_permitted((enum frame_type)number, FRAME_AGENT, states[s]);
            allowed += frame_permitted((enum frame_type)number, FRAME_SERVER, states[s]);
        }
    assert_int_equal(allowed, 47); /* a new message changes it on purpose */
    assert_false(frame_permitted(FRAME_TYPE_segment, FRAME_SERVER, FRAME_BACKUP));
    assert_false(frame_permitted(FRAME_TYPE_segment, FRAME_AGENT, FRAME_OPENING));
    assert_false(frame_permitted(FRAME_TYPE_order_backup, FRAME_AGENT, FRAME_CONTROL));
    assert_false(frame_permitted(FRAME_TYPE_pick, FRAME_AGENT, FRAME_RESTORE));
    assert_true(frame_permitted(FRAME_TYPE_pick, FRAME_SERVER, FRAME_RESTORE));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_encoded_as_in_version_1),
        cmocka_unit_test(every_message_survives_and_every_cut_is_refused),
        cmocka_unit_test(headers_are_bounded),
        cmocka_unit_test(texts_and_bytes_are_bounded_at_their_limit),
        cmocka_unit_test(only_declared_messages_are_permitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
