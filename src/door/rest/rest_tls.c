/* HTTPS: TLS by crypto/tls on one side, a socket pair to the HTTP server on the other.  Each
 * connection has two threads, one for each direction; when either ends, both do. */
#include "base/text.h"
#include "crypto/tls.h"
#include "door/rest/rest_int.h"
#include "os/file.h"
#include "os/sock.h"

#define HANDSHAKE_MS 5000u
#define PIECE_BYTES 16384u

struct bridge {
    struct rest_bridges *room;
    struct os_thread thread;
    struct os_thread back;
    int fd;   /* accepted, until the handshake takes it */
    int pair; /* our end of the socket pair */
    struct tls *tls;
    bool busy; /* GUARDED_BY(room->mutex) */
};

struct rest_bridges {
    struct rest_server *server;
    struct os_mutex mutex;
    bool closing;            /* GUARDED_BY(mutex): the server takes no more connections */
    struct tls_context *tls; /* GUARDED_BY(mutex) */
    struct bridge bridges[REST_HTTPS_CONNECTIONS_MAX];
};

struct rest_bridges *rest_bridges_new(struct rest_server *server, struct tls_context *tls) {
    struct rest_bridges *room = mem_new(sizeof *room);
    room->server = server;
    room->tls = tls != NULL ? tls_context_hold(tls) : NULL;
    os_mutex_init(&room->mutex);
    for (size_t i = 0; i < REST_HTTPS_CONNECTIONS_MAX; i++)
        room->bridges[i] = (struct bridge){.room = room, .fd = OS_FD_NONE, .pair = OS_FD_NONE};
    return room;
}

static int pair_write(int fd, const uint8_t *bytes, size_t n) {
    while (n > 0) {
        size_t written = 0;
        bool again = false;
        if (os_sock_write(fd, bytes, n, &written, &again, NULL) != 0)
            return -1;
        if (again && os_wait(fd, OS_WANT_WRITE, 0, NULL) != 0)
            return -1;
        bytes += written;
        n -= written;
    }
    return 0;
}

/* What the HTTP server answers, out to the caller. */
static void answers(void *arg) {
    struct bridge *bridge = arg;
    MEM_AUTO uint8_t *bytes = mem_new(PIECE_BYTES);
    for (;;) {
        size_t n = 0;
        bool again = false;
        if (os_sock_read(bridge->pair, bytes, PIECE_BYTES, &n, &again, NULL) != 0)
            break;
        if (again) {
            if (os_wait(bridge->pair, OS_WANT_READ, 0, NULL) != 0)
                break;
        } else if (n == 0 || tls_write(bridge->tls, bytes, n, REST_IDLE_S * 1000, NULL) != 0) {
            break;
        }
    }
    tls_shutdown(bridge->tls);
}

/* What the caller asks, in to the HTTP server. */
static void questions(struct bridge *bridge) {
    MEM_AUTO uint8_t *bytes = mem_new(PIECE_BYTES);
    size_t n = 0;
    do {
        if (tls_read_some(bridge->tls, bytes, PIECE_BYTES, &n, 0, NULL) != 0)
            break;
    } while (n > 0 && pair_write(bridge->pair, bytes, n) == 0);
    os_sock_shutdown(bridge->pair);
}

static struct tls *handshake(struct bridge *bridge) {
    struct rest_bridges *room = bridge->room;
    struct tls *tls = NULL;
    os_mutex_lock(&room->mutex);
    AUTO(tls_context) *context = room->tls != NULL ? tls_context_hold(room->tls) : NULL;
    os_mutex_unlock(&room->mutex);
    if (context == NULL) /* no identity yet */
        return NULL;
    return tls_open(context, TLS_ACCEPT, &bridge->fd, HANDSHAKE_MS, &tls, NULL) == 0 ? tls : NULL;
}

/* Connect the server to our pair, unless it is about to stop. */
static bool enter(struct bridge *bridge) {
    struct rest_bridges *room = bridge->room;
    OS_FD_AUTO int other = OS_FD_NONE;
    if (bridge->tls == NULL || os_socketpair(&bridge->pair, &other, NULL) != 0)
        return false;
    os_mutex_lock(&room->mutex);
    bool entered = !room->closing;
    if (entered)
        rest_serve_add(room->server, &other);
    os_mutex_unlock(&room->mutex);
    return entered;
}

static void serve(void *arg) {
    struct bridge *bridge = arg;
    bridge->tls = handshake(bridge);
    if (enter(bridge)) {
        if (os_thread_start(&bridge->back, "rest-answers", answers, bridge, NULL) == 0)
            questions(bridge);
        os_sock_shutdown(bridge->pair);
        os_thread_join(&bridge->back);
    }
    os_close(&bridge->pair);
    tls_close(bridge->tls);
    bridge->tls = NULL;
    os_close(&bridge->fd);
    os_mutex_lock(&bridge->room->mutex);
    bridge->busy = false;
    os_mutex_unlock(&bridge->room->mutex);
}

static struct bridge *free_bridge(struct rest_bridges *room) {
    struct bridge *found = NULL;
    os_mutex_lock(&room->mutex);
    for (size_t i = 0; i < REST_HTTPS_CONNECTIONS_MAX && found == NULL; i++)
        if (!room->bridges[i].busy)
            found = &room->bridges[i];
    if (found != NULL)
        found->busy = true;
    os_mutex_unlock(&room->mutex);
    return found;
}

void rest_bridges_add(struct rest_bridges *room, int *fd) {
    struct bridge *bridge = free_bridge(room);
    if (bridge == NULL) {
        os_close(fd);
        return;
    }
    os_thread_join(&bridge->thread); /* the one before it in this place has ended */
    bridge->fd = *fd;
    *fd = OS_FD_NONE;
    if (os_thread_start(&bridge->thread, "rest-https", serve, bridge, NULL) == 0)
        return;
    os_close(&bridge->fd);
    os_mutex_lock(&room->mutex);
    bridge->busy = false;
    os_mutex_unlock(&room->mutex);
}

void rest_bridges_set(struct rest_bridges *room, struct tls_context *tls) {
    os_mutex_lock(&room->mutex);
    struct tls_context *old = room->tls;
    room->tls = tls != NULL ? tls_context_hold(tls) : NULL;
    os_mutex_unlock(&room->mutex);
    tls_context_free(old);
}

void rest_bridges_close(struct rest_bridges *room) {
    if (room == NULL)
        return;
    os_mutex_lock(&room->mutex);
    room->closing = true;
    os_mutex_unlock(&room->mutex);
}

void rest_bridges_free(struct rest_bridges *room) {
    if (room == NULL)
        return;
    for (size_t i = 0; i < REST_HTTPS_CONNECTIONS_MAX; i++)
        os_thread_join(&room->bridges[i].thread);
    tls_context_free(room->tls);
    os_mutex_done(&room->mutex);
    mem_free(room);
}
