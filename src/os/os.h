#pragma once
/* os -- the only window to the kernel: files, durable writes, sockets, clock, randomness,
 * threads.
 * Owns: every system call of the project, and the fault points that tests drive through them.
 * Knows nothing of: what the bytes mean.
 * Threads: functions are re-entrant; objects say what they allow.
 * Lifetime: a descriptor in `*fd` is the caller's until os_close().
 * Limits: OS_PATH_MAX, OS_NAME_MAX. */
#include "base/base.h"
#include "os/clock.h"
#include "os/durable.h"
#include "os/fault.h"
#include "os/file.h"
#include "os/random.h"
#include "os/thread.h"
