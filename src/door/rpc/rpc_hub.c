/* The server's side: dialling control ports, and the file transfer port where agents show their
 * tickets. */
#include "base/text.h"
#include "door/rpc/rpc_int.h"
#include "os/random.h"

#define AWAIT_SLICE_MS 200u

struct waiting {
    struct waiting *next;
    struct rpc_ticket ticket;
    char computer[256];
    struct channel *channel; /* arrived */
};

struct rpc_hub {
    struct rpc_hub_opts opts;
    struct rpc_listener *listener;
    struct os_mutex mutex;
    struct os_cond arrived;
    struct waiting *waiting;
    unsigned waiting_n;
};

/* Every byte is looked at, whatever the first difference. */
static bool same_secret(const struct digest *a, const struct digest *b) {
    uint8_t difference = 0;
    for (size_t i = 0; i < sizeof a->b; i++)
        difference |= (uint8_t)(a->b[i] ^ b->b[i]);
    return difference == 0;
}

static int match(struct rpc_hub *hub, const struct msg_attach *attach, const char *computer,
                 struct channel **channel, struct err *err) {
    int rc = -1;
    os_mutex_lock(&hub->mutex);
    for (struct waiting *w = hub->waiting; w != NULL && rc != 0; w = w->next)
        if (w->channel == NULL && memcmp(w->ticket.job, attach->job, sizeof attach->job) == 0 &&
            same_secret(&w->ticket.secret, &attach->ticket) &&
            text_equal_nocase(w->computer, computer)) {
            channel_state(*channel, FRAME_ATTACHED);
            w->channel = TAKE(*channel);
            os_cond_broadcast(&hub->arrived);
            rc = 0;
        }
    os_mutex_unlock(&hub->mutex);
    return rc == 0 ? 0 : ERR(err, ERR_TICKET, "no job of %s waits for this connection", computer);
}

static int serve_connection(struct rpc_hub *hub, int *fd, struct channel **channel,
                            struct err *err) {
    char computer[256];
    struct span body;
    struct msg_attach attach;
    if (rpc_open_channel(&hub->opts.identity, TLS_ACCEPT, fd, FRAME_SERVER, computer, channel,
                         err) != 0 ||
        channel_expect(*channel, FRAME_TYPE_attach, &body, CHANNEL_OPENING_MS, err) != 0 ||
        msg_attach_get(body, &attach, err) != 0)
        return -1;
    if (attach.version != FRAME_VERSION)
        return ERR(err, ERR_PROTOCOL, "agent speaks version %u of the protocol, we speak %u",
                   (unsigned)attach.version, FRAME_VERSION);
    return match(hub, &attach, computer, channel, err);
}

static void connection(void *ctx, struct rpc_connection *connection, int *fd, const char *peer) {
    (void)connection; /* lasts CHANNEL_OPENING_MS at most */
    struct rpc_hub *hub = ctx;
    struct err err;
    AUTO(channel) *channel = NULL;
    if (serve_connection(hub, fd, &channel, &err) == 0)
        return;
    if (channel != NULL)
        channel_refuse(channel, &err);
    if (hub->opts.refused != NULL)
        hub->opts.refused(hub->opts.identity.ctx, peer, &err);
}

int rpc_hub_open(const struct rpc_hub_opts *opts, struct rpc_hub **out, struct err *err) {
    struct rpc_hub *hub = mem_new(sizeof *hub);
    hub->opts = *opts;
    os_mutex_init(&hub->mutex);
    os_cond_init(&hub->arrived);
    if (rpc_listen(opts->host, opts->port, "file-transfer", connection, hub, &hub->listener, err) !=
        0) {
        rpc_hub_close(hub);
        return ERR_NOTE(err, "file transfer");
    }
    *out = hub;
    return 0;
}

uint16_t rpc_hub_port(const struct rpc_hub *hub) {
    return rpc_listener_port(hub->listener);
}

void rpc_hub_close(struct rpc_hub *hub) {
    if (hub == NULL)
        return;
    rpc_listener_close(hub->listener);
    while (hub->waiting != NULL) {
        struct waiting *next = hub->waiting->next;
        channel_free(hub->waiting->channel);
        mem_free(hub->waiting);
        hub->waiting = next;
    }
    os_cond_done(&hub->arrived);
    os_mutex_done(&hub->mutex);
    mem_free(hub);
}

int rpc_dial(struct rpc_hub *hub, const char *name, const char *address, uint16_t port,
             struct rpc_peer *peer, struct channel **out, struct err *err) {
    int fd = OS_FD_NONE;
    char found[256];
    struct rpc_peer said = {0};
    AUTO(channel) *channel = NULL;
    const struct rpc_identity *identity = &hub->opts.identity;
    if (os_connect_tcp(address, port, RPC_DIAL_MS, &fd, err) != 0 ||
        rpc_open_channel(identity, TLS_CONNECT, &fd, FRAME_SERVER, found, &channel, err) != 0)
        return ERR_NOTE(err, "control connection to %s", name);
    if (!text_equal_nocase(found, name))
        return ERR(err, ERR_AUTH, "%s port %u is %s, not %s", address, (unsigned)port, found, name);
    if (rpc_say_hello(identity, channel, err) != 0 || rpc_hear_hello(channel, &said, err) != 0)
        return ERR_NOTE(err, "control connection to %s", name);
    channel_state(channel, FRAME_CONTROL);
    if (peer != NULL)
        *peer = said;
    *out = TAKE(channel);
    return 0;
}

int rpc_expect(struct rpc_hub *hub, const uint8_t job[static 16], const char *computer,
               struct rpc_ticket *ticket, struct err *err) {
    struct waiting *w = mem_new(sizeof *w);
    memcpy(ticket->job, job, sizeof ticket->job);
    os_random(ticket->secret.b, sizeof ticket->secret.b);
    w->ticket = *ticket;
    (void)text_copy(w->computer, sizeof w->computer, computer);
    os_mutex_lock(&hub->mutex);
    bool room = hub->waiting_n < RPC_TICKETS_MAX;
    if (room) {
        w->next = hub->waiting;
        hub->waiting = w;
        hub->waiting_n++;
    }
    os_mutex_unlock(&hub->mutex);
    if (room)
        return 0;
    mem_free(w);
    return ERR(err, ERR_LIMIT, "more than %u jobs wait for a data connection", RPC_TICKETS_MAX);
}

static struct waiting **find(struct rpc_hub *hub, const struct rpc_ticket *ticket) {
    struct waiting **link = &hub->waiting;
    while (*link != NULL && !same_secret(&(*link)->ticket.secret, &ticket->secret))
        link = &(*link)->next;
    return link;
}

int rpc_await(struct rpc_hub *hub, const struct rpc_ticket *ticket, const struct channel *control,
              bool (*cancelled)(void *ctx), void *ctx, struct channel **out, struct err *err) {
    uint64_t end = os_mono_ns() + (uint64_t)RPC_TICKET_MS * 1000000;
    bool gone = false;
    *out = NULL;
    os_mutex_lock(&hub->mutex);
    for (;;) {
        struct waiting *w = *find(hub, ticket);
        INVARIANT(w != NULL);
        if (w->channel != NULL)
            *out = TAKE(w->channel);
        gone = *out == NULL && channel_gone(control);
        if (*out != NULL || gone || cancelled(ctx) || os_mono_ns() >= end)
            break;
        (void)os_cond_wait_ms(&hub->arrived, &hub->mutex, AWAIT_SLICE_MS);
    }
    os_mutex_unlock(&hub->mutex);
    rpc_forget(hub, ticket);
    if (*out != NULL)
        return 0;
    if (cancelled(ctx))
        return ERR(err, ERR_INTERRUPTED, "job was cancelled");
    if (gone)
        return ERR(err, ERR_UNREACHABLE,
                   "the agent went away before it opened its data connection");
    return ERR(err, ERR_TIMEOUT, "the agent did not open its data connection within %u s",
               RPC_TICKET_MS / 1000);
}

void rpc_forget(struct rpc_hub *hub, const struct rpc_ticket *ticket) {
    os_mutex_lock(&hub->mutex);
    struct waiting **link = find(hub, ticket);
    struct waiting *w = *link;
    if (w != NULL) {
        *link = w->next;
        hub->waiting_n--;
    }
    os_mutex_unlock(&hub->mutex);
    if (w != NULL)
        channel_free(w->channel);
    mem_free(w);
}
