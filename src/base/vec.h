#pragma once
/* base/vec -- a growing array of one type.
 *
 *   VEC(struct name) names = {0};   *vec_push(&names) = x;   names.p[i], names.n; vec_done(&names);
 */
#include <stddef.h>

#include "base/mem.h"

#define VEC(T)                                                                                     \
    struct {                                                                                       \
        T *p;                                                                                      \
        size_t n;                                                                                  \
        size_t cap;                                                                                \
    }

void *vec_grow_(void *p, size_t *cap, size_t need, size_t size);

#define vec_reserve(v, need)                                                                       \
    ((v)->cap < (need) ? (void)((v)->p = vec_grow_((v)->p, &(v)->cap, (need), sizeof *(v)->p))     \
                       : (void)0)
/* Pointer to one new, uninitialised element. */
#define vec_push(v) (vec_reserve((v), (v)->n + 1), &(v)->p[(v)->n++])
#define vec_done(v) (mem_free((v)->p), (v)->p = NULL, (v)->n = 0, (v)->cap = 0)
