#include <stdio.h>

#include "door/cli/cli_int.h"

/* The server's version is told when it can be had; a client alone has one, too. */
int cli_version(struct cli *cli, struct err *err) {
    json_t *status = NULL;
    (void)err;
    if (cli_call(cli, "GET", "/v1/status", NULL, &status, NULL) != 0)
        cli->foreign_exit = 0;
    const char *server = cli_field_text(status, "version");
    if (cli->json) {
        json_t *json = json_pack("{s:s, s:s, s:s?}", "name", "casemate", "version", args_version(),
                                 "server_version", server[0] != 0 ? server : NULL);
        cli_json(json);
        json_decref(json);
    } else {
        (void)printf("casemate %s\n", args_version());
        if (!cli->quiet)
            (void)printf("server   %s\n", server[0] != 0 ? server : "not reachable");
    }
    json_decref(status);
    return 0;
}
