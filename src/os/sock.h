#pragma once
/* os/sock -- stream sockets.  All descriptors are non-blocking and close-on-exec; waiting is
 * os_wait.
 *
 * Errors: ERR_UNREACHABLE (connect, name), ERR_TIMEOUT, ERR_IO, ERR_EXISTS (address in use). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OS_ADDRESS_MAX 64

/* `host` is a numeric address, a name, or NULL for all interfaces; port 0 lets the kernel choose.
 */
[[nodiscard]] int os_listen_tcp(const char *host, uint16_t port, int *fd, uint16_t *port_out,
                                struct err *err);
[[nodiscard]] int os_connect_tcp(const char *host, uint16_t port, uint32_t timeout_ms, int *fd,
                                 struct err *err);
/* A stale socket file is replaced; a live one is ERR_LOCKED. */
[[nodiscard]] int os_listen_unix(const char *path, unsigned mode, int *fd, struct err *err);
[[nodiscard]] int os_connect_unix(const char *path, int *fd, struct err *err);
/* *fd = OS_FD_NONE when nobody is waiting.  peer (may be NULL) receives "ADDRESS:PORT". */
[[nodiscard]] int os_accept(int listener, int *fd, char peer[static OS_ADDRESS_MAX],
                            struct err *err);
/* Two connected stream sockets. */
[[nodiscard]] int os_socketpair(int *a, int *b, struct err *err);
/* User id of the process at the other end of a unix socket. */
[[nodiscard]] int os_peer_uid(int fd, uint32_t *uid, struct err *err);

enum os_want { OS_WANT_READ = 1, OS_WANT_WRITE = 2 };
/* Wait until fd is ready, or timeout_ms passed (ERR_TIMEOUT).  0 = for ever. */
[[nodiscard]] int os_wait(int fd, enum os_want want, uint32_t timeout_ms, struct err *err);
/* Wait for any of n descriptors to be readable; *ready_i is its index. */
[[nodiscard]] int os_wait_any(const int *fds, size_t n, uint32_t timeout_ms, size_t *ready_i,
                              struct err *err);
/* -1 with errno kept in err->sys; *n = 0 and again = true when it would block; *n = 0 and !again:
 * end of stream. */
[[nodiscard]] int os_sock_read(int fd, void *to, size_t size, size_t *n, bool *again,
                               struct err *err);
[[nodiscard]] int os_sock_write(int fd, const void *from, size_t size, size_t *n, bool *again,
                                struct err *err);
/* The peer closed, or the connection broke; what it sent before may still be there to read. */
bool os_sock_gone(int fd);
void os_sock_shutdown(int fd);
/* Nothing more will be written: the peer reads to the end. */
void os_sock_finish(int fd);
