#pragma once
/* base/text -- C strings, safely: formatting into fixed arrays and growing text, numbers, hex,
 * sizes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* Format into `to`; cuts at size-1 and always terminates.  Returns true when nothing was cut. */
bool text_format(char *to, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Copy `from` into to[size]; true when it fitted. */
bool text_copy(char *to, size_t size, const char *from);
/* Append formatted text to a buffer; buf->p stays NUL-terminated behind n. */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The buffer as a C string (adds the NUL behind n). */
const char *buf_text(struct buf *buf);

/* Whole-string decimal; false on anything else or above `max`. */
bool text_to_u64(const char *s, uint64_t max, uint64_t *out);
/* "64", "64K", "64KiB", "10MB", "1.5GiB": K/M/G/T are binary, KB/MB/GB/TB decimal. */
bool text_to_size(const char *s, uint64_t *bytes_out);
/* Lower-case hex, 2n digits and NUL into `to`. */
void text_hex(char *to, const uint8_t *p, size_t n);
/* Hex digits of either case to exactly n bytes. */
bool text_unhex(const char *s, size_t digits, uint8_t *to, size_t n);

bool text_equal(const char *a, const char *b);        /* NULL equals only NULL */
bool text_equal_nocase(const char *a, const char *b); /* ASCII */
bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);

/* For people: "1.5 GiB", "12.3 MiB/s", "1h02m". */
#define TEXT_SIZE_MAX 32
const char *text_size(char to[static TEXT_SIZE_MAX], uint64_t bytes);
const char *text_duration(char to[static TEXT_SIZE_MAX], uint64_t seconds);

/* Bytes as printable UTF-8 for terminals and JSON: valid UTF-8 without control characters is kept,
 * every other byte becomes \xHH and a backslash \\ ; reversible.  Appends to `out`. */
void text_escape(struct buf *out, struct span bytes);
/* RFC 3339 UTC, "2026-11-21T01:20:25Z". */
const char *text_time(char to[static TEXT_SIZE_MAX], int64_t unix_seconds);
