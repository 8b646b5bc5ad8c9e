#include <stdio.h>
#include <string.h>

#include "crypto/secret.h"
#include "door/cli/cli_int.h"
#include "os/durable.h"
#include "os/file.h"

static const struct cli_column columns[] = {
    {"NAME", "name", CLI_TEXT, false},
    {"SUBJECT", "subject", CLI_TEXT, false},
    {"CERTIFICATE", "certificate_sha256", CLI_TEXT, false},
    {"ANCHOR", "anchor_sha256", CLI_TEXT, false},
    {"EXPIRES", "expires", CLI_TIME, false},
    {NULL, NULL, CLI_TEXT, false},
};
static const struct cli_listing listing = {.columns = columns, .id = "name"};

static const struct cli_column crl_columns[] = {
    {"NAME", "name", CLI_TEXT, false},       {"NUMBER", "number", CLI_TEXT, false},
    {"UPDATED", "updated", CLI_TIME, false}, {"NEXT UPDATE", "next_update", CLI_TIME, false},
    {NULL, NULL, CLI_TEXT, false},
};
static const struct cli_listing crl_listing = {.columns = crl_columns, .id = "name"};

int cli_credentials_show(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/credentials", NULL);
    int rc = cli_show(cli, "GET", &url, NULL, &listing, err);
    cli_url_done(&url);
    return rc;
}

/* The metadata file into the folder of --output; its name comes from the server and must be one. */
static int save_metadata(const struct cli *cli, const json_t *credentials, struct err *err) {
    const char *name = cli_field_text(credentials, "file");
    const char *hex = cli_field_text(credentials, "metadata");
    const char *dir = args_text(cli->args, "output");
    struct buf bytes = {0};
    OS_FD_AUTO int dirfd = OS_FD_NONE;
    size_t n = strlen(hex);
    if (name[0] == 0 || name[0] == '.' || strchr(name, '/') != NULL || n == 0 ||
        !text_unhex(hex, n, buf_extend(&bytes, n / 2), n / 2)) {
        buf_done(&bytes);
        return ERR(err, ERR_ANSWER, "the server answered without a metadata file");
    }
    int rc = os_dir_open(OS_FD_CWD, dir, &dirfd, err);
    if (rc == 0)
        rc = durable_write(dirfd, name, buf_span(&bytes), 0644, true, err);
    buf_done(&bytes);
    if (rc == 0 && !cli->json)
        (void)printf("%s%s%s\n", dir, text_ends(dir, "/") ? "" : "/", name);
    return rc;
}

static int write_credentials(struct cli *cli, const char *target, json_t *body, struct err *err) {
    json_t *credentials = NULL;
    if (cli_call(cli, "POST", target, body, &credentials, err) != 0)
        return -1;
    int rc = save_metadata(cli, credentials, err);
    if (rc == 0 && (cli->json || !cli->quiet))
        cli_object(cli, credentials, &listing);
    json_decref(credentials);
    return rc;
}

/* First line of --password-file. */
static int set_password(json_t *body, const struct args *args, struct err *err) {
    if (cli_body_file(body, "password", args, "password-file", err) != 0)
        return -1;
    const char *text = json_string_value(json_object_get(body, "password"));
    if (text == NULL)
        return 0;
    json_t *line = json_stringn(text, strcspn(text, "\r\n"));
    return json_object_set_new(body, "password", line) == 0
               ? 0
               : ERR(err, ERR_INTERNAL, "cannot set the password");
}

static int fill(json_t *body, const struct args *args, struct err *err) {
    bool pem = args_text(args, "certificate") != NULL;
    if (pem == (args_text(args, "pkcs12") != NULL))
        return ERR(err, ERR_USAGE, "give either --certificate and --key, or --pkcs12");
    if (cli_body_file(body, "certificate", args, "certificate", err) != 0 ||
        cli_body_file(body, "key", args, "key", err) != 0 ||
        cli_body_file_hex(body, "pkcs12", args, "pkcs12", err) != 0 ||
        cli_body_file(body, "anchors", args, "anchors", err) != 0 ||
        cli_body_file(body, "crl", args, "crl", err) != 0)
        return -1;
    cli_body_text(body, "anchor_thumbprint", args, "anchor-thumbprint");
    return set_password(body, args, err);
}

int cli_credentials_configure(struct cli *cli, struct err *err) {
    json_t *body = json_object();
    if (fill(body, cli->args, err) == 0)
        return write_credentials(cli, "/v1/credentials/configure", body, err);
    json_decref(body);
    return -1;
}

int cli_credentials_regenerate(struct cli *cli, struct err *err) {
    return write_credentials(cli, "/v1/credentials/regenerate", NULL, err);
}

int cli_credentials_crl(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    int rc = 0;
    cli_url_path(&url, "/v1/crl", NULL);
    if (args_text(cli->args, "FILE") == NULL) {
        rc = cli_list(cli, &url, &crl_listing, err);
    } else {
        json_t *body = json_object();
        rc = cli_body_file(body, "crl", cli->args, "FILE", err);
        if (rc == 0)
            rc = cli_show(cli, "POST", &url, json_incref(body), &crl_listing, err);
        json_decref(body);
    }
    cli_url_done(&url);
    return rc;
}
