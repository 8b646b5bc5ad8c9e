#include "os/sock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "os/clock.h"
#include "os/file.h"

#define BACKLOG 128

static int resolve(const char *host, uint16_t port, bool passive, struct addrinfo **info,
                   struct err *err) {
    char service[8];
    (void)text_format(service, sizeof service, "%u", (unsigned)port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)};
    int rc = getaddrinfo(host, service, &hints, info);
    if (rc != 0)
        return ERR(err, ERR_UNREACHABLE, "cannot resolve %s: %s", host != NULL ? host : "*",
                   gai_strerror(rc));
    return 0;
}

static void tune(int fd) {
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

static int listen_on(const struct addrinfo *a, int *fd) {
    *fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    int one = 1, zero = 0;
    if (*fd < 0)
        return -1;
    (void)setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a->ai_family == AF_INET6)
        (void)setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(*fd, a->ai_addr, a->ai_addrlen) == 0 && listen(*fd, BACKLOG) == 0)
        return 0;
    int sys = errno;
    os_close(fd);
    errno = sys;
    return -1;
}

int os_listen_tcp(const char *host, uint16_t port, int *fd, uint16_t *port_out, struct err *err) {
    struct addrinfo *info = NULL;
    *fd = OS_FD_NONE;
    if (resolve(host, port, true, &info, err) != 0)
        return -1;
    int sys = EADDRNOTAVAIL;
    for (const struct addrinfo *a = info; a != NULL && *fd == OS_FD_NONE; a = a->ai_next)
        if (listen_on(a, fd) != 0)
            sys = errno;
    freeaddrinfo(info);
    if (*fd == OS_FD_NONE)
        return ERR_SYS(err, sys == EADDRINUSE ? ERR_EXISTS : os_error_code(sys), sys,
                       "cannot listen on %s port %u", host != NULL ? host : "*", (unsigned)port);
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char service[8] = "0";
    uint64_t number = 0;
    if (getsockname(*fd, (struct sockaddr *)&address, &size) == 0 &&
        getnameinfo((struct sockaddr *)&address, size, NULL, 0, service, sizeof service,
                    NI_NUMERICSERV) == 0)
        (void)text_to_u64(service, UINT16_MAX, &number);
    *port_out = (uint16_t)number;
    return 0;
}

static int connect_to(const struct addrinfo *a, uint32_t timeout_ms, int *fd) {
    *fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    if (*fd < 0)
        return errno;
    int sys = connect(*fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
    if (sys == EINPROGRESS) {
        struct err err;
        if (os_wait(*fd, OS_WANT_WRITE, timeout_ms, &err) != 0) {
            sys = ETIMEDOUT;
        } else {
            socklen_t size = sizeof sys;
            if (getsockopt(*fd, SOL_SOCKET, SO_ERROR, &sys, &size) != 0)
                sys = errno;
        }
    }
    if (sys != 0)
        os_close(fd);
    else
        tune(*fd);
    return sys;
}

int os_connect_tcp(const char *host, uint16_t port, uint32_t timeout_ms, int *fd, struct err *err) {
    struct addrinfo *info = NULL;
    *fd = OS_FD_NONE;
    if (resolve(host, port, false, &info, err) != 0)
        return -1;
    int sys = EADDRNOTAVAIL;
    for (const struct addrinfo *a = info; a != NULL && *fd == OS_FD_NONE; a = a->ai_next)
        sys = connect_to(a, timeout_ms, fd);
    freeaddrinfo(info);
    if (*fd == OS_FD_NONE)
        return ERR_SYS(err, sys == ETIMEDOUT ? ERR_TIMEOUT : ERR_UNREACHABLE, sys,
                       "cannot connect to %s port %u", host, (unsigned)port);
    return 0;
}

static int unix_address(const char *path, struct sockaddr_un *address, struct err *err) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!text_copy(address->sun_path, sizeof address->sun_path, path))
        return ERR(err, ERR_USAGE, "socket path %s is longer than %zu bytes", path,
                   sizeof address->sun_path - 1);
    return 0;
}

int os_connect_unix(const char *path, int *fd, struct err *err) {
    struct sockaddr_un address;
    if (unix_address(path, &address, err) != 0)
        return -1;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0 || connect(*fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int sys = errno;
        os_close(fd);
        return ERR_SYS(err, ERR_UNREACHABLE, sys, "cannot connect to %s", path);
    }
    return 0;
}

int os_listen_unix(const char *path, unsigned mode, int *fd, struct err *err) {
    struct sockaddr_un address;
    *fd = OS_FD_NONE;
    if (unix_address(path, &address, err) != 0)
        return -1;
    int live = OS_FD_NONE;
    if (os_connect_unix(path, &live, NULL) == 0) {
        os_close(&live);
        return ERR(err, ERR_LOCKED, "another process listens on %s", path);
    }
    (void)unlink(path);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t old = umask((mode_t)(~mode & 0777));
    int rc = *fd < 0 ? -1 : bind(*fd, (struct sockaddr *)&address, sizeof address);
    int sys = errno;
    (void)umask(old);
    if (rc == 0 && listen(*fd, BACKLOG) == 0)
        return 0;
    os_close(fd);
    return ERR_SYS(err, os_error_code(sys), sys, "cannot listen on %s", path);
}

int os_accept(int listener, int *fd, char peer[static OS_ADDRESS_MAX], struct err *err) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    *fd = accept4(listener, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (*fd < 0) {
        int sys = errno;
        *fd = OS_FD_NONE;
        if (sys == EAGAIN || sys == EINTR || sys == ECONNABORTED)
            return 0;
        return ERR_SYS(err, ERR_IO, sys, "cannot accept a connection");
    }
    char host[48] = "local", service[8] = "0";
    if (address.ss_family != AF_UNIX) {
        tune(*fd);
        (void)getnameinfo((struct sockaddr *)&address, size, host, sizeof host, service,
                          sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
    }
    (void)text_format(peer, OS_ADDRESS_MAX, "%s:%s", host, service);
    return 0;
}

int os_socketpair(int *a, int *b, struct err *err) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return ERR_SYS(err, ERR_IO, errno, "cannot make a socket pair");
    *a = pair[0];
    *b = pair[1];
    return 0;
}

int os_peer_uid(int fd, uint32_t *uid, struct err *err) {
    struct ucred cred;
    socklen_t size = sizeof cred;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) != 0)
        return ERR_SYS(err, ERR_IO, errno, "cannot ask who connected");
    *uid = cred.uid;
    return 0;
}

static int poll_until(struct pollfd *fds, size_t n, uint32_t timeout_ms, struct err *err) {
    uint64_t end = os_mono_ns() + (uint64_t)timeout_ms * 1000000;
    for (;;) {
        uint64_t now = os_mono_ns();
        int left = timeout_ms == 0 ? -1 : now >= end ? 0 : (int)((end - now) / 1000000 + 1);
        int rc = poll(fds, n, left);
        if (rc > 0)
            return 0;
        if (rc == 0)
            return ERR(err, ERR_TIMEOUT, "nothing happened for %u ms", timeout_ms);
        if (errno != EINTR)
            return ERR_SYS(err, ERR_IO, errno, "cannot wait for a socket");
    }
}

int os_wait(int fd, enum os_want want, uint32_t timeout_ms, struct err *err) {
    short events = 0;
    if ((want & OS_WANT_READ) != 0)
        events = (short)(events | POLLIN);
    if ((want & OS_WANT_WRITE) != 0)
        events = (short)(events | POLLOUT);
    struct pollfd p = {.fd = fd, .events = events};
    return poll_until(&p, 1, timeout_ms, err);
}

int os_wait_any(const int *fds, size_t n, uint32_t timeout_ms, size_t *ready_i, struct err *err) {
    struct pollfd polls[16];
    INVARIANT(n <= ARRAY_N(polls));
    for (size_t i = 0; i < n; i++)
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    if (poll_until(polls, n, timeout_ms, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (polls[i].revents != 0) {
            *ready_i = i;
            break;
        }
    return 0;
}

int os_sock_read(int fd, void *to, size_t size, size_t *n, bool *again, struct err *err) {
    ssize_t r = recv(fd, to, size, 0);
    *again = r < 0 && (errno == EAGAIN || errno == EINTR);
    *n = r > 0 ? (size_t)r : 0;
    return r < 0 && !*again ? ERR_SYS(err, ERR_IO, errno, "connection broke") : 0;
}

int os_sock_write(int fd, const void *from, size_t size, size_t *n, bool *again, struct err *err) {
    ssize_t w = send(fd, from, size, MSG_NOSIGNAL);
    *again = w < 0 && (errno == EAGAIN || errno == EINTR);
    *n = w > 0 ? (size_t)w : 0;
    return w < 0 && !*again ? ERR_SYS(err, ERR_IO, errno, "connection broke") : 0;
}

bool os_sock_gone(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};
    return poll(&poll_fd, 1, 0) > 0;
}

void os_sock_shutdown(int fd) {
    (void)shutdown(fd, SHUT_RDWR);
}

void os_sock_finish(int fd) {
    (void)shutdown(fd, SHUT_WR);
}
