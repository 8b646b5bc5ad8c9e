#pragma once
/* base -- words and bytes any program could use: errors, spans, buffers, text, vectors, tables.
 * Owns: the vocabulary every other room speaks.
 * Knows nothing of: the kernel, cryptography, backup.
 * Threads: values are not shared; nothing here locks.
 * Lifetime: every X_new / X_init has an X_free that takes NULL.
 * Limits: BUF_BYTES_MAX, ERR_TEXT_MAX. */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ban.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/span.h"
#include "base/vec.h"

/* Cleanup at scope end: T##_auto(struct T **) must exist. */
#define AUTO(T) __attribute__((cleanup(T##_auto))) struct T
/* The same for a struct held by value: T##_done(struct T *) must exist. */
#define SCOPED(T) __attribute__((cleanup(T##_done))) struct T
/* Hand over an owned pointer: its value, leaving NULL behind. */
#define TAKE(x)                                                                                    \
    __extension__({                                                                                \
        __typeof__(x) took_ = (x);                                                                 \
        (x) = NULL;                                                                                \
        took_;                                                                                     \
    })

#define ARRAY_N(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                                                                                  \
    __extension__({                                                                                \
        __typeof__(a) a_ = (a);                                                                    \
        __typeof__(b) b_ = (b);                                                                    \
        a_ < b_ ? a_ : b_;                                                                         \
    })
#define MAX(a, b)                                                                                  \
    __extension__({                                                                                \
        __typeof__(a) a_ = (a);                                                                    \
        __typeof__(b) b_ = (b);                                                                    \
        a_ > b_ ? a_ : b_;                                                                         \
    })

/* An invariant of our own (never used on bytes from outside); checked in release too. */
#define INVARIANT(x) ((x) ? (void)0 : base_invariant_failed(#x, __FILE__, __LINE__))
_Noreturn void base_invariant_failed(const char *what, const char *file, int line);
