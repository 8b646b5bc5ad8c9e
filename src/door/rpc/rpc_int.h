#pragma once
/* door/rpc, inside: opening a channel, and a listener that hands each accepted connection to a
 * thread of its own. */
#include "door/rpc/rpc.h"
#include "os/os.h"
#include "os/sock.h"

/* TLS in either direction, then the peer's name. */
[[nodiscard]] int rpc_open_channel(const struct rpc_identity *identity, enum tls_side side, int *fd,
                                   enum frame_role role, char name[static 256],
                                   struct channel **out, struct err *err);
[[nodiscard]] int rpc_say_hello(const struct rpc_identity *identity, struct channel *channel,
                                struct err *err);
[[nodiscard]] int rpc_hear_hello(struct channel *channel, struct rpc_peer *peer, struct err *err);

struct rpc_connection;
typedef void rpc_connection_fn(void *ctx, struct rpc_connection *connection, int *fd,
                               const char *peer);
/* A connection that may last: closing the listener cancels its channel.  False: the listener is
 * closing already. */
bool rpc_hold(struct rpc_connection *connection, struct channel *channel);
void rpc_release(struct rpc_connection *connection); /* before the channel is freed */
struct rpc_listener;
[[nodiscard]] int rpc_listen(const char *host, uint16_t port, const char *thread_name,
                             rpc_connection_fn *fn, void *ctx, struct rpc_listener **out,
                             struct err *err);
uint16_t rpc_listener_port(const struct rpc_listener *listener);
/* Stop accepting, wait for the connection threads. */
void rpc_listener_close(struct rpc_listener *listener);
