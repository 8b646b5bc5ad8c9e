#pragma once
/* door/args, inside: values with their origin, and looking up names. */
#include "base/vec.h"
#include "door/args/args.h"

enum args_origin { ARGS_FROM_DEFAULT, ARGS_FROM_FILE, ARGS_FROM_ENVIRONMENT, ARGS_FROM_COMMAND };

struct args_value {
    const char *name; /* of the option or operand in its table */
    char *text;
    enum args_origin origin;
};

struct args {
    const struct args_program *program;
    const struct args_command *command; /* NULL: none chosen */
    const char *noun;                   /* "group" when help of a noun is wanted, else NULL */
    enum args_want want;
    VEC(struct args_value) values;
};

/* ---- args_find.c ---- */
const struct args_option *args_find_option(const struct args_option *options, const char *name);
const struct args_command *args_command_named(const struct args_program *program, const char *name);
/* The command chosen so far, or the default one as long as none is. */
const struct args_command *args_effective(const struct args *args);
/* Of the command and of the program. */
const struct args_option *args_option_of(const struct args *args, const char *name);
const struct args_operand *args_operand_of(const struct args *args, const char *name);
/* The candidate that looks most like `word`; NULL when none is near.  `consider` one after the
 * other. */
struct args_nearest {
    const char *word;
    const char *best; /* its first best_n bytes */
    size_t best_n;
    size_t distance;
};
void args_consider(struct args_nearest *nearest, const char *candidate, size_t n);
void args_consider_options(struct args_nearest *nearest, const struct args_option *options,
                           bool keys_only);

/* ---- args_value.c ---- */
/* Does `text` fit the option?  `what` is how the person named it: "--level", "key level". */
[[nodiscard]] int args_check(const struct args_option *option, const char *text, const char *what,
                             enum err_code code, struct err *err);
/* Remember a value unless a stronger origin gave one. */
void args_set(struct args *args, const char *name, bool many, const char *text,
              enum args_origin origin);
