#include <string.h>

#include "base/text.h"
#include "door/args/args_int.h"

#define WORD_MAX 64u /* longer words are near to nothing */

const struct args_option *args_find_option(const struct args_option *options, const char *name) {
    for (; options != NULL && options->name != NULL; options++)
        if (strcmp(options->name, name) == 0)
            return options;
    return NULL;
}

const struct args_command *args_command_named(const struct args_program *program,
                                              const char *name) {
    for (const struct args_command *c = program->commands; c != NULL && c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

const struct args_command *args_effective(const struct args *args) {
    if (args->command != NULL || args->noun != NULL || args->program->fallback == NULL)
        return args->command;
    return args_command_named(args->program, args->program->fallback);
}

const struct args_option *args_option_of(const struct args *args, const char *name) {
    const struct args_option *option = NULL;
    const struct args_command *command = args_effective(args);
    if (command != NULL)
        option = args_find_option(command->options, name);
    return option != NULL ? option : args_find_option(args->program->options, name);
}

const struct args_operand *args_operand_of(const struct args *args, const char *name) {
    const struct args_operand *operand = args->command != NULL ? args->command->operands : NULL;
    for (; operand != NULL && operand->name != NULL; operand++)
        if (strcmp(operand->name, name) == 0)
            return operand;
    return NULL;
}

/* How many insertions, deletions, changes and swaps of neighbours lead from a to b[0..n). */
static size_t distance(const char *a, const char *b, size_t n) {
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    memset(rows, 0, sizeof rows);
    for (size_t j = 0; j <= n; j++)
        last[j] = j;
    for (size_t i = 1; a[i - 1] != 0; i++) {
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = MIN(last[j], row[j - 1]) + 1;
            row[j] = MIN(row[j], change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[n];
}

void args_consider(struct args_nearest *nearest, const char *candidate, size_t n) {
    size_t length = strlen(nearest->word);
    if (length > WORD_MAX || n > WORD_MAX)
        return;
    size_t d = distance(nearest->word, candidate, n);
    size_t limit = length <= 3 ? 1 : 2;
    if (length >= 3 && d > limit && strncmp(candidate, nearest->word, length) == 0)
        d = limit; /* the beginning of it */
    if (d <= limit && (nearest->best == NULL || d < nearest->distance))
        *nearest = (struct args_nearest){
            .word = nearest->word, .best = candidate, .best_n = n, .distance = d};
}

void args_consider_options(struct args_nearest *nearest, const struct args_option *options,
                           bool keys_only) {
    for (; options != NULL && options->name != NULL; options++)
        if (!keys_only || options->key)
            args_consider(nearest, options->name, strlen(options->name));
}
