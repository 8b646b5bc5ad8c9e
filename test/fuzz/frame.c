/* A header and a body of any bytes: refused, or decoded to a message whose encoding is those very
 * bytes. */
#include "format/frame/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(struct span body, struct buf *again) {
    INVARIANT(span_equal(buf_span(again), body));
    buf_done(again);
}

#define CASE(name, number, sender, states)                                                         \
    case FRAME_TYPE_##name: {                                                                      \
        struct msg_##name message;                                                                 \
        struct buf again = {0};                                                                    \
        if (msg_##name##_get(body, &message, &err) != 0)                                           \
            INVARIANT(err.code == ERR_PROTOCOL);                                                   \
        else {                                                                                     \
            msg_##name##_put(&again, &message);                                                    \
            check_again(body, &again);                                                             \
        }                                                                                          \
        break;                                                                                     \
    }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum frame_type type;
    size_t n;
    struct err err = {0};
    if (size < FRAME_HEADER_BYTES)
        return 0;
    if (frame_header_get(data, &type, &n, &err) != 0) {
        INVARIANT(err.code == ERR_PROTOCOL);
        return 0;
    }
    struct span body = span_of(data + FRAME_HEADER_BYTES, size - FRAME_HEADER_BYTES);
    switch (type) {
        FRAME_MESSAGES(CASE)
    case FRAME_TYPE_none:
        break;
    }
    return 0;
}
