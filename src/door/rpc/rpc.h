#pragma once
/* door/rpc -- how server and agent meet: who dials whom, hello, orders, tickets for data
 * connections.
 * Owns: the agents' control listener, the server's file transfer listener, matching of data
 *   connections to jobs.
 * Knows nothing of: what a job does with its channel, what an order means, how trust is stored
 *   (callbacks say).
 * Threads: a listener thread each; one thread per agent control connection; rpc_await by the
 *   job's thread.
 * Lifetime: close waits for running connections; cancel their jobs first.
 * Limits: RPC_CONNECTIONS_MAX, RPC_TICKETS_MAX, RPC_TICKET_MS.
 *
 * Mode `standard`: the server dials the agent's control port, the agent dials the server's file
 * transfer port.  Who dials decides nothing about who may ask for what: identity comes from the
 * TLS channel alone. */
#include "base/base.h"
#include "crypto/tls.h"
#include "data/channel/channel.h"

#define RPC_CONNECTIONS_MAX 64u /* unauthenticated or being opened, per listener */
#define RPC_TICKETS_MAX 256u
#define RPC_TICKET_MS 60000u /* from order to data connection */
#define RPC_DIAL_MS 10000u

/* TLS identity of this side; a reload counts for later calls. */
struct rpc_identity {
    void *ctx;
    struct tls_context *(*context)(void *ctx); /* freed after use; NULL: none configured */
    /* Who is on the other end of the channel: its pinned name into name[256].  ERR_AUTH. */
    int (*identify)(void *ctx, const struct tls *tls, char name[static 256], struct err *err);
    const char *own_name;
    const char *software; /* "casemated 0.1.0" */
};

/* ---- server ---- */
struct rpc_hub;
struct rpc_hub_opts {
    const char *host; /* NULL = all interfaces */
    uint16_t port;    /* 0 = the kernel chooses */
    struct rpc_identity identity;
    void (*refused)(void *ctx, const char *peer,
                    const struct err *why); /* for the log; may be NULL */
};
[[nodiscard]] int rpc_hub_open(const struct rpc_hub_opts *opts, struct rpc_hub **out,
                               struct err *err);
uint16_t rpc_hub_port(const struct rpc_hub *hub);
void rpc_hub_close(struct rpc_hub *hub);
static inline void rpc_hub_auto(struct rpc_hub **p) {
    rpc_hub_close(*p);
}

/* Dial a computer's control port; the channel is in FRAME_CONTROL.  `peer` (may be NULL) gets
 * what it said in hello.
 * ERR_UNREACHABLE, ERR_TIMEOUT, ERR_AUTH (it is another computer than `name`). */
struct rpc_peer {
    char software[65];
};
[[nodiscard]] int rpc_dial(struct rpc_hub *hub, const char *name, const char *address,
                           uint16_t port, struct rpc_peer *peer, struct channel **out,
                           struct err *err);

/* A job expects a data connection of `computer`.  ERR_LIMIT. */
struct rpc_ticket {
    uint8_t job[16];
    struct digest secret;
};
[[nodiscard]] int rpc_expect(struct rpc_hub *hub, const uint8_t job[static 16],
                             const char *computer, struct rpc_ticket *ticket, struct err *err);
/* Wait for it; the channel is in FRAME_ATTACHED.  A ticket is good for one connection.
 * `cancelled` is polled, and so is `control`, where the order went: an agent that is gone opens
 * no more.  ERR_UNREACHABLE, ERR_TIMEOUT, ERR_INTERRUPTED. */
[[nodiscard]] int rpc_await(struct rpc_hub *hub, const struct rpc_ticket *ticket,
                            const struct channel *control, bool (*cancelled)(void *ctx), void *ctx,
                            struct channel **out, struct err *err);
void rpc_forget(struct rpc_hub *hub, const struct rpc_ticket *ticket);

/* ---- agent ---- */
/* What the server may order; each returns -1 with an error that the server is told.  Called by
 * the connection's
 * thread; an order starts its work elsewhere and returns. */
struct rpc_handlers {
    void *ctx;
    int (*register_source)(void *ctx, const struct msg_register_source *message, struct err *err);
    int (*order_backup)(void *ctx, const struct msg_order_backup *message, struct err *err);
    int (*order_restore)(void *ctx, const struct msg_order_restore *message, struct err *err);
    /* Newer revocation lists; old news is no error. */
    int (*crl)(void *ctx, struct span pem, struct err *err);
    /* Encode a `info` message's body. */
    int (*info)(void *ctx, struct buf *body, struct err *err);
    void (*refused)(void *ctx, const char *peer,
                    const struct err *why); /* for the log; may be NULL */
};
struct rpc_agent;
struct rpc_agent_opts {
    const char *host;
    uint16_t port;
    struct rpc_identity identity;
    struct rpc_handlers handlers;
};
[[nodiscard]] int rpc_agent_open(const struct rpc_agent_opts *opts, struct rpc_agent **out,
                                 struct err *err);
uint16_t rpc_agent_port(const struct rpc_agent *agent);
void rpc_agent_close(struct rpc_agent *agent);
static inline void rpc_agent_auto(struct rpc_agent **p) {
    rpc_agent_close(*p);
}
/* Dial the server's file transfer port for an ordered job; the channel is in FRAME_ATTACHED. */
[[nodiscard]] int rpc_attach(const struct rpc_identity *identity, const char *server,
                             const char *address, uint16_t port, const uint8_t job[static 16],
                             const struct digest *ticket, struct channel **out, struct err *err);
