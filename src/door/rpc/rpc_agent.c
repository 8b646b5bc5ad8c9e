/* The agent's side: the control port, where the server orders, and data connections to the
 * server. */
#include "base/text.h"
#include "door/rpc/rpc_int.h"

struct rpc_agent {
    struct rpc_agent_opts opts;
    struct rpc_listener *listener;
};

static int accepted(struct channel *channel, const uint8_t job[static 16], struct err *err) {
    struct msg_accepted message;
    memcpy(message.job, job, sizeof message.job);
    SCOPED(buf) body = {0};
    msg_accepted_put(&body, &message);
    return channel_send(channel, FRAME_TYPE_accepted, buf_span(&body), span_of(NULL, 0), err);
}

static int handle_register(const struct rpc_handlers *handlers, struct channel *channel,
                           struct span body, struct err *err) {
    struct msg_register_source message;
    if (msg_register_source_get(body, &message, err) != 0 ||
        handlers->register_source(handlers->ctx, &message, err) != 0)
        return -1;
    return accepted(channel, message.source, err);
}

static int handle_backup(const struct rpc_handlers *handlers, struct channel *channel,
                         struct span body, struct err *err) {
    struct msg_order_backup message;
    if (msg_order_backup_get(body, &message, err) != 0 ||
        handlers->order_backup(handlers->ctx, &message, err) != 0)
        return -1;
    return accepted(channel, message.job, err);
}

static int handle_restore(const struct rpc_handlers *handlers, struct channel *channel,
                          struct span body, struct err *err) {
    struct msg_order_restore message;
    if (msg_order_restore_get(body, &message, err) != 0 ||
        handlers->order_restore(handlers->ctx, &message, err) != 0)
        return -1;
    return accepted(channel, message.job, err);
}

static int handle_info(const struct rpc_handlers *handlers, struct channel *channel,
                       struct err *err) {
    SCOPED(buf) body = {0};
    if (handlers->info(handlers->ctx, &body, err) != 0)
        return -1;
    return channel_send(channel, FRAME_TYPE_info, buf_span(&body), span_of(NULL, 0), err);
}

static int handle_crl(const struct rpc_handlers *handlers, struct span body, struct err *err) {
    struct msg_crl message;
    if (msg_crl_get(body, &message, err) != 0)
        return -1;
    return handlers->crl(handlers->ctx, message.pem, err);
}

static int handle(const struct rpc_handlers *handlers, struct channel *channel,
                  enum frame_type type, struct span body, struct err *err) {
    if (type == FRAME_TYPE_register_source)
        return handle_register(handlers, channel, body, err);
    if (type == FRAME_TYPE_order_backup)
        return handle_backup(handlers, channel, body, err);
    if (type == FRAME_TYPE_order_restore)
        return handle_restore(handlers, channel, body, err);
    if (type == FRAME_TYPE_crl)
        return handle_crl(handlers, body, err);
    if (type == FRAME_TYPE_ask_info)
        return handle_info(handlers, channel, err);
    return ERR(err, ERR_PROTOCOL, "%s is not an order", frame_type_name(type));
}

/* Orders until the server hangs up.  A refused order is answered; the connection ends with it. */
static int converse(struct rpc_agent *agent, struct channel *channel, struct err *err) {
    struct rpc_peer peer = {0};
    if (rpc_hear_hello(channel, &peer, err) != 0 ||
        rpc_say_hello(&agent->opts.identity, channel, err) != 0)
        return -1;
    channel_state(channel, FRAME_CONTROL);
    for (;;) {
        enum frame_type type;
        struct span body;
        if (channel_receive(channel, &type, &body, CHANNEL_IDLE_MS, err) != 0)
            return -1;
        if (type == FRAME_TYPE_none)
            return 0;
        if (handle(&agent->opts.handlers, channel, type, body, err) != 0)
            return -1;
    }
}

static int converse_held(struct rpc_agent *agent, struct rpc_connection *connection,
                         struct channel *channel, struct err *err) {
    if (!rpc_hold(connection, channel))
        return ERR(err, ERR_INTERRUPTED, "the agent is stopping");
    int rc = converse(agent, channel, err);
    rpc_release(connection);
    return rc;
}

static void connection(void *ctx, struct rpc_connection *connection, int *fd, const char *peer) {
    struct rpc_agent *agent = ctx;
    struct err err;
    char server[256];
    AUTO(channel) *channel = NULL;
    if (rpc_open_channel(&agent->opts.identity, TLS_ACCEPT, fd, FRAME_AGENT, server, &channel,
                         &err) == 0 &&
        converse_held(agent, connection, channel, &err) == 0)
        return;
    if (channel != NULL)
        channel_refuse(channel, &err);
    if (agent->opts.handlers.refused != NULL)
        agent->opts.handlers.refused(agent->opts.handlers.ctx, peer, &err);
}

int rpc_agent_open(const struct rpc_agent_opts *opts, struct rpc_agent **out, struct err *err) {
    struct rpc_agent *agent = mem_new(sizeof *agent);
    agent->opts = *opts;
    if (rpc_listen(opts->host, opts->port, "control", connection, agent, &agent->listener, err) !=
        0) {
        mem_free(agent);
        return ERR_NOTE(err, "control");
    }
    *out = agent;
    return 0;
}

uint16_t rpc_agent_port(const struct rpc_agent *agent) {
    return rpc_listener_port(agent->listener);
}

void rpc_agent_close(struct rpc_agent *agent) {
    if (agent == NULL)
        return;
    rpc_listener_close(agent->listener);
    mem_free(agent);
}

int rpc_attach(const struct rpc_identity *identity, const char *server, const char *address,
               uint16_t port, const uint8_t job[static 16], const struct digest *ticket,
               struct channel **out, struct err *err) {
    int fd = OS_FD_NONE;
    char found[256];
    AUTO(channel) *channel = NULL;
    if (os_connect_tcp(address, port, RPC_DIAL_MS, &fd, err) != 0 ||
        rpc_open_channel(identity, TLS_CONNECT, &fd, FRAME_AGENT, found, &channel, err) != 0)
        return ERR_NOTE(err, "data connection to %s", server);
    if (!text_equal_nocase(found, server))
        return ERR(err, ERR_AUTH, "%s port %u is %s, not %s", address, (unsigned)port, found,
                   server);
    struct msg_attach message = {.version = FRAME_VERSION, .ticket = *ticket};
    memcpy(message.job, job, sizeof message.job);
    SCOPED(buf) body = {0};
    msg_attach_put(&body, &message);
    if (channel_send(channel, FRAME_TYPE_attach, buf_span(&body), span_of(NULL, 0), err) != 0)
        return -1;
    channel_state(channel, FRAME_ATTACHED);
    *out = TAKE(channel);
    return 0;
}
