#include <string.h>

#include "base/text.h"
#include "door/args/args_int.h"
#include "os/file.h"

/* Spaces off both ends, in place. */
static char *trim(char *text) {
    text += strspn(text, " \t\r");
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r", text[n - 1]) != NULL)
        text[--n] = 0;
    return text;
}

/* A value may stand in quotes to keep its spaces; false: the closing one is missing. */
static bool unquote(char **value) {
    size_t n = strlen(*value);
    if (**value != '"')
        return true;
    if (n < 2 || (*value)[n - 1] != '"')
        return false;
    (*value)[n - 1] = 0;
    (*value)++;
    return true;
}

/* A key of the program, also of verbs that do not run now: all of them share one file. */
static const struct args_option *key_named(const struct args *args, const char *name) {
    const struct args_option *option = args_option_of(args, name);
    const struct args_command *command = args->program->commands;
    for (; (option == NULL || !option->key) && command != NULL && command->name != NULL; command++)
        option = args_find_option(command->options, name);
    return option != NULL && option->key ? option : NULL;
}

static int unknown_key(const struct args *args, const char *key, struct err *err) {
    struct args_nearest nearest = {.word = key};
    args_consider_options(&nearest, args->program->options, true);
    const struct args_command *command = args->program->commands;
    for (; command != NULL && command->name != NULL; command++)
        args_consider_options(&nearest, command->options, true);
    if (nearest.best != NULL)
        return ERR(err, ERR_CONFIG, "unknown key %.64s; did you mean %s?", key, nearest.best);
    return ERR(err, ERR_CONFIG, "unknown key %.64s", key);
}

static int take_key(struct args *args, const struct args_option *option, const char *value,
                    struct err *err) {
    char what[OS_NAME_MAX];
    (void)text_format(what, sizeof what, "key %s", option->name);
    if (option->type == ARGS_FLAG && !text_equal(value, "yes") && !text_equal(value, "no"))
        return ERR(err, ERR_CONFIG, "%s must be yes or no, not \"%s\"", what, value);
    if (args_check(option, value, what, ERR_CONFIG, err) != 0)
        return -1;
    if (args_option_of(args, option->name) == NULL)
        return 0; /* of another verb */
    args_set(args, option->name, option->many, value, ARGS_FROM_FILE);
    return 0;
}

/* Names seen in this file, so that a second one is noticed even when a stronger origin won. */
struct seen {
    VEC(const struct args_option *) list;
};

static bool seen_before(struct seen *seen, const struct args_option *option) {
    for (size_t i = 0; i < seen->list.n; i++)
        if (seen->list.p[i] == option)
            return true;
    *vec_push(&seen->list) = option;
    return false;
}

static int take_line(struct args *args, struct seen *seen, char *line, struct err *err) {
    char *key = trim(line);
    if (key[0] == 0 || key[0] == '#')
        return 0;
    char *value = strchr(key, '=');
    if (value == NULL)
        return ERR(err, ERR_CONFIG, "expected key = value");
    *value++ = 0;
    key = trim(key);
    value = trim(value);
    const struct args_option *option = key_named(args, key);
    if (option == NULL)
        return unknown_key(args, key, err);
    if (!unquote(&value))
        return ERR(err, ERR_CONFIG, "key %s: the closing quote is missing", key);
    if (seen_before(seen, option) && !option->many)
        return ERR(err, ERR_CONFIG, "key %s is given twice", key);
    return take_key(args, option, value, err);
}

static int take_lines(struct args *args, struct seen *seen, const char *file, struct span text,
                      struct err *err) {
    char line[ARGS_LINE_BYTES_MAX];
    unsigned number = 1;
    for (size_t at = 0; at < text.n; number++) {
        const uint8_t *end = memchr(text.p + at, '\n', text.n - at);
        size_t n = end != NULL ? (size_t)(end - text.p) - at : text.n - at;
        if (n >= sizeof line || memchr(text.p + at, 0, n) != NULL)
            return ERR(err, ERR_CONFIG, "%s:%u: the line is too long or not text", file, number);
        memcpy(line, text.p + at, n);
        line[n] = 0;
        if (take_line(args, seen, line, err) != 0)
            return ERR_NOTE(err, "%s:%u", file, number);
        at += n + 1;
    }
    return 0;
}

int args_config(struct args *args, const char *file, struct span text, struct err *err) {
    struct seen seen = {0};
    int rc = take_lines(args, &seen, file, text, err);
    vec_done(&seen.list);
    return rc;
}

int args_config_load(struct args *args, struct err *err) {
    const char *file = args_text(args, "config");
    struct buf text = {0};
    bool exists = true;
    if (!args_given(args, "config") && os_exists(OS_FD_CWD, file, &exists, err) != 0)
        return -1;
    if (!exists)
        return 0;
    int rc = os_load(OS_FD_CWD, file, ARGS_FILE_BYTES_MAX, &text, err);
    if (rc == 0)
        rc = args_config(args, file, buf_span(&text), err);
    buf_done(&text);
    return rc;
}
