#include <string.h>

#include "base/text.h"
#include "door/args/args_int.h"

#define COLUMNS 79u /* of 80: some terminals wrap behind the last one */
#define LEFT_MAX 28u

/* Words of `text`, the first one at column `used`, later lines at `indent`. */
static void wrap(struct buf *out, const char *text, size_t indent, size_t used) {
    size_t column = used;
    for (bool first = true; *text != 0; first = false) {
        size_t n = strcspn(text, " \n");
        if (!first && column + 1 + n > COLUMNS) {
            buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            buf_put_u8(out, ' ');
            column++;
        }
        buf_put(out, text, n);
        column += n;
        text += n;
        text += strspn(text, " \n");
    }
    buf_put_u8(out, '\n');
}

/* "  LEFT   right, wrapped" */
static void row(struct buf *out, const char *left, size_t width, const char *right) {
    size_t n = strlen(left);
    buf_printf(out, "  %s", left);
    if (n > width) {
        buf_printf(out, "\n%*s", (int)(width + 4), "");
        n = width;
    } else {
        buf_printf(out, "%*s", (int)(width - n + 2), "");
    }
    wrap(out, right, width + 4, width + 4);
}

static void option_left(char to[static 80], const struct args_option *option) {
    char letter[8] = "";
    if (option->letter != 0)
        (void)text_format(letter, sizeof letter, "-%c, ", option->letter);
    (void)text_format(to, 80, "%s--%s%s%s", letter, option->name, option->value != NULL ? " " : "",
                      option->value != NULL ? option->value : "");
}

static void option_right(struct buf *to, const struct args_option *option) {
    buf_clear(to);
    buf_printf(to, "%s", option->help);
    if (option->words != NULL) {
        buf_printf(to, ": ");
        for (const char *const *word = option->words; *word != NULL; word++)
            buf_printf(to, "%s%s", word != option->words ? ", " : "", *word);
    }
    if (option->type == ARGS_NUMBER && option->max != 0)
        buf_printf(to, ", %llu to %llu", (unsigned long long)option->min,
                   (unsigned long long)option->max);
    if (option->many)
        buf_printf(to, "; may be repeated");
    if (option->required)
        buf_printf(to, " (required)");
    if (option->fallback != NULL)
        buf_printf(to, " (default %s)", option->fallback);
    if (option->env != NULL)
        buf_printf(to, " [%s]", option->env);
}

static void options_help(struct buf *out, const char *title, const struct args_option *options) {
    char left[80];
    struct buf right = {0};
    size_t width = 0;
    if (options == NULL || options->name == NULL)
        return;
    for (const struct args_option *o = options; o->name != NULL; o++) {
        option_left(left, o);
        width = MAX(width, strlen(left));
    }
    buf_printf(out, "\n%s:\n", title);
    for (const struct args_option *o = options; o->name != NULL; o++) {
        option_left(left, o);
        option_right(&right, o);
        row(out, left, MIN(width, LEFT_MAX), buf_text(&right));
    }
    buf_done(&right);
}

static void operands_help(struct buf *out, const struct args_operand *operands) {
    if (operands == NULL || operands->name == NULL)
        return;
    buf_printf(out, "\nOperands:\n");
    for (; operands->name != NULL; operands++)
        row(out, operands->name, 10, operands->help);
}

static void usage(struct buf *out, const struct args *args) {
    const struct args_command *command = args->command;
    struct buf line = {0};
    buf_printf(&line, "%s %s", args->program->name, command->name);
    size_t indent = strlen("Usage: ") + line.n;
    for (const struct args_option *o = command->options; o != NULL && o->name != NULL; o++)
        if (o->required)
            buf_printf(&line, " --%s %s", o->name, o->value);
    if (command->options != NULL)
        buf_printf(&line, " [OPTION...]");
    for (const struct args_operand *o = command->operands; o != NULL && o->name != NULL; o++)
        buf_printf(&line, " %s%s%s%s", o->optional ? "[" : "", o->name, o->many ? "..." : "",
                   o->optional ? "]" : "");
    buf_printf(out, "Usage: ");
    wrap(out, buf_text(&line), MIN(indent, COLUMNS / 2), strlen("Usage: "));
    buf_done(&line);
}

static void sentence(struct buf *out, const char *text, const char *end) {
    struct buf line = {0};
    buf_printf(&line, "%s%s", text, end);
    const char *first = buf_text(&line);
    if (line.p[0] >= 'a' && line.p[0] <= 'z')
        line.p[0] = (uint8_t)(line.p[0] - 'a' + 'A');
    wrap(out, first, 0, 0);
    buf_done(&line);
}

static void command_help(struct buf *out, const struct args *args) {
    const struct args_command *command = args->command;
    usage(out, args);
    buf_put_u8(out, '\n');
    sentence(out, command->summary, ".");
    if (command->text != NULL) {
        buf_put_u8(out, '\n');
        wrap(out, command->text, 0, 0);
    }
    operands_help(out, command->operands);
    options_help(out, "Options", command->options);
    if (command->examples != NULL)
        buf_printf(out, "\nExamples:\n");
    for (const char *const *example = command->examples; example != NULL && *example != NULL;
         example++) {
        buf_printf(out, "  ");
        wrap(out, *example, 6, 2);
    }
    buf_printf(out, "\nOptions of every command: %s --help\n", args->program->name);
}

/* All commands, or those of a noun. */
static void commands_help(struct buf *out, const struct args *args) {
    size_t width = 0, n = args->noun != NULL ? strlen(args->noun) : 0;
    for (int pass = 0; pass < 2; pass++) {
        for (const struct args_command *c = args->program->commands; c->name != NULL; c++) {
            if (n > 0 && (strncmp(c->name, args->noun, n) != 0 || c->name[n] != ' '))
                continue;
            if (pass == 0)
                width = MAX(width, strlen(c->name));
            else
                row(out, c->name, MIN(width, LEFT_MAX), c->summary);
        }
    }
}

static void program_help(struct buf *out, const struct args *args) {
    const struct args_program *program = args->program;
    buf_printf(out, "Usage: %s [OPTION...] %s [OPTION...] [OPERAND...]\n\n", program->name,
               program->fallback != NULL ? "[COMMAND]" : "COMMAND");
    sentence(out, program->summary, ".");
    if (args->noun == NULL && program->text != NULL) {
        buf_put_u8(out, '\n');
        wrap(out, program->text, 0, 0);
    }
    buf_printf(out, "\nCommands:\n");
    commands_help(out, args);
    if (args->noun == NULL) {
        options_help(out, "Options of every command", program->options);
        buf_printf(out, "  -h, --help, --version\n");
    }
    buf_printf(out, "\nMore of a command: %s COMMAND --help\n", program->name);
}

void args_help(const struct args *args, struct buf *out) {
    if (args->command != NULL)
        command_help(out, args);
    else
        program_help(out, args);
}
