#include "rest_fixture.h"

static void a_request_reaches_its_handler(void **state) {
    struct fixture *f = *state;
    struct answer answer = ask(f, "GET", "/v1/status", NULL);
    assert_int_equal(answer.status, 200);
    assert_int_equal(json_integer_value(json_object_get(answer.json, "route")), REST_STATUS);
    assert_int_equal(json_integer_value(json_object_get(answer.json, "uid")), (int)getuid());
    assert_int_equal(json_integer_value(json_object_get(answer.json, "role")), REST_ADMIN);
    answer_done(&answer);
    assert_int_equal(f->events, 1);
    assert_int_equal(f->event_route, REST_STATUS);
    assert_int_equal(f->event_status, 200);
}

static void the_declared_status_is_answered(void **state) {
    struct answer answer = ask(*state, "POST", "/v1/groups/home%20folders/backup", NULL);
    assert_int_equal(answer.status, 202);
    assert_int_equal(json_integer_value(json_object_get(answer.json, "route")), REST_BACKUP);
    answer_done(&answer);
}

static void fixed_words_win_over_parameters(void **state) {
    struct answer answer = ask(*state, "POST", "/v1/computers/attach", "{\"metadata\": \"00ff\"}");
    assert_int_equal(answer.status, 201);
    assert_int_equal(json_integer_value(json_object_get(answer.json, "route")),
                     REST_COMPUTER_ATTACH);
    answer_done(&answer);
}

static void unknown_paths_and_methods_are_refused(void **state) {
    struct fixture *f = *state;
    expect_refusal(f, "GET", "/", NULL, 404, "rest-path");
    expect_refusal(f, "GET", "/v1", NULL, 404, "rest-path");
    expect_refusal(f, "GET", "/v1/", NULL, 404, "rest-path");
    expect_refusal(f, "GET", "/v2/status", NULL, 404, "rest-path");
    expect_refusal(f, "GET", "/v1/status/", NULL, 404, "rest-path");
    expect_refusal(f, "GET", "//v1/status", NULL, 404, "rest-path");
    expect_refusal(f, "GET", "/v1/points/a/b/c/d/e/f/g/h/i/j/k", NULL, 404, "rest-path");
    expect_refusal(f, "PUT", "/v1/status", NULL, 405, "rest-method");
    expect_refusal(f, "DELETE", "/v1/status", NULL, 405, "rest-method");
    struct answer answer = ask(f, "PUT", "/v1/groups", NULL);
    assert_non_null(strstr((const char *)answer.raw.p, "Allow: GET, POST\r\n"));
    answer_done(&answer);
}

static void no_way_leads_out_of_an_id(void **state) {
    struct fixture *f = *state;
    expect_refusal(f, "GET", "/v1/points/..", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/groups/..", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/groups/%2e%2e", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/groups/..%2f..%2fetc", NULL, 404, "rest-path");
    expect_refusal(f, "GET", "/v1/jobs/..%2fpasswd", NULL, 404, "rest-path");
    expect_refusal(f, "GET", "/v1/jobs/A", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/jobs/a%00b", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/points/%0a", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/groups/%01", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/groups/-rf", NULL, 400, "usage");
    char target[128];
    (void)text_format(target, sizeof target, "/v1/jobs/%081d", 0);
    expect_refusal(f, "GET", target, NULL, 400, "usage");
}

static void query_parameters_are_checked(void **state) {
    struct fixture *f = *state;
    expect_refusal(f, "GET", "/v1/points?color=red", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/points?limit=0x10", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/points?limit=5001", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/points?limit=1&limit=2", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/points?limit", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/jobs?state=sleeping", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/points/latest/ls?recursive=yes", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/points/latest/ls?path=a%5Cb", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/points/latest/cat", NULL, 400, "usage");
    expect_refusal(f, "GET", "/v1/find", NULL, 400, "usage");
}

static void bodies_are_checked(void **state) {
    struct fixture *f = *state;
    const char *attach = "/v1/computers/attach";
    expect_refusal(f, "POST", attach, "", 400, "usage");
    expect_refusal(f, "POST", attach, "{", 400, "usage");
    expect_refusal(f, "POST", attach, "[]", 400, "usage");
    expect_refusal(f, "POST", attach, "\"x\"", 400, "usage");
    expect_refusal(f, "POST", attach, "{}", 400, "usage");
    expect_refusal(f, "POST", attach, "{\"metadata\": 1}", 400, "usage");
    expect_refusal(f, "POST", attach, "{\"metadata\": \"0\"}", 400, "usage");
    expect_refusal(f, "POST", attach, "{\"metadata\": \"00\", \"metadata\": \"00\"}", 400, "usage");
    expect_refusal(f, "POST", attach, "{\"metadata\": \"00\", \"port\": 0}", 400, "usage");
    expect_refusal(f, "POST", attach, "{\"metadata\": \"00\", \"port\": 65536}", 400, "usage");
    expect_refusal(f, "POST", attach, "{\"metadata\": \"00\", \"port\": -1}", 400, "usage");
    expect_refusal(f, "POST", attach, "{\"metadata\": \"00\", \"colour\": 1}", 400, "usage");
    expect_refusal(f, "POST", attach, "{\"metadata\": \"00\", \"address\": \"a\\u0000b\"}", 400,
                   "usage");
    expect_refusal(f, "POST", "/v1/groups", "{\"name\": \"g\", \"members\": []}", 400, "usage");
    expect_refusal(f, "POST", "/v1/groups", "{\"name\": \"g\", \"members\": [{}]}", 400, "usage");
    expect_refusal(f, "POST", "/v1/groups",
                   "{\"name\": \"g\", \"members\": [{\"computer\": \"c\", \"path\": \"/\\\\q\"}]}",
                   400, "usage");
    expect_refusal(f, "POST", "/v1/groups/g/backup", "{}", 400, "usage");
    struct buf deep = {0};
    buf_printf(&deep, "{\"metadata\":");
    for (int i = 0; i < 100000; i++)
        buf_put_u8(&deep, '[');
    expect_refusal(f, "POST", attach, buf_text(&deep), 400, "usage");
    buf_done(&deep);
}

static void a_body_must_say_that_it_is_json(void **state) {
    const char *text = "POST /v1/gc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                       "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
    struct answer answer = ask_bytes(*state, text, strlen(text));
    assert_int_equal(answer.status, 400);
    answer_done(&answer);
}

static void large_requests_are_refused(void **state) {
    struct fixture *f = *state;
    struct buf text = {0};
    buf_printf(&text,
               "POST /v1/gc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
               "Content-Type: application/json\r\nContent-Length: %u\r\n\r\n",
               REST_BODY_BYTES_MAX + 1);
    struct answer answer = ask_bytes(f, text.p, text.n);
    assert_int_equal(answer.status, 413);
    answer_done(&answer);

    buf_clear(&text);
    buf_printf(&text, "GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ");
    memset(buf_extend(&text, REST_HEADER_BYTES_MAX), 'x', REST_HEADER_BYTES_MAX);
    buf_printf(&text, "\r\n\r\n");
    answer = ask_bytes(f, text.p, text.n);
    assert_int_equal(answer.status, 413);
    answer_done(&answer);

    buf_clear(&text);
    buf_printf(&text, "GET /v1/status HTTP/1.1\r\nHost: x\r\nX: ");
    memset(buf_extend(&text, 1u << 20), 'x', 1u << 20);
    answer = ask_bytes(f, text.p, text.n);
    assert_true(answer.status == 0 || answer.status == 431 || answer.status == 413);
    answer_done(&answer);
    buf_done(&text);
}

static void a_chunked_body_ends_at_the_limit(void **state) {
    struct buf text = {0};
    buf_printf(&text, "POST /v1/gc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 40; i++) {
        buf_printf(&text, "8000\r\n");
        memset(buf_extend(&text, 0x8000), ' ', 0x8000);
        buf_printf(&text, "\r\n");
    }
    struct answer answer = ask_bytes(*state, text.p, text.n);
    assert_int_equal(answer.status, 0); /* closed without an answer */
    answer_done(&answer);
    buf_done(&text);
}

static void nonsense_is_not_answered_with_success(void **state) {
    static const char *const nonsense[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /v1/status\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        "GET /v1/status HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET  HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n" /* no Host */};
    for (size_t i = 0; i < ARRAY_N(nonsense); i++) {
        struct fixture *f = *state;
        struct err err = {0};
        int fd = OS_FD_NONE;
        struct buf raw = {0};
        assert_int_equal(os_connect_unix(f->socket, &fd, &err), 0);
        send_all(fd, nonsense[i], strlen(nonsense[i]));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        receive_all(fd, &raw);
        assert_null(strstr(buf_text(&raw), " 200 "));
        buf_done(&raw);
        os_close(&fd);
    }
    struct answer answer = ask(*state, "GET", "/v1/status", NULL);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
}

static int use_values(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                      struct err *err) {
    struct buf path = {0};
    (void)ctx;
    (void)err;
    assert_string_equal(rest_path(request, "point"), "latest~2");
    assert_string_equal(rest_text(request, "group"), "home & more");
    assert_null(rest_text(request, "computer"));
    assert_true(rest_flag(request, "recursive"));
    assert_int_equal(rest_number(request, "limit", 7), 7);
    assert_true(rest_path_bytes(request, "path", &path));
    assert_string_equal(buf_text(&path), "a\xff\\b c");
    buf_done(&path);
    answer->json = json_object();
    return 0;
}

static void a_handler_reads_its_query(void **state) {
    struct fixture *f = *state;
    f->use[REST_LS] = use_values;
    struct answer answer = ask(f, "GET",
                               "/v1/points/latest~2/ls?group=home%20%26%20more&recursive=true"
                               "&path=a%5Cxff%5C%5Cb+c",
                               NULL);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
}

static int use_body(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                    struct err *err) {
    struct buf bytes = {0};
    (void)ctx;
    (void)err;
    assert_true(rest_hex_bytes(request, "metadata", &bytes));
    assert_int_equal(bytes.n, 2);
    assert_memory_equal(bytes.p, "\x00\xff", 2);
    assert_null(rest_text(request, "address"));
    assert_int_equal(rest_number(request, "port", 135), 5719);
    assert_string_equal(rest_text(request, "mode"), "perimeter");
    assert_false(rest_flag(request, "allow_weak_key"));
    assert_true(rest_flag(request, "what_if"));
    assert_true(json_is_object(rest_body(request)));
    buf_done(&bytes);
    answer->json = json_object();
    return 0;
}

static void a_handler_reads_its_body(void **state) {
    struct fixture *f = *state;
    f->use[REST_COMPUTER_ATTACH] = use_body;
    struct answer answer = ask(f, "POST", "/v1/computers/attach",
                               "{\"metadata\": \"00fF\", \"address\": null, \"port\": 5719, "
                               "\"mode\": \"perimeter\", \"what_if\": true}");
    assert_int_equal(answer.status, 201);
    answer_done(&answer);
}

static int refuse_it(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                     struct err *err) {
    (void)ctx;
    (void)answer;
    return ERR(err, ERR_NOT_FOUND, "no group %s", rest_path(request, "group"));
}

static void an_error_has_its_http_status_and_advice(void **state) {
    struct fixture *f = *state;
    f->use[REST_GROUP_SHOW] = refuse_it;
    struct answer answer = ask(f, "GET", "/v1/groups/home", NULL);
    assert_int_equal(answer.status, 404);
    assert_string_equal(json_string_value(json_object_get(answer.json, "message")),
                        "no group home");
    assert_string_equal(json_string_value(json_object_get(answer.json, "symbol")), "not-found");
    assert_int_equal(json_integer_value(json_object_get(answer.json, "code")), 101);
    assert_int_equal(json_integer_value(json_object_get(answer.json, "exit")), 1);
    answer_done(&answer);
}

static int stream_piece(void *ctx, uint8_t *to, size_t size, size_t *got, struct err *err) {
    struct fixture *f = ctx;
    const uint64_t all = 3'000'000;
    meet(f);
    if (f->stream_breaks && f->streamed > 0)
        return ERR(err, ERR_TAMPERED, "pack 7 does not open");
    *got = (size_t)MIN((uint64_t)size, all - f->streamed);
    memset(to, 'x', *got);
    f->streamed += *got;
    meet(f);
    return 0;
}

static void stream_over(void *ctx) {
    struct fixture *f = ctx;
    os_mutex_lock(&f->mutex);
    f->stream_ends++;
    os_cond_broadcast(&f->cond);
    os_mutex_unlock(&f->mutex);
}

static int stream_it(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                     struct err *err) {
    (void)request;
    (void)err;
    *answer = (struct rest_answer){.stream = stream_piece, .done = stream_over, .stream_ctx = ctx};
    return 0;
}

static void wait_for_stream_end(struct fixture *f) {
    os_mutex_lock(&f->mutex);
    while (f->stream_ends == 0)
        assert_true(os_cond_wait_ms(&f->cond, &f->mutex, 20000));
    os_mutex_unlock(&f->mutex);
    assert_int_equal(f->stream_ends, 1);
}

static void a_stream_ends_with_ok(void **state) {
    struct fixture *f = *state;
    f->use[REST_CAT] = stream_it;
    struct answer answer = ask(f, "GET", "/v1/points/latest/cat?path=a", NULL);
    assert_int_equal(answer.status, 200);
    assert_int_equal(f->streamed, 3'000'000);
    assert_true(answer.raw.n > 3'000'000);
    assert_true(text_ends((const char *)answer.raw.p, "0\r\nCasemate-Status: ok\r\n\r\n"));
    wait_for_stream_end(f);
    answer_done(&answer);
}

static void a_broken_stream_says_why(void **state) {
    struct fixture *f = *state;
    f->use[REST_CAT] = stream_it;
    f->stream_breaks = true;
    struct answer answer = ask(f, "GET", "/v1/points/latest/cat?path=a", NULL);
    assert_true(text_ends((const char *)answer.raw.p,
                          "0\r\nCasemate-Status: tampered pack 7 does not open\r\n\r\n"));
    wait_for_stream_end(f);
    answer_done(&answer);
}

static void a_stream_ends_when_the_caller_goes_away(void **state) {
    struct fixture *f = *state;
    struct err err = {0};
    int fd = OS_FD_NONE;
    f->use[REST_CAT] = stream_it;
    assert_int_equal(os_connect_unix(f->socket, &fd, &err), 0);
    const char *text = "GET /v1/points/latest/cat?path=a HTTP/1.1\r\nHost: x\r\n\r\n";
    send_all(fd, text, strlen(text));
    assert_int_equal(os_wait(fd, OS_WANT_READ, 10000, &err), 0);
    os_close(&fd);
    wait_for_stream_end(f);
    assert_true(f->streamed < 3'000'000);
}

static int wait_for_release(void *ctx, const struct rest_request *request,
                            struct rest_answer *answer, struct err *err) {
    struct fixture *f = ctx;
    os_mutex_lock(&f->mutex);
    f->entered = true;
    os_cond_broadcast(&f->cond);
    while (!f->released)
        os_cond_wait(&f->cond, &f->mutex);
    os_mutex_unlock(&f->mutex);
    return tell(ctx, request, answer, err);
}

static void a_waiting_handler_holds_nobody_up(void **state) {
    struct fixture *f = *state;
    struct err err = {0};
    int fd = OS_FD_NONE;
    struct answer waited = {0};
    f->use[REST_JOB_SHOW] = wait_for_release;
    assert_int_equal(os_connect_unix(f->socket, &fd, &err), 0);
    const char *text =
        "GET /v1/jobs/1?wait_ms=20000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    send_all(fd, text, strlen(text));
    os_mutex_lock(&f->mutex);
    while (!f->entered)
        assert_true(os_cond_wait_ms(&f->cond, &f->mutex, 20000));
    os_mutex_unlock(&f->mutex);
    struct answer answer = ask(f, "GET", "/v1/status", NULL);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
    os_mutex_lock(&f->mutex);
    f->released = true;
    os_cond_broadcast(&f->cond);
    os_mutex_unlock(&f->mutex);
    receive_all(fd, &waited.raw);
    understand(&waited);
    assert_int_equal(waited.status, 200);
    answer_done(&waited);
    os_close(&fd);
}

static void two_servers_cannot_own_one_socket(void **state) {
    struct fixture *f = *state;
    struct err err = {0};
    struct rest *second = NULL;
    struct rest_opts opts = {.handlers = f->handlers, .ctx = f, .socket = f->socket};
    assert_int_equal(rest_open(&opts, &second, &err), -1);
    assert_int_equal(err.code, ERR_LOCKED);
}

static void a_route_without_a_handler_is_refused_at_start(void **state) {
    struct fixture *f = *state;
    struct err err = {0};
    struct rest *second = NULL;
    char socket[128];
    f->handlers[REST_GC] = NULL;
    (void)text_format(socket, sizeof socket, "%s/second", f->dir);
    struct rest_opts opts = {.handlers = f->handlers, .ctx = f, .socket = socket};
    assert_int_equal(rest_open(&opts, &second, &err), -1);
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_non_null(strstr(err.text, "gc"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_up, fixture_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_request_reaches_its_handler),
        TEST(the_declared_status_is_answered),
        TEST(fixed_words_win_over_parameters),
        TEST(unknown_paths_and_methods_are_refused),
        TEST(no_way_leads_out_of_an_id),
        TEST(query_parameters_are_checked),
        TEST(bodies_are_checked),
        TEST(a_body_must_say_that_it_is_json),
        TEST(large_requests_are_refused),
        TEST(a_chunked_body_ends_at_the_limit),
        TEST(nonsense_is_not_answered_with_success),
        TEST(a_handler_reads_its_query),
        TEST(a_handler_reads_its_body),
        TEST(an_error_has_its_http_status_and_advice),
        TEST(a_stream_ends_with_ok),
        TEST(a_broken_stream_says_why),
        TEST(a_stream_ends_when_the_caller_goes_away),
        TEST(a_waiting_handler_holds_nobody_up),
        TEST(two_servers_cannot_own_one_socket),
        TEST(a_route_without_a_handler_is_refused_at_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
