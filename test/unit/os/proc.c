/* Covers src/os/proc.c, src/os/random.c. */
#include "unit.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "died.h"
#include "os/file.h"
#include "os/proc.h"
#include "os/random.h"
#include "os/sock.h"
#include "scratch.h"

/* In a child, whose signals nobody else needs. */
static void take_signals(void *arg) {
    (void)arg;
    int fd;
    if (os_signals_open(&fd, NULL) != 0 || os_signal_read(fd) != OS_SIGNAL_NONE)
        _exit(1);
    static const struct {
        int number;
        enum os_signal means;
    } rows[] = {{SIGHUP, OS_SIGNAL_RELOAD}, {SIGTERM, OS_SIGNAL_STOP}, {SIGINT, OS_SIGNAL_STOP}};
    for (size_t i = 0; i < ARRAY_N(rows); i++) {
        (void)kill(getpid(), rows[i].number);
        if (os_wait(fd, OS_WANT_READ, 60000, NULL) != 0 || os_signal_read(fd) != rows[i].means)
            _exit(2);
    }
    (void)raise(SIGPIPE);
    _exit(0);
}

static void signals_arrive_through_a_descriptor(void **state) {
    (void)state;
    int status = died_run(take_signals, NULL);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void harden(void *arg) {
    (void)arg;
    struct rlimit limit;
    os_harden();
    (void)getrlimit(RLIMIT_CORE, &limit);
    _exit(limit.rlim_cur == 0 && limit.rlim_max == 0 ? 0 : 1);
}

static void a_hardened_process_leaves_no_core(void **state) {
    (void)state;
    int status = died_run(harden, NULL);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void pid_file_holds_the_pid_and_is_replaced(void **state) {
    (void)state;
    char dir[SCRATCH_PATH_MAX], path[OS_PATH_MAX], wanted[32];
    struct buf buf = {0};
    (void)text_format(path, sizeof path, "%s/agent.pid", scratch_make(dir));
    (void)text_format(wanted, sizeof wanted, "%u\n", os_pid());
    for (int i = 0; i < 2; i++) {
        struct err err = {0};
        if (os_pid_file(path, &err) != 0)
            print_message("%s\n", err.text);
        assert_int_equal(err.code, ERR_NONE);
        buf_clear(&buf);
        assert_int_equal(os_load(OS_FD_CWD, path, 100, &buf, NULL), 0);
        assert_string_equal(buf_text(&buf), wanted);
    }
    buf_done(&buf);
    scratch_remove(dir);
}

static void the_process_knows_itself(void **state) {
    (void)state;
    char host[256];
    assert_int_equal(os_uid(), geteuid());
    assert_int_equal(os_gid(), getegid());
    assert_int_equal(os_pid(), getpid());
    assert_true(strlen(os_host_name(host)) > 0);
    assert_true(os_peak_memory() > 100000);
    assert_null(os_env("CASEMATE_NO_SUCH_VARIABLE"));
    assert_non_null(os_env("PATH"));
}

static void what_is_no_terminal_has_eighty_columns(void **state) {
    (void)state;
    int a, b;
    assert_int_equal(os_socketpair(&a, &b, NULL), 0);
    assert_false(os_is_terminal(a));
    assert_int_equal(os_terminal_columns(a), 80);
    os_close(&a);
    os_close(&b);
}

static void random_bytes_differ(void **state) {
    (void)state;
    uint8_t a[1000] = {0}, b[1000] = {0};
    os_random(a, sizeof a);
    os_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    unsigned zeros = 0;
    for (size_t i = 0; i < sizeof a; i++)
        zeros += a[i] == 0;
    assert_in_range(zeros, 0, 40);
    os_random(a, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_arrive_through_a_descriptor),
        cmocka_unit_test(a_hardened_process_leaves_no_core),
        cmocka_unit_test(pid_file_holds_the_pid_and_is_replaced),
        cmocka_unit_test(the_process_knows_itself),
        cmocka_unit_test(what_is_no_terminal_has_eighty_columns),
        cmocka_unit_test(random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
