#include "base/vec.h"

#include "base/base.h"

void *vec_grow_(void *p, size_t *cap, size_t need, size_t size) {
    size_t more = *cap < 8 ? 8 : *cap + *cap / 2;
    if (more < need)
        more = need;
    size_t bytes;
    if (__builtin_mul_overflow(more, size, &bytes))
        base_invariant_failed("vector size", __FILE__, __LINE__);
    *cap = more;
    return mem_resize(p, bytes);
}
