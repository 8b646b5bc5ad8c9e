#pragma once
/* data/channel -- frames over a TLS stream, bounded and flow-controlled.
 * Owns: framing, time-outs, keep-alive, the permitted-by-state check on every frame received,
 *   byte counts.
 * Knows nothing of: what a job is, the store, files.
 * Threads: one thread receives; any thread sends (whole frames are never mixed).
 * Lifetime: a received frame's body belongs to the channel until the next receive.
 * Limits: FRAME_BYTES_MAX, CHANNEL_IDLE_MS. */
#include "base/base.h"
#include "crypto/tls.h"
#include "format/frame/frame.h"

#define CHANNEL_IDLE_MS 120000u   /* a peer that is silent for longer is gone */
#define CHANNEL_ALIVE_MS 20000u   /* what a waiting side sends keep_alive after */
#define CHANNEL_OPENING_MS 10000u /* first frame of a connection */

struct channel;
/* Takes *tls.  `role` is ours; it and the state decide which frames the peer may send. */
struct channel *channel_new(struct tls **tls, enum frame_role role);
void channel_free(struct channel *channel);
static inline void channel_auto(struct channel **p) {
    channel_free(*p);
}

/* Move to a state of the conversation: decides what is permitted from now on (both directions are
 * checked). */
void channel_state(struct channel *channel, enum frame_state state);

/* Send keep_alive from now on whenever nothing else was sent for CHANNEL_ALIVE_MS. */
[[nodiscard]] int channel_keep_alive(struct channel *channel, struct err *err);

/* Send one frame: header, body, and (for bulk) a second span that follows without being copied.
 * ERR_UNREACHABLE, ERR_TIMEOUT, ERR_INTERRUPTED. */
[[nodiscard]] int channel_send(struct channel *channel, enum frame_type type, struct span body,
                               struct span tail, struct err *err);
/* Encode and send: CHANNEL_SEND(channel, hello, err, .version = 1, .name = x). */
#define CHANNEL_SEND(channel, name_, err, ...)                                                     \
    __extension__({                                                                                \
        struct buf body_ = {0};                                                                    \
        msg_##name_##_put(&body_, &(struct msg_##name_){__VA_ARGS__});                             \
        int rc_ = channel_send((channel), FRAME_TYPE_##name_, buf_span(&body_), span_of(NULL, 0),  \
                               (err));                                                             \
        buf_done(&body_);                                                                          \
        rc_;                                                                                       \
    })

/* Next frame; keep-alives are swallowed.  *type = FRAME_TYPE_none: the peer closed between frames.
 * A `refuse` frame becomes the error it carries (ERR_PEER when its symbol is unknown here).
 * ERR_PROTOCOL: not permitted now, too long, malformed header.  ERR_TIMEOUT: silence for
 * timeout_ms. */
[[nodiscard]] int channel_receive(struct channel *channel, enum frame_type *type, struct span *body,
                                  uint32_t timeout_ms, struct err *err);
/* Receive exactly this type. */
[[nodiscard]] int channel_expect(struct channel *channel, enum frame_type type, struct span *body,
                                 uint32_t timeout_ms, struct err *err);
/* Tell the peer why; the caller frees the channel next. */
void channel_refuse(struct channel *channel, const struct err *why);
/* From another thread: receiving fails with ERR_INTERRUPTED soon and from now on; sending goes on,
 * so that the receiving thread can say why (channel_refuse). */
void channel_stop_receiving(struct channel *channel);
/* From another thread: sends and receives fail with ERR_INTERRUPTED from now on. */
void channel_cancel(struct channel *channel);
/* The peer closed, or the connection broke; asked without reading. */
bool channel_gone(const struct channel *channel);
uint64_t channel_sent_bytes(const struct channel *channel);
uint64_t channel_received_bytes(const struct channel *channel);
