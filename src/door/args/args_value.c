#include <string.h>

#include "base/text.h"
#include "door/args/args_int.h"

static int check_number(const struct args_option *option, const char *text, const char *what,
                        enum err_code code, struct err *err) {
    uint64_t max = option->max != 0 ? option->max : UINT64_MAX, number = 0;
    if (text_to_u64(text, max, &number) && number >= option->min)
        return 0;
    if (option->max == 0)
        return ERR(err, code, "%s must be a number, not \"%s\"", what, text);
    return ERR(err, code, "%s must be a number from %llu to %llu, not \"%s\"", what,
               (unsigned long long)option->min, (unsigned long long)max, text);
}

static int check_word(const struct args_option *option, const char *text, const char *what,
                      enum err_code code, struct err *err) {
    struct buf words = {0};
    for (const char *const *word = option->words; *word != NULL; word++) {
        if (strcmp(text, *word) == 0) {
            buf_done(&words);
            return 0;
        }
        buf_printf(&words, "%s%s", words.n == 0 ? "" : ", ", *word);
    }
    (void)ERR(err, code, "%s must be one of %s, not \"%s\"", what, buf_text(&words), text);
    buf_done(&words);
    return -1;
}

int args_check(const struct args_option *option, const char *text, const char *what,
               enum err_code code, struct err *err) {
    switch (option->type) {
    case ARGS_FLAG:
        return 0;
    case ARGS_TEXT:
    case ARGS_PATH:
        return text[0] != 0 ? 0 : ERR(err, code, "%s must not be empty", what);
    case ARGS_NUMBER:
        return check_number(option, text, what, code, err);
    case ARGS_WORD:
        return check_word(option, text, what, code, err);
    }
    return ERR(err, ERR_INTERNAL, "%s has no type", what);
}

/* Forget what weaker origins gave; false: a stronger one gave something already. */
static bool make_room(struct args *args, const char *name, bool many, enum args_origin origin) {
    size_t kept = 0;
    for (size_t i = 0; i < args->values.n; i++) {
        struct args_value *value = &args->values.p[i];
        bool same = value->name == name;
        if (same && value->origin > origin)
            return false;
        if (same && (value->origin < origin || !many))
            mem_free(value->text);
        else
            args->values.p[kept++] = *value;
    }
    args->values.n = kept;
    return true;
}

void args_set(struct args *args, const char *name, bool many, const char *text,
              enum args_origin origin) {
    if (make_room(args, name, many, origin))
        *vec_push(&args->values) =
            (struct args_value){.name = name, .text = mem_text(text), .origin = origin};
}

/* The i-th value of a declared name, or NULL. */
static const struct args_value *nth(const struct args *args, const char *name, size_t n) {
    for (size_t i = 0; i < args->values.n; i++)
        if (strcmp(args->values.p[i].name, name) == 0 && n-- == 0)
            return &args->values.p[i];
    return NULL;
}

bool args_given(const struct args *args, const char *name) {
    INVARIANT(args_option_of(args, name) != NULL || args_operand_of(args, name) != NULL);
    return nth(args, name, 0) != NULL;
}

const char *args_text(const struct args *args, const char *name) {
    const struct args_option *option = args_option_of(args, name);
    INVARIANT(option != NULL || args_operand_of(args, name) != NULL);
    INVARIANT(option == NULL || option->type != ARGS_FLAG);
    const struct args_value *value = nth(args, name, 0);
    if (value != NULL)
        return value->text;
    return option != NULL ? option->fallback : NULL;
}

bool args_flag(const struct args *args, const char *name) {
    const struct args_option *option = args_option_of(args, name);
    INVARIANT(option != NULL && option->type == ARGS_FLAG);
    const struct args_value *value = nth(args, name, 0);
    return value != NULL && text_equal(value->text, "yes");
}

uint64_t args_number(const struct args *args, const char *name, uint64_t left_out) {
    const struct args_option *option = args_option_of(args, name);
    INVARIANT(option != NULL && option->type == ARGS_NUMBER);
    const char *text = args_text(args, name);
    uint64_t number = left_out;
    if (text != NULL)
        INVARIANT(text_to_u64(text, UINT64_MAX, &number)); /* was checked */
    return number;
}

size_t args_n(const struct args *args, const char *name) {
    INVARIANT(args_option_of(args, name) != NULL || args_operand_of(args, name) != NULL);
    size_t n = 0;
    while (nth(args, name, n) != NULL)
        n++;
    return n;
}

const char *args_item(const struct args *args, const char *name, size_t i) {
    const struct args_value *value = nth(args, name, i);
    INVARIANT(value != NULL);
    return value->text;
}

static void tell(const struct args *args, const struct args_option *options, args_value_fn *fn,
                 void *ctx) {
    static const char *const origins[] = {
        [ARGS_FROM_DEFAULT] = "default",
        [ARGS_FROM_FILE] = "file",
        [ARGS_FROM_ENVIRONMENT] = "environment",
        [ARGS_FROM_COMMAND] = "command line",
    };
    for (; options != NULL && options->name != NULL; options++) {
        size_t n = args_n(args, options->name);
        for (size_t i = 0; i < n; i++) {
            const struct args_value *value = nth(args, options->name, i);
            fn(ctx, options->name, value->text, origins[value->origin]);
        }
        if (n == 0)
            fn(ctx, options->name, options->type == ARGS_FLAG ? "no" : options->fallback,
               origins[ARGS_FROM_DEFAULT]);
    }
}

void args_values(const struct args *args, args_value_fn *fn, void *ctx) {
    tell(args, args->program->options, fn, ctx);
    if (args->command != NULL)
        tell(args, args->command->options, fn, ctx);
}
