#include "door/cli/cli_int.h"

int cli_cat(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/points/", args_text(cli->args, "POINT"), "/cat", NULL);
    cli_url_bytes(&url, "path", args_text(cli->args, "PATH"));
    cli_url_options(&url, cli->args, cli_narrow);
    int rc = cli_stream(cli, buf_text(&url.text), err);
    cli_url_done(&url);
    return rc;
}
