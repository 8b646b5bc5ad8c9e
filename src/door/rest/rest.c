#include "door/rest/rest.h"

#include <string.h>

#include "base/text.h"
#include "door/rest/rest_int.h"
#include "os/file.h"
#include "os/sock.h"

#define ACCEPT_PAUSE_MS 20u

struct rest {
    struct rest_server socket;
    struct rest_server https;
    struct rest_bridges *bridges; /* NULL: no HTTPS */
    struct rest_tokens *tokens;
    int socket_fd;
    int https_fd;
    uint16_t https_port;
    int wake[2]; /* closing wake[1] ends the acceptor */
    struct os_thread acceptor;
};

/* Hand over everybody who waits at a listener. */
static void accept_all(struct rest *rest, int listener) {
    char peer[OS_ADDRESS_MAX];
    for (;;) {
        int fd = OS_FD_NONE;
        if (os_accept(listener, &fd, peer, NULL) != 0)
            os_sleep_ms(ACCEPT_PAUSE_MS); /* out of descriptors: others must end first */
        if (fd == OS_FD_NONE)
            return;
        if (listener == rest->socket_fd)
            rest_serve_add(&rest->socket, &fd);
        else
            rest_bridges_add(rest->bridges, &fd);
    }
}

static void accept_loop(void *arg) {
    struct rest *rest = arg;
    const int fds[] = {rest->wake[0], rest->socket_fd, rest->https_fd};
    size_t n = rest->https_fd == OS_FD_NONE ? 2 : 3;
    for (;;) {
        size_t ready = 0;
        if (os_wait_any(fds, n, 0, &ready, NULL) != 0)
            continue;
        if (ready == 0)
            return;
        accept_all(rest, fds[ready]);
    }
}

static int check_handlers(const struct rest_opts *opts, struct err *err) {
    for (size_t i = 0; i < REST_ROUTE_N; i++) {
        bool own = i == REST_TOKEN_LIST || i == REST_TOKEN_CREATE || i == REST_TOKEN_REMOVE;
        if (!own && opts->handlers[i] == NULL)
            return ERR(err, ERR_INTERNAL, "route %s has no handler",
                       rest_route_info((enum rest_route)i)->name);
    }
    return 0;
}

static void fill(struct rest_server *server, enum rest_way way, const struct rest_opts *opts,
                 struct rest_tokens *tokens) {
    *server = (struct rest_server){.way = way,
                                   .handlers = opts->handlers,
                                   .ctx = opts->ctx,
                                   .event = opts->event,
                                   .uids = mem_copy(opts->uid_n > 0 ? opts->uids : &(uint32_t){0},
                                                    MAX(opts->uid_n, 1u) * sizeof *opts->uids),
                                   .uid_n = opts->uid_n,
                                   .tokens = tokens};
}

static int open_socket(struct rest *rest, const struct rest_opts *opts, struct err *err) {
    fill(&rest->socket, REST_BY_SOCKET, opts, rest->tokens);
    if (rest_serve_start(&rest->socket, REST_CONNECTIONS_MAX, err) != 0)
        return -1;
    unsigned mode = opts->socket_mode != 0 ? opts->socket_mode : 0660;
    return os_listen_unix(opts->socket, mode, &rest->socket_fd, err);
}

static int open_https(struct rest *rest, const struct rest_opts *opts, struct err *err) {
    fill(&rest->https, REST_BY_TOKEN, opts, rest->tokens);
    if (opts->https_host == NULL)
        return 0;
    if (rest_serve_start(&rest->https, REST_HTTPS_CONNECTIONS_MAX, err) != 0)
        return -1;
    rest->bridges = rest_bridges_new(&rest->https, opts->tls);
    return os_listen_tcp(opts->https_host, opts->https_port, &rest->https_fd, &rest->https_port,
                         err);
}

static int open_all(struct rest *rest, const struct rest_opts *opts, struct err *err) {
    if (check_handlers(opts, err) != 0)
        return -1;
    if (opts->token_file != NULL && rest_tokens_open(opts->token_file, &rest->tokens, err) != 0)
        return -1;
    if (open_socket(rest, opts, err) != 0 || open_https(rest, opts, err) != 0)
        return -1;
    if (os_socketpair(&rest->wake[0], &rest->wake[1], err) != 0)
        return -1;
    return os_thread_start(&rest->acceptor, "rest-accept", accept_loop, rest, err);
}

int rest_open(const struct rest_opts *opts, struct rest **out, struct err *err) {
    AUTO(rest) *rest = mem_new(sizeof *rest);
    rest->socket_fd = rest->https_fd = rest->wake[0] = rest->wake[1] = OS_FD_NONE;
    if (open_all(rest, opts, err) != 0)
        return -1;
    *out = TAKE(rest);
    return 0;
}

uint16_t rest_https_port(const struct rest *rest) {
    return rest->https_port;
}

void rest_set_tls(struct rest *rest, struct tls_context *tls) {
    if (rest->bridges != NULL)
        rest_bridges_set(rest->bridges, tls);
}

void rest_close(struct rest *rest) {
    if (rest == NULL)
        return;
    os_close(&rest->wake[1]);
    os_thread_join(&rest->acceptor);
    os_close(&rest->wake[0]);
    os_close(&rest->socket_fd);
    os_close(&rest->https_fd);
    rest_bridges_close(rest->bridges);
    rest_serve_stop(&rest->socket);
    rest_serve_stop(&rest->https);
    rest_bridges_free(rest->bridges);
    rest_tokens_close(rest->tokens);
    mem_free(rest->socket.uids);
    mem_free(rest->https.uids);
    mem_free(rest);
}
