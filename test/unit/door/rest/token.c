#include "rest_fixture.h"

#include <sys/stat.h>

#include "door/rest/rest_int.h"

static char *make_token(struct fixture *f, const char *name, const char *role) {
    char body[128];
    (void)text_format(body, sizeof body, "{\"name\": \"%s\", \"role\": \"%s\"}", name, role);
    struct answer answer = ask(f, "POST", "/v1/tokens", body);
    assert_int_equal(answer.status, 201);
    char *secret = mem_text(json_string_value(json_object_get(answer.json, "secret")));
    answer_done(&answer);
    return secret;
}

static int check(struct fixture *f, const char *secret, struct rest_request *request,
                 struct err *err) {
    struct rest_tokens *tokens = NULL;
    char header[256];
    assert_int_equal(rest_tokens_open(f->tokens, &tokens, err), 0);
    (void)text_format(header, sizeof header, "Bearer %s", secret);
    int rc = rest_tokens_check(tokens, header, request, err);
    rest_tokens_close(tokens);
    return rc;
}

static void a_token_opens_the_door_with_its_role(void **state) {
    struct fixture *f = *state;
    struct rest_request request = {0};
    struct err err = {0};
    MEM_AUTO char *admin = make_token(f, "console", "admin");
    MEM_AUTO char *reader = make_token(f, "monitor", "read");
    assert_int_equal(check(f, admin, &request, &err), 0);
    assert_int_equal(request.caller.role, REST_ADMIN);
    assert_string_equal(request.caller.token, "console");
    assert_int_equal(check(f, reader, &request, &err), 0);
    assert_int_equal(request.caller.role, REST_READ);
}

static void the_file_holds_no_token_and_is_private(void **state) {
    struct fixture *f = *state;
    struct err err = {0};
    struct buf bytes = {0};
    struct stat st;
    MEM_AUTO char *secret = make_token(f, "console", "admin");
    assert_int_equal(os_load(OS_FD_CWD, f->tokens, 65536, &bytes, &err), 0);
    assert_null(strstr(buf_text(&bytes), secret));
    assert_null(strstr(buf_text(&bytes), secret + 4));
    assert_int_equal(stat(f->tokens, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    buf_done(&bytes);
}

static void every_wrong_token_is_refused_in_the_same_words(void **state) {
    struct fixture *f = *state;
    struct rest_tokens *tokens = NULL;
    struct rest_request request = {0};
    struct err first = {0}, err = {0};
    MEM_AUTO char *secret = make_token(f, "console", "admin");
    MEM_AUTO char *bare = mem_text(secret);
    static const char *const wrong[] = {"",         "Bearer",     "Bearer ",
                                        "Bearer x", "Basic YTpi", "Bearer cmt_00"};
    assert_int_equal(rest_tokens_open(f->tokens, &tokens, &err), 0);
    assert_int_equal(rest_tokens_check(tokens, NULL, &request, &first), -1);
    assert_int_equal(first.code, ERR_REST_UNAUTHORIZED);
    for (size_t i = 0; i < ARRAY_N(wrong); i++) {
        assert_int_equal(rest_tokens_check(tokens, wrong[i], &request, &err), -1);
        assert_string_equal(err.text, first.text);
    }
    assert_int_equal(rest_tokens_check(tokens, bare, &request, &err), -1); /* no Bearer */
    bare[10] = bare[10] == 'a' ? 'b' : 'a';
    rest_tokens_close(tokens);
    assert_int_equal(check(f, bare, &request, &err), -1);
    assert_string_equal(err.text, first.text);
}

static void a_removed_token_is_refused_at_once(void **state) {
    struct fixture *f = *state;
    struct rest_request request = {0};
    struct err err = {0};
    MEM_AUTO char *secret = make_token(f, "console", "admin");
    struct answer answer = ask(f, "DELETE", "/v1/tokens/console", NULL);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
    assert_int_equal(check(f, secret, &request, &err), -1);
    expect_refusal(f, "DELETE", "/v1/tokens/console", NULL, 404, "not-found");
}

static void names_are_unique_and_listed_without_secrets(void **state) {
    struct fixture *f = *state;
    MEM_AUTO char *secret = make_token(f, "console", "admin");
    expect_refusal(f, "POST", "/v1/tokens", "{\"name\": \"console\", \"role\": \"read\"}", 409,
                   "exists");
    struct answer answer = ask(f, "GET", "/v1/tokens", NULL);
    const json_t *items = json_object_get(answer.json, "items");
    assert_int_equal(json_array_size(items), 1);
    assert_true(json_is_null(json_object_get(json_array_get(items, 0), "secret")));
    assert_null(strstr(answer.body, secret));
    answer_done(&answer);
}

static void tokens_survive_a_restart(void **state) {
    struct fixture *f = *state;
    struct rest_request request = {0};
    struct err err = {0};
    MEM_AUTO char *secret = make_token(f, "a name with spaces", "read");
    rest_close(f->rest);
    f->rest = NULL;
    fixture_open(f);
    assert_int_equal(check(f, secret, &request, &err), 0);
    assert_string_equal(request.caller.token, "a name with spaces");
}

static void a_damaged_file_is_refused(void **state) {
    struct fixture *f = *state;
    static const char *const damaged[] = {
        "casemate-tokens 1\nx",
        "casemate-tokens 1\nx\n",
        "casemate-tokens 1\n00 admin 1 name\n",
        "casemate-tokens 1\n0000000000000000000000000000000000000000000000000000000000000000 root "
        "1 name\n",
        "casemate-tokens 1\n0000000000000000000000000000000000000000000000000000000000000000 admin "
        "1 \n",
        "casemate-tokens 2\n",
        "",
    };
    for (size_t i = 0; i < ARRAY_N(damaged); i++) {
        struct err err = {0};
        struct rest_tokens *tokens = NULL;
        int dirfd = OS_FD_NONE;
        assert_int_equal(os_dir_open(OS_FD_CWD, f->dir, &dirfd, &err), 0);
        assert_int_equal(durable_write(dirfd, "tokens", span_text(damaged[i]), 0600, true, &err),
                         0);
        os_close(&dirfd);
        assert_int_equal(rest_tokens_open(f->tokens, &tokens, &err), -1);
        assert_true(err.code == ERR_FORMAT || err.code == ERR_FORMAT_VERSION);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_up, fixture_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_token_opens_the_door_with_its_role),
        TEST(the_file_holds_no_token_and_is_private),
        TEST(every_wrong_token_is_refused_in_the_same_words),
        TEST(a_removed_token_is_refused_at_once),
        TEST(names_are_unique_and_listed_without_secrets),
        TEST(tokens_survive_a_restart),
        TEST(a_damaged_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
