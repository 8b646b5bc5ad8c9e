#pragma once
/* door/args -- what a person typed, or wrote into a configuration file, as checked values.
 * Owns: the command line syntax, configuration files, help texts, messages about mistakes; the
 *   tables made from spec/command.yaml and spec/option.yaml.
 * Knows nothing of: what a verb does.
 * Threads: a struct args is built by one thread and then only read.
 * Lifetime: texts belong to the struct args; tables are constants.
 * Limits: ARGS_FILE_BYTES_MAX, ARGS_LINE_BYTES_MAX. */
#include "base/base.h"

#define ARGS_FILE_BYTES_MAX ((size_t)1 << 20)
#define ARGS_LINE_BYTES_MAX 8192u

enum args_type { ARGS_FLAG, ARGS_TEXT, ARGS_PATH, ARGS_NUMBER, ARGS_WORD };

/* A table of options ends with name NULL, so do those of operands and commands. */
struct args_option {
    const char *name;
    char letter; /* "-q", or 0 */
    enum args_type type;
    bool many; /* may be given more than once */
    bool required;
    bool key;          /* may stand in the configuration file */
    const char *value; /* what help calls its value; NULL: a flag */
    const char *help;
    const char *fallback;     /* NULL: none */
    const char *env;          /* variable that gives it, or NULL */
    const char *const *words; /* ARGS_WORD; ends with NULL */
    uint64_t min, max;        /* ARGS_NUMBER */
};

struct args_operand {
    const char *name;
    const char *help;
    bool optional;
    bool many; /* the last one only */
};

struct args_command {
    const char *name; /* "group create" */
    const char *summary;
    const char *text; /* NULL: the summary says it all */
    const struct args_operand *operands;
    const struct args_option *options;
    const char *const *examples; /* ends with NULL */
};

struct args_program {
    const char *name;
    const char *summary;
    const char *text;
    const char *fallback; /* command when none is given, or NULL */
    const struct args_option *options;
    const struct args_command *commands;
};

extern const struct args_program spec_casemate;
extern const struct args_program spec_casemated;
extern const struct args_program spec_agent;

struct args;
enum args_want { ARGS_RUN, ARGS_HELP, ARGS_VERSION };

/* argv[0] is skipped.  ERR_USAGE: the message names the mistake and what was probably meant. */
[[nodiscard]] int args_parse(const struct args_program *program, int argc, char *const *argv,
                             struct args **out, struct err *err);
void args_free(struct args *args);
static inline void args_auto(struct args **p) {
    args_free(*p);
}
/* Take `key = value` lines; the command line and the environment win.  ERR_CONFIG: "FILE:LINE:
 * ...".  Required options are not asked of a file. */
[[nodiscard]] int args_config(struct args *args, const char *file, struct span text,
                              struct err *err);
/* Load the file that option `config` names and take it; missing at its default place is fine. */
[[nodiscard]] int args_config_load(struct args *args, struct err *err);

enum args_want args_want(const struct args *args);
/* The command's name, "group create"; "" for a program without commands. */
const char *args_command_name(const struct args *args);
const char *args_version(void);

/* Values by name of option or operand (as declared, without dashes); a name that the command does
 * not have is a bug (INVARIANT), and so is the wrong type. */
bool args_given(const struct args *args, const char *name);       /* not only by default */
const char *args_text(const struct args *args, const char *name); /* NULL: left out */
bool args_flag(const struct args *args, const char *name);
uint64_t args_number(const struct args *args, const char *name, uint64_t left_out);
size_t args_n(const struct args *args, const char *name);
const char *args_item(const struct args *args, const char *name, size_t i);

/* Help of the command, of the noun, or of the program; 80 columns. */
void args_help(const struct args *args, struct buf *out);
/* Every option with the value in use and where it comes from: calls fn(ctx, name, value, origin);
 * origin is "default", "file", "environment" or "command line". */
typedef void args_value_fn(void *ctx, const char *name, const char *value, const char *origin);
void args_values(const struct args *args, args_value_fn *fn, void *ctx);
