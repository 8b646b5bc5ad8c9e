#include "base/text.h"
#include "door/rest/rest_int.h"

/* Text of ours or of an error, which may quote foreign bytes: always valid JSON. */
static json_t *string_of(const char *text) {
    json_t *json = json_string(text);
    return json != NULL ? json : rest_path_json(span_text(text));
}

json_t *rest_error_json(const struct err *err) {
    const struct err_info *info = err_info(err->code);
    json_t *json = json_object();
    (void)json_object_set_new(json, "code", json_integer(info->number));
    (void)json_object_set_new(json, "symbol", json_string(info->symbol));
    (void)json_object_set_new(json, "message",
                              string_of(err->text[0] != 0 ? err->text : info->cause));
    (void)json_object_set_new(json, "action", json_string(info->action));
    (void)json_object_set_new(json, "exit", json_integer(info->exit_status));
    return json;
}

json_t *rest_path_json(struct span bytes) {
    struct buf text = {0};
    text_escape(&text, bytes);
    json_t *json = json_stringn(buf_text(&text), text.n);
    buf_done(&text);
    INVARIANT(json != NULL); /* text_escape leaves valid UTF-8 only */
    return json;
}

json_t *rest_time_json(int64_t unix_seconds) {
    char text[TEXT_SIZE_MAX];
    return unix_seconds == 0 ? json_null() : json_string(text_time(text, unix_seconds));
}

json_t *rest_page_json(json_t *items, const char *next) {
    json_t *json = json_object();
    (void)json_object_set_new(json, "items", items);
    (void)json_object_set_new(json, "next", next == NULL ? json_null() : string_of(next));
    return json;
}
