#include "base/mem.h"

#include "base/base.h"

_Noreturn static void out_of_memory(size_t size) {
    (void)fprintf(stderr, "out of memory (%zu bytes)\n", size);
    abort();
}

void *mem_new(size_t size) {
    return mem_new_array(1, size);
}

void *mem_new_array(size_t count, size_t size) {
    void *p = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    if (p == NULL)
        out_of_memory(size);
    return p;
}

void *mem_resize(void *p, size_t size) {
    void *q = realloc(p, size > 0 ? size : 1);
    if (q == NULL)
        out_of_memory(size);
    return q;
}

void *mem_copy(const void *p, size_t size) {
    void *q = mem_resize(NULL, size);
    if (size > 0)
        memcpy(q, p, size);
    return q;
}

char *mem_text(const char *s) {
    return mem_copy(s, strlen(s) + 1);
}

void mem_free(void *p) {
    free(p);
}

void mem_auto(void *pointer_to_pointer) {
    void *p;
    memcpy(&p, pointer_to_pointer, sizeof p);
    free(p);
}
