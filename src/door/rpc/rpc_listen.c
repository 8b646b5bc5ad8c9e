#include "base/text.h"
#include "door/rpc/rpc_int.h"

#define POLL_MS 500u

struct rpc_connection {
    struct rpc_listener *listener;
    int fd;
    char peer[OS_ADDRESS_MAX];
    struct os_thread thread;
    struct rpc_connection *next;
    /* guarded by the listener's mutex */
    struct channel *channel;
    bool ended;
};

struct rpc_listener {
    int fd;
    uint16_t port;
    rpc_connection_fn *fn;
    void *ctx;
    struct os_thread thread;
    struct os_mutex mutex;
    bool stop;
    struct rpc_connection *connections;
    unsigned connection_n;
};

static void connection_main(void *arg) {
    struct rpc_connection *connection = arg;
    struct rpc_listener *listener = connection->listener;
    listener->fn(listener->ctx, connection, &connection->fd, connection->peer);
    os_close(&connection->fd);
    os_mutex_lock(&listener->mutex);
    connection->ended = true;
    listener->connection_n--;
    os_mutex_unlock(&listener->mutex);
}

bool rpc_hold(struct rpc_connection *connection, struct channel *channel) {
    os_mutex_lock(&connection->listener->mutex);
    bool open = !connection->listener->stop;
    if (open)
        connection->channel = channel;
    os_mutex_unlock(&connection->listener->mutex);
    return open;
}

void rpc_release(struct rpc_connection *connection) {
    os_mutex_lock(&connection->listener->mutex);
    connection->channel = NULL;
    os_mutex_unlock(&connection->listener->mutex);
}

/* Join what has ended, or everything. */
static void reap(struct rpc_listener *listener, bool all) {
    struct rpc_connection *ended = NULL;
    os_mutex_lock(&listener->mutex);
    for (struct rpc_connection **link = &listener->connections; *link != NULL;) {
        struct rpc_connection *connection = *link;
        if (!connection->ended && !all) {
            link = &connection->next;
            continue;
        }
        *link = connection->next;
        connection->next = ended;
        ended = connection;
    }
    os_mutex_unlock(&listener->mutex);
    while (ended != NULL) {
        struct rpc_connection *next = ended->next;
        os_thread_join(&ended->thread);
        mem_free(ended);
        ended = next;
    }
}

static void accept_one(struct rpc_listener *listener) {
    struct err err;
    struct rpc_connection *connection = mem_new(sizeof *connection);
    connection->listener = listener;
    if (os_accept(listener->fd, &connection->fd, connection->peer, &err) != 0 ||
        connection->fd == OS_FD_NONE) {
        mem_free(connection);
        return;
    }
    os_mutex_lock(&listener->mutex);
    bool room = listener->connection_n < RPC_CONNECTIONS_MAX;
    if (room) {
        listener->connection_n++;
        connection->next = listener->connections;
        listener->connections = connection;
        /* started under the lock, so that reap() never joins a thread that is not there yet */
        room = os_thread_start(&connection->thread, "connection", connection_main, connection,
                               &err) == 0;
        if (!room) {
            listener->connection_n--;
            listener->connections = connection->next;
        }
    }
    os_mutex_unlock(&listener->mutex);
    if (!room) {
        os_close(&connection->fd);
        mem_free(connection);
    }
}

static void listen_main(void *arg) {
    struct rpc_listener *listener = arg;
    for (bool stop = false; !stop;) {
        struct err err;
        if (os_wait(listener->fd, OS_WANT_READ, POLL_MS, &err) == 0)
            accept_one(listener);
        reap(listener, false);
        os_mutex_lock(&listener->mutex);
        stop = listener->stop;
        os_mutex_unlock(&listener->mutex);
    }
}

int rpc_listen(const char *host, uint16_t port, const char *thread_name, rpc_connection_fn *fn,
               void *ctx, struct rpc_listener **out, struct err *err) {
    struct rpc_listener *listener = mem_new(sizeof *listener);
    listener->fn = fn;
    listener->ctx = ctx;
    if (os_listen_tcp(host, port, &listener->fd, &listener->port, err) != 0) {
        mem_free(listener);
        return -1;
    }
    os_mutex_init(&listener->mutex);
    if (os_thread_start(&listener->thread, thread_name, listen_main, listener, err) != 0) {
        rpc_listener_close(listener);
        return -1;
    }
    *out = listener;
    return 0;
}

uint16_t rpc_listener_port(const struct rpc_listener *listener) {
    return listener->port;
}

void rpc_listener_close(struct rpc_listener *listener) {
    if (listener == NULL)
        return;
    os_mutex_lock(&listener->mutex);
    listener->stop = true;
    for (struct rpc_connection *c = listener->connections; c != NULL; c = c->next)
        if (c->channel != NULL)
            channel_cancel(c->channel);
    os_mutex_unlock(&listener->mutex);
    os_thread_join(&listener->thread);
    reap(listener, true);
    os_close(&listener->fd);
    os_mutex_done(&listener->mutex);
    mem_free(listener);
}
