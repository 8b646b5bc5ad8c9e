#pragma once
/* A REST server with handlers that tell what they were asked, in a folder of its own; requests are
 * written byte by byte, so that malformed ones can be sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "door/rest/rest.h"
#include "os/file.h"
#include "os/os.h"
#include "os/sock.h"

struct fixture {
    char dir[64];
    char socket[96];
    char tokens[96];
    rest_handler *handlers[REST_ROUTE_N]; /* all of them pass through to: */
    rest_handler *use[REST_ROUTE_N];      /* set between requests */
    struct rest *rest;
    struct tls_context *tls; /* set before fixture_open(): HTTPS, too */
    uint64_t streamed;       /* bytes a stream has given */
    int stream_ends;         /* how often its done function was called */
    bool stream_breaks;      /* the stream fails after its first piece */
    struct os_mutex mutex;
    struct os_cond cond;
    bool entered, released; /* GUARDED_BY(mutex): for the handler that waits */
    int events;
    enum rest_route event_route;
    int event_status;
};

struct answer {
    int status;
    struct buf raw;
    char *body; /* in raw */
    json_t *json;
};

static void answer_done(struct answer *answer) {
    buf_done(&answer->raw);
    json_decref(answer->json);
    *answer = (struct answer){0};
}

/* What the test wrote before is seen by handlers after, and the other way round. */
static void meet(struct fixture *f) {
    os_mutex_lock(&f->mutex);
    os_mutex_unlock(&f->mutex);
}

static int pass(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                struct err *err) {
    struct fixture *f = ctx;
    meet(f);
    int rc = f->use[rest_route_of(request)](ctx, request, answer, err);
    meet(f);
    return rc;
}

/* Route and caller, as JSON. */
static int tell(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                struct err *err) {
    (void)ctx;
    (void)err;
    answer->json =
        json_pack("{s:i, s:i, s:i}", "route", (int)rest_route_of(request), "uid",
                  (int)rest_caller(request)->uid, "role", (int)rest_caller(request)->role);
    return 0;
}

static void note_event(void *ctx, const struct rest_event *event) {
    struct fixture *f = ctx;
    os_mutex_lock(&f->mutex);
    f->events++;
    f->event_route = event->route;
    f->event_status = event->http_status;
    os_mutex_unlock(&f->mutex);
}

static void fixture_open(struct fixture *f) {
    struct err err = {0};
    struct rest_opts opts = {.handlers = f->handlers,
                             .ctx = f,
                             .event = note_event,
                             .socket = f->socket,
                             .https_host = f->tls != NULL ? "127.0.0.1" : NULL,
                             .tls = f->tls,
                             .token_file = f->tokens};
    if (rest_open(&opts, &f->rest, &err) != 0)
        fail_msg("%s", err.text);
}

static int fixture_up(void **state) {
    struct fixture *f = mem_new(sizeof *f);
    (void)text_copy(f->dir, sizeof f->dir, "/tmp/casemate-rest-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)text_format(f->socket, sizeof f->socket, "%s/admin.sock", f->dir);
    (void)text_format(f->tokens, sizeof f->tokens, "%s/tokens", f->dir);
    os_mutex_init(&f->mutex);
    os_cond_init(&f->cond);
    for (size_t i = 0; i < REST_ROUTE_N; i++) {
        f->handlers[i] = pass;
        f->use[i] = tell;
    }
    fixture_open(f);
    *state = f;
    return 0;
}

static int fixture_down(void **state) {
    struct fixture *f = *state;
    rest_close(f->rest);
    (void)unlink(f->socket);
    (void)unlink(f->tokens);
    assert_int_equal(rmdir(f->dir), 0);
    os_cond_done(&f->cond);
    os_mutex_done(&f->mutex);
    mem_free(f);
    return 0;
}

static void send_all(int fd, const void *bytes, size_t n) {
    struct err err = {0};
    const uint8_t *p = bytes;
    while (n > 0) {
        size_t written = 0;
        bool again = false;
        if (os_sock_write(fd, p, n, &written, &again, &err) != 0)
            return; /* the server may close early: what it answered counts */
        if (again)
            assert_int_equal(os_wait(fd, OS_WANT_WRITE, 10000, &err), 0);
        p += written;
        n -= written;
    }
}

/* Until the server closes. */
static void receive_all(int fd, struct buf *out) {
    struct err err = {0};
    for (;;) {
        size_t n = 0;
        bool again = false;
        buf_reserve(out, 65536);
        if (os_sock_read(fd, out->p + out->n, 65536, &n, &again, &err) != 0)
            return;
        out->n += n;
        if (again)
            assert_int_equal(os_wait(fd, OS_WANT_READ, 40000, &err), 0);
        else if (n == 0)
            return;
    }
}

static void understand(struct answer *answer) {
    const char *text = buf_text(&answer->raw);
    uint64_t status = 0;
    if (text_starts(text, "HTTP/1.1 ") && answer->raw.n > 12) {
        char digits[4] = {text[9], text[10], text[11], 0};
        (void)text_to_u64(digits, 999, &status);
    }
    answer->status = (int)status;
    answer->body = strstr(text, "\r\n\r\n");
    if (answer->body != NULL) {
        answer->body += 4;
        answer->json = json_loads(answer->body, 0, NULL);
    }
}

/* One request on a connection of its own. */
static struct answer ask_bytes(struct fixture *f, const void *bytes, size_t n) {
    struct err err = {0};
    struct answer answer = {0};
    int fd = OS_FD_NONE;
    meet(f);
    assert_int_equal(os_connect_unix(f->socket, &fd, &err), 0);
    send_all(fd, bytes, n);
    receive_all(fd, &answer.raw);
    os_close(&fd);
    meet(f);
    understand(&answer);
    return answer;
}

static struct answer ask(struct fixture *f, const char *method, const char *target,
                         const char *body) {
    struct buf text = {0};
    buf_printf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", method, target);
    if (body != NULL)
        buf_printf(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                   strlen(body));
    buf_printf(&text, "\r\n%s", body != NULL ? body : "");
    struct answer answer = ask_bytes(f, text.p, text.n);
    buf_done(&text);
    return answer;
}

/* Status and symbol of a refusal. */
[[maybe_unused]] static void expect_refusal(struct fixture *f, const char *method,
                                            const char *target, const char *body, int status,
                                            const char *symbol) {
    struct answer answer = ask(f, method, target, body);
    assert_int_equal(answer.status, status);
    assert_string_equal(json_string_value(json_object_get(answer.json, "symbol")), symbol);
    assert_true(json_is_string(json_object_get(answer.json, "message")));
    assert_true(json_is_string(json_object_get(answer.json, "action")));
    assert_true(json_is_integer(json_object_get(answer.json, "code")));
    answer_done(&answer);
}
