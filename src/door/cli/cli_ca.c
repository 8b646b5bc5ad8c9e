/* The small CA: works on a folder, without a server. */
#include <stdio.h>
#include <string.h>

#include "control/trust/ca.h"
#include "door/cli/cli_int.h"
#include "os/clock.h"
#include "os/durable.h"
#include "os/file.h"

static const struct cli_column columns[] = {
    {"NAME", "name", CLI_TEXT, false},
    {"STATE", "state", CLI_TEXT, false},
    {"ISSUED", "issued", CLI_TIME, false},
    {"EXPIRES", "expires", CLI_TIME, false},
    {"REVOKED", "revoked", CLI_TIME, true},
    {"SERIAL", "serial", CLI_TEXT, false},
    {"CERTIFICATE", "certificate_sha256", CLI_TEXT, true},
    {NULL, NULL, CLI_TEXT, false},
};
static const struct cli_listing listing = {.columns = columns, .id = "name"};

static enum ca_key key_of(const struct args *args) {
    return text_equal(args_text(args, "key"), "rsa") ? CA_KEY_RSA : CA_KEY_EC;
}

/* One object: what was done, to what. */
static void tell(const struct cli *cli, const char *name, const char *done, const char *file) {
    if (cli->json) {
        json_t *json = json_pack("{s:s, s:s, s:s?}", "name", name, "done", done, "file", file);
        cli_json(json);
        json_decref(json);
    } else if (cli->quiet) {
        (void)printf("%s\n", file != NULL ? file : name);
    } else {
        (void)printf("%s %s%s%s\n", done, name, file != NULL ? ": " : "", file != NULL ? file : "");
    }
}

int cli_ca_init(struct cli *cli, struct err *err) {
    const struct args *args = cli->args;
    const struct ca_init_opts opts = {.name = args_text(args, "name"),
                                      .key = key_of(args),
                                      .days = (uint32_t)args_number(args, "days", 0)};
    if (ca_init(args_text(args, "dir"), &opts, err) != 0)
        return -1;
    tell(cli, opts.name, "made", args_text(args, "dir"));
    return 0;
}

/* A renewed pair replaces the one that was there; the key is written first, so that a certificate
 * never lies beside a key that is not its own for longer than two renames. */
static int save(const char *dir, const char *name, const struct ca_issued *issued,
                struct err *err) {
    char file[OS_NAME_MAX + 1];
    OS_FD_AUTO int dirfd = OS_FD_NONE;
    if (os_dir_open(OS_FD_CWD, dir, &dirfd, err) != 0)
        return ERR_NOTE(err, "--output");
    if (!text_format(file, sizeof file, "%s.key", name) || strchr(name, '/') != NULL)
        return ERR(err, ERR_USAGE, "%s cannot be the name of a file", name);
    if (durable_write(dirfd, file, secret_span(issued->key_pem), 0600, true, err) != 0)
        return -1;
    (void)text_format(file, sizeof file, "%s.pem", name);
    return durable_write(dirfd, file, buf_span(&issued->certificate_pem), 0644, true, err);
}

static int hand_out(struct cli *cli, const struct ca_issued *issued, const char *done,
                    struct err *err) {
    const char *name = args_text(cli->args, "NAME"), *dir = args_text(cli->args, "output");
    char file[OS_PATH_MAX];
    if (save(dir, name, issued, err) != 0)
        return -1;
    (void)text_format(file, sizeof file, "%s%s%s.pem", dir, text_ends(dir, "/") ? "" : "/", name);
    tell(cli, name, done, file);
    return 0;
}

/* Writable, before a certificate is issued that could not be saved. */
static int check_output(const struct args *args, struct err *err) {
    OS_FD_AUTO int dirfd = OS_FD_NONE;
    if (os_dir_open(OS_FD_CWD, args_text(args, "output"), &dirfd, err) != 0)
        return ERR_NOTE(err, "--output");
    return 0;
}

int cli_ca_issue(struct cli *cli, struct err *err) {
    const struct args *args = cli->args;
    const char *alt_names[CA_ALT_NAMES_MAX];
    struct ca_issued issued = {0};
    size_t n = args_n(args, "alt-name");
    if (n > CA_ALT_NAMES_MAX)
        return ERR(err, ERR_USAGE, "--alt-name can be given %d times", CA_ALT_NAMES_MAX);
    for (size_t i = 0; i < n; i++)
        alt_names[i] = args_item(args, "alt-name", i);
    const struct ca_issue_opts opts = {.alt_names = alt_names,
                                       .alt_names_n = n,
                                       .key = key_of(args),
                                       .days = (uint32_t)args_number(args, "days", 0)};
    if (check_output(args, err) != 0)
        return -1;
    int rc = ca_issue(args_text(args, "dir"), args_text(args, "NAME"), &opts, &issued, err);
    if (rc == 0)
        rc = hand_out(cli, &issued, "issued", err);
    ca_issued_done(&issued);
    return rc;
}

int cli_ca_renew(struct cli *cli, struct err *err) {
    const struct args *args = cli->args;
    struct ca_issued issued = {0};
    const struct ca_renew_opts opts = {.days = (uint32_t)args_number(args, "days", 0)};
    if (check_output(args, err) != 0)
        return -1;
    int rc = ca_renew(args_text(args, "dir"), args_text(args, "NAME"), &opts, &issued, err);
    if (rc == 0)
        rc = hand_out(cli, &issued, "renewed", err);
    ca_issued_done(&issued);
    return rc;
}

int cli_ca_revoke(struct cli *cli, struct err *err) {
    const struct args *args = cli->args;
    const char *name = args_text(args, "NAME");
    uint32_t days = (uint32_t)args_number(args, "days", 0);
    size_t n = 0;
    if (ca_revoke(args_text(args, "dir"), name, days, 0, &n, err) != 0)
        return -1;
    tell(cli, name, n == 0 ? "was revoked before" : "revoked", NULL);
    return 0;
}

/* --output replaces the file at once: a server may read it at any time. */
static int save_crl(const char *path, const struct buf *pem, struct err *err) {
    const char *slash = strrchr(path, '/');
    MEM_AUTO char *dir = mem_text(slash == NULL ? "./" : path);
    dir[slash == NULL ? 1 : slash - path + 1] = 0;
    OS_FD_AUTO int dirfd = OS_FD_NONE;
    if (os_dir_open(OS_FD_CWD, dir, &dirfd, err) != 0)
        return ERR_NOTE(err, "--output");
    return durable_write(dirfd, slash == NULL ? path : slash + 1, buf_span(pem), 0644, true, err);
}

int cli_ca_crl(struct cli *cli, struct err *err) {
    const struct args *args = cli->args;
    const char *output = args_text(args, "output");
    struct buf pem = {0};
    uint32_t days = (uint32_t)args_number(args, "days", 0);
    int rc = ca_crl(args_text(args, "dir"), days, 0, &pem, err);
    if (rc == 0 && output != NULL)
        rc = save_crl(output, &pem, err);
    if (rc == 0 && output != NULL)
        tell(cli, "revocation list", "wrote", output);
    else if (rc == 0)
        (void)fwrite(pem.p, 1, pem.n, stdout);
    buf_done(&pem);
    return rc;
}

static void set_time(json_t *json, const char *field, int64_t seconds) {
    char text[TEXT_SIZE_MAX];
    (void)json_object_set_new(json, field,
                              seconds == 0 ? json_null() : json_string(text_time(text, seconds)));
}

static json_t *entry_json(const struct ca_entry *entry) {
    char hex[2 * sizeof entry->sha256.b + 1];
    json_t *json = json_object();
    bool over = entry->not_after_s < os_wall_s();
    const char *state = entry->revoked_s != 0 ? "revoked" : over ? "expired" : "valid";
    text_hex(hex, entry->sha256.b, sizeof entry->sha256.b);
    (void)json_object_set_new(json, "name", cli_path_json(entry->name));
    (void)json_object_set_new(json, "serial", json_string(entry->serial));
    (void)json_object_set_new(json, "state", json_string(state));
    set_time(json, "issued", entry->issued_s);
    set_time(json, "expires", entry->not_after_s);
    set_time(json, "revoked", entry->revoked_s);
    (void)json_object_set_new(json, "certificate_sha256", json_string(hex));
    return json;
}

int cli_ca_list(struct cli *cli, struct err *err) {
    ca_entries list = {0};
    int rc = ca_list(args_text(cli->args, "dir"), &list, err);
    if (rc == 0) {
        json_t *items = json_array();
        for (size_t i = 0; i < list.n; i++)
            (void)json_array_append_new(items, entry_json(&list.p[i]));
        cli_table(cli, items, &listing);
        json_decref(items);
    }
    vec_done(&list);
    return rc;
}
