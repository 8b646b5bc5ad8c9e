#pragma once
/* base/err -- how a failure travels.
 *
 * A function that can fail returns 0 or -1 and takes `struct err *` last.  Who returns -1 has
 * filled it once; callers on the way up add ERR_NOTE, which puts their context in front of the
 * text.  Codes, actions and exit statuses are declared in spec/error.yaml. */
#include <stdint.h>

#include "spec_error.h"

#define ERR_TEXT_MAX 512

struct err {
    enum err_code code; /* ERR_NONE while nothing failed */
    int sys;            /* errno behind it, or 0 */
    int line;
    const char *func;
    char text[ERR_TEXT_MAX];
};

/* One row of spec/error.yaml. */
struct err_info {
    enum err_code code;
    uint32_t number;    /* stable id shown to people, e.g. 402 */
    const char *symbol; /* "store-corrupt" */
    const char *cause;  /* what it means */
    const char *action; /* what a person should do */
    int exit_status;
    int http_status;
};

/* The row of `code`; never NULL (an unknown code gives the row of ERR_INTERNAL). */
const struct err_info *err_info(enum err_code code);

/* The row whose symbol is `symbol`, or NULL. */
const struct err_info *err_info_by_symbol(const char *symbol);

/* Fill *err (may be NULL) and return -1. */
int err_set(struct err *err, enum err_code code, int sys, const char *func, int line,
            const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Put context before the text; return -1. */
int err_note(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

void err_clear(struct err *err);

#define ERR(err, code, ...) err_set((err), (code), 0, __func__, __LINE__, __VA_ARGS__)
/* The same with errno appended as words. */
#define ERR_SYS(err, code, sys, ...) err_set((err), (code), (sys), __func__, __LINE__, __VA_ARGS__)
#define ERR_NOTE(err, ...) err_note((err), __VA_ARGS__)
