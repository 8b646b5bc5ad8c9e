#include "door/cli/cli_int.h"

int cli_job_list(struct cli *cli, struct err *err) {
    static const char *const filters[] = {"state", "kind", "group", NULL};
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/jobs", NULL);
    cli_url_options(&url, cli->args, filters);
    int rc = cli_list(cli, &url, &cli_job_listing, err);
    cli_url_done(&url);
    return rc;
}

static int ask(struct cli *cli, const char *method, const char *verb, struct err *err) {
    struct cli_url url = {0};
    json_t *job = NULL;
    cli_url_path(&url, "/v1/jobs/", args_text(cli->args, "JOB"), verb, NULL);
    int rc = cli_call(cli, method, buf_text(&url.text), NULL, &job, err);
    cli_url_done(&url);
    return rc == 0 ? cli_job(cli, job, err) : -1;
}

int cli_job_show(struct cli *cli, struct err *err) {
    return ask(cli, "GET", "", err);
}

int cli_job_cancel(struct cli *cli, struct err *err) {
    return ask(cli, "POST", "/cancel", err);
}
