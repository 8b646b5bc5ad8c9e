#include <stdio.h>

#include "door/cli/cli_int.h"

static const struct cli_column columns[] = {
    {"NAME", "name", CLI_TEXT, false},
    {"ROLE", "role", CLI_TEXT, false},
    {"CREATED", "created", CLI_TIME, false},
    {NULL, NULL, CLI_TEXT, false},
};

int cli_token_list(struct cli *cli, struct err *err) {
    static const struct cli_listing listing = {.columns = columns, .id = "name"};
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/tokens", NULL);
    int rc = cli_list(cli, &url, &listing, err);
    cli_url_done(&url);
    return rc;
}

/* Only the token on standard output, so that it can be sent into a file. */
int cli_token_create(struct cli *cli, struct err *err) {
    json_t *body = json_object(), *token = NULL;
    cli_body_text(body, "name", cli->args, "NAME");
    cli_body_text(body, "role", cli->args, "role");
    if (cli_call(cli, "POST", "/v1/tokens", body, &token, err) != 0)
        return -1;
    if (cli->json)
        cli_json(token);
    else
        (void)printf("%s\n", cli_field_text(token, "secret"));
    json_decref(token);
    return 0;
}

int cli_token_remove(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    json_t *answer = NULL;
    cli_url_path(&url, "/v1/tokens/", args_text(cli->args, "NAME"), NULL);
    int rc = cli_call(cli, "DELETE", buf_text(&url.text), NULL, &answer, err);
    cli_url_done(&url);
    if (rc == 0 && cli->json)
        cli_json(answer);
    json_decref(answer);
    return rc;
}
