#include "door/cli/cli_int.h"

int cli_gc(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    json_t *body = json_object();
    if (args_flag(cli->args, "what-if"))
        (void)json_object_set_new(body, "what_if", json_true());
    cli_url_path(&url, "/v1/gc", NULL);
    int rc = cli_start(cli, &url, body, err);
    cli_url_done(&url);
    return rc;
}
