#include "base/base.h"

#include <errno.h>
#include <stdarg.h>

#include "base/text.h"

static const struct err_info rows[] = {
#define ERROR_ROW(symbol_c, number_, symbol_, cause_, action_, exit_, http_)                       \
    {symbol_c, number_, symbol_, cause_, action_, exit_, http_},
#include "spec_error.inc"
};

const struct err_info *err_info(enum err_code code) {
    for (size_t i = 0; i < ARRAY_N(rows); i++)
        if (rows[i].code == code)
            return &rows[i];
    return err_info(ERR_INTERNAL);
}

const struct err_info *err_info_by_symbol(const char *symbol) {
    for (size_t i = 0; i < ARRAY_N(rows); i++)
        if (text_equal(rows[i].symbol, symbol))
            return &rows[i];
    return NULL;
}

int err_set(struct err *err, enum err_code code, int sys, const char *func, int line,
            const char *format, ...) {
    if (err == NULL)
        return -1;
    err->code = code;
    err->sys = sys;
    err->func = func;
    err->line = line;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (sys != 0 && n >= 0 && (size_t)n < sizeof err->text)
        (void)text_format(err->text + n, sizeof err->text - (size_t)n, ": %s",
                          strerrordesc_np(sys));
    return -1;
}

int err_note(struct err *err, const char *format, ...) {
    if (err == NULL)
        return -1;
    char note[ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(note, sizeof note, format, args);
    va_end(args);
    char text[ERR_TEXT_MAX];
    (void)text_copy(text, sizeof text, err->text);
    (void)text_format(err->text, sizeof err->text, "%s: %s", note, text);
    return -1;
}

void err_clear(struct err *err) {
    if (err != NULL)
        *err = (struct err){.code = ERR_NONE};
}

_Noreturn void base_invariant_failed(const char *what, const char *file, int line) {
    (void)fprintf(stderr, "invariant failed: %s (%s:%d)\n", what, file, line);
    abort();
}
