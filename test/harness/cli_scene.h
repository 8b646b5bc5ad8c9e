#pragma once
/* The command line against a server whose handlers give prepared answers; the requests pass the
 * same checks as in the real one.  The test program is its own `casemate`: started with arguments,
 * it is the command line, so its main() begins with if (argc > 1) return cli_main(argc, argv); */
#include "rest_fixture.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "door/cli/cli.h"

#define WORDS_MAX 24

struct scene {
    struct fixture *f;
    const char *replies[REST_ROUTE_N]; /* JSON */
    enum err_code errors[REST_ROUTE_N];
    char body[4096]; /* of the last request that had one */
    int looks;       /* how often job-show was asked */
};
static struct scene scene;

static int reply(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                 struct err *err) {
    enum rest_route route = rest_route_of(request);
    (void)ctx;
    if (rest_body(request) != NULL) {
        char *text = json_dumps(rest_body(request), JSON_SORT_KEYS);
        (void)text_copy(scene.body, sizeof scene.body, text);
        free(text);
    }
    if (scene.errors[route] != ERR_NONE)
        return ERR(err, scene.errors[route], "refused as prepared");
    answer->json = json_loads(scene.replies[route] != NULL ? scene.replies[route] : "{}", 0, NULL);
    assert_non_null(answer->json);
    return 0;
}

static int up(void **state) {
    assert_int_equal(fixture_up(state), 0);
    scene = (struct scene){.f = *state};
    for (size_t i = 0; i < REST_ROUTE_N; i++)
        scene.f->use[i] = reply;
    return 0;
}

struct outcome {
    int status;
    struct buf out, err;
};

static void outcome_done(struct outcome *o) {
    buf_done(&o->out);
    buf_done(&o->err);
}

static void load_and_remove(const char *path, struct buf *text) {
    struct err err = {0};
    assert_int_equal(os_load(OS_FD_CWD, path, 1u << 26, text, &err), 0);
    (void)buf_text(text);
    assert_int_equal(unlink(path), 0);
}

/* `casemate LINE`, cut at its spaces. */
static struct outcome run_with(const char *socket, const char *line) {
    struct outcome outcome = {0};
    char *argv[WORDS_MAX + 1] = {NULL}, out[128], err[128], variable[128];
    MEM_AUTO char *copy = mem_text(line);
    int n = 0, status = 0;
    pid_t pid = 0;
    argv[n++] = copy;
    for (char *p = copy; p != NULL && n < WORDS_MAX; n++) {
        argv[n] = p;
        p = strchr(p, ' ');
        if (p != NULL)
            *p++ = 0;
    }
    (void)text_format(out, sizeof out, "%s/out", scene.f->dir);
    (void)text_format(err, sizeof err, "%s/err", scene.f->dir);
    (void)text_format(variable, sizeof variable, "CASEMATE_SOCKET=%s", socket);
    char *environment[] = {variable, NULL};
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT, 0600),
                     0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 2, err, O_WRONLY | O_CREAT, 0600),
                     0);
    meet(scene.f);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environment), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    meet(scene.f);
    assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
    assert_true(WIFEXITED(status));
    outcome.status = WEXITSTATUS(status);
    load_and_remove(out, &outcome.out);
    load_and_remove(err, &outcome.err);
    return outcome;
}

static struct outcome run(const char *line) {
    return run_with(scene.f->socket, line);
}

[[maybe_unused]] static void expect_out(const char *line, int status, const char *out) {
    struct outcome o = run(line);
    if (o.status != status)
        fail_msg("%s: exit %d: %s", line, o.status, (const char *)o.err.p);
    assert_string_equal((const char *)o.out.p, out);
    outcome_done(&o);
}

[[maybe_unused]] static void expect_status(const char *line, int status) {
    struct outcome o = run(line);
    if (o.status != status)
        fail_msg("%s: exit %d: %s", line, o.status, (const char *)o.err.p);
    outcome_done(&o);
}
