#include "door/cli/cli_int.h"

static const struct cli_column columns[] = {
    {"NAME", "name", CLI_TEXT, false},
    {"STATE", "state", CLI_TEXT, false},
    {"AUTH", "auth", CLI_TEXT, false},
    {"MODE", "mode", CLI_TEXT, false},
    {"ADDRESS", "address", CLI_TEXT, true},
    {"PORT", "port", CLI_NUMBER, true},
    {"VERSION", "agent_version", CLI_TEXT, false},
    {"SOURCES", "sources", CLI_NUMBER, false},
    {"EXPIRES", "expires", CLI_TIME, false},
    {"LAST SEEN", "last_seen", CLI_TIME, false},
    {"ATTACHED", "attached", CLI_TIME, true},
    {"WEAK KEY", "weak_key", CLI_FLAG, true},
    {"SUBJECT", "subject", CLI_TEXT, true},
    {"CERTIFICATE", "certificate_sha256", CLI_TEXT, true},
    {"ANCHOR", "anchor_sha256", CLI_TEXT, true},
    {NULL, NULL, CLI_TEXT, false},
};
static const struct cli_listing listing = {.columns = columns, .id = "name"};

int cli_computer_list(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/computers", NULL);
    int rc = cli_list(cli, &url, &listing, err);
    cli_url_done(&url);
    return rc;
}

int cli_computer_show(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/computers/", args_text(cli->args, "COMPUTER"), NULL);
    int rc = cli_show(cli, "GET", &url, NULL, &listing, err);
    cli_url_done(&url);
    return rc;
}

int cli_computer_attach(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    json_t *body = json_object();
    if (cli_body_file_hex(body, "metadata", cli->args, "credential", err) != 0) {
        json_decref(body);
        return -1;
    }
    cli_body_text(body, "address", cli->args, "address");
    cli_body_number(body, "port", cli->args, "port");
    cli_body_text(body, "mode", cli->args, "mode");
    if (args_flag(cli->args, "allow-weak-key"))
        (void)json_object_set_new(body, "allow_weak_key", json_true());
    if (args_flag(cli->args, "what-if"))
        (void)json_object_set_new(body, "what_if", json_true());
    cli_url_path(&url, "/v1/computers/attach", NULL);
    int rc = cli_show(cli, "POST", &url, body, &listing, err);
    cli_url_done(&url);
    return rc;
}

int cli_computer_remove(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/computers/", args_text(cli->args, "COMPUTER"), NULL);
    int rc = cli_remove(cli, &url, err);
    cli_url_done(&url);
    return rc;
}

int cli_computer_refresh(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/computers/", args_text(cli->args, "COMPUTER"), "/refresh", NULL);
    int rc = cli_show(cli, "POST", &url, NULL, &listing, err);
    cli_url_done(&url);
    return rc;
}
