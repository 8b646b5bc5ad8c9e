#include <stdio.h>
#include <string.h>

#include "door/cli/cli_int.h"

static void print(struct buf *text) {
    (void)fwrite(text->p, 1, text->n, stdout); /* checked once, at the end of the command */
    buf_clear(text);
}

void cli_json(const json_t *object) {
    (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)fputc('\n', stdout);
}

/* ---- tables ---- */

struct table {
    const struct cli *cli;
    const struct cli_listing *listing;
    size_t widths[CLI_COLUMNS_MAX];
    bool titled;
    size_t rows;
};

static bool shown(const struct table *table, const struct cli_column *column) {
    return !column->verbose || table->cli->verbose;
}

static bool right_aligned(const struct cli_column *column) {
    return column->kind == CLI_SIZE || column->kind == CLI_NUMBER;
}

static bool last_shown(const struct table *table, size_t i) {
    const struct cli_column *columns = table->listing->columns;
    for (i++; columns[i].title != NULL; i++)
        if (shown(table, &columns[i]))
            return false;
    return true;
}

static void measure(struct table *table, const json_t *items) {
    const struct cli_column *columns = table->listing->columns;
    struct buf cell = {0};
    for (size_t c = 0; columns[c].title != NULL; c++) {
        INVARIANT(c < CLI_COLUMNS_MAX);
        table->widths[c] = strlen(columns[c].title);
        for (size_t i = 0; i < json_array_size(items) && !last_shown(table, c); i++) {
            buf_clear(&cell);
            cli_cell(json_array_get(items, i), &columns[c], table->cli->verbose, &cell);
            table->widths[c] = MAX(table->widths[c], cli_width(buf_text(&cell)));
        }
    }
    buf_done(&cell);
}

static void put_cell(const struct table *table, size_t c, const char *text, struct buf *out) {
    bool right = right_aligned(&table->listing->columns[c]);
    size_t width = cli_width(text);
    size_t pad = table->widths[c] > width ? table->widths[c] - width : 0;
    if (right)
        buf_printf(out, "%*s", (int)pad, "");
    buf_printf(out, "%s", text);
    if (last_shown(table, c)) {
        buf_put_u8(out, '\n');
        return;
    }
    buf_printf(out, "%*s", (int)(right ? 2 : pad + 2), "");
}

static void put_titles(struct table *table, struct buf *out) {
    const struct cli_column *columns = table->listing->columns;
    for (size_t c = 0; columns[c].title != NULL; c++)
        if (shown(table, &columns[c]))
            put_cell(table, c, columns[c].title, out);
    table->titled = true;
}

static void put_rows(struct table *table, const json_t *items) {
    const struct cli_column *columns = table->listing->columns;
    struct buf out = {0}, cell = {0};
    if (!table->titled) {
        measure(table, items);
        put_titles(table, &out);
    }
    for (size_t i = 0; i < json_array_size(items); i++) {
        for (size_t c = 0; columns[c].title != NULL; c++) {
            if (!shown(table, &columns[c]))
                continue;
            buf_clear(&cell);
            cli_cell(json_array_get(items, i), &columns[c], table->cli->verbose, &cell);
            put_cell(table, c, buf_text(&cell), &out);
        }
        print(&out);
    }
    print(&out);
    buf_done(&out);
    buf_done(&cell);
}

static void put_ids(const struct table *table, const json_t *items) {
    for (size_t i = 0; i < json_array_size(items); i++)
        (void)printf("%s\n", cli_field_text(json_array_get(items, i), table->listing->id));
}

/* Elements of one JSON array that goes on over pages. */
static void put_elements(struct table *table, const json_t *items) {
    for (size_t i = 0; i < json_array_size(items); i++) {
        (void)fputs(table->rows++ == 0 ? "[\n" : ",\n", stdout);
        (void)json_dumpf(json_array_get(items, i), stdout, JSON_COMPACT);
    }
}

static void put_page(struct table *table, const json_t *items) {
    if (table->cli->json)
        put_elements(table, items);
    else if (table->cli->quiet)
        put_ids(table, items);
    else
        put_rows(table, items);
}

static void end_table(const struct table *table) {
    if (table->cli->json)
        (void)fputs(table->rows == 0 ? "[]\n" : "\n]\n", stdout);
}

void cli_table(const struct cli *cli, const json_t *items, const struct cli_listing *listing) {
    struct table table = {.cli = cli, .listing = listing};
    put_page(&table, items);
    end_table(&table);
}

static int get_page(struct cli *cli, const struct cli_url *url, const char *after, json_t **page,
                    struct err *err) {
    struct cli_url target = {.has_query = url->has_query};
    buf_put(&target.text, url->text.p, url->text.n);
    cli_url_text(&target, "after", after[0] != 0 ? after : NULL);
    int rc = cli_call(cli, "GET", buf_text(&target.text), NULL, page, err);
    cli_url_done(&target);
    if (rc == 0 && !json_is_array(json_object_get(*page, "items")))
        rc = ERR(err, ERR_ANSWER, "the server answered without a list");
    return rc;
}

int cli_list(struct cli *cli, struct cli_url *url, const struct cli_listing *listing,
             struct err *err) {
    struct table table = {.cli = cli, .listing = listing};
    char *after = mem_text("");
    int rc = 0;
    do {
        json_t *page = NULL;
        rc = get_page(cli, url, after, &page, err);
        if (rc == 0)
            put_page(&table, json_object_get(page, "items"));
        mem_free(after);
        after = mem_text(cli_field_text(page, "next"));
        json_decref(page);
    } while (rc == 0 && after[0] != 0);
    mem_free(after);
    if (rc == 0)
        end_table(&table);
    return rc;
}

/* ---- single objects ---- */

void cli_object(const struct cli *cli, const json_t *object, const struct cli_listing *listing) {
    if (cli->json) {
        cli_json(object);
        return;
    }
    if (cli->quiet) {
        (void)printf("%s\n", cli_field_text(object, listing->id));
        return;
    }
    struct buf line = {0};
    int width = 0;
    for (const struct cli_column *c = listing->columns; c->title != NULL; c++)
        width = MAX(width, (int)strlen(c->title));
    for (const struct cli_column *c = listing->columns; c->title != NULL; c++) {
        if (cli_field(object, c->field) == NULL)
            continue;
        buf_printf(&line, "%c", c->title[0]);
        for (const char *p = c->title + 1; *p != 0; p++) /* "LAST POINT" to "Last point" */
            buf_put_u8(&line, (uint8_t)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p));
        buf_printf(&line, ":%*s", width + 2 - (int)strlen(c->title), "");
        cli_cell(object, c, true, &line);
        buf_put_u8(&line, '\n');
        print(&line);
    }
    buf_done(&line);
}

int cli_show(struct cli *cli, const char *method, struct cli_url *url, json_t *body,
             const struct cli_listing *listing, struct err *err) {
    json_t *answer = NULL;
    int rc = cli_call(cli, method, buf_text(&url->text), body, &answer, err);
    if (rc == 0)
        cli_object(cli, answer, listing);
    json_decref(answer);
    return rc;
}

int cli_remove(struct cli *cli, struct cli_url *url, struct err *err) {
    json_t *answer = NULL;
    cli_url_flag(url, "what_if", args_flag(cli->args, "what-if"));
    if (cli_call(cli, "DELETE", buf_text(&url->text), NULL, &answer, err) != 0)
        return -1;
    if (cli->json) {
        cli_json(answer);
    } else if (!cli->quiet) {
        bool what_if = json_is_true(json_object_get(answer, "what_if"));
        const char *note = cli_field_text(answer, "note");
        (void)printf("%s %s", what_if ? "would remove" : "removed", cli_field_text(answer, "name"));
        (void)printf("%s%s\n", note[0] != 0 ? ": " : "", note);
    }
    json_decref(answer);
    return 0;
}
