#pragma once
/* os/random -- bytes from getrandom(2); never fails (aborts if the kernel cannot). */
#include <stddef.h>

void os_random(void *to, size_t n);
