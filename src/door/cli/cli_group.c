#include <stdio.h>
#include <string.h>

#include "door/cli/cli_int.h"
#include "os/file.h"

static const struct cli_column columns[] = {
    {"NAME", "name", CLI_TEXT, false},
    {"POINTS", "points", CLI_NUMBER, false},
    {"LAST POINT", "last_time", CLI_TIME, false},
    {"STATE", "last_state", CLI_TEXT, false},
    {"LAST JOB", "last_job", CLI_ID, false},
    {"CREATED", "created", CLI_TIME, true},
    {"ONE FILE SYSTEM", "one_file_system", CLI_FLAG, true},
    {"EXCLUDE CACHES", "exclude_caches", CLI_FLAG, true},
    {"LEVEL", "level", CLI_NUMBER, true},
    {NULL, NULL, CLI_TEXT, false},
};
static const struct cli_listing listing = {.columns = columns, .id = "name"};

int cli_group_list(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/groups", NULL);
    int rc = cli_list(cli, &url, &listing, err);
    cli_url_done(&url);
    return rc;
}

static void print_group(const struct cli *cli, const json_t *group) {
    size_t i;
    const json_t *value;
    cli_object(cli, group, &listing);
    if (cli->json || cli->quiet)
        return;
    json_array_foreach(json_object_get(group, "members"), i, value) {
        (void)printf("member  %s:%s\n", cli_field_text(value, "computer"),
                     cli_field_text(value, "path"));
    }
    json_array_foreach(json_object_get(group, "excludes"), i, value) {
        (void)printf("exclude %s\n", json_string_value(value));
    }
}

static int show(struct cli *cli, const char *method, const char *name, json_t *body,
                struct err *err) {
    struct cli_url url = {0};
    json_t *group = NULL;
    if (name != NULL)
        cli_url_path(&url, "/v1/groups/", name, NULL);
    else
        cli_url_path(&url, "/v1/groups", NULL);
    int rc = cli_call(cli, method, buf_text(&url.text), body, &group, err);
    cli_url_done(&url);
    if (rc == 0)
        print_group(cli, group);
    json_decref(group);
    return rc;
}

int cli_group_show(struct cli *cli, struct err *err) {
    return show(cli, "GET", args_text(cli->args, "GROUP"), NULL, err);
}

/* Lines of a file that are neither empty nor comments, appended to the list. */
static int exclude_file(json_t *list, const char *path, struct err *err) {
    struct buf bytes = {0};
    if (os_load(OS_FD_CWD, path, CLI_FILE_BYTES_MAX, &bytes, err) != 0)
        return ERR_NOTE(err, "--exclude-file");
    char *line = (char *)(uintptr_t)buf_text(&bytes);
    while (*line != 0) {
        size_t n = strcspn(line, "\r\n");
        bool more = line[n] != 0;
        line[n] = 0;
        if (n > 0 && line[0] != '#')
            (void)json_array_append_new(list, cli_path_json(line));
        line += more ? n + 1 : n;
    }
    buf_done(&bytes);
    return 0;
}

static int fill_group(const struct args *args, json_t *body, struct err *err) {
    json_t *excludes = json_array();
    (void)json_object_set_new(body, "excludes", excludes);
    cli_body_text(body, "name", args, "NAME");
    cli_body_list(body, "excludes", args, "exclude");
    cli_body_number(body, "level", args, "level");
    if (args_flag(args, "one-file-system"))
        (void)json_object_set_new(body, "one_file_system", json_true());
    if (args_flag(args, "exclude-caches"))
        (void)json_object_set_new(body, "exclude_caches", json_true());
    for (size_t i = 0; i < args_n(args, "exclude-file"); i++)
        if (exclude_file(excludes, args_item(args, "exclude-file", i), err) != 0)
            return -1;
    return cli_body_members(body, "members", args, "member", err);
}

int cli_group_create(struct cli *cli, struct err *err) {
    json_t *body = json_object();
    if (fill_group(cli->args, body, err) == 0)
        return show(cli, "POST", NULL, body, err);
    json_decref(body);
    return -1;
}

static void yes_no(json_t *body, const char *field, const struct args *args, const char *option) {
    const char *value = args_text(args, option);
    if (value != NULL)
        (void)json_object_set_new(body, field, json_boolean(text_equal(value, "yes")));
}

static int fill_change(const struct args *args, json_t *body, struct err *err) {
    cli_body_list(body, "add_excludes", args, "add-exclude");
    cli_body_list(body, "remove_excludes", args, "remove-exclude");
    cli_body_number(body, "level", args, "level");
    yes_no(body, "one_file_system", args, "one-file-system");
    yes_no(body, "exclude_caches", args, "exclude-caches");
    if (cli_body_members(body, "add_members", args, "add-member", err) != 0 ||
        cli_body_members(body, "remove_members", args, "remove-member", err) != 0)
        return -1;
    return json_object_size(body) > 0 ? 0 : ERR(err, ERR_USAGE, "nothing to change was named");
}

int cli_group_modify(struct cli *cli, struct err *err) {
    json_t *body = json_object();
    if (fill_change(cli->args, body, err) == 0)
        return show(cli, "PATCH", args_text(cli->args, "GROUP"), body, err);
    json_decref(body);
    return -1;
}

int cli_group_remove(struct cli *cli, struct err *err) {
    struct cli_url url = {0};
    cli_url_path(&url, "/v1/groups/", args_text(cli->args, "GROUP"), NULL);
    int rc = cli_remove(cli, &url, err);
    cli_url_done(&url);
    return rc;
}
