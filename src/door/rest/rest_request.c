#include <string.h>

#include "base/text.h"
#include "door/rest/rest_int.h"

enum rest_route rest_route_of(const struct rest_request *request) {
    return request->route;
}

const struct rest_caller *rest_caller(const struct rest_request *request) {
    return &request->caller;
}

const char *rest_path(const struct rest_request *request, const char *name) {
    int i = rest_field_index(request->info->params, name);
    INVARIANT(i >= 0);
    return request->params[i];
}

const json_t *rest_body(const struct rest_request *request) {
    return request->body;
}

/* A declared value: text of the query or a value of the body; both NULL when left out. */
struct value {
    const struct rest_field *field;
    const char *query;
    const json_t *json;
};

static struct value value_of(const struct rest_request *request, const char *name) {
    int i = rest_field_index(request->info->query, name);
    if (i >= 0)
        return (struct value){.field = &request->info->query[i], .query = request->query[i]};
    i = rest_field_index(request->info->body, name);
    INVARIANT(i >= 0);
    const json_t *json = json_object_get(request->body, name);
    return (struct value){.field = &request->info->body[i],
                          .json = json_is_null(json) ? NULL : json};
}

const char *rest_text(const struct rest_request *request, const char *name) {
    struct value value = value_of(request, name);
    INVARIANT(!value.field->list);
    INVARIANT(value.field->type != REST_TYPE_NUMBER && value.field->type != REST_TYPE_FLAG);
    return value.query != NULL ? value.query : json_string_value(value.json);
}

uint64_t rest_number(const struct rest_request *request, const char *name, uint64_t fallback) {
    struct value value = value_of(request, name);
    INVARIANT(value.field->type == REST_TYPE_NUMBER && !value.field->list);
    uint64_t number = fallback;
    if (value.json != NULL)
        return (uint64_t)json_integer_value(value.json);
    if (value.query != NULL)
        INVARIANT(text_to_u64(value.query, REST_NUMBER_MAX, &number)); /* was checked */
    return number;
}

bool rest_flag(const struct rest_request *request, const char *name) {
    struct value value = value_of(request, name);
    INVARIANT(value.field->type == REST_TYPE_FLAG && !value.field->list);
    return value.json != NULL ? json_is_true(value.json) : text_equal(value.query, "true");
}

const json_t *rest_list(const struct rest_request *request, const char *name) {
    struct value value = value_of(request, name);
    INVARIANT(value.field->list);
    return value.json;
}

bool rest_path_bytes(const struct rest_request *request, const char *name, struct buf *out) {
    INVARIANT(value_of(request, name).field->type == REST_TYPE_PATH);
    const char *text = rest_text(request, name);
    return text != NULL && rest_unescape(text, out);
}

bool rest_hex_bytes(const struct rest_request *request, const char *name, struct buf *out) {
    INVARIANT(value_of(request, name).field->type == REST_TYPE_HEX);
    const char *text = rest_text(request, name);
    if (text == NULL)
        return false;
    size_t n = strlen(text);
    return text_unhex(text, n, buf_extend(out, n / 2), n / 2);
}
