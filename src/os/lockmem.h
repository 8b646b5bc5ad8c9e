#pragma once
/* os/lockmem -- memory for secrets: own pages between guard pages, kept out of swap and core dumps.
 *
 * Locking is best effort (RLIMIT_MEMLOCK may be small); everything else holds always. */
#include <stddef.h>

/* Zeroed; never NULL; aborts when memory is out. */
void *os_lockmem_new(size_t size) __attribute__((returns_nonnull, warn_unused_result));
/* `size` as given to os_lockmem_new; NULL is fine.  The bytes are wiped. */
void os_lockmem_free(void *p, size_t size);
