#pragma once
/* crypto/secret -- bytes that must not leak: locked memory, wiped on free, no printf conversion,
 * never copied by value. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct secret;
struct secret *secret_new(size_t n);         /* random bytes */
struct secret *secret_of(struct span bytes); /* a copy; the caller wipes its own */
void secret_free(struct secret *secret);
static inline void secret_auto(struct secret **p) {
    secret_free(*p);
}
struct span secret_span(const struct secret *secret); /* borrowed */
/* Overwrite memory so that the compiler keeps it. */
void secret_wipe(void *p, size_t n);
/* 32 bytes derived by HKDF-SHA-256 (RFC 5869): `label` is its info, `context` its salt (may be
 * empty). */
[[nodiscard]] int secret_derive(const struct secret *key, const char *label, struct span context,
                                struct secret **out, struct err *err);
