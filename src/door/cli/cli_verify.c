#include "door/cli/cli_int.h"

int cli_verify(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    json_t *body = json_object();
    if (args_flag(cli->args, "read-data"))
        (void)json_object_set_new(body, "read_data", json_true());
    cli_url_path(&url, "/v1/verify", NULL);
    int rc = cli_start(cli, &url, body, err);
    cli_url_done(&url);
    return rc;
}
