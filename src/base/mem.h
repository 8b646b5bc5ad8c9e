#pragma once
/* base/mem -- the only door to the heap.  Small fixed allocations abort when memory is out; sizes
 * that came from outside are checked against a named limit by the caller first. */
#include <stddef.h>

/* Zeroed memory of `size` bytes; never NULL; aborts when memory is out. */
void *mem_new(size_t size) __attribute__((returns_nonnull, malloc, warn_unused_result));

/* `count` zeroed objects of `size` bytes; aborts on overflow or when memory is out. */
void *mem_new_array(size_t count, size_t size)
    __attribute__((returns_nonnull, malloc, warn_unused_result));

/* Resize; keeps the old content, new bytes are uninitialised; aborts when memory is out. */
void *mem_resize(void *p, size_t size) __attribute__((returns_nonnull, warn_unused_result));

/* A copy of `size` bytes at p (never NULL), or of a string. */
void *mem_copy(const void *p, size_t size) __attribute__((returns_nonnull, warn_unused_result));
char *mem_text(const char *s) __attribute__((returns_nonnull, warn_unused_result));

void mem_free(void *p);

/* For AUTO on plain heap pointers: `MEM_AUTO char *name = mem_text(x);` */
void mem_auto(void *pointer_to_pointer);
#define MEM_AUTO __attribute__((cleanup(mem_auto)))
