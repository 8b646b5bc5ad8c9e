/* What the command line prints, sends and ends with. */
#include "cli_scene.h"

#define POINT                                                                                      \
    "{\"id\": \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\", "              \
    "\"sequence\": 3, \"group\": \"home\", \"computer\": \"web\", \"path\": \"/home\", "           \
    "\"source\": \"7\", \"job\": \"9\", \"state\": \"partial\", "                                  \
    "\"finished\": \"2026-11-21T01:20:25Z\", \"entries\": 12, \"bytes\": 1536, \"problems\": 1}"

static void a_listing_is_a_table(void **state) {
    (void)state;
    scene.replies[REST_POINT_LIST] = "{\"items\": [" POINT "], \"next\": null}";
    expect_out("point list", 0,
               "ID            FINISHED              STATE    GROUP  COMPUTER  PATH   "
               "ENTRIES    BYTES  PROBLEMS\n"
               "001122334455  2026-11-21T01:20:25Z  partial  home   web       /home  "
               "     12  1.5 KiB         1\n");
    expect_out("point list -q", 0,
               "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
}

static void an_empty_listing_has_titles_or_is_an_empty_array(void **state) {
    (void)state;
    scene.replies[REST_GROUP_LIST] = "{\"items\": [], \"next\": null}";
    expect_out("group list", 0, "NAME  POINTS  LAST POINT  STATE  LAST JOB\n");
    expect_out("group list --json", 0, "[]\n");
    expect_out("group list --quiet", 0, "");
}

static int two_pages(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                     struct err *err) {
    (void)ctx;
    (void)err;
    const char *after = rest_text(request, "after");
    answer->json =
        json_loads(after == NULL ? "{\"items\": [{\"name\": \"a\"}], \"next\": \"a & b\"}"
                                 : "{\"items\": [{\"name\": \"c\"}], \"next\": null}",
                   0, NULL);
    if (after != NULL)
        assert_string_equal(after, "a & b");
    return 0;
}

static void pages_become_one_listing(void **state) {
    (void)state;
    scene.f->use[REST_COMPUTER_LIST] = two_pages;
    expect_out("computer list -q", 0, "a\nc\n");
    struct outcome o = run("computer list --json");
    json_t *list = json_loads((const char *)o.out.p, 0, NULL);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "name")), "c");
    json_decref(list);
    outcome_done(&o);
}

static void every_listing_is_one_array_of_named_objects(void **state) {
    (void)state;
    static const struct {
        enum rest_route route;
        const char *line;
        const char *key;
    } listings[] = {
        {REST_COMPUTER_LIST, "computer list --json", "name"},
        {REST_SOURCE_LIST, "source list --json", "name"},
        {REST_GROUP_LIST, "group list --json", "name"},
        {REST_POINT_LIST, "point list --json", "id"},
        {REST_JOB_LIST, "job list --json", "id"},
        {REST_LS, "ls latest --json", "name"},
        {REST_FIND, "find x --json", "name"},
        {REST_DIFF, "diff 1 2 --json", "name"},
        {REST_TOKEN_LIST, "token list --json", "name"},
        {REST_CRL_LIST, "credentials crl --json", "name"},
    };
    for (size_t i = 0; i < ARRAY_N(listings); i++) {
        scene.replies[listings[i].route] =
            "{\"items\": [{\"name\": \"x\", \"id\": \"x\"}, {\"name\": \"y\", \"id\": \"y\"}], "
            "\"next\": null}";
        if (listings[i].route == REST_TOKEN_LIST)
            expect_status("token create x --json", 0);
        struct outcome o = run(listings[i].line);
        assert_int_equal(o.status, 0);
        json_t *list = json_loads((const char *)o.out.p, 0, NULL);
        assert_true(json_is_array(list));
        assert_true(json_array_size(list) > 0);
        assert_string_equal(
            json_string_value(json_object_get(json_array_get(list, 0), listings[i].key)), "x");
        json_decref(list);
        outcome_done(&o);
    }
}

static void an_object_is_labelled_lines(void **state) {
    (void)state;
    scene.replies[REST_GROUP_SHOW] =
        "{\"name\": \"home\", \"points\": 2, \"last_time\": null, \"last_state\": null, "
        "\"last_job\": null, \"one_file_system\": true, \"level\": 3, \"members\": "
        "[{\"computer\": \"web\", \"path\": \"/home\"}], \"excludes\": [\"*.tmp\"]}";
    expect_out("group show home", 0,
               "Name:             home\nPoints:           2\nLast point:       -\n"
               "State:            -\nLast job:         -\nOne file system:  yes\n"
               "Level:            3\nmember  web:/home\nexclude *.tmp\n");
}

static void errors_go_to_stderr_with_their_exit_status(void **state) {
    (void)state;
    static const struct {
        enum err_code code;
        int status;
    } cases[] = {{ERR_NOT_FOUND, 1}, {ERR_UNREACHABLE, 4},     {ERR_LOCKED, 5},
                 {ERR_AUTH, 12},     {ERR_REST_FORBIDDEN, 13}, {ERR_TAMPERED, 14},
                 {ERR_SPACE, 15},    {ERR_INTERNAL, 2}};
    for (size_t i = 0; i < ARRAY_N(cases); i++) {
        scene.errors[REST_STATUS] = cases[i].code;
        struct outcome o = run("status");
        assert_int_equal(o.status, cases[i].status);
        assert_string_equal((const char *)o.out.p, "");
        assert_true(text_starts((const char *)o.err.p, "casemate: refused as prepared\n  "));
        outcome_done(&o);
    }
    scene.errors[REST_STATUS] = ERR_SPACE;
    struct outcome o = run("status --json");
    json_t *error = json_loads((const char *)o.err.p, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(error, "symbol")), "space");
    assert_int_equal(json_integer_value(json_object_get(error, "exit")), 15);
    json_decref(error);
    outcome_done(&o);
}

static void a_missing_server_is_unreachable(void **state) {
    (void)state;
    struct outcome o = run_with("/nonexistent/casemate.sock", "status");
    assert_int_equal(o.status, 4);
    assert_non_null(strstr((const char *)o.err.p, "is casemated running?"));
    outcome_done(&o);
    o = run_with("/nonexistent/casemate.sock", "version --json");
    assert_int_equal(o.status, 0); /* our own is known */
    outcome_done(&o);
}

static void wrong_command_lines_are_usage_errors(void **state) {
    (void)state;
    expect_status("statsu", 1);
    expect_status("restore latest", 1);
    expect_status("restore latest --to x", 1);
    expect_status("restore latest --to /x --original", 1);
    expect_status("group modify home", 1);
    expect_status("group create home --member nowhere", 1);
    expect_status("credentials configure --output /tmp", 1);
    expect_status("computer attach --credential /nonexistent", 1);
    expect_status("status --server http://x", 1);
    expect_status("status --server https://x", 1); /* no token */
    struct outcome o = run("statsu --json");
    json_t *error = json_loads((const char *)o.err.p, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(error, "symbol")), "usage");
    json_decref(error);
    outcome_done(&o);
}

#define JOB(state, version, more)                                                                  \
    "{\"id\": \"j1\", \"kind\": \"backup\", \"state\": \"" state "\", \"group\": \"home\", "       \
    "\"progress\": {\"entries_done\": 1, \"entries_found\": 2, \"bytes_done\": 3, "                \
    "\"bytes_total\": 6, \"current\": \"a\"}, \"problems\": [{\"path\": \"x\", "                   \
    "\"reason\": \"gone\"}], \"problem_count\": 1, \"version\": " version more "}"

static int job_ends(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                    struct err *err) {
    (void)ctx;
    (void)err;
    assert_string_equal(rest_path(request, "job"), "j1");
    if (scene.looks++ < 2)
        answer->json = json_loads(JOB("running", "2", ""), 0, NULL);
    else
        answer->json = json_loads(scene.replies[REST_JOB_SHOW], 0, NULL);
    assert_non_null(answer->json);
    return 0;
}

static void wait_for(const char *end) {
    scene.looks = 0;
    scene.replies[REST_BACKUP] = JOB("queued", "1", "");
    scene.replies[REST_JOB_SHOW] = end;
    scene.f->use[REST_JOB_SHOW] = job_ends;
}

static void a_job_is_printed_or_waited_for(void **state) {
    (void)state;
    wait_for(JOB("done", "9", ", \"result\": {\"points\": [\"p1\"], \"entries\": 2}"));
    expect_out("backup home --json", 0,
               "{\"id\":\"j1\",\"kind\":\"backup\",\"state\":\"queued\",\"group\":\"home\","
               "\"progress\":{\"entries_done\":1,\"entries_found\":2,\"bytes_done\":3,"
               "\"bytes_total\":6,\"current\":\"a\"},\"problems\":[{\"path\":\"x\","
               "\"reason\":\"gone\"}],\"problem_count\":1,\"version\":1}\n");
    expect_out("backup home -q", 0, "j1\n");
    expect_out("backup home --wait -q", 0, "p1\n");
    wait_for(JOB("done", "9", ", \"result\": {\"points\": [\"p1\"], \"entries\": 2}"));
    expect_out("backup home --wait", 0, "backup done in 0s, 2 entries\npoint p1\n");
}

static void the_end_of_a_job_is_the_exit_status(void **state) {
    (void)state;
    wait_for(JOB("partial", "9", ""));
    struct outcome o = run("backup home --wait");
    assert_int_equal(o.status, 3);
    assert_non_null(strstr((const char *)o.err.p, "  x: gone\n"));
    outcome_done(&o);
    wait_for(JOB("cancelled", "9", ""));
    expect_status("backup home --wait", 130);
    wait_for(JOB("failed", "9",
                 ", \"error\": {\"code\": 103, \"symbol\": \"space\", \"message\": \"full\", "
                 "\"action\": \"\", \"exit\": 15}"));
    expect_status("backup home --wait", 15);
    wait_for(JOB("failed", "9",
                 ", \"error\": {\"code\": 9999, \"symbol\": \"of-the-future\", \"message\": "
                 "\"m\", \"action\": \"\", \"exit\": 16}"));
    expect_status("backup home --wait", 16);
}

static void waiting_with_json_gives_lines(void **state) {
    (void)state;
    wait_for(JOB("partial", "9", ", \"result\": {\"points\": [\"p1\"]}"));
    struct outcome o = run("backup home --wait --json");
    assert_int_equal(o.status, 3);
    size_t errors = 0, summaries = 0;
    for (const char *line = (const char *)o.out.p; *line != 0;) {
        size_t n = strcspn(line, "\n");
        json_t *json = json_loadb(line, n, 0, NULL);
        assert_non_null(json);
        const char *type = json_string_value(json_object_get(json, "message_type"));
        assert_non_null(type);
        errors += text_equal(type, "error");
        summaries += text_equal(type, "summary");
        if (text_equal(type, "summary"))
            assert_string_equal(json_string_value(json_object_get(json, "state")), "partial");
        json_decref(json);
        line += n + 1;
    }
    assert_int_equal(errors, 1);
    assert_int_equal(summaries, 1);
    outcome_done(&o);
}

static void requests_carry_what_was_typed(void **state) {
    (void)state;
    expect_status("group create home --member web:/home --exclude *.tmp --level 7 "
                  "--one-file-system",
                  0);
    assert_string_equal(scene.body,
                        "{\"excludes\": [\"*.tmp\"], \"level\": 7, \"members\": "
                        "[{\"computer\": \"web\", \"path\": \"/home\"}], \"name\": \"home\", "
                        "\"one_file_system\": true}");
    expect_status("restore latest a b --to /r --existing skip --group home", 0);
    assert_string_equal(scene.body, "{\"existing\": \"skip\", \"paths\": [\"a\", \"b\"], "
                                    "\"security\": \"restore\", \"to\": \"/r\"}");
    expect_status("verify --read-data", 0);
    assert_string_equal(scene.body, "{\"read_data\": true}");
    expect_status("gc --what-if", 0);
    assert_string_equal(scene.body, "{\"what_if\": true}");
}

static void removals_say_what_they_did(void **state) {
    (void)state;
    scene.replies[REST_GROUP_REMOVE] =
        "{\"name\": \"home\", \"what_if\": true, \"points\": 3, \"note\": \"3 points stay\"}";
    expect_out("group remove home --what-if", 0, "would remove home: 3 points stay\n");
    scene.replies[REST_POINT_DELETE] = "{\"name\": \"3f\", \"what_if\": false, \"note\": null}";
    expect_out("point delete 3f", 0, "removed 3f\n");
}

static int cat_it(void *ctx, uint8_t *to, size_t size, size_t *got, struct err *err) {
    int *calls = ctx;
    if ((*calls)++ == 1)
        return ERR(err, ERR_TAMPERED, "pack 7 does not open");
    *got = MIN(size, (size_t)5);
    memcpy(to, "hello", *got);
    return 0;
}

static int cat_calls;
static int cat_breaks(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                      struct err *err) {
    struct buf path = {0};
    (void)ctx;
    (void)err;
    assert_true(rest_path_bytes(request, "path", &path));
    assert_string_equal(buf_text(&path), "a\\b");
    buf_done(&path);
    *answer = (struct rest_answer){.stream = cat_it, .stream_ctx = &cat_calls};
    return 0;
}

static void a_broken_stream_is_an_error_after_its_bytes(void **state) {
    (void)state;
    cat_calls = 0;
    scene.f->use[REST_CAT] = cat_breaks;
    struct outcome o = run("cat latest a\\b");
    assert_int_equal(o.status, 14);
    assert_string_equal((const char *)o.out.p, "hello");
    assert_non_null(strstr((const char *)o.err.p, "pack 7 does not open"));
    outcome_done(&o);
}

static void doctor_ends_with_an_error_when_a_test_failed(void **state) {
    (void)state;
    scene.replies[REST_STATUS] = "{\"name\": \"box\", \"version\": \"9.9\"}";
    scene.replies[REST_DOCTOR_COMPUTER] =
        "{\"name\": \"web\", \"ok\": false, \"steps\": [{\"name\": \"port\", \"state\": \"fail\", "
        "\"detail\": \"refused\", \"advice\": \"open 135/tcp\", \"ms\": 3}]}";
    struct outcome o = run("doctor web");
    assert_int_equal(o.status, 1);
    assert_non_null(strstr((const char *)o.out.p, "ok       server"));
    assert_non_null(strstr((const char *)o.out.p, "warning  version"));
    assert_non_null(strstr((const char *)o.out.p, "fail     port             refused\n"));
    assert_non_null(strstr((const char *)o.out.p, "-> open 135/tcp\n"));
    outcome_done(&o);
    o = run("doctor web --json");
    json_t *json = json_loads((const char *)o.out.p, 0, NULL);
    assert_true(json_is_false(json_object_get(json, "ok")));
    assert_int_equal(json_array_size(json_object_get(json, "steps")), 3);
    json_decref(json);
    outcome_done(&o);
    o = run_with("/nonexistent/casemate.sock", "doctor");
    assert_int_equal(o.status, 4);
    assert_non_null(strstr((const char *)o.out.p, "fail     server"));
    outcome_done(&o);
}

static void credentials_are_sent_and_the_metadata_is_saved(void **state) {
    (void)state;
    char line[512], path[128];
    struct buf saved = {0};
    struct err err = {0};
    (void)text_format(path, sizeof path, "%s/key", scene.f->dir);
    int dirfd = OS_FD_NONE;
    assert_int_equal(os_dir_open(OS_FD_CWD, scene.f->dir, &dirfd, &err), 0);
    assert_int_equal(durable_write(dirfd, "key", span_text("PEM\n"), 0600, false, &err), 0);
    os_close(&dirfd);
    scene.replies[REST_CREDENTIALS_CONFIGURE] =
        "{\"name\": \"box\", \"file\": \"CertificateConfiguration_box.bin\", \"metadata\": "
        "\"00ff\"}";
    (void)text_format(line, sizeof line,
                      "credentials configure --certificate %s --key %s --output %s", path, path,
                      scene.f->dir);
    expect_status(line, 0);
    assert_string_equal(scene.body, "{\"certificate\": \"PEM\\n\", \"key\": \"PEM\\n\"}");
    assert_int_equal(unlink(path), 0);
    (void)text_format(path, sizeof path, "%s/CertificateConfiguration_box.bin", scene.f->dir);
    load_and_remove(path, &saved);
    assert_int_equal(saved.n, 2);
    buf_done(&saved);
    scene.replies[REST_CREDENTIALS_REGENERATE] =
        "{\"name\": \"box\", \"file\": \"../evil\", \"metadata\": \"00ff\"}";
    (void)text_format(line, sizeof line, "credentials regenerate --output %s", scene.f->dir);
    expect_status(line, 2); /* a file name that leads elsewhere is not taken */
}

static void full_standard_output_is_an_error(void **state) {
    (void)state;
    scene.replies[REST_GROUP_LIST] = "{\"items\": [], \"next\": null}";
    pid_t pid = 0;
    int status = 0;
    char variable[128], word0[] = "casemate", word1[] = "group", word2[] = "list";
    char *argv[] = {word0, word1, word2, NULL};
    (void)text_format(variable, sizeof variable, "CASEMATE_SOCKET=%s", scene.f->socket);
    char *environment[] = {variable, NULL};
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, "/dev/full", O_WRONLY, 0), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0), 0);
    meet(scene.f);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environment), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

static void help_goes_to_standard_output(void **state) {
    (void)state;
    struct outcome o = run("backup --help");
    assert_int_equal(o.status, 0);
    assert_true(text_starts((const char *)o.out.p, "Usage: casemate backup"));
    assert_string_equal((const char *)o.err.p, "");
    outcome_done(&o);
    expect_out("--version", 0, "casemate 0.1.0\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, fixture_down)

int main(int argc, char **argv) {
    if (argc > 1)
        return cli_main(argc, argv);
    const struct CMUnitTest tests[] = {
        TEST(a_listing_is_a_table),
        TEST(an_empty_listing_has_titles_or_is_an_empty_array),
        TEST(pages_become_one_listing),
        TEST(every_listing_is_one_array_of_named_objects),
        TEST(an_object_is_labelled_lines),
        TEST(errors_go_to_stderr_with_their_exit_status),
        TEST(a_missing_server_is_unreachable),
        TEST(wrong_command_lines_are_usage_errors),
        TEST(a_job_is_printed_or_waited_for),
        TEST(the_end_of_a_job_is_the_exit_status),
        TEST(waiting_with_json_gives_lines),
        TEST(requests_carry_what_was_typed),
        TEST(removals_say_what_they_did),
        TEST(a_broken_stream_is_an_error_after_its_bytes),
        TEST(doctor_ends_with_an_error_when_a_test_failed),
        TEST(credentials_are_sent_and_the_metadata_is_saved),
        TEST(full_standard_output_is_an_error),
        TEST(help_goes_to_standard_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
