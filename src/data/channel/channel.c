#include "data/channel/channel.h"

#include <stdatomic.h>

#include "base/text.h"
#include "os/clock.h"
#include "os/thread.h"

struct channel {
    struct tls *tls;
    enum frame_role role;
    _Atomic unsigned state;
    _Atomic bool cancelled, stopped_receiving;
    _Atomic bool refused; /* either side said why it gives up: nothing more to say */
    _Atomic uint64_t sent_bytes, received_bytes;
    struct os_mutex sending; /* whole frames: header and body are not mixed with another thread's */
    struct buf in;           /* body of the frame being received */

    struct os_thread ticker;
    struct os_mutex mutex; /* guards stop */
    struct os_cond changed;
    bool stop;
};

struct channel *channel_new(struct tls **tls, enum frame_role role) {
    struct channel *channel = mem_new(sizeof *channel);
    channel->tls = TAKE(*tls);
    channel->role = role;
    atomic_store(&channel->state, (unsigned)FRAME_OPENING);
    os_mutex_init(&channel->sending);
    os_mutex_init(&channel->mutex);
    os_cond_init(&channel->changed);
    return channel;
}

void channel_free(struct channel *channel) {
    if (channel == NULL)
        return;
    os_mutex_lock(&channel->mutex);
    channel->stop = true;
    os_cond_broadcast(&channel->changed);
    os_mutex_unlock(&channel->mutex);
    os_thread_join(&channel->ticker);
    tls_close(channel->tls);
    os_cond_done(&channel->changed);
    os_mutex_done(&channel->mutex);
    os_mutex_done(&channel->sending);
    buf_done(&channel->in);
    mem_free(channel);
}

void channel_state(struct channel *channel, enum frame_state state) {
    atomic_store(&channel->state, (unsigned)state);
}

static int interrupted(struct channel *channel, struct err *err) {
    if (atomic_load(&channel->cancelled))
        return ERR(err, ERR_INTERRUPTED, "connection was cancelled");
    return -1;
}

/* Frames of a few KiB go out in one TLS record: header, body and tail are joined first. */
#define JOIN_BYTES_MAX 12288u

int channel_send(struct channel *channel, enum frame_type type, struct span body, struct span tail,
                 struct err *err) {
    INVARIANT(frame_permitted(type, channel->role, (enum frame_state)atomic_load(&channel->state)));
    uint8_t joined[FRAME_HEADER_BYTES + JOIN_BYTES_MAX];
    size_t total = body.n + tail.n;
    frame_header_put(joined, type, total);
    size_t head = FRAME_HEADER_BYTES;
    struct span rest[2] = {body, tail};
    for (size_t i = 0; i < ARRAY_N(rest); i++)
        if (rest[i].n > 0 && head + rest[i].n <= sizeof joined) {
            memcpy(joined + head, rest[i].p, rest[i].n);
            head += rest[i].n;
            rest[i].n = 0;
        } else if (rest[i].n > 0) {
            break; /* what follows must not overtake it */
        }
    os_mutex_lock(&channel->sending);
    int rc = tls_write(channel->tls, joined, head, CHANNEL_IDLE_MS, err);
    for (size_t i = 0; i < ARRAY_N(rest) && rc == 0; i++)
        if (rest[i].n > 0)
            rc = tls_write(channel->tls, rest[i].p, rest[i].n, CHANNEL_IDLE_MS, err);
    os_mutex_unlock(&channel->sending);
    if (rc != 0)
        return interrupted(channel, err);
    atomic_fetch_add(&channel->sent_bytes, FRAME_HEADER_BYTES + total);
    return 0;
}

static void tick_main(void *arg) {
    struct channel *channel = arg;
    uint64_t sent = atomic_load(&channel->sent_bytes);
    os_mutex_lock(&channel->mutex);
    while (!channel->stop) {
        if (os_cond_wait_ms(&channel->changed, &channel->mutex, CHANNEL_ALIVE_MS))
            continue;
        os_mutex_unlock(&channel->mutex);
        if (sent == atomic_load(&channel->sent_bytes))
            (void)CHANNEL_SEND(channel, keep_alive, NULL,
                               .reserved = 0); /* a broken stream shows elsewhere */
        sent = atomic_load(&channel->sent_bytes);
        os_mutex_lock(&channel->mutex);
    }
    os_mutex_unlock(&channel->mutex);
}

int channel_keep_alive(struct channel *channel, struct err *err) {
    return os_thread_start(&channel->ticker, "keep-alive", tick_main, channel, err);
}

static int peer_gave_up(struct span body, struct err *err) {
    struct msg_refuse refuse;
    if (msg_refuse_get(body, &refuse, err) != 0)
        return -1;
    char symbol[65];
    SCOPED(buf) message = {0};
    (void)frame_text(symbol, sizeof symbol, refuse.symbol);
    text_escape(&message, refuse.message); /* it goes to logs and terminals */
    const struct err_info *info = err_info_by_symbol(symbol);
    return ERR(err, info != NULL ? info->code : ERR_PEER, "peer: %s", buf_text(&message));
}

#define LOOK_UP_MS 250u /* how long a wait goes on after channel_stop_receiving */

/* Some bytes, none when the peer closed. */
static int read_first(struct channel *channel, void *to, size_t n, size_t *got, uint32_t timeout_ms,
                      struct err *err) {
    struct err why;
    do {
        uint32_t part_ms = MIN(timeout_ms, LOOK_UP_MS);
        if (atomic_load(&channel->stopped_receiving))
            return ERR(err, ERR_INTERRUPTED, "nothing more is received");
        if (tls_read_some(channel->tls, to, n, got, part_ms, &why) == 0)
            return 0;
        timeout_ms -= part_ms;
    } while (why.code == ERR_TIMEOUT && timeout_ms > 0);
    if (err != NULL)
        *err = why;
    return interrupted(channel, err);
}

/* First byte may never come: an orderly end.  Everything after it must. */
static int read_header(struct channel *channel, uint8_t header[static FRAME_HEADER_BYTES],
                       bool *closed, uint32_t timeout_ms, struct err *err) {
    size_t got = 0;
    *closed = false;
    if (read_first(channel, header, FRAME_HEADER_BYTES, &got, timeout_ms, err) != 0)
        return -1;
    if (got == 0) {
        *closed = true;
        return 0;
    }
    if (got < FRAME_HEADER_BYTES &&
        tls_read(channel->tls, header + got, FRAME_HEADER_BYTES - got, timeout_ms, err) != 0)
        return interrupted(channel, err);
    return 0;
}

int channel_receive(struct channel *channel, enum frame_type *type, struct span *body,
                    uint32_t timeout_ms, struct err *err) {
    for (;;) {
        uint8_t header[FRAME_HEADER_BYTES];
        size_t n = 0;
        bool closed;
        *type = FRAME_TYPE_none;
        if (read_header(channel, header, &closed, timeout_ms, err) != 0)
            return -1;
        if (closed)
            return 0;
        if (frame_header_get(header, type, &n, err) != 0)
            return -1;
        enum frame_role peer = channel->role == FRAME_SERVER ? FRAME_AGENT : FRAME_SERVER;
        enum frame_state state = (enum frame_state)atomic_load(&channel->state);
        if (!frame_permitted(*type, peer, state))
            return ERR(err, ERR_PROTOCOL, "%s is not permitted now", frame_type_name(*type));
        buf_clear(&channel->in);
        if (n > 0 &&
            tls_read(channel->tls, buf_extend(&channel->in, n), n, CHANNEL_IDLE_MS, err) != 0)
            return interrupted(channel, err);
        atomic_fetch_add(&channel->received_bytes, FRAME_HEADER_BYTES + n);
        *body = buf_span(&channel->in);
        if (*type == FRAME_TYPE_refuse) {
            atomic_store(&channel->refused, true);
            return peer_gave_up(*body, err);
        }
        if (*type != FRAME_TYPE_keep_alive)
            return 0;
    }
}

int channel_expect(struct channel *channel, enum frame_type type, struct span *body,
                   uint32_t timeout_ms, struct err *err) {
    enum frame_type got;
    if (channel_receive(channel, &got, body, timeout_ms, err) != 0)
        return -1;
    if (got == FRAME_TYPE_none)
        return ERR(err, ERR_UNREACHABLE, "peer closed the connection, %s was due",
                   frame_type_name(type));
    if (got != type)
        return ERR(err, ERR_PROTOCOL, "%s arrived, %s was due", frame_type_name(got),
                   frame_type_name(type));
    return 0;
}

/* Closing at once could take the message away from the peer again (a reset overtakes what it has
 * not read): so what it still sends is thrown away until it closes. */
#define FAREWELL_MS 1000u

void channel_refuse(struct channel *channel, const struct err *why) {
    const struct err_info *info = err_info(why->code);
    struct span message = span_text(why->text);
    message.n = MIN(message.n, (size_t)512);
    if (atomic_exchange(&channel->refused, true) || atomic_load(&channel->cancelled))
        return;
    if (CHANNEL_SEND(channel, refuse, NULL, .symbol = span_text(info->symbol),
                     .message = message) != 0)
        return;
    uint8_t rest[4096];
    size_t got = 1;
    uint64_t end = os_mono_ns() + FAREWELL_MS * 1000000ull;
    while (got > 0 && os_mono_ns() < end &&
           tls_read_some(channel->tls, rest, sizeof rest, &got, FAREWELL_MS, NULL) == 0)
        ;
}

bool channel_gone(const struct channel *channel) {
    return tls_gone(channel->tls);
}

void channel_stop_receiving(struct channel *channel) {
    atomic_store(&channel->stopped_receiving, true);
}

void channel_cancel(struct channel *channel) {
    atomic_store(&channel->cancelled, true);
    tls_shutdown(channel->tls);
}

uint64_t channel_sent_bytes(const struct channel *channel) {
    return atomic_load(&channel->sent_bytes);
}
uint64_t channel_received_bytes(const struct channel *channel) {
    return atomic_load(&channel->received_bytes);
}
