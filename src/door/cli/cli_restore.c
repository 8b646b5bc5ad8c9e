#include "door/cli/cli_int.h"

int cli_restore(struct cli *cli, struct err *err) {
    static const char *const filters[] = {"group", "source", NULL};
    const struct args *args = cli->args;
    bool original = args_flag(args, "original");
    const char *to = args_text(args, "to");
    if (original == (to != NULL))
        return ERR(err, ERR_USAGE, "restore needs either --to DIR or --original");
    if (to != NULL && to[0] != '/')
        return ERR(err, ERR_USAGE, "--to %s is not an absolute folder", to);
    struct cli_url url = {0};
    json_t *body = json_object();
    cli_body_list(body, "paths", args, "PATH");
    cli_body_text(body, "to", args, "to");
    cli_body_text(body, "computer", args, "computer");
    cli_body_text(body, "existing", args, "existing");
    cli_body_text(body, "security", args, "security");
    cli_url_path(&url, "/v1/points/", args_text(args, "POINT"), "/restore", NULL);
    cli_url_options(&url, args, filters);
    int rc = cli_start(cli, &url, body, err);
    cli_url_done(&url);
    return rc;
}
