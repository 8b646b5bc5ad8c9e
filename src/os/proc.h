#pragma once
/* os/proc -- the process itself: signals, user, environment, pid file. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Block SIGTERM, SIGINT, SIGHUP, ignore SIGPIPE; *fd becomes readable when one arrives
 * (os_signal_read). */
[[nodiscard]] int os_signals_open(int *fd, struct err *err);
enum os_signal { OS_SIGNAL_NONE, OS_SIGNAL_STOP, OS_SIGNAL_RELOAD };
enum os_signal os_signal_read(int fd);

uint32_t os_uid(void);
uint32_t os_gid(void);
uint32_t os_pid(void);
/* Host name, fully qualified when the system knows it. */
const char *os_host_name(char to[static 256]);
/* NULL when unset. */
const char *os_env(const char *name);
bool os_is_terminal(int fd);
unsigned os_terminal_columns(int fd);
/* No core dumps, not traceable by other processes of the user. */
void os_harden(void);
/* As many open files as the system permits this process. */
void os_raise_file_limit(void);
/* "agent.pid" with our pid; an older file is replaced. */
[[nodiscard]] int os_pid_file(const char *path, struct err *err);
/* Peak resident memory of this process in bytes. */
uint64_t os_peak_memory(void);
