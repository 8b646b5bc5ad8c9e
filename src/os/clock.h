#pragma once
/* os/clock -- two clocks.  Safety is decided by monotonic time and sequence numbers only; wall time
 * is a label. */
#include <stdint.h>

uint64_t os_mono_ns(void);
int64_t os_wall_s(void);
int64_t os_wall_ns(void);
/* CPU time of this process, user + system. */
uint64_t os_cpu_ns(void);
