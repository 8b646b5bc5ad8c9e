#include "base/text.h"

#include <stdarg.h>

#include "base/base.h"

bool text_format(char *to, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(to, size, format, args);
    va_end(args);
    return n >= 0 && (size_t)n < size;
}

bool text_copy(char *to, size_t size, const char *from) {
    return text_format(to, size, "%s", from);
}

void buf_printf(struct buf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    INVARIANT(n >= 0);
    buf_reserve(buf, (size_t)n + 1);
    (void)vsnprintf((char *)buf->p + buf->n, (size_t)n + 1, format, again);
    va_end(again);
    buf->n += (size_t)n;
}

const char *buf_text(struct buf *buf) {
    buf_reserve(buf, 1);
    buf->p[buf->n] = 0;
    return (const char *)buf->p;
}

bool text_to_u64(const char *s, uint64_t max, uint64_t *out) {
    uint64_t v = 0;
    if (*s == 0)
        return false;
    for (; *s != 0; s++) {
        if (*s < '0' || *s > '9')
            return false;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
            return false;
    }
    if (v > max)
        return false;
    *out = v;
    return true;
}

static bool size_unit(const char *unit, uint64_t *factor) {
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"K", 1ULL << 10},
        {"KiB", 1ULL << 10},
        {"M", 1ULL << 20},
        {"MiB", 1 << 20},
        {"G", 1ULL << 30},
        {"GiB", 1ULL << 30},
        {"T", 1ULL << 40},
        {"TiB", 1ULL << 40},
        {"KB", 1000},
        {"MB", 1000 * 1000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
    };
    for (size_t i = 0; i < ARRAY_N(units); i++)
        if (text_equal_nocase(unit, units[i].name)) {
            *factor = units[i].factor;
            return true;
        }
    return false;
}

bool text_to_size(const char *s, uint64_t *bytes_out) {
    uint64_t whole = 0, thousandths = 0, factor = 0;
    const char *p = s;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(whole, (uint64_t)10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
            return false;
    if (*p == '.') {
        uint64_t place = 100;
        for (p++; *p >= '0' && *p <= '9'; p++, place /= 10)
            thousandths += (uint64_t)(*p - '0') * place;
    }
    while (*p == ' ')
        p++;
    if (!size_unit(p, &factor))
        return false;
    uint64_t bytes;
    if (__builtin_mul_overflow(whole, factor, &bytes) ||
        __builtin_add_overflow(
            bytes, factor / 1000 * thousandths + factor % 1000 * thousandths / 1000, &bytes))
        return false;
    *bytes_out = bytes;
    return true;
}

void text_hex(char *to, const uint8_t *p, size_t n) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        to[2 * i] = digits[p[i] >> 4];
        to[2 * i + 1] = digits[p[i] & 15];
    }
    to[2 * n] = 0;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool text_unhex(const char *s, size_t digits, uint8_t *to, size_t n) {
    if (digits != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(s[2 * i]);
        int low = high < 0 ? -1 : hex_digit(s[2 * i + 1]);
        if (low < 0)
            return false;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool text_equal(const char *a, const char *b) {
    if (a == NULL || b == NULL)
        return a == b;
    return strcmp(a, b) == 0;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool text_equal_nocase(const char *a, const char *b) {
    if (a == NULL || b == NULL)
        return a == b;
    for (; lower(*a) == lower(*b); a++, b++)
        if (*a == 0)
            return true;
    return false;
}

bool text_starts(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *s, const char *suffix) {
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && strcmp(s + n - m, suffix) == 0;
}

const char *text_size(char to[static TEXT_SIZE_MAX], uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double value = (double)bytes;
    while (value >= 1024 && unit + 1 < ARRAY_N(units)) {
        value /= 1024;
        unit++;
    }
    (void)text_format(to, TEXT_SIZE_MAX, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return to;
}

const char *text_duration(char to[static TEXT_SIZE_MAX], uint64_t seconds) {
    if (seconds >= 3600)
        (void)text_format(to, TEXT_SIZE_MAX, "%lluh%02llum", (unsigned long long)(seconds / 3600),
                          (unsigned long long)(seconds % 3600 / 60));
    else if (seconds >= 60)
        (void)text_format(to, TEXT_SIZE_MAX, "%llum%02llus", (unsigned long long)(seconds / 60),
                          (unsigned long long)(seconds % 60));
    else
        (void)text_format(to, TEXT_SIZE_MAX, "%llus", (unsigned long long)seconds);
    return to;
}

/* Length of the valid UTF-8 sequence at p (1..4), or 0; control characters are not valid here. */
static size_t utf8_length(const uint8_t *p, size_t left) {
    if (p[0] < 0x20 || p[0] == 0x7f)
        return 0;
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    uint32_t code = p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (p[i] & 0x3fu);
    bool shortest = code >= (n == 2 ? 0x80u : n == 3 ? 0x800u : 0x10000u);
    bool scalar = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    bool control =
        code < 0xa0 || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return shortest && scalar && !control ? n : 0;
}

void text_escape(struct buf *out, struct span bytes) {
    for (size_t i = 0; i < bytes.n;) {
        size_t n = utf8_length(bytes.p + i, bytes.n - i);
        if (bytes.p[i] == '\\') {
            buf_put(out, "\\\\", 2);
            i++;
        } else if (n > 0) {
            buf_put(out, bytes.p + i, n);
            i += n;
        } else {
            buf_printf(out, "\\x%02x", bytes.p[i]);
            i++;
        }
    }
}

const char *text_time(char to[static TEXT_SIZE_MAX], int64_t unix_seconds) {
    time_t t = (time_t)unix_seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(to, TEXT_SIZE_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void)text_copy(to, TEXT_SIZE_MAX, "-");
    return to;
}
