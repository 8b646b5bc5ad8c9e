#include "door/cli/cli_int.h"

int cli_backup(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/groups/", args_text(cli->args, "GROUP"), "/backup", NULL);
    int rc = cli_start(cli, &url, NULL, err);
    cli_url_done(&url);
    return rc;
}
