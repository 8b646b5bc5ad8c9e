#include <stdio.h>

#include "door/cli/cli_int.h"
#include "os/clock.h"

static json_t *step(const char *name, const char *state, const char *detail, const char *advice,
                    uint64_t ms) {
    return json_pack("{s:s, s:s, s:o, s:s?, s:I}", "name", name, "state", state, "detail",
                     cli_path_json(detail), "advice", advice, "ms", (json_int_t)ms);
}

/* Our own reach: the first hop. */
static int test_reach(struct cli *cli, json_t *steps, struct err *err) {
    json_t *status = NULL;
    char detail[ERR_TEXT_MAX];
    uint64_t began_ns = os_mono_ns();
    const char *place = args_text(cli->args, "server");
    if (place == NULL)
        place = args_text(cli->args, "socket");
    int rc = cli_call(cli, "GET", "/v1/status", NULL, &status, err);
    uint64_t ms = (os_mono_ns() - began_ns) / 1'000'000;
    if (rc != 0) {
        (void)json_array_append_new(
            steps, step("server", "fail", err->text, err_info(err->code)->action, ms));
        return -1;
    }
    const char *version = cli_field_text(status, "version");
    bool same = text_equal(version, args_version());
    (void)text_format(detail, sizeof detail, "%s answers at %s", cli_field_text(status, "name"),
                      place);
    (void)json_array_append_new(steps, step("server", "ok", detail, NULL, ms));
    (void)text_format(detail, sizeof detail, "server %s, command line %s", version, args_version());
    (void)json_array_append_new(steps,
                                step("version", same ? "ok" : "warning", detail,
                                     same ? NULL : "install the same version on both sides", 0));
    json_decref(status);
    return 0;
}

/* What the server finds. */
static int test_hops(struct cli *cli, json_t *steps, struct err *err) {
    struct cli_url url = {0};
    json_t *diagnosis = NULL;
    const char *computer = args_text(cli->args, "COMPUTER");
    if (computer != NULL)
        cli_url_path(&url, "/v1/doctor/", computer, NULL);
    else
        cli_url_path(&url, "/v1/doctor", NULL);
    int rc = cli_call(cli, "GET", buf_text(&url.text), NULL, &diagnosis, err);
    cli_url_done(&url);
    if (rc == 0)
        (void)json_array_extend(steps, json_object_get(diagnosis, "steps"));
    json_decref(diagnosis);
    return rc;
}

static size_t failures(const json_t *steps) {
    size_t i, n = 0;
    const json_t *one;
    json_array_foreach(steps, i, one) {
        n += text_equal(cli_field_text(one, "state"), "fail");
    }
    return n;
}

static void print_steps(const struct cli *cli, const json_t *steps) {
    size_t i;
    const json_t *one;
    json_array_foreach(steps, i, one) {
        const char *state = cli_field_text(one, "state"), *advice = cli_field_text(one, "advice");
        bool fine = text_equal(state, "ok") || text_equal(state, "skipped");
        if (cli->quiet && fine)
            continue;
        (void)printf("%-8s %-16s %s\n", state, cli_field_text(one, "name"),
                     cli_field_text(one, "detail"));
        if (!fine && advice[0] != 0)
            (void)printf("%25s %s\n", "->", advice);
    }
}

int cli_doctor(struct cli *cli, struct err *err) {
    const char *computer = args_text(cli->args, "COMPUTER");
    json_t *steps = json_array();
    int rc = test_reach(cli, steps, err);
    if (rc == 0)
        rc = test_hops(cli, steps, err);
    size_t failed = failures(steps);
    if (rc == 0 && failed > 0)
        rc = ERR(err, ERR_UNHEALTHY, "%zu of %zu tests failed", failed, json_array_size(steps));
    if (cli->json) {
        json_t *json = json_pack("{s:s, s:b, s:O}", "name", computer != NULL ? computer : "server",
                                 "ok", rc == 0, "steps", steps);
        cli_json(json);
        json_decref(json);
    } else {
        print_steps(cli, steps);
    }
    json_decref(steps);
    return rc;
}
