#include "os/proc.h"

#include <netdb.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "os/durable.h"
#include "os/file.h"

int os_signals_open(int *fd, struct err *err) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    *fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *fd < 0 ? ERR(err, ERR_IO, "cannot open a signal descriptor") : 0;
}

enum os_signal os_signal_read(int fd) {
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof info) != (ssize_t)sizeof info)
        return OS_SIGNAL_NONE;
    return info.ssi_signo == SIGHUP ? OS_SIGNAL_RELOAD : OS_SIGNAL_STOP;
}

uint32_t os_uid(void) {
    return geteuid();
}
uint32_t os_gid(void) {
    return getegid();
}
uint32_t os_pid(void) {
    return (uint32_t)getpid();
}

const char *os_host_name(char to[static 256]) {
    if (gethostname(to, 255) != 0)
        (void)text_copy(to, 256, "localhost");
    to[255] = 0;
    if (strchr(to, '.') != NULL)
        return to;
    struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *info = NULL;
    if (getaddrinfo(to, NULL, &hints, &info) == 0 && info != NULL && info->ai_canonname != NULL &&
        text_starts(info->ai_canonname, to))
        (void)text_copy(to, 256, info->ai_canonname);
    if (info != NULL)
        freeaddrinfo(info);
    return to;
}

const char *os_env(const char *name) {
    return secure_getenv(name);
}
bool os_is_terminal(int fd) {
    return isatty(fd) == 1;
}

unsigned os_terminal_columns(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void os_harden(void) {
    struct rlimit none = {0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void os_raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int os_pid_file(const char *path, struct err *err) {
    char text[TEXT_SIZE_MAX];
    (void)text_format(text, sizeof text, "%u\n", os_pid());
    return durable_write(OS_FD_CWD, path, span_text(text), 0644, true, err);
}

uint64_t os_peak_memory(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}
