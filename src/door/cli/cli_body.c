#include <string.h>

#include "crypto/secret.h"
#include "door/cli/cli_int.h"
#include "os/file.h"

json_t *cli_path_json(const char *path) {
    struct buf text = {0};
    text_escape(&text, span_text(path));
    json_t *json = json_stringn(buf_text(&text), text.n);
    buf_done(&text);
    INVARIANT(json != NULL); /* text_escape leaves valid UTF-8 only */
    return json;
}

static void set(json_t *body, const char *field, json_t *value) {
    INVARIANT(json_object_set_new(body, field, value) == 0);
}

void cli_body_text(json_t *body, const char *field, const struct args *args, const char *option) {
    if (args_text(args, option) != NULL)
        set(body, field, cli_path_json(args_text(args, option)));
}

void cli_body_number(json_t *body, const char *field, const struct args *args, const char *option) {
    if (args_text(args, option) != NULL)
        set(body, field, json_integer((json_int_t)args_number(args, option, 0)));
}

void cli_body_list(json_t *body, const char *field, const struct args *args, const char *option) {
    size_t n = args_n(args, option);
    if (n == 0)
        return;
    json_t *list = json_object_get(body, field);
    if (list == NULL) {
        list = json_array();
        set(body, field, list);
    }
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, cli_path_json(args_item(args, option, i)));
}

int cli_body_members(json_t *body, const char *field, const struct args *args, const char *option,
                     struct err *err) {
    size_t n = args_n(args, option);
    if (n == 0)
        return 0;
    json_t *list = json_array();
    set(body, field, list);
    for (size_t i = 0; i < n; i++) {
        const char *member = args_item(args, option, i);
        const char *path = strstr(member, ":/");
        if (path == NULL || path == member)
            return ERR(err, ERR_USAGE, "--%s %s is not COMPUTER:/PATH", option, member);
        MEM_AUTO char *computer = mem_copy(member, (size_t)(path - member) + 1);
        computer[path - member] = 0;
        json_t *json = json_object();
        set(json, "computer", cli_path_json(computer));
        set(json, "path", cli_path_json(path + 1));
        (void)json_array_append_new(list, json);
    }
    return 0;
}

static int load(const struct args *args, const char *option, struct buf *bytes, struct err *err) {
    if (os_load(OS_FD_CWD, args_text(args, option), CLI_FILE_BYTES_MAX, bytes, err) != 0)
        return ERR_NOTE(err, "--%s", option);
    return 0;
}

int cli_body_file(json_t *body, const char *field, const struct args *args, const char *option,
                  struct err *err) {
    struct buf bytes = {0};
    if (args_text(args, option) == NULL)
        return 0;
    int rc = load(args, option, &bytes, err);
    json_t *text = rc == 0 ? json_stringn(buf_text(&bytes), bytes.n) : NULL;
    secret_wipe(bytes.p, bytes.n); /* it may be a private key */
    buf_done(&bytes);
    if (rc != 0)
        return -1;
    if (text == NULL)
        return ERR(err, ERR_USAGE, "--%s %s is not text", option, args_text(args, option));
    set(body, field, text);
    return 0;
}

int cli_body_file_hex(json_t *body, const char *field, const struct args *args, const char *option,
                      struct err *err) {
    struct buf bytes = {0};
    if (args_text(args, option) == NULL)
        return 0;
    int rc = load(args, option, &bytes, err);
    if (rc == 0) {
        MEM_AUTO char *hex = mem_new(2 * bytes.n + 1);
        text_hex(hex, bytes.p, bytes.n);
        set(body, field, json_string(hex));
        secret_wipe(hex, 2 * bytes.n);
    }
    secret_wipe(bytes.p, bytes.n);
    buf_done(&bytes);
    return rc;
}
