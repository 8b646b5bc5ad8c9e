#include <string.h>

#include "door/cli/cli_int.h"

#define FIELD_MAX 64u
#define ID_LONG 32u  /* ids of jobs and points; sources and others are names to people */
#define ID_SHOWN 12u /* enough to tell them apart; --verbose shows all */

const json_t *cli_field(const json_t *object, const char *field) {
    char part[FIELD_MAX];
    for (;;) {
        size_t n = strcspn(field, ".");
        INVARIANT(n < sizeof part);
        memcpy(part, field, n);
        part[n] = 0;
        object = json_object_get(object, part);
        if (field[n] == 0 || object == NULL)
            return object;
        field += n + 1;
    }
}

const char *cli_field_text(const json_t *object, const char *field) {
    const json_t *value = cli_field(object, field);
    return json_is_string(value) ? json_string_value(value) : "";
}

uint64_t cli_field_number(const json_t *object, const char *field) {
    const json_t *value = cli_field(object, field);
    return json_is_integer(value) && json_integer_value(value) > 0
               ? (uint64_t)json_integer_value(value)
               : 0;
}

/* "drwxr-xr-x" of an entry. */
static void mode_cell(const json_t *entry, struct buf *out) {
    static const struct {
        const char *kind;
        char letter;
    } kinds[] = {{"dir", 'd'},   {"symlink", 'l'}, {"char", 'c'},
                 {"block", 'b'}, {"fifo", 'p'},    {"socket", 's'}};
    const char *kind = cli_field_text(entry, "kind");
    uint64_t mode = cli_field_number(entry, "mode");
    char text[] = "-rwxrwxrwx";
    for (size_t i = 0; i < ARRAY_N(kinds); i++)
        if (text_equal(kind, kinds[i].kind))
            text[0] = kinds[i].letter;
    for (unsigned bit = 0; bit < 9; bit++)
        if ((mode >> (8 - bit) & 1) == 0)
            text[1 + bit] = '-';
    if ((mode & 04000) != 0)
        text[3] = text[3] == 'x' ? 's' : 'S';
    if ((mode & 02000) != 0)
        text[6] = text[6] == 'x' ? 's' : 'S';
    if ((mode & 01000) != 0)
        text[9] = text[9] == 'x' ? 't' : 'T';
    buf_put(out, text, sizeof text - 1);
}

/* Path of an entry, with what a person must know of it. */
static void item_cell(const json_t *entry, const char *field, struct buf *out) {
    const char *path = cli_field_text(entry, field);
    const char *link = cli_field_text(entry, "link");
    const char *problem = cli_field_text(entry, "problem");
    buf_printf(out, "%s", path[0] != 0 ? path : ".");
    if (text_equal(cli_field_text(entry, "kind"), "dir"))
        buf_put_u8(out, '/');
    if (link[0] != 0)
        buf_printf(out, " -> %s", link);
    if (problem[0] != 0)
        buf_printf(out, "  [%s]", problem);
    if (json_is_true(cli_field(entry, "changed")))
        buf_printf(out, "  [changed while it was read]");
}

static void plain_cell(const json_t *value, struct buf *out) {
    if (json_is_string(value))
        buf_printf(out, "%s", json_string_length(value) > 0 ? json_string_value(value) : "-");
    else if (json_is_integer(value))
        buf_printf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        buf_printf(out, "%s", json_is_true(value) ? "yes" : "no");
    else
        buf_put_u8(out, '-');
}

void cli_cell(const json_t *object, const struct cli_column *column, bool verbose,
              struct buf *out) {
    const json_t *value = column->field[0] != 0 ? cli_field(object, column->field) : object;
    char text[TEXT_SIZE_MAX];
    switch (column->kind) {
    case CLI_MODE:
        mode_cell(value, out);
        return;
    case CLI_ITEM:
    case CLI_PATH:
        item_cell(value, column->kind == CLI_ITEM ? "name" : "path", out);
        return;
    case CLI_SIZE:
        if (json_is_integer(value))
            buf_printf(out, "%s", text_size(text, (uint64_t)json_integer_value(value)));
        else
            buf_put_u8(out, '-');
        return;
    case CLI_ID:
        if (json_is_string(value) && !verbose && json_string_length(value) >= ID_LONG) {
            buf_put(out, json_string_value(value), ID_SHOWN);
            return;
        }
        plain_cell(value, out);
        return;
    case CLI_FILE:
        if (json_is_string(value) && json_string_length(value) == 0)
            buf_put_u8(out, '.');
        else
            plain_cell(value, out);
        return;
    case CLI_TEXT:
    case CLI_NUMBER:
    case CLI_TIME:
    case CLI_FLAG:
        plain_cell(value, out);
        return;
    }
}

size_t cli_width(const char *text) {
    size_t n = 0;
    for (; *text != 0; text++)
        n += ((uint8_t)*text & 0xc0) != 0x80;
    return n;
}
