#include <string.h>

#include "base/text.h"
#include "door/rest/rest_int.h"

bool rest_unescape(const char *text, struct buf *out) {
    for (const char *p = text; *p != 0; p++) {
        uint8_t byte = (uint8_t)*p;
        if (byte == '\\' && p[1] == '\\') {
            p++;
        } else if (byte == '\\') {
            if (p[1] != 'x' || p[2] == 0 || !text_unhex(p + 2, 2, &byte, 1) || byte == 0)
                return false;
            p += 3;
        }
        buf_put_u8(out, byte);
    }
    return true;
}

static bool is_path(const char *value) {
    struct buf bytes = {0};
    bool ok = rest_unescape(value, &bytes);
    buf_done(&bytes);
    return ok;
}

static bool is_name(const char *value) {
    if (strchr(".- ", value[0]) != NULL) /* the empty string, too */
        return false;
    for (const char *p = value; *p != 0; p++)
        if ((uint8_t)*p < 0x20 || *p == 0x7f || *p == '/' || *p == '\\')
            return false;
    return true;
}

static bool consists_of(const char *value, const char *bytes) {
    return value[0] != 0 && value[strspn(value, bytes)] == 0;
}

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* What a value of the type looks like, for people; NULL when `value` does. */
static const char *misfit(enum rest_type type, const char *value) {
    switch (type) {
    case REST_TYPE_NAME:
        return is_name(value) ? NULL : "a name without slashes, not beginning with . or -";
    case REST_TYPE_ID:
        return consists_of(value, DIGITS LOWER "-") ? NULL : "an id";
    case REST_TYPE_SELECTOR:
        return consists_of(value, DIGITS LOWER UPPER "~@:+-") && value[0] != '-'
                   ? NULL
                   : "a point: its id, the beginning of it, latest or latest~N";
    case REST_TYPE_PATH:
        return is_path(value) ? NULL : "a path, a backslash in it written twice";
    case REST_TYPE_HEX:
        return strspn(value, DIGITS "abcdefABCDEF") == strlen(value) && strlen(value) % 2 == 0
                   ? NULL
                   : "bytes as hex digits";
    case REST_TYPE_TEXT:
    case REST_TYPE_PEM:
    case REST_TYPE_TIME:
    case REST_TYPE_NUMBER:
    case REST_TYPE_FLAG:
    case REST_TYPE_WORD:
    case REST_TYPE_OBJECT:
        return NULL;
    }
    return NULL;
}

static int check_number(const struct rest_field *field, uint64_t value, struct err *err) {
    uint64_t max = field->max != 0 ? field->max : REST_NUMBER_MAX;
    if (value >= field->min && value <= max)
        return 0;
    return ERR(err, ERR_USAGE, "%s must be a number from %llu to %llu", field->name,
               (unsigned long long)field->min, (unsigned long long)max);
}

static int check_word(const struct rest_field *field, const char *value, struct err *err) {
    struct buf words = {0};
    for (const char *const *word = field->words; *word != NULL; word++) {
        if (strcmp(value, *word) == 0) {
            buf_done(&words);
            return 0;
        }
        buf_printf(&words, "%s%s", words.n == 0 ? "" : ", ", *word);
    }
    (void)ERR(err, ERR_USAGE, "%s must be one of: %s", field->name, buf_text(&words));
    buf_done(&words);
    return -1;
}

static size_t bytes_max(const struct rest_field *field) {
    if (field->max != 0 && !field->list)
        return (size_t)field->max;
    if (field->type == REST_TYPE_ID || field->type == REST_TYPE_SELECTOR)
        return REST_ID_BYTES_MAX;
    return field->type == REST_TYPE_NAME ? REST_NAME_BYTES_MAX : REST_TEXT_BYTES_MAX;
}

/* The types that are strings in JSON. */
static int check_string(const struct rest_field *field, const char *value, struct err *err) {
    if (field->type == REST_TYPE_WORD)
        return check_word(field, value, err);
    size_t max = bytes_max(field);
    if (strlen(value) > max)
        return ERR(err, ERR_USAGE, "%s is longer than %zu bytes", field->name, max);
    const char *wanted = misfit(field->type, value);
    return wanted == NULL ? 0 : ERR(err, ERR_USAGE, "%s must be %s", field->name, wanted);
}

int rest_check_text(const struct rest_field *field, const char *value, struct err *err) {
    uint64_t number = 0;
    if (field->type == REST_TYPE_NUMBER) {
        if (!text_to_u64(value, REST_NUMBER_MAX, &number))
            return ERR(err, ERR_USAGE, "%s must be a number", field->name);
        return check_number(field, number, err);
    }
    if (field->type == REST_TYPE_FLAG) {
        if (!text_equal(value, "true") && !text_equal(value, "false"))
            return ERR(err, ERR_USAGE, "%s must be true or false", field->name);
        return 0;
    }
    return check_string(field, value, err);
}

static int check_value(const struct rest_field *field, const json_t *value, struct err *err) {
    switch (field->type) {
    case REST_TYPE_NUMBER:
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return ERR(err, ERR_USAGE, "%s must be a number", field->name);
        return check_number(field, (uint64_t)json_integer_value(value), err);
    case REST_TYPE_FLAG:
        return json_is_boolean(value)
                   ? 0
                   : ERR(err, ERR_USAGE, "%s must be true or false", field->name);
    case REST_TYPE_OBJECT:
        if (!json_is_object(value))
            return ERR(err, ERR_USAGE, "%s must be an object", field->name);
        return rest_check_object(field->fields, value, err);
    case REST_TYPE_TEXT:
    case REST_TYPE_NAME:
    case REST_TYPE_ID:
    case REST_TYPE_SELECTOR:
    case REST_TYPE_PATH:
    case REST_TYPE_HEX:
    case REST_TYPE_PEM:
    case REST_TYPE_TIME:
    case REST_TYPE_WORD:
        if (!json_is_string(value))
            return ERR(err, ERR_USAGE, "%s must be a string", field->name);
        return check_string(field, json_string_value(value), err);
    }
    return ERR(err, ERR_INTERNAL, "%s has no type", field->name);
}

static int check_list(const struct rest_field *field, const json_t *list, struct err *err) {
    size_t max = field->max != 0 ? (size_t)field->max : REST_ITEMS_MAX;
    if (!json_is_array(list))
        return ERR(err, ERR_USAGE, "%s must be a list", field->name);
    if (json_array_size(list) > max)
        return ERR(err, ERR_USAGE, "%s has more than %zu items", field->name, max);
    if (json_array_size(list) == 0 && !field->optional)
        return ERR(err, ERR_USAGE, "%s is empty", field->name);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (check_value(field, json_array_get(list, i), err) != 0)
            return ERR_NOTE(err, "item %zu", i);
    return 0;
}

int rest_check_object(const struct rest_field *fields, const json_t *object, struct err *err) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) { /* reads only */
        int i = rest_field_index(fields, key);
        if (i < 0)
            return ERR(err, ERR_USAGE, "unknown field %.64s", key);
    }
    for (size_t i = 0; fields != NULL && fields[i].name != NULL; i++) {
        value = json_object_get(object, fields[i].name);
        if (value == NULL || json_is_null(value)) {
            if (!fields[i].optional)
                return ERR(err, ERR_USAGE, "field %s is missing", fields[i].name);
            continue;
        }
        int rc = fields[i].list ? check_list(&fields[i], value, err)
                                : check_value(&fields[i], value, err);
        if (rc != 0)
            return -1;
    }
    return 0;
}
