#pragma once
/* Child processes: for what a process can do only once, such as dying. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef void died_fn(void *arg);

/* No core, nothing on stderr. */
static inline void died_prepare(void) {
    struct rlimit none = {0};
    (void)setrlimit(RLIMIT_CORE, &none);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(null, STDERR_FILENO);
}

static inline int died_wait(pid_t child) {
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child)
        abort();
    return status;
}

/* Wait status of a child that ran fn. */
static inline int died_run(died_fn *fn, void *arg) {
    pid_t child = fork();
    if (child == 0) {
        died_prepare();
        fn(arg);
        _exit(0);
    }
    return died_wait(child);
}

/* Wait status of this program started anew as "child NAME ARG" with CASEMATE_FAULT set to `fault`:
 * the rules are read once in the life of a process. */
static inline int died_exec(const char *name, const char *arg, const char *fault) {
    pid_t child = fork();
    if (child == 0) {
        died_prepare();
        if (setenv("CASEMATE_FAULT", fault, 1) == 0)
            (void)execl("/proc/self/exe", "child", name, arg, (char *)NULL);
        abort();
    }
    return died_wait(child);
}

/* The child did not come back from fn: an abort, or a sanitizer that saw it first. */
static inline bool died_in(died_fn *fn, void *arg) {
    int status = died_run(fn, arg);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}
