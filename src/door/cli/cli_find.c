#include "door/cli/cli_int.h"

static const struct cli_column columns[] = {
    {"POINT", "point", CLI_ID, false},
    {"FINISHED", "finished", CLI_TIME, false},
    {"COMPUTER", "computer", CLI_TEXT, false},
    {"SIZE", "entry.size", CLI_SIZE, false},
    {"MODIFIED", "entry.modified", CLI_TIME, true},
    {"PATH", "entry", CLI_PATH, false},
    {NULL, NULL, CLI_TEXT, false},
};

int cli_find(struct cli *cli, struct err *err) {
    static const struct cli_listing listing = {.columns = columns, .id = "entry.path"};
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/find", NULL);
    cli_url_bytes(&url, "pattern", args_text(cli->args, "PATTERN"));
    cli_url_options(&url, cli->args, cli_narrow);
    int rc = cli_list(cli, &url, &listing, err);
    cli_url_done(&url);
    return rc;
}
