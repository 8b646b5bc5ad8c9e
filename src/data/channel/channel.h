#pragma once
/* data/channel -- frames over a TLS stream, bounded and flow-controlled.
 * Owns: framing, time-outs, the permitted-by-state check on every frame received, byte counts.
 * Knows nothing of: what a job is, the store, files.
 * Threads: one thread receives; any thread sends (whole frames are never mixed).
 * Lifetime: a received frame's body belongs to the channel until the next receive.
 * Limits: FRAME_BYTES_MAX, CHANNEL_IDLE_MS. */
#include "base/base.h"
#include "crypto/tls.h"
#include "format/frame/frame.h"

#define CHANNEL_IDLE_MS                                                                            \
    120000u /* a peer that is silent for longer is gone; keep-alive every third of it */

struct channel;
/* Takes *tls.  `role` is ours; it and the state decide which frames the peer may send. */
struct channel *channel_new(struct tls **tls, enum frame_role role);
void channel_free(struct channel *channel);
static inline void channel_auto(struct channel **p) {
    channel_free(*p);
}

/* Move to a state of the conversation: decides what is permitted from now on. */
void channel_state(struct channel *channel, enum frame_state state);
/* Send one frame: header, body, and (for bulk) a second span that follows the body without copying.
 */
[[nodiscard]] int channel_send(struct channel *channel, enum frame_type type, struct span body,
                               struct span tail, struct err *err);
/* Next frame; keep-alives are handled inside.  *type = 0: the peer closed in an orderly way.
 * ERR_PROTOCOL: not permitted now, too long, malformed header. */
[[nodiscard]] int channel_receive(struct channel *channel, enum frame_type *type, struct span *body,
                                  struct err *err);
/* Tell the peer why and close: it sees the error as its own. */
void channel_refuse(struct channel *channel, const struct err *why);
void channel_cancel(struct channel *channel); /* from another thread: sends and receives fail with
                                                 ERR_INTERRUPTED */
uint64_t channel_sent_bytes(const struct channel *channel);
uint64_t channel_received_bytes(const struct channel *channel);
struct tls *channel_tls(struct channel *channel);
