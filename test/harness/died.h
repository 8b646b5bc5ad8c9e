#pragma once
/* Runs a function in a child process: for what a process can do only once, such as dying, or
 * reading CASEMATE_FAULT. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef void died_fn(void *arg);

/* Wait status of a child that ran fn with CASEMATE_FAULT set to `fault` (NULL: unset); what it
 * writes on stderr is dropped. */
static inline int died_run(died_fn *fn, void *arg, const char *fault) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0};
        (void)setrlimit(RLIMIT_CORE, &none);
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(null, STDERR_FILENO);
        (void)(fault != NULL ? setenv("CASEMATE_FAULT", fault, 1) : unsetenv("CASEMATE_FAULT"));
        fn(arg);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        abort();
    return status;
}

/* The child did not come back from fn: an abort, or a sanitizer that saw it first. */
static inline bool died_in(died_fn *fn, void *arg) {
    int status = died_run(fn, arg, NULL);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}
