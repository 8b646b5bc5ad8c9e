#include <stdio.h>

#include "door/cli/cli_int.h"

static const struct cli_column columns[] = {
    {"ID", "id", CLI_ID, false},
    {"FINISHED", "finished", CLI_TIME, false},
    {"STATE", "state", CLI_TEXT, false},
    {"GROUP", "group", CLI_TEXT, false},
    {"COMPUTER", "computer", CLI_TEXT, false},
    {"PATH", "path", CLI_TEXT, false},
    {"SEQUENCE", "sequence", CLI_NUMBER, true},
    {"ENTRIES", "entries", CLI_NUMBER, false},
    {"FILES", "files", CLI_NUMBER, true},
    {"BYTES", "bytes", CLI_SIZE, false},
    {"READ", "read_bytes", CLI_SIZE, true},
    {"SENT", "sent_bytes", CLI_SIZE, true},
    {"STORED", "stored_bytes", CLI_SIZE, true},
    {"PROBLEMS", "problems", CLI_NUMBER, false},
    {"JOB", "job", CLI_TEXT, true},
    {NULL, NULL, CLI_TEXT, false},
};
static const struct cli_listing listing = {.columns = columns, .id = "id"};

static const struct cli_column problem_columns[] = {
    {"PATH", "path", CLI_TEXT, false},
    {"REASON", "reason", CLI_TEXT, false},
    {NULL, NULL, CLI_TEXT, false},
};

int cli_point_list(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/points", NULL);
    cli_url_options(&url, cli->args, cli_narrow);
    int rc = cli_list(cli, &url, &listing, err);
    cli_url_done(&url);
    return rc;
}

/* The problems of a point, below it. */
static int list_problems(struct cli *cli, const json_t *point, struct err *err) {
    static const struct cli_listing problems = {.columns = problem_columns, .id = "path"};
    struct cli_url url = {0};
    (void)printf("\n");
    cli_url_path(&url, "/v1/points/", cli_field_text(point, "id"), "/problems", NULL);
    int rc = cli_list(cli, &url, &problems, err);
    cli_url_done(&url);
    return rc;
}

int cli_point_show(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    json_t *point = NULL;
    cli_url_path(&url, "/v1/points/", args_text(cli->args, "POINT"), NULL);
    cli_url_options(&url, cli->args, cli_narrow);
    int rc = cli_call(cli, "GET", buf_text(&url.text), NULL, &point, err);
    cli_url_done(&url);
    if (rc == 0)
        cli_object(cli, point, &listing);
    if (rc == 0 && !cli->json && !cli->quiet && cli_field_number(point, "problems") > 0)
        rc = list_problems(cli, point, err);
    json_decref(point);
    return rc;
}

int cli_point_delete(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/points/", args_text(cli->args, "POINT"), NULL);
    cli_url_options(&url, cli->args, cli_narrow);
    int rc = cli_remove(cli, &url, err);
    cli_url_done(&url);
    return rc;
}
