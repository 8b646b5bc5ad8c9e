#include "door/cli/cli_int.h"

static const struct cli_column columns[] = {
    {"CHANGE", "change", CLI_TEXT, false},
    {"OLD SIZE", "old.size", CLI_SIZE, false},
    {"NEW SIZE", "new.size", CLI_SIZE, false},
    {"OLD MODIFIED", "old.modified", CLI_TIME, true},
    {"NEW MODIFIED", "new.modified", CLI_TIME, true},
    {"PATH", "name", CLI_FILE, false},
    {NULL, NULL, CLI_TEXT, false},
};

int cli_diff(struct cli *cli, struct err *err) {
    static const struct cli_listing listing = {.columns = columns, .id = "name"};
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/points/", args_text(cli->args, "POINT1"), "/diff/",
                 args_text(cli->args, "POINT2"), NULL);
    cli_url_options(&url, cli->args, cli_narrow);
    int rc = cli_list(cli, &url, &listing, err);
    cli_url_done(&url);
    return rc;
}
