/* Covers src/os/sock.c. */
#include "unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"
#include "os/sock.h"
#include "scratch.h"

#define LONG_MS 60000u

static void expect_ready(int fd, enum os_want want) {
    assert_int_equal(os_wait(fd, want, LONG_MS, NULL), 0);
}

/* Both ends of a connection made through a listener. */
static void connect_pair(int listener, int client, int *server, char peer[static OS_ADDRESS_MAX]) {
    (void)client;
    expect_ready(listener, OS_WANT_READ);
    assert_int_equal(os_accept(listener, server, peer, NULL), 0);
    assert_int_not_equal(*server, OS_FD_NONE);
}

static void expect_talk(int from, int to) {
    char bytes[8];
    size_t n;
    bool again;
    assert_int_equal(os_sock_write(from, "hello", 5, &n, &again, NULL), 0);
    assert_int_equal(n, 5);
    expect_ready(to, OS_WANT_READ);
    assert_int_equal(os_sock_read(to, bytes, sizeof bytes, &n, &again, NULL), 0);
    assert_int_equal(n, 5);
    assert_false(again);
    assert_memory_equal(bytes, "hello", 5);
}

static void tcp_connects_on_a_port_of_the_kernels_choice(void **state) {
    (void)state;
    OS_FD_AUTO int listener = OS_FD_NONE, client = OS_FD_NONE, server = OS_FD_NONE;
    uint16_t port;
    char peer[OS_ADDRESS_MAX];
    assert_int_equal(os_listen_tcp("127.0.0.1", 0, &listener, &port, NULL), 0);
    assert_int_not_equal(port, 0);
    assert_int_equal(os_accept(listener, &server, peer, NULL), 0);
    assert_int_equal(server, OS_FD_NONE); /* nobody is waiting */
    assert_int_equal(os_connect_tcp("127.0.0.1", port, LONG_MS, &client, NULL), 0);
    connect_pair(listener, client, &server, peer);
    assert_true(text_starts(peer, "127.0.0.1:"));
    expect_talk(client, server);
    expect_talk(server, client);
    assert_true((fcntl(client, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(server, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(client, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(server, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(listener, F_GETFD) & FD_CLOEXEC) != 0);
}

static void a_port_in_use_is_told(void **state) {
    (void)state;
    struct err err = {0};
    OS_FD_AUTO int listener = OS_FD_NONE, other = OS_FD_NONE;
    uint16_t port, again;
    assert_int_equal(os_listen_tcp("127.0.0.1", 0, &listener, &port, NULL), 0);
    assert_int_equal(os_listen_tcp("127.0.0.1", port, &other, &again, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_int_equal(other, OS_FD_NONE);
}

static void nobody_listening_is_unreachable(void **state) {
    (void)state;
    struct err err = {0};
    int listener, client;
    uint16_t port;
    assert_int_equal(os_listen_tcp("127.0.0.1", 0, &listener, &port, NULL), 0);
    os_close(&listener);
    assert_int_equal(os_connect_tcp("127.0.0.1", port, LONG_MS, &client, &err), -1);
    assert_int_equal(err.code, ERR_UNREACHABLE);
    assert_int_equal(client, OS_FD_NONE);
    assert_int_equal(os_connect_tcp("no such name.invalid", 1, LONG_MS, &client, &err), -1);
    assert_int_equal(err.code, ERR_UNREACHABLE);
}

static void waiting_ends_with_a_time_out(void **state) {
    (void)state;
    struct err err = {0};
    OS_FD_AUTO int a = OS_FD_NONE, b = OS_FD_NONE;
    assert_int_equal(os_socketpair(&a, &b, NULL), 0);
    uint64_t before = os_mono_ns();
    assert_int_equal(os_wait(a, OS_WANT_READ, 20, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_true(os_mono_ns() - before >= 20 * 1000 * 1000);
    assert_int_equal(os_wait(a, OS_WANT_WRITE, 20, &err), 0);
}

static void wait_any_names_the_one_that_is_ready(void **state) {
    (void)state;
    struct err err = {0};
    int pairs[3][2], fds[3];
    size_t n, ready = 77;
    bool again;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(os_socketpair(&pairs[i][0], &pairs[i][1], NULL), 0);
        fds[i] = pairs[i][0];
    }
    assert_int_equal(os_wait_any(fds, 3, 10, &ready, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    for (size_t i = 3; i-- > 0;) { /* the first of several wins */
        assert_int_equal(os_sock_write(pairs[i][1], "x", 1, &n, &again, NULL), 0);
        assert_int_equal(os_wait_any(fds, 3, LONG_MS, &ready, NULL), 0);
        assert_int_equal(ready, i);
    }
    for (size_t i = 0; i < 3; i++) {
        os_close(&pairs[i][0]);
        os_close(&pairs[i][1]);
    }
}

static void read_tells_nothing_yet_from_the_end(void **state) {
    (void)state;
    OS_FD_AUTO int a = OS_FD_NONE, b = OS_FD_NONE;
    char byte;
    size_t n;
    bool again;
    assert_int_equal(os_socketpair(&a, &b, NULL), 0);
    assert_int_equal(os_sock_read(a, &byte, 1, &n, &again, NULL), 0);
    assert_true(again);
    assert_int_equal(n, 0);
    os_sock_shutdown(b);
    assert_int_equal(os_sock_read(a, &byte, 1, &n, &again, NULL), 0);
    assert_false(again);
    assert_int_equal(n, 0);
}

static void write_to_a_full_or_broken_stream_is_told(void **state) {
    (void)state;
    struct err err = {0};
    OS_FD_AUTO int a = OS_FD_NONE, b = OS_FD_NONE;
    static const char block[65536];
    size_t n, sum = 0;
    bool again = false;
    assert_int_equal(os_socketpair(&a, &b, NULL), 0);
    while (!again) {
        assert_int_equal(os_sock_write(a, block, sizeof block, &n, &again, NULL), 0);
        sum += n;
        assert_true(sum < ((size_t)64 << 20));
    }
    assert_true(sum > 0);
    os_close(&b);
    assert_int_equal(os_sock_write(a, block, 1, &n, &again, &err), -1); /* and no SIGPIPE */
    assert_int_equal(err.code, ERR_IO);
    assert_false(again);
}

static void unix_socket_has_its_mode_and_tells_the_user(void **state) {
    (void)state;
    char dir[SCRATCH_PATH_MAX], path[OS_PATH_MAX], peer[OS_ADDRESS_MAX];
    OS_FD_AUTO int listener = OS_FD_NONE, client = OS_FD_NONE, server = OS_FD_NONE;
    struct stat st;
    uint32_t uid = 77777;
    (void)text_format(path, sizeof path, "%s/socket", scratch_make(dir));
    assert_int_equal(os_listen_unix(path, 0660, &listener, NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(os_connect_unix(path, &client, NULL), 0);
    connect_pair(listener, client, &server, peer);
    assert_true(text_starts(peer, "local"));
    expect_talk(client, server);
    assert_int_equal(os_peer_uid(server, &uid, NULL), 0);
    assert_int_equal(uid, os_uid());
    scratch_remove(dir);
}

static void a_stale_unix_socket_is_replaced_and_a_live_one_is_not(void **state) {
    (void)state;
    char dir[SCRATCH_PATH_MAX], path[OS_PATH_MAX];
    struct err err = {0};
    int first, second;
    (void)text_format(path, sizeof path, "%s/socket", scratch_make(dir));
    assert_int_equal(os_connect_unix(path, &first, &err), -1);
    assert_int_equal(err.code, ERR_UNREACHABLE);
    assert_int_equal(os_listen_unix(path, 0600, &first, NULL), 0);
    assert_int_equal(os_listen_unix(path, 0600, &second, &err), -1);
    assert_int_equal(err.code, ERR_LOCKED);
    assert_int_equal(second, OS_FD_NONE);
    os_close(&first);
    assert_int_equal(os_listen_unix(path, 0600, &second, NULL), 0);
    os_close(&second);
    scratch_remove(dir);
}

static void a_unix_path_that_does_not_fit_is_refused(void **state) {
    (void)state;
    char path[200];
    struct err err = {0};
    int fd;
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = 0;
    assert_int_equal(os_listen_unix(path, 0600, &fd, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    assert_int_equal(os_connect_unix(path, &fd, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
}

static void peer_uid_of_no_socket_fails(void **state) {
    (void)state;
    struct err err = {0};
    uint32_t uid;
    assert_int_equal(os_peer_uid(-1, &uid, &err), -1);
    assert_int_equal(err.code, ERR_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_connects_on_a_port_of_the_kernels_choice),
        cmocka_unit_test(a_port_in_use_is_told),
        cmocka_unit_test(nobody_listening_is_unreachable),
        cmocka_unit_test(waiting_ends_with_a_time_out),
        cmocka_unit_test(wait_any_names_the_one_that_is_ready),
        cmocka_unit_test(read_tells_nothing_yet_from_the_end),
        cmocka_unit_test(write_to_a_full_or_broken_stream_is_told),
        cmocka_unit_test(unix_socket_has_its_mode_and_tells_the_user),
        cmocka_unit_test(a_stale_unix_socket_is_replaced_and_a_live_one_is_not),
        cmocka_unit_test(a_unix_path_that_does_not_fit_is_refused),
        cmocka_unit_test(peer_uid_of_no_socket_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
