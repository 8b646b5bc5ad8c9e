#include "os/clock.h"

#include <sys/resource.h>
#include <time.h>

static uint64_t read_ns(clockid_t clock) {
    struct timespec ts;
    (void)clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t os_mono_ns(void) {
    return read_ns(CLOCK_MONOTONIC);
}
int64_t os_wall_ns(void) {
    return (int64_t)read_ns(CLOCK_REALTIME);
}
int64_t os_wall_s(void) {
    return os_wall_ns() / 1000000000;
}
uint64_t os_cpu_ns(void) {
    return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}
