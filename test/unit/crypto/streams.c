/* Covers src/crypto/tls_context.c, tls_io.c, tls_open.c, tls_stream.c. */
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/text.h"
#include "crypto/tls.h"
#include "crypto/x509.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/sock.h"
#include "os/thread.h"
#include "trust_fixture.h"

static struct trust_fixture trust;

static int set_up(void **state) {
    (void)state;
    trust_fixture_init(&trust);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    trust_fixture_done(&trust);
    return 0;
}

static struct tls_context *context_of(const struct tls_config *config) {
    struct tls_context *context = NULL;
    struct err err;
    if (tls_context_new(config, &context, &err) != 0)
        fail_msg("%s", err.text);
    return context;
}

static void peers_learn_each_others_identity(void **state) {
    (void)state;
    struct tls *server, *agent;
    trust_fixture_pair(&trust, &server, &agent);
    AUTO(x509_chain) *expected = NULL;
    struct span no_key = {0};
    assert_int_equal(
        x509_chain_of_pem(buf_span(&trust.agent.certificate_pem), no_key, &expected, NULL), 0);
    struct digest certificate, spki;
    tls_peer(server, &certificate, &spki);
    assert_true(digest_equal(&certificate, &x509_chain_info(expected, 0)->sha256));
    assert_true(digest_equal(&spki, &x509_chain_info(expected, 0)->spki_sha256));
    assert_true(span_equal(tls_peer_certificate(server), x509_chain_der(expected, 0)));

    AUTO(x509_chain) *ca = NULL;
    assert_int_equal(x509_chain_of_pem(buf_span(&trust.ca.certificate_pem), no_key, &ca, NULL), 0);
    assert_true(tls_peer_below(agent, &x509_chain_info(ca, 0)->sha256));
    assert_false(tls_peer_below(server, &x509_chain_info(expected, 0)->sha256));

    uint8_t ours[32], theirs[32], other[32];
    assert_int_equal(tls_export(server, "EXPORTER-Channel-Binding", ours, NULL), 0);
    assert_int_equal(tls_export(agent, "EXPORTER-Channel-Binding", theirs, NULL), 0);
    assert_int_equal(tls_export(agent, "EXPORTER-other", other, NULL), 0);
    assert_memory_equal(ours, theirs, sizeof ours);
    assert_memory_not_equal(ours, other, sizeof ours);
    tls_close(agent);
    tls_close(server);
}

struct transfer {
    struct tls *tls;
    size_t n;
    uint32_t key;
    int rc;
};

static uint8_t byte_at(size_t i, uint32_t key) {
    return (uint8_t)((i * 2654435761u + key) >> 13);
}

static void send_pattern(void *arg) {
    struct transfer *transfer = arg;
    static const size_t sizes[] = {1, 100, 16384, 16385, 524288, 7};
    MEM_AUTO uint8_t *bytes = mem_new(524288);
    transfer->rc = 0;
    for (size_t done = 0, round = 0; done < transfer->n && transfer->rc == 0; round++) {
        size_t n = MIN(sizes[round % ARRAY_N(sizes)], transfer->n - done);
        for (size_t i = 0; i < n; i++)
            bytes[i] = byte_at(done + i, transfer->key);
        transfer->rc = tls_write(transfer->tls, bytes, n, 20000, NULL);
        done += n;
    }
}

static void receive_pattern(void *arg) {
    struct transfer *transfer = arg;
    MEM_AUTO uint8_t *bytes = mem_new(100000);
    transfer->rc = 0;
    for (size_t done = 0; done < transfer->n && transfer->rc == 0;) {
        size_t n = MIN((size_t)100000, transfer->n - done);
        transfer->rc = tls_read(transfer->tls, bytes, n, 20000, NULL);
        for (size_t i = 0; i < n && transfer->rc == 0; i++)
            if (bytes[i] != byte_at(done + i, transfer->key))
                transfer->rc = -1;
        done += n;
    }
}

static void both_directions_flow_at_once(void **state) {
    (void)state;
    struct tls *server, *agent;
    struct err err;
    trust_fixture_pair(&trust, &server, &agent);
    struct transfer transfers[] = {{.tls = server, .n = 8u << 20, .key = 1},
                                   {.tls = agent, .n = 8u << 20, .key = 1},
                                   {.tls = agent, .n = 8u << 20, .key = 2},
                                   {.tls = server, .n = 8u << 20, .key = 2}};
    struct os_thread threads[ARRAY_N(transfers)] = {{.running = false}};
    for (size_t i = 0; i < ARRAY_N(transfers); i++)
        assert_int_equal(os_thread_start(&threads[i], "transfer",
                                         i % 2 == 0 ? send_pattern : receive_pattern, &transfers[i],
                                         &err),
                         0);
    for (size_t i = 0; i < ARRAY_N(transfers); i++)
        os_thread_join(&threads[i]);
    for (size_t i = 0; i < ARRAY_N(transfers); i++)
        assert_int_equal(transfers[i].rc, 0);
    tls_close(agent);
    tls_close(server);
}

static void reader_tells_goodbye_from_breaking_off(void **state) {
    (void)state;
    struct tls *server, *agent;
    struct err err;
    uint8_t byte;
    size_t got = 1;
    trust_fixture_pair(&trust, &server, &agent);
    assert_int_equal(tls_write(agent, "x", 1, 20000, &err), 0);
    tls_close(agent);
    assert_int_equal(tls_read(server, &byte, 1, 20000, &err), 0);
    assert_int_equal(tls_read_some(server, &byte, 1, &got, 20000, &err), 0);
    assert_int_equal(got, 0);
    assert_int_equal(tls_read(server, &byte, 1, 20000, &err), -1);
    assert_int_equal(err.code, ERR_UNREACHABLE);
    tls_close(server);

    trust_fixture_pair(&trust, &server, &agent);
    tls_shutdown(agent); /* the socket goes without a goodbye */
    assert_int_equal(tls_read_some(server, &byte, 1, &got, 20000, &err), -1);
    assert_int_equal(err.code, ERR_UNREACHABLE);
    tls_close(agent);
    tls_close(server);
}

static void shut_down_wakes_the_reader_as_interrupted(void **state) {
    (void)state;
    struct tls *server, *agent;
    struct err err;
    uint8_t byte;
    size_t got;
    trust_fixture_pair(&trust, &server, &agent);
    tls_shutdown(server);
    assert_int_equal(tls_read_some(server, &byte, 1, &got, 20000, &err), -1);
    assert_int_equal(err.code, ERR_INTERRUPTED);
    assert_int_equal(tls_write(server, "x", 1, 20000, &err), -1);
    assert_int_equal(err.code, ERR_INTERRUPTED);
    tls_close(agent);
    tls_close(server);
}

static void silence_is_a_time_out_and_the_stream_lives_on(void **state) {
    (void)state;
    struct tls *server, *agent;
    struct err err;
    uint8_t byte = 0;
    trust_fixture_pair(&trust, &server, &agent);
    assert_int_equal(tls_read(server, &byte, 1, 5, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_int_equal(tls_write(agent, "y", 1, 20000, &err), 0);
    assert_int_equal(tls_read(server, &byte, 1, 20000, &err), 0);
    assert_int_equal(byte, 'y');
    tls_close(agent);
    tls_close(server);
}

static void handshake_gives_up_on_a_silent_peer(void **state) {
    (void)state;
    struct tls_config config = fixture_config(&trust, &trust.server);
    AUTO(tls_context) *context = context_of(&config);
    struct tls *tls = NULL;
    struct err err;
    int a, b;
    assert_int_equal(os_socketpair(&a, &b, &err), 0);
    assert_int_equal(tls_open(context, TLS_ACCEPT, &a, 5, &tls, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_null(tls);
    assert_int_equal(a, OS_FD_NONE);
    os_close(&b);
}

/* The server meets an agent with this certificate; both must see ERR_AUTH. */
static void expect_refused(const struct fixture_side *side, bool weak_level, struct span crls,
                           const char *reason) {
    struct tls_config server_config = fixture_config(&trust, &trust.server);
    struct tls_config agent_config = fixture_config(&trust, side);
    server_config.crls_pem = crls;
    agent_config.allow_weak_key = weak_level;
    AUTO(tls_context) *server = context_of(&server_config);
    AUTO(tls_context) *agent = context_of(&agent_config);
    struct fixture_meeting meeting;
    fixture_meet(server, agent, &meeting);
    assert_int_equal(meeting.server_rc, -1);
    assert_int_equal(meeting.server_err.code, ERR_AUTH);
    if (strstr(meeting.server_err.text, reason) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", meeting.server_err.text, reason);
    assert_int_equal(meeting.agent_rc, -1);
    assert_int_equal(meeting.agent_err.code, ERR_AUTH);
}

static const char *const agent_name[] = {"agent.example"};

static void expect_template_refused(const struct x509_template *template, const char *reason) {
    struct fixture_side side;
    fixture_issue(&trust.ca, template, &side);
    expect_refused(&side, false, buf_span(&trust.crl_pem), reason);
    fixture_side_done(&side);
}

static void server_refuses_certificates_of_other_uses(void **state) {
    (void)state;
    struct x509_template template = fixture_template(agent_name);
    const char *reason = x509_requirement_text(X509_EKU_BOTH);
    template.uses = X509_MAKE_SERVER;
    expect_template_refused(&template, reason);
    template.uses = X509_MAKE_CLIENT;
    expect_template_refused(&template, reason);
    template.uses = 0;
    expect_template_refused(&template, reason);
}

static void server_refuses_certificates_out_of_date(void **state) {
    (void)state;
    struct x509_template template = fixture_template(agent_name);
    template.not_after_s = os_wall_s() - 1;
    expect_template_refused(&template, x509_requirement_text(X509_IN_DATE));
    template.not_before_s = os_wall_s() + 3600;
    template.not_after_s = os_wall_s() + 7200;
    expect_template_refused(&template, x509_requirement_text(X509_IN_DATE));
}

static void server_refuses_an_empty_subject(void **state) {
    (void)state;
    struct x509_template template = fixture_template(agent_name);
    template.common_name = NULL;
    template.organisation = NULL;
    expect_template_refused(&template, x509_requirement_text(X509_HAS_SUBJECT));
}

static void server_refuses_a_self_signed_certificate(void **state) {
    (void)state;
    struct x509_template template = fixture_template(agent_name);
    struct fixture_side side;
    fixture_issue(NULL, &template, &side);
    expect_refused(&side, false, buf_span(&trust.crl_pem),
                   x509_requirement_text(X509_NOT_SELF_SIGNED));
    fixture_side_done(&side);
}

static void server_refuses_another_authority_of_the_same_name(void **state) {
    (void)state;
    struct trust_fixture other;
    trust_fixture_init(&other);
    expect_refused(&other.agent, false, buf_span(&trust.crl_pem),
                   x509_requirement_text(X509_CHAIN_COMPLETE));
    trust_fixture_done(&other);
}

static void server_refuses_weak_keys_unless_told(void **state) {
    (void)state;
    struct x509_template template = fixture_template(agent_name);
    struct fixture_side side;
    fixture_issue_with(&trust.ca, &template, X509_MAKE_RSA, 1024, &side);
    expect_refused(&side, true, buf_span(&trust.crl_pem), x509_requirement_text(X509_KEY_STRONG));

    struct tls_config server_config = fixture_config(&trust, &trust.server);
    struct tls_config agent_config = fixture_config(&trust, &side);
    server_config.allow_weak_key = agent_config.allow_weak_key = true;
    AUTO(tls_context) *server = context_of(&server_config);
    AUTO(tls_context) *agent = context_of(&agent_config);
    struct fixture_meeting meeting;
    fixture_meet(server, agent, &meeting);
    assert_int_equal(meeting.server_rc, 0);
    assert_int_equal(meeting.agent_rc, 0);
    tls_close(meeting.agent);
    tls_close(meeting.server);
    fixture_side_done(&side);
}

static void server_refuses_revoked_and_unknown_revocation(void **state) {
    (void)state;
    struct buf revoking = {0}, stale = {0};
    fixture_crl(&trust.ca, &trust.agent, 60, &revoking);
    expect_refused(&trust.agent, false, buf_span(&revoking),
                   x509_requirement_text(X509_NOT_REVOKED));
    fixture_crl(&trust.ca, NULL, 2 * 86400, &stale);
    expect_refused(&trust.agent, false, buf_span(&stale), x509_requirement_text(X509_CRL_CURRENT));
    struct span none = {0};
    expect_refused(&trust.agent, false, none, x509_requirement_text(X509_CRL_PRESENT));
    buf_done(&revoking);
    buf_done(&stale);
}

static void agent_refuses_a_revoked_server(void **state) {
    (void)state;
    struct buf revoking = {0};
    fixture_crl(&trust.ca, &trust.server, 60, &revoking);
    struct tls_config server_config = fixture_config(&trust, &trust.server);
    struct tls_config agent_config = fixture_config(&trust, &trust.agent);
    agent_config.crls_pem = buf_span(&revoking);
    AUTO(tls_context) *server = context_of(&server_config);
    AUTO(tls_context) *agent = context_of(&agent_config);
    struct fixture_meeting meeting;
    fixture_meet(server, agent, &meeting);
    assert_int_equal(meeting.agent_rc, -1);
    assert_int_equal(meeting.agent_err.code, ERR_AUTH);
    assert_int_equal(meeting.server_rc, -1);
    assert_int_equal(meeting.server_err.code, ERR_AUTH);
    buf_done(&revoking);
}

/* A peer made of OpenSSL alone, for what our own client cannot do. */
struct foreign_client {
    int fd;
    int max_version;
    int rc;
};

static void foreign_client_connects(void *arg) {
    struct foreign_client *client = arg;
    struct err err;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    (void)SSL_CTX_set_max_proto_version(ctx, client->max_version);
    SSL *ssl = SSL_new(ctx);
    (void)SSL_set_fd(ssl, client->fd);
    uint8_t byte;
    size_t got = 0;
    for (;;) {
        client->rc = SSL_connect(ssl);
        if (client->rc == 1)
            client->rc = SSL_read_ex(ssl, &byte, 1, &got);
        if (client->rc == 1 || SSL_get_error(ssl, client->rc) != SSL_ERROR_WANT_READ ||
            os_wait(client->fd, OS_WANT_READ, 20000, &err) != 0)
            break;
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    os_close(&client->fd);
}

static void expect_foreign_refused(struct tls_context *server, int max_version) {
    struct foreign_client client = {.max_version = max_version};
    struct os_thread thread = {.running = false};
    struct err err;
    struct tls *tls = NULL;
    int fd;
    assert_int_equal(os_socketpair(&fd, &client.fd, &err), 0);
    assert_int_equal(os_thread_start(&thread, "foreign", foreign_client_connects, &client, &err),
                     0);
    assert_int_equal(tls_open(server, TLS_ACCEPT, &fd, 20000, &tls, &err), -1);
    assert_int_equal(err.code, ERR_AUTH);
    os_thread_join(&thread);
    assert_int_not_equal(client.rc, 1);
}

static void server_refuses_old_protocols_and_nameless_clients(void **state) {
    (void)state;
    struct tls_config config = fixture_config(&trust, &trust.server);
    AUTO(tls_context) *server = context_of(&config);
    expect_foreign_refused(server, TLS1_2_VERSION);
    expect_foreign_refused(server, TLS1_3_VERSION); /* shows no certificate */
}

static void garbage_is_refused(void **state) {
    (void)state;
    struct tls_config config = fixture_config(&trust, &trust.server);
    AUTO(tls_context) *server = context_of(&config);
    struct tls *tls = NULL;
    struct err err;
    size_t n;
    bool again;
    int a, b;
    assert_int_equal(os_socketpair(&a, &b, &err), 0);
    assert_int_equal(os_sock_write(b, "GET / HTTP/1.1\r\n\r\n", 18, &n, &again, &err), 0);
    os_sock_finish(b);
    assert_int_equal(tls_open(server, TLS_ACCEPT, &a, 20000, &tls, &err), -1);
    assert_int_equal(err.code, ERR_AUTH);
    os_close(&b);
}

static void public_context_asks_for_no_certificate(void **state) {
    (void)state;
    AUTO(tls_context) *server = NULL;
    struct err err;
    assert_int_equal(tls_context_new_public(buf_span(&trust.server.certificate_pem),
                                            secret_span(trust.server.key_pem), &server, &err),
                     0);
    struct foreign_client client = {.max_version = TLS1_3_VERSION};
    struct os_thread thread = {.running = false};
    struct tls *tls = NULL;
    int fd;
    assert_int_equal(os_socketpair(&fd, &client.fd, &err), 0);
    assert_int_equal(os_thread_start(&thread, "foreign", foreign_client_connects, &client, &err),
                     0);
    assert_int_equal(tls_open(server, TLS_ACCEPT, &fd, 20000, &tls, &err), 0);
    assert_int_equal(tls_peer_certificate(tls).n, 0);
    assert_int_equal(tls_write(tls, "z", 1, 20000, &err), 0);
    os_thread_join(&thread);
    assert_int_equal(client.rc, 1);
    tls_close(tls);
}

static void context_refuses_a_key_of_another_certificate(void **state) {
    (void)state;
    struct tls_config config = fixture_config(&trust, &trust.server);
    config.key_pem = secret_span(trust.agent.key_pem);
    struct tls_context *context = NULL;
    struct err err;
    assert_int_equal(tls_context_new(&config, &context, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    assert_null(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers_learn_each_others_identity),
        cmocka_unit_test(both_directions_flow_at_once),
        cmocka_unit_test(reader_tells_goodbye_from_breaking_off),
        cmocka_unit_test(shut_down_wakes_the_reader_as_interrupted),
        cmocka_unit_test(silence_is_a_time_out_and_the_stream_lives_on),
        cmocka_unit_test(handshake_gives_up_on_a_silent_peer),
        cmocka_unit_test(server_refuses_certificates_of_other_uses),
        cmocka_unit_test(server_refuses_certificates_out_of_date),
        cmocka_unit_test(server_refuses_an_empty_subject),
        cmocka_unit_test(server_refuses_a_self_signed_certificate),
        cmocka_unit_test(server_refuses_another_authority_of_the_same_name),
        cmocka_unit_test(server_refuses_weak_keys_unless_told),
        cmocka_unit_test(server_refuses_revoked_and_unknown_revocation),
        cmocka_unit_test(agent_refuses_a_revoked_server),
        cmocka_unit_test(server_refuses_old_protocols_and_nameless_clients),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(public_context_asks_for_no_certificate),
        cmocka_unit_test(context_refuses_a_key_of_another_certificate),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
