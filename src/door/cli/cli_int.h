#pragma once
/* door/cli, inside. */
#include <jansson.h>

#include "base/text.h"
#include "door/args/args.h"
#include "door/cli/cli.h"

struct cli_client;
struct cli {
    struct args *args;
    struct cli_client *client; /* made at the first call */
    bool json, quiet, verbose;
    int foreign_exit; /* of an error that only the server knows; 0 = none */
};

typedef int cli_verb(struct cli *cli, struct err *err);
#define VERB(name, function) cli_verb function;
#include "spec_verb.inc"
#undef VERB

/* ---- cli_client.c ---- */
/* One request; `body` (may be NULL) is taken.  *answer is the caller's.  Errors of the server come
 * back as they are; ERR_UNREACHABLE, ERR_TIMEOUT, ERR_AUTH, ERR_PERMISSION, ERR_ANSWER. */
[[nodiscard]] int cli_call(struct cli *cli, const char *method, const char *target, json_t *body,
                           json_t **answer, struct err *err);
/* The bytes of an answer to standard output. */
[[nodiscard]] int cli_stream(struct cli *cli, const char *target, struct err *err);
void cli_client_close(struct cli_client *client);

/* ---- cli_url.c: a target piece by piece ---- */
struct cli_url {
    struct buf text;
    bool has_query;
};
void cli_url_done(struct cli_url *url);
/* "/v1/groups/", "home folders", "/backup": every second part is a value and gets escaped; NULL
 * ends the list. */
void cli_url_path(struct cli_url *url, ...) __attribute__((sentinel));
/* Nothing when value is NULL. */
void cli_url_text(struct cli_url *url, const char *name, const char *value);
void cli_url_number(struct cli_url *url, const char *name, uint64_t value);
void cli_url_flag(struct cli_url *url, const char *name, bool value); /* false: nothing */
/* A path as bytes of the command line. */
void cli_url_bytes(struct cli_url *url, const char *name, const char *path);
/* Options of the same name that were given: "group", "computer", "source". */
void cli_url_options(struct cli_url *url, const struct args *args, const char *const *names);
extern const char *const cli_narrow[]; /* group, computer, source */

/* ---- cli_body.c: fields of a request from options ---- */
json_t *cli_path_json(const char *path);
void cli_body_text(json_t *body, const char *field, const struct args *args, const char *option);
void cli_body_number(json_t *body, const char *field, const struct args *args, const char *option);
void cli_body_list(json_t *body, const char *field, const struct args *args, const char *option);
/* "COMPUTER:PATH" to {computer, path}, for every value of the option. */
[[nodiscard]] int cli_body_members(json_t *body, const char *field, const struct args *args,
                                   const char *option, struct err *err);
/* The named file as a string of PEM text, or as hex; nothing when the option was left out. */
[[nodiscard]] int cli_body_file(json_t *body, const char *field, const struct args *args,
                                const char *option, struct err *err);
[[nodiscard]] int cli_body_file_hex(json_t *body, const char *field, const struct args *args,
                                    const char *option, struct err *err);

/* ---- cli_cell.c: a value of an answer as text ---- */
enum cli_kind {
    CLI_TEXT,
    CLI_SIZE,
    CLI_NUMBER,
    CLI_TIME,
    CLI_FLAG,
    CLI_FILE, /* a path in a point; the root is . */
    CLI_ID,   /* shortened, unless --verbose */
    CLI_MODE, /* of an entry: drwxr-xr-x */
    CLI_ITEM, /* of an entry: its name, and what a person must know of it */
    CLI_PATH  /* the same with its whole path */
};
struct cli_column {
    const char *title; /* "LAST POINT"; as a label: "Last point" */
    const char *field; /* "last_time"; "entry.path" looks inside; "" is the object */
    enum cli_kind kind;
    bool verbose; /* shown only with --verbose */
};
#define CLI_COLUMNS_MAX 16u
/* Value at a dotted field, or NULL. */
const json_t *cli_field(const json_t *object, const char *field);
const char *cli_field_text(const json_t *object, const char *field); /* "" when it is no text */
uint64_t cli_field_number(const json_t *object, const char *field);
/* Append one cell. */
void cli_cell(const json_t *object, const struct cli_column *column, bool verbose, struct buf *out);
/* Columns a terminal needs for valid UTF-8, one for each character. */
size_t cli_width(const char *text);

/* ---- cli_print.c: answers on standard output ---- */
/* A table of `columns` (ends with title NULL); `id` is what --quiet prints. */
struct cli_listing {
    const struct cli_column *columns;
    const char *id;
};
/* All pages of a listing. */
[[nodiscard]] int cli_list(struct cli *cli, struct cli_url *url, const struct cli_listing *listing,
                           struct err *err);
/* An array that is there already. */
void cli_table(const struct cli *cli, const json_t *items, const struct cli_listing *listing);
/* One object: "Label:  value" lines, JSON, or its id. */
void cli_object(const struct cli *cli, const json_t *object, const struct cli_listing *listing);
/* The object as JSON on one line. */
void cli_json(const json_t *object);
/* Get one object and print it. */
[[nodiscard]] int cli_show(struct cli *cli, const char *method, struct cli_url *url, json_t *body,
                           const struct cli_listing *listing, struct err *err);
/* A removal with --what-if. */
[[nodiscard]] int cli_remove(struct cli *cli, struct cli_url *url, struct err *err);

/* ---- cli_progress.c: what is told while a job runs ---- */
struct cli_progress {
    const char *kind;
    uint64_t entries_done, entries_found;
    uint64_t bytes_done, bytes_total;
    bool total_known;
    uint64_t rate_bps; /* bytes a second, smoothed */
    uint64_t elapsed_s;
    const char *current;
};
void cli_progress_of(const json_t *job, struct cli_progress *progress);
/* One line of at most `columns`. */
void cli_progress_line(const struct cli_progress *progress, size_t columns, struct buf *out);

/* ---- cli_wait.c ---- */
/* Print the job, or with --wait follow it to its end.  ERR_PARTIAL, ERR_INTERRUPTED, or the job's
 * own error. */
[[nodiscard]] int cli_job(struct cli *cli, json_t *job, struct err *err);
/* Start a job by a request and go on as cli_job(). */
[[nodiscard]] int cli_start(struct cli *cli, struct cli_url *url, json_t *body, struct err *err);
extern const struct cli_listing cli_job_listing;

/* Fill *err from the error object of an answer or job; -1. */
[[nodiscard]] int cli_foreign_error(struct cli *cli, const json_t *error, struct err *err);
