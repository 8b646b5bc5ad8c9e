#include "door/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "door/cli/cli_int.h"

static const struct {
    const char *name;
    cli_verb *verb;
} verbs[] = {
#define VERB(name, function) {name, function},
#include "spec_verb.inc"
#undef VERB
};

static cli_verb *verb_named(const char *name) {
    for (size_t i = 0; i < ARRAY_N(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return verbs[i].verb;
    base_invariant_failed(name, __FILE__, __LINE__);
}

static void tell_plainly(const struct cli *cli, const struct err *err) {
    (void)fprintf(stderr, "casemate: %s\n", err->text);
    if (err->code != ERR_USAGE)
        (void)fprintf(stderr, "  %s (%s)\n", err_info(err->code)->action,
                      err_info(err->code)->symbol);
    if (cli->verbose && err->func != NULL)
        (void)fprintf(stderr, "  raised in %s:%d\n", err->func, err->line);
}

static void tell_as_json(const struct err *err, int status) {
    const struct err_info *info = err_info(err->code);
    json_t *text = cli_path_json(err->text);
    json_t *line = json_pack("{s:s, s:i, s:s, s:o, s:s, s:i}", "message_type", "exit_error", "code",
                             (int)info->number, "symbol", info->symbol, "message", text, "action",
                             info->action, "exit", status);
    (void)json_dumpf(line, stderr, JSON_COMPACT);
    (void)fprintf(stderr, "\n");
    json_decref(line);
}

static int fail(const struct cli *cli, const struct err *err) {
    int status = cli->foreign_exit != 0 ? cli->foreign_exit : err_info(err->code)->exit_status;
    (void)fflush(stdout);
    if (cli->json)
        tell_as_json(err, status);
    else
        tell_plainly(cli, err);
    return status != 0 ? status : 1;
}

static void help(const struct args *args) {
    struct buf text = {0};
    args_help(args, &text);
    (void)fwrite(text.p, 1, text.n, stdout);
    buf_done(&text);
}

/* What could not be printed was not said: a full disk behind the pipe is an error. */
static int flush(struct err *err) {
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return 0;
    return ERR_SYS(err, ERR_IO, errno, "cannot write to standard output");
}

static int run(struct cli *cli, struct err *err) {
    if (args_want(cli->args) == ARGS_HELP) {
        help(cli->args);
        return 0;
    }
    if (args_want(cli->args) == ARGS_VERSION) {
        (void)printf("casemate %s\n", args_version());
        return 0;
    }
    cli->json = args_flag(cli->args, "json");
    cli->quiet = args_flag(cli->args, "quiet");
    cli->verbose = args_flag(cli->args, "verbose");
    return verb_named(args_command_name(cli->args))(cli, err);
}

/* Asked for in vain: the line could not be read, but its errors shall be readable. */
static bool wants_json(int argc, char *const *argv) {
    for (int i = 1; i < argc; i++)
        if (text_equal(argv[i], "--json"))
            return true;
    return false;
}

int cli_main(int argc, char **argv) {
    struct cli cli = {0};
    struct err err = {0};
    if (args_parse(&spec_casemate, argc, argv, &cli.args, &err) != 0) {
        cli.json = wants_json(argc, argv);
        return fail(&cli, &err);
    }
    int rc = run(&cli, &err);
    if (rc == 0)
        rc = flush(&err);
    int status = rc == 0 ? 0 : fail(&cli, &err);
    cli_client_close(cli.client);
    args_free(cli.args);
    return status;
}
