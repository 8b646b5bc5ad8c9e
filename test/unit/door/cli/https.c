/* The command line over HTTPS: tokens, roles, who the server is. */
#include "cli_scene.h"

#include "crypto/x509.h"
#include "trust_fixture.h"

struct world {
    struct fixture_side ca, server, other; /* certificates for localhost; `other` by another CA */
    struct tls_context *tls, *other_tls;
    char fingerprint[65], other_fingerprint[65];
};
static struct world world;

static void issue(struct fixture_side *ca, struct fixture_side *side, struct tls_context **tls,
                  char fingerprint[static 65]) {
    static const char *const ca_name = "HTTPS CA", *const name = "localhost";
    struct x509_template template = fixture_template(&ca_name);
    struct x509_chain *chain = NULL;
    struct err err = {0};
    template.authority = true;
    template.names_n = 0;
    template.uses = 0;
    fixture_issue(NULL, &template, ca);
    template = fixture_template(&name);
    fixture_issue(ca, &template, side);
    assert_int_equal(tls_context_new_public(buf_span(&side->certificate_pem),
                                            secret_span(side->key_pem), tls, &err),
                     0);
    assert_int_equal(
        x509_chain_of_pem(buf_span(&side->certificate_pem), (struct span){0}, &chain, &err), 0);
    text_hex(fingerprint, x509_chain_info(chain, 0)->spki_sha256.b, 32);
    x509_chain_free(chain);
}

static void write_file(const char *name, struct span bytes) {
    struct err err = {0};
    int dirfd = OS_FD_NONE;
    assert_int_equal(os_dir_open(OS_FD_CWD, scene.f->dir, &dirfd, &err), 0);
    assert_int_equal(durable_write(dirfd, name, bytes, 0600, true, &err), 0);
    os_close(&dirfd);
}

static void remove_file(const char *name) {
    char path[128];
    (void)text_format(path, sizeof path, "%s/%s", scene.f->dir, name);
    assert_int_equal(unlink(path), 0);
}

static void save_token(const char *role) {
    char line[64];
    (void)text_format(line, sizeof line, "token create %s --role %s", role, role);
    struct outcome o = run(line);
    assert_int_equal(o.status, 0);
    write_file(role, buf_span(&o.out));
    outcome_done(&o);
}

static int up_https(void **state) {
    assert_int_equal(up(state), 0);
    struct fixture_side ca = {0};
    world = (struct world){0};
    issue(&world.ca, &world.server, &world.tls, world.fingerprint);
    issue(&ca, &world.other, &world.other_tls, world.other_fingerprint);
    fixture_side_done(&ca);
    rest_close(scene.f->rest);
    scene.f->rest = NULL;
    scene.f->tls = world.tls;
    fixture_open(scene.f);
    scene.replies[REST_STATUS] = "{\"name\": \"box\", \"version\": \"0.1.0\"}";
    write_file("ca.pem", buf_span(&world.ca.certificate_pem));
    save_token("admin");
    save_token("read");
    return 0;
}

static int down_https(void **state) {
    remove_file("ca.pem");
    remove_file("admin");
    remove_file("read");
    rest_close(scene.f->rest);
    scene.f->rest = NULL;
    tls_context_free(world.tls);
    tls_context_free(world.other_tls);
    fixture_side_done(&world.ca);
    fixture_side_done(&world.server);
    fixture_side_done(&world.other);
    return fixture_down(state);
}

/* `casemate LINE` over HTTPS with the token of a role; `more` is what identifies the server. */
static struct outcome run_https(const char *line, const char *role, const char *more) {
    char words[512];
    (void)text_format(words, sizeof words, "%s --server https://localhost:%u --token-file %s/%s%s",
                      line, rest_https_port(scene.f->rest), scene.f->dir, role, more);
    return run(words);
}

static void expect(const char *line, const char *role, const char *more, int status) {
    struct outcome o = run_https(line, role, more);
    if (o.status != status)
        fail_msg("%s: exit %d: %s", line, o.status, (const char *)o.err.p);
    outcome_done(&o);
}

static const char *by_ca(void) {
    static char more[160];
    (void)text_format(more, sizeof more, " --cacert %s/ca.pem", scene.f->dir);
    return more;
}

static const char *by_key(const char *fingerprint) {
    static char more[160];
    (void)text_format(more, sizeof more, " --fingerprint %s", fingerprint);
    return more;
}

static void a_token_and_the_ca_open_the_door(void **state) {
    (void)state;
    expect("status", "admin", by_ca(), 0);
    expect("status", "read", by_ca(), 0);
    assert_int_equal(scene.f->event_status, 200);
}

static void the_key_of_the_server_can_stand_for_the_ca(void **state) {
    (void)state;
    expect("status", "admin", by_key(world.fingerprint), 0);
    expect("status", "admin", by_key(world.other_fingerprint), 12);
    expect("status", "admin", by_key("00ff"), 1);
}

static void an_unknown_server_gets_no_token(void **state) {
    (void)state;
    int events = scene.f->events;
    expect("status", "admin", "", 12);
    assert_int_equal(scene.f->events, events); /* no request was made */
}

static void a_wrong_token_is_refused(void **state) {
    (void)state;
    write_file("wrong", span_text("cmt_0000\n"));
    expect("status", "wrong", by_ca(), 12);
    remove_file("wrong");
}

static void a_reader_may_not_change_things(void **state) {
    (void)state;
    expect("gc", "read", by_ca(), 13);
    expect("token list", "read", by_ca(), 13);
    expect("gc", "admin", by_ca(), 0);
}

static int pour(void *ctx, uint8_t *to, size_t size, size_t *got, struct err *err) {
    uint64_t *left = ctx;
    (void)err;
    *got = (size_t)MIN((uint64_t)size, *left);
    memset(to, 'x', *got);
    *left -= *got;
    return 0;
}

static uint64_t pour_left;
static int cat_much(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                    struct err *err) {
    (void)ctx;
    (void)request;
    (void)err;
    pour_left = 5'000'000;
    *answer = (struct rest_answer){.stream = pour, .stream_ctx = &pour_left};
    return 0;
}

static void a_long_stream_arrives_whole(void **state) {
    (void)state;
    scene.f->use[REST_CAT] = cat_much;
    struct outcome o = run_https("cat latest a", "read", by_ca());
    assert_int_equal(o.status, 0);
    assert_int_equal(o.out.n, 5'000'000);
    outcome_done(&o);
}

static void without_a_certificate_nobody_is_served(void **state) {
    (void)state;
    rest_set_tls(scene.f->rest, NULL);
    expect("status", "admin", by_ca(), 4);
    rest_set_tls(scene.f->rest, world.tls);
    expect("status", "admin", by_ca(), 0);
}

static void a_new_certificate_is_used_without_a_restart(void **state) {
    (void)state;
    rest_set_tls(scene.f->rest, world.other_tls);
    tls_context_free(TAKE(world.tls)); /* nobody uses it any more */
    expect("status", "admin", by_key(world.other_fingerprint), 0);
}

static void noise_on_the_port_does_no_harm(void **state) {
    (void)state;
    static const char *const noise[] = {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x00\x05hello", ""};
    for (size_t i = 0; i < ARRAY_N(noise); i++) {
        struct err err = {0};
        int fd = OS_FD_NONE;
        struct buf answer = {0};
        assert_int_equal(
            os_connect_tcp("127.0.0.1", rest_https_port(scene.f->rest), 5000, &fd, &err), 0);
        send_all(fd, noise[i], strlen(noise[i]));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        receive_all(fd, &answer);
        assert_null(strstr(buf_text(&answer), "HTTP"));
        buf_done(&answer);
        os_close(&fd);
    }
    expect("status", "admin", by_ca(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up_https, down_https)

int main(int argc, char **argv) {
    if (argc > 1)
        return cli_main(argc, argv);
    const struct CMUnitTest tests[] = {
        TEST(a_token_and_the_ca_open_the_door),
        TEST(the_key_of_the_server_can_stand_for_the_ca),
        TEST(an_unknown_server_gets_no_token),
        TEST(a_wrong_token_is_refused),
        TEST(a_reader_may_not_change_things),
        TEST(a_long_stream_arrives_whole),
        TEST(without_a_certificate_nobody_is_served),
        TEST(a_new_certificate_is_used_without_a_restart),
        TEST(noise_on_the_port_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
