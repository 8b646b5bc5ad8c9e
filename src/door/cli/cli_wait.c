#include <stdio.h>
#include <string.h>

#include "door/cli/cli_int.h"
#include "os/clock.h"
#include "os/proc.h"
#include "os/thread.h"

#define REDRAW_MS 125u  /* eight times a second */
#define LINE_MS 5000u   /* where there is no terminal */
#define STATUS_MS 1000u /* JSON lines */
#define WAIT_MS 25000u  /* when nothing is told */
#define PROBLEMS_SHOWN 20u
#define STDERR_FD 2

enum tell { TELL_NOTHING, TELL_REDRAW, TELL_LINES, TELL_JSON };

struct watch {
    struct cli *cli;
    json_t *job; /* as last seen */
    enum tell tell;
    uint64_t began_ns;
    uint64_t sampled_ns; /* of the rate */
    uint64_t sampled_bytes;
    uint64_t rate_bps;
    bool drawn;
};

static const struct cli_column job_columns[] = {
    {"ID", "id", CLI_ID, false},
    {"KIND", "kind", CLI_TEXT, false},
    {"STATE", "state", CLI_TEXT, false},
    {"GROUP", "group", CLI_TEXT, false},
    {"COMPUTER", "computer", CLI_TEXT, true},
    {"SOURCE", "source", CLI_TEXT, true},
    {"STARTED", "started", CLI_TIME, false},
    {"FINISHED", "finished", CLI_TIME, false},
    {"ENTRIES", "progress.entries_done", CLI_NUMBER, false},
    {"BYTES", "progress.bytes_done", CLI_SIZE, false},
    {"PROBLEMS", "problem_count", CLI_NUMBER, false},
    {"ERROR", "error.message", CLI_TEXT, false},
    {NULL, NULL, CLI_TEXT, false},
};
const struct cli_listing cli_job_listing = {.columns = job_columns, .id = "id"};

static bool ended(const json_t *job) {
    const char *state = cli_field_text(job, "state");
    return !text_equal(state, "queued") && !text_equal(state, "running");
}

/* ---- while it runs ---- */

static uint32_t period_ms(enum tell tell) {
    switch (tell) {
    case TELL_REDRAW:
        return REDRAW_MS;
    case TELL_LINES:
        return LINE_MS;
    case TELL_JSON:
        return STATUS_MS;
    case TELL_NOTHING:
        return WAIT_MS;
    }
    return WAIT_MS;
}

/* Smoothed over some seconds, so that it can be read. */
static void sample(struct watch *watch, uint64_t bytes) {
    uint64_t now = os_mono_ns(), passed = now - watch->sampled_ns;
    if (passed < 200'000'000)
        return;
    uint64_t fresh = bytes > watch->sampled_bytes ? bytes - watch->sampled_bytes : 0;
    uint64_t rate = (uint64_t)((double)fresh * 1e9 / (double)passed);
    double weight = passed > 5'000'000'000 ? 1.0 : (double)passed / 5e9;
    watch->rate_bps =
        watch->rate_bps == 0
            ? rate
            : (uint64_t)((double)rate * weight + (double)watch->rate_bps * (1.0 - weight));
    watch->sampled_ns = now;
    watch->sampled_bytes = bytes;
}

static void tell_json(const struct cli_progress *p, const json_t *job) {
    json_t *line = json_pack("{s:s, s:O, s:O, s:O, s:I, s:I}", "message_type", "status", "id",
                             json_object_get(job, "id"), "state", json_object_get(job, "state"),
                             "progress", json_object_get(job, "progress"), "rate_bps",
                             (json_int_t)p->rate_bps, "elapsed_s", (json_int_t)p->elapsed_s);
    if (line != NULL)
        cli_json(line);
    json_decref(line);
    (void)fflush(stdout);
}

static void tell(struct watch *watch) {
    struct cli_progress progress;
    struct buf line = {0};
    cli_progress_of(watch->job, &progress);
    sample(watch, progress.bytes_done);
    progress.rate_bps = watch->rate_bps;
    progress.elapsed_s = (os_mono_ns() - watch->began_ns) / 1'000'000'000;
    if (watch->tell == TELL_JSON) {
        tell_json(&progress, watch->job);
    } else if (watch->tell == TELL_REDRAW) {
        cli_progress_line(&progress, os_terminal_columns(STDERR_FD) - 1, &line);
        (void)fprintf(stderr, "\r%s\033[K", buf_text(&line));
        (void)fflush(stderr);
        watch->drawn = true;
    } else if (watch->tell == TELL_LINES) {
        cli_progress_line(&progress, 200, &line);
        (void)fprintf(stderr, "%s\n", buf_text(&line));
    }
    buf_done(&line);
}

/* The job again, after a change or when the time is over. */
static int look_again(struct watch *watch, struct err *err) {
    struct cli_url url = {0};
    json_t *job = NULL;
    cli_url_path(&url, "/v1/jobs/", cli_field_text(watch->job, "id"), NULL);
    cli_url_number(&url, "wait_ms", period_ms(watch->tell));
    cli_url_number(&url, "seen", cli_field_number(watch->job, "version"));
    int rc = cli_call(watch->cli, "GET", buf_text(&url.text), NULL, &job, err);
    cli_url_done(&url);
    if (rc != 0)
        return -1;
    json_decref(watch->job);
    watch->job = job;
    return 0;
}

/* The server answers at each change, at most ten times a second: no pause is needed, and the end is
 * known at once. */
static int follow(struct watch *watch, struct err *err) {
    uint64_t told_ns = os_mono_ns();
    while (!ended(watch->job)) {
        if (look_again(watch, err) != 0)
            return -1;
        uint64_t now = os_mono_ns();
        if (now - told_ns >= (uint64_t)period_ms(watch->tell) * 1'000'000) {
            tell(watch);
            told_ns = now;
        }
    }
    if (watch->drawn)
        (void)fprintf(stderr, "\r\033[K");
    return 0;
}

/* ---- when it ended ---- */

static void put_problems(const json_t *job) {
    const json_t *problems = json_object_get(job, "problems");
    uint64_t all = cli_field_number(job, "problem_count");
    size_t n = MIN(json_array_size(problems), (size_t)PROBLEMS_SHOWN);
    for (size_t i = 0; i < n; i++) {
        const json_t *problem = json_array_get(problems, i);
        (void)fprintf(stderr, "  %s: %s\n", cli_field_text(problem, "path"),
                      cli_field_text(problem, "reason"));
    }
    if (all > n)
        (void)fprintf(stderr, "  and %llu more; see casemate job show %s --json\n",
                      (unsigned long long)(all - n), cli_field_text(job, "id"));
}

static void put_damage(const json_t *job) {
    size_t i;
    const json_t *damage;
    json_array_foreach(cli_field(job, "result.damaged"), i, damage) {
        (void)printf("damaged %s %s: %s\n", cli_field_text(damage, "kind"),
                     cli_field_text(damage, "object"), cli_field_text(damage, "reason"));
    }
}

/* ", value label" for a field of the result that is there; a count of nothing is no news. */
static void put_result(const json_t *job, const char *label, const char *field, bool size) {
    char text[TEXT_SIZE_MAX];
    const json_t *value = json_object_get(json_object_get(job, "result"), field);
    if (!json_is_integer(value))
        return;
    uint64_t number = (uint64_t)json_integer_value(value);
    if (size)
        (void)printf(", %s %s", text_size(text, number), label);
    else if (number > 0)
        (void)printf(", %llu %s", (unsigned long long)number, label);
}

static void put_summary(const struct watch *watch) {
    static const struct {
        const char *label, *field;
        bool size;
    } results[] = {
        {"entries", "entries", false},
        {"new", "entries_new", false},
        {"changed", "entries_changed", false},
        {"unchanged", "entries_unchanged", false},
        {"skipped", "entries_skipped", false},
        {"in all", "bytes", true},
        {"read", "read_bytes", true},
        {"sent", "sent_bytes", true},
        {"stored", "stored_bytes", true},
        {"packs checked", "checked_packs", false},
        {"points checked", "checked_points", false},
        {"chunks condemned", "condemned_chunks", false},
        {"packs to trash", "trashed_packs", false},
        {"packs rewritten", "rewritten_packs", false},
        {"packs freed", "freed_packs", false},
        {"freed", "freed_bytes", true},
    };
    char text[TEXT_SIZE_MAX];
    const json_t *job = watch->job;
    uint64_t seconds = (os_mono_ns() - watch->began_ns) / 1'000'000'000;
    (void)printf("%s %s in %s", cli_field_text(job, "kind"), cli_field_text(job, "state"),
                 text_duration(text, seconds));
    for (size_t i = 0; i < ARRAY_N(results); i++)
        put_result(job, results[i].label, results[i].field, results[i].size);
    (void)printf("\n");
    size_t i;
    const json_t *point;
    json_array_foreach(cli_field(job, "result.points"), i, point) {
        (void)printf("point %s\n", json_string_value(point));
    }
    put_damage(job);
}

static void put_json_end(const json_t *job) {
    size_t i;
    json_t *problem;
    json_array_foreach(json_object_get(job, "problems"), i, problem) {
        json_t *line = json_copy(problem);
        (void)json_object_set_new(line, "message_type", json_string("error"));
        cli_json(line);
        json_decref(line);
    }
    json_t *summary = json_pack("{s:s}", "message_type", "summary");
    json_t *copy = json_copy((json_t *)(uintptr_t)job); /* reads only */
    (void)json_object_del(copy, "problems");
    (void)json_object_update(summary, copy);
    cli_json(summary);
    json_decref(copy);
    json_decref(summary);
}

static void put_end(const struct watch *watch) {
    if (watch->cli->json) {
        put_json_end(watch->job);
    } else if (watch->cli->quiet) {
        size_t i;
        const json_t *point;
        json_array_foreach(cli_field(watch->job, "result.points"), i, point) {
            (void)printf("%s\n", json_string_value(point));
        }
    } else {
        put_summary(watch);
        (void)fflush(stdout);
        put_problems(watch->job);
    }
}

static int outcome(struct cli *cli, const json_t *job, struct err *err) {
    const char *state = cli_field_text(job, "state"), *kind = cli_field_text(job, "kind");
    const char *id = cli_field_text(job, "id");
    if (text_equal(state, "done"))
        return 0;
    if (text_equal(state, "partial"))
        return ERR(err, ERR_PARTIAL, "%s %s: %llu items have problems", kind, id,
                   (unsigned long long)cli_field_number(job, "problem_count"));
    if (text_equal(state, "failed") &&
        cli_foreign_error(cli, json_object_get(job, "error"), err) != 0)
        return ERR_NOTE(err, "%s %s", kind, id);
    return ERR(err, ERR_INTERRUPTED, "%s %s was %s", kind, id, state);
}

static int wait_for(struct cli *cli, json_t **job, struct err *err) {
    struct watch watch = {.cli = cli, .job = *job, .began_ns = os_mono_ns()};
    watch.sampled_ns = watch.began_ns;
    bool silent = cli->quiet || args_flag(cli->args, "no-progress");
    if (cli->json)
        watch.tell = silent ? TELL_NOTHING : TELL_JSON;
    else if (!silent)
        watch.tell = os_is_terminal(STDERR_FD) ? TELL_REDRAW : TELL_LINES;
    int rc = follow(&watch, err);
    *job = watch.job;
    if (rc != 0)
        return ERR_NOTE(err, "job %s", cli_field_text(watch.job, "id"));
    put_end(&watch);
    return outcome(cli, watch.job, err);
}

int cli_job(struct cli *cli, json_t *job, struct err *err) {
    int rc = 0;
    if (args_flag(cli->args, "wait"))
        rc = wait_for(cli, &job, err);
    else
        cli_object(cli, job, &cli_job_listing);
    json_decref(job);
    return rc;
}

int cli_start(struct cli *cli, struct cli_url *url, json_t *body, struct err *err) {
    json_t *job = NULL;
    if (cli_call(cli, "POST", buf_text(&url->text), body, &job, err) != 0)
        return -1;
    return cli_job(cli, job, err);
}
