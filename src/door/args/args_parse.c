#include "door/args/args.h"

#include <string.h>

#include "base/text.h"
#include "door/args/args_int.h"
#include "os/proc.h"

#define OPTION_TEXT_MAX 80u

/* Where the parser stands in argv. */
struct walk {
    struct args *args;
    int argc;
    char *const *argv;
    int i;
    size_t operand_i;
    bool only_operands; /* behind -- */
};

void args_free(struct args *args) {
    if (args == NULL)
        return;
    for (size_t i = 0; i < args->values.n; i++)
        mem_free(args->values.p[i].text);
    vec_done(&args->values);
    mem_free(args);
}

enum args_want args_want(const struct args *args) {
    return args->want;
}

const char *args_command_name(const struct args *args) {
    return args->command != NULL ? args->command->name : "";
}

const char *args_version(void) {
    return CASEMATE_VERSION;
}

/* ---- options ---- */

static int unknown_option(const struct args *args, const char *name, struct err *err) {
    struct args_nearest nearest = {.word = name};
    if (args_effective(args) != NULL)
        args_consider_options(&nearest, args_effective(args)->options, false);
    args_consider_options(&nearest, args->program->options, false);
    if (nearest.best != NULL)
        return ERR(err, ERR_USAGE, "unknown option --%s; did you mean --%s?", name, nearest.best);
    return ERR(err, ERR_USAGE, "unknown option --%s", name);
}

static int take_value(struct walk *walk, const struct args_option *option, const char *attached,
                      struct err *err) {
    char what[OPTION_TEXT_MAX];
    (void)text_format(what, sizeof what, "--%s", option->name);
    if (option->type == ARGS_FLAG) {
        if (attached != NULL)
            return ERR(err, ERR_USAGE, "%s takes no value", what);
        args_set(walk->args, option->name, false, "yes", ARGS_FROM_COMMAND);
        return 0;
    }
    const char *text = attached;
    if (text == NULL && walk->i + 1 < walk->argc)
        text = walk->argv[++walk->i];
    if (text == NULL)
        return ERR(err, ERR_USAGE, "%s needs a value: %s %s", what, what, option->value);
    if (args_check(option, text, what, ERR_USAGE, err) != 0)
        return -1;
    args_set(walk->args, option->name, option->many, text, ARGS_FROM_COMMAND);
    return 0;
}

static int long_option(struct walk *walk, const char *word, struct err *err) {
    char name[OPTION_TEXT_MAX];
    const char *equals = strchr(word, '=');
    size_t length = equals != NULL ? (size_t)(equals - word) : strlen(word);
    if (length == 0 || length >= sizeof name)
        return ERR(err, ERR_USAGE, "unknown option --%s", word);
    memcpy(name, word, length);
    name[length] = 0;
    if (text_equal(name, "help") || text_equal(name, "version")) {
        walk->args->want = name[0] == 'h' ? ARGS_HELP : ARGS_VERSION;
        return 0;
    }
    const struct args_option *option = args_option_of(walk->args, name);
    if (option == NULL)
        return unknown_option(walk->args, name, err);
    return take_value(walk, option, equals != NULL ? equals + 1 : NULL, err);
}

static const struct args_option *by_letter(const struct args_option *options, char letter) {
    for (; options != NULL && options->name != NULL; options++)
        if (options->letter == letter)
            return options;
    return NULL;
}

/* "-q", "-qv": flags only. */
static int short_options(struct walk *walk, const char *letters, struct err *err) {
    for (; *letters != 0; letters++) {
        if (*letters == 'h') {
            walk->args->want = ARGS_HELP;
            continue;
        }
        const struct args_option *option = NULL;
        if (args_effective(walk->args) != NULL)
            option = by_letter(args_effective(walk->args)->options, *letters);
        if (option == NULL)
            option = by_letter(walk->args->program->options, *letters);
        if (option == NULL)
            return ERR(err, ERR_USAGE, "unknown option -%c", *letters);
        if (take_value(walk, option, NULL, err) != 0)
            return -1;
    }
    return 0;
}

/* ---- words ---- */

/* "group" of "group create". */
static bool has_noun(const struct args_command *command, const char *noun) {
    size_t n = strlen(noun);
    return strncmp(command->name, noun, n) == 0 && command->name[n] == ' ';
}

static int unknown_verb(const struct args *args, const char *word, struct err *err) {
    struct args_nearest nearest = {.word = word};
    struct buf verbs = {0};
    for (const struct args_command *c = args->program->commands; c->name != NULL; c++) {
        if (!has_noun(c, args->noun))
            continue;
        const char *verb = c->name + strlen(args->noun) + 1;
        args_consider(&nearest, verb, strlen(verb));
        buf_printf(&verbs, "%s%s", verbs.n == 0 ? "" : ", ", verb);
    }
    if (nearest.best != NULL)
        (void)ERR(err, ERR_USAGE, "%s has no verb %s; did you mean %s %s?", args->noun, word,
                  args->noun, nearest.best);
    else
        (void)ERR(err, ERR_USAGE, "%s has no verb %s; it has %s", args->noun, word,
                  buf_text(&verbs));
    buf_done(&verbs);
    return -1;
}

static int unknown_command(const struct args *args, const char *word, struct err *err) {
    struct args_nearest nearest = {.word = word};
    for (const struct args_command *c = args->program->commands; c->name != NULL; c++)
        args_consider(&nearest, c->name, strcspn(c->name, " "));
    if (nearest.best != NULL)
        return ERR(err, ERR_USAGE, "unknown command %s; did you mean %.*s?", word,
                   (int)nearest.best_n, nearest.best);
    return ERR(err, ERR_USAGE, "unknown command %s; see %s --help", word, args->program->name);
}

/* The next word of a command's name. */
static int take_command(struct walk *walk, const char *word, struct err *err) {
    struct args *args = walk->args;
    if (args->noun != NULL) {
        char name[2 * OPTION_TEXT_MAX];
        (void)text_format(name, sizeof name, "%s %s", args->noun, word);
        args->command = args_command_named(args->program, name);
        return args->command != NULL ? 0 : unknown_verb(args, word, err);
    }
    args->command = args_command_named(args->program, word);
    if (args->command != NULL)
        return 0;
    if (text_equal(word, "help")) {
        args->want = ARGS_HELP;
        return 0;
    }
    for (const struct args_command *c = args->program->commands; c->name != NULL; c++)
        if (has_noun(c, word)) {
            args->noun = word;
            return 0;
        }
    return unknown_command(args, word, err);
}

static int take_operand(struct walk *walk, const char *word, struct err *err) {
    const struct args_command *command = walk->args->command;
    const struct args_operand *operand =
        command->operands != NULL ? &command->operands[walk->operand_i] : NULL;
    if (operand == NULL || operand->name == NULL)
        return ERR(err, ERR_USAGE, "%s takes no further \"%s\"; see %s %s --help", command->name,
                   word, walk->args->program->name, command->name);
    if (word[0] == 0)
        return ERR(err, ERR_USAGE, "%s must not be empty", operand->name);
    args_set(walk->args, operand->name, operand->many, word, ARGS_FROM_COMMAND);
    if (!operand->many)
        walk->operand_i++;
    return 0;
}

static int take_word(struct walk *walk, const char *word, struct err *err) {
    if (!walk->only_operands && text_equal(word, "--")) {
        walk->only_operands = true;
        return 0;
    }
    if (!walk->only_operands && text_starts(word, "--"))
        return long_option(walk, word + 2, err);
    if (!walk->only_operands && word[0] == '-' && word[1] != 0)
        return short_options(walk, word + 1, err);
    if (walk->args->command == NULL)
        return take_command(walk, word, err);
    return take_operand(walk, word, err);
}

/* ---- the whole ---- */

static int take_environment(struct args *args, const struct args_option *options, struct err *err) {
    for (; options != NULL && options->name != NULL; options++) {
        const char *text = options->env != NULL ? os_env(options->env) : NULL;
        if (text == NULL || text[0] == 0)
            continue;
        if (args_check(options, text, options->env, ERR_USAGE, err) != 0)
            return -1;
        args_set(args, options->name, false, text, ARGS_FROM_ENVIRONMENT);
    }
    return 0;
}

static int check_complete(const struct args *args, struct err *err) {
    const struct args_command *command = args->command;
    for (const struct args_operand *o = command->operands; o != NULL && o->name != NULL; o++)
        if (!o->optional && !args_given(args, o->name))
            return ERR(err, ERR_USAGE, "%s needs %s: %s", command->name, o->name, o->help);
    for (const struct args_option *o = command->options; o != NULL && o->name != NULL; o++)
        if (o->required && !args_given(args, o->name))
            return ERR(err, ERR_USAGE, "%s needs --%s %s: %s", command->name, o->name, o->value,
                       o->help);
    return 0;
}

/* Options before the verb were looked up in the default one; another verb may not have them. */
static int check_options(const struct args *args, struct err *err) {
    for (size_t i = 0; i < args->values.n; i++) {
        const char *name = args->values.p[i].name;
        if (args_option_of(args, name) == NULL && args_operand_of(args, name) == NULL)
            return unknown_option(args, name, err);
    }
    return 0;
}

static int finish(struct args *args, struct err *err) {
    if (args->want != ARGS_RUN)
        return 0;
    if (args->noun != NULL && args->command == NULL)
        return ERR(err, ERR_USAGE, "%s needs a verb; see %s %s --help", args->noun,
                   args->program->name, args->noun);
    if (args->command == NULL && args->program->fallback != NULL)
        args->command = args_command_named(args->program, args->program->fallback);
    if (args->command == NULL)
        return ERR(err, ERR_USAGE, "no command; see %s --help", args->program->name);
    if (check_options(args, err) != 0)
        return -1;
    if (take_environment(args, args->program->options, err) != 0 ||
        take_environment(args, args->command->options, err) != 0)
        return -1;
    return check_complete(args, err);
}

int args_parse(const struct args_program *program, int argc, char *const *argv, struct args **out,
               struct err *err) {
    AUTO(args) *args = mem_new(sizeof *args);
    args->program = program;
    struct walk walk = {.args = args, .argc = argc, .argv = argv, .i = 1};
    for (; walk.i < argc; walk.i++)
        if (take_word(&walk, argv[walk.i], err) != 0)
            return -1;
    if (finish(args, err) != 0)
        return -1;
    *out = TAKE(args);
    return 0;
}
