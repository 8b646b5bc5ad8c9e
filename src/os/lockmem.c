#include "os/lockmem.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"

static size_t page_size(void) {
    long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (size_t)size : 4096;
}

static size_t whole_pages(size_t size, size_t page) {
    return (size / page + 1) * page;
}

void *os_lockmem_new(size_t size) {
    size_t page = page_size(), inner = whole_pages(size, page);
    uint8_t *map = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    INVARIANT(map != MAP_FAILED);
    INVARIANT(mprotect(map + page, inner, PROT_READ | PROT_WRITE) == 0);
    (void)mlock(map + page, inner);
    (void)madvise(map + page, inner, MADV_DONTDUMP);
    return map + page;
}

void os_lockmem_free(void *p, size_t size) {
    if (p == NULL)
        return;
    size_t page = page_size(), inner = whole_pages(size, page);
    explicit_bzero(p, inner);
    (void)munmap((uint8_t *)p - page, inner + 2 * page);
}
