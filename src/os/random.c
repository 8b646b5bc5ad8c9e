#include "os/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/base.h"

void os_random(void *to, size_t n) {
    uint8_t *p = to;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            base_invariant_failed("getrandom works", __FILE__, __LINE__);
        p += got;
        n -= (size_t)got;
    }
}
