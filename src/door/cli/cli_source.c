#include "door/cli/cli_int.h"

static const struct cli_column columns[] = {
    {"NAME", "name", CLI_TEXT, false},
    {"GROUP", "group", CLI_TEXT, false},
    {"POINTS", "points", CLI_NUMBER, false},
    {"LAST POINT", "last_point", CLI_ID, false},
    {"TIME", "last_time", CLI_TIME, false},
    {"STATE", "last_state", CLI_TEXT, false},
    {"ID", "id", CLI_TEXT, true},
    {NULL, NULL, CLI_TEXT, false},
};

int cli_source_list(struct cli *cli, struct err *err) {
    static const char *const filters[] = {"computer", "group", NULL};
    static const struct cli_listing listing = {.columns = columns, .id = "name"};
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/sources", NULL);
    cli_url_options(&url, cli->args, filters);
    int rc = cli_list(cli, &url, &listing, err);
    cli_url_done(&url);
    return rc;
}
