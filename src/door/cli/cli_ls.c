#include "door/cli/cli_int.h"

static const struct cli_column columns[] = {
    {"MODE", "", CLI_MODE, false},
    {"UID", "uid", CLI_NUMBER, false},
    {"GID", "gid", CLI_NUMBER, false},
    {"SIZE", "size", CLI_SIZE, false},
    {"MODIFIED", "modified", CLI_TIME, false},
    {"NAME", "", CLI_ITEM, false},
    {NULL, NULL, CLI_TEXT, false},
};
static const struct cli_column deep_columns[] = {
    {"MODE", "", CLI_MODE, false},
    {"UID", "uid", CLI_NUMBER, false},
    {"GID", "gid", CLI_NUMBER, false},
    {"SIZE", "size", CLI_SIZE, false},
    {"MODIFIED", "modified", CLI_TIME, false},
    {"PATH", "", CLI_PATH, false},
    {NULL, NULL, CLI_TEXT, false},
};

int cli_ls(struct cli *cli, struct err *err) {
    bool deep = args_flag(cli->args, "recursive");
    const struct cli_listing listing = {.columns = deep ? deep_columns : columns,
                                        .id = deep ? "path" : "name"};
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/points/", args_text(cli->args, "POINT"), "/ls", NULL);
    cli_url_bytes(&url, "path", args_text(cli->args, "PATH"));
    cli_url_flag(&url, "recursive", deep);
    cli_url_options(&url, cli->args, cli_narrow);
    int rc = cli_list(cli, &url, &listing, err);
    cli_url_done(&url);
    return rc;
}
