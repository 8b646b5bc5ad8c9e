#include <stdarg.h>
#include <string.h>

#include "door/cli/cli_int.h"

const char *const cli_narrow[] = {"group", "computer", "source", NULL};

static void escape(struct buf *out, const char *value) {
    for (; *value != 0; value++) {
        bool plain = (*value >= 'a' && *value <= 'z') || (*value >= 'A' && *value <= 'Z') ||
                     (*value >= '0' && *value <= '9') || strchr("-._~", *value) != NULL;
        if (plain)
            buf_put_u8(out, (uint8_t)*value);
        else
            buf_printf(out, "%%%02X", (uint8_t)*value);
    }
}

void cli_url_done(struct cli_url *url) {
    buf_done(&url->text);
}

void cli_url_path(struct cli_url *url, ...) {
    va_list parts;
    va_start(parts, url);
    bool value = false;
    for (const char *part = va_arg(parts, const char *); part != NULL;
         part = va_arg(parts, const char *), value = !value) {
        if (value)
            escape(&url->text, part);
        else
            buf_put(&url->text, part, strlen(part));
    }
    va_end(parts);
}

void cli_url_text(struct cli_url *url, const char *name, const char *value) {
    if (value == NULL)
        return;
    buf_printf(&url->text, "%c%s=", url->has_query ? '&' : '?', name);
    escape(&url->text, value);
    url->has_query = true;
}

void cli_url_number(struct cli_url *url, const char *name, uint64_t value) {
    char text[24];
    (void)text_format(text, sizeof text, "%llu", (unsigned long long)value);
    cli_url_text(url, name, text);
}

void cli_url_flag(struct cli_url *url, const char *name, bool value) {
    cli_url_text(url, name, value ? "true" : NULL);
}

void cli_url_bytes(struct cli_url *url, const char *name, const char *path) {
    struct buf text = {0};
    if (path == NULL)
        return;
    text_escape(&text, span_text(path));
    cli_url_text(url, name, buf_text(&text));
    buf_done(&text);
}

void cli_url_options(struct cli_url *url, const struct args *args, const char *const *names) {
    for (; *names != NULL; names++)
        cli_url_text(url, *names, args_text(args, *names));
}
