#include "trust_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/clock.h"
#include "os/sock.h"
#include "os/thread.h"

#define DAY_S 86400
#define HANDSHAKE_MS 20000

/* Print what went wrong before failing: the error says more than a line number. */
static void must(int rc, const struct err *err) {
    if (rc != 0)
        fail_msg("%s", err->text);
}

struct x509_template fixture_template(const char *const *name) {
    int64_t now = os_wall_s();
    struct x509_template template = {.common_name = *name,
                                     .organisation = "Fixture",
                                     .names = name,
                                     .names_n = 1,
                                     .not_before_s = now - 3600,
                                     .not_after_s = now + DAY_S,
                                     .uses = X509_MAKE_CLIENT | X509_MAKE_SERVER};
    x509_make_serial(&template.serial);
    return template;
}

void fixture_issue_with(const struct fixture_side *issuer, const struct x509_template *template,
                        enum x509_make_key kind, uint32_t rsa_bits, struct fixture_side *side) {
    struct err err;
    struct x509_issuer by = {0};
    *side = (struct fixture_side){.serial = template->serial};
    if (issuer != NULL) {
        by.certificate_pem = buf_span(&issuer->certificate_pem);
        by.key_pem = secret_span(issuer->key_pem);
    }
    must(x509_make_key(kind, rsa_bits, &side->key_pem, &err), &err);
    must(x509_make_certificate(template, secret_span(side->key_pem), &by, &side->certificate_pem,
                               &err),
         &err);
}

void fixture_issue(const struct fixture_side *issuer, const struct x509_template *template,
                   struct fixture_side *side) {
    fixture_issue_with(issuer, template, X509_MAKE_EC, 0, side);
}

void fixture_side_done(struct fixture_side *side) {
    buf_done(&side->certificate_pem);
    secret_free(TAKE(side->key_pem));
}

void fixture_crl(const struct fixture_side *issuer, const struct fixture_side *revoked,
                 int64_t age_s, struct buf *pem) {
    struct err err;
    int64_t from = os_wall_s() - age_s;
    struct x509_revoked entry = {.when_s = from};
    if (revoked != NULL)
        entry.serial = revoked->serial;
    const struct x509_crl_template template = {.number = 1,
                                               .this_update_s = from,
                                               .next_update_s = from + DAY_S,
                                               .revoked = &entry,
                                               .revoked_n = revoked != NULL ? 1 : 0};
    const struct x509_issuer by = {.certificate_pem = buf_span(&issuer->certificate_pem),
                                   .key_pem = secret_span(issuer->key_pem)};
    must(x509_make_crl(&template, &by, pem, &err), &err);
}

void trust_fixture_init(struct trust_fixture *trust) {
    static const char *const names[] = {"Fixture CA", "server.example", "agent.example"};
    *trust = (struct trust_fixture){0};
    struct x509_template ca = fixture_template(&names[0]);
    ca.names_n = 0;
    ca.authority = true;
    fixture_issue(NULL, &ca, &trust->ca);
    struct x509_template server = fixture_template(&names[1]);
    fixture_issue(&trust->ca, &server, &trust->server);
    struct x509_template agent = fixture_template(&names[2]);
    fixture_issue(&trust->ca, &agent, &trust->agent);
    fixture_crl(&trust->ca, NULL, 60, &trust->crl_pem);
}

void trust_fixture_done(struct trust_fixture *trust) {
    fixture_side_done(&trust->ca);
    fixture_side_done(&trust->server);
    fixture_side_done(&trust->agent);
    buf_done(&trust->crl_pem);
}

struct tls_config fixture_config(const struct trust_fixture *trust,
                                 const struct fixture_side *side) {
    return (struct tls_config){.certificate_pem = buf_span(&side->certificate_pem),
                               .key_pem = secret_span(side->key_pem),
                               .anchors_pem = buf_span(&trust->ca.certificate_pem),
                               .crls_pem = buf_span(&trust->crl_pem),
                               .require_crl = true};
}

struct agent_call {
    struct tls_context *context;
    int fd;
    struct fixture_meeting *meeting;
};

/* In TLS 1.3 the connecting side is ready before it is judged: it learns at its first read. */
static void agent_connects(void *arg) {
    struct agent_call *call = arg;
    struct fixture_meeting *meeting = call->meeting;
    uint8_t hello;
    meeting->agent_rc = tls_open(call->context, TLS_CONNECT, &call->fd, HANDSHAKE_MS,
                                 &meeting->agent, &meeting->agent_err);
    if (meeting->agent_rc == 0)
        meeting->agent_rc = tls_read(meeting->agent, &hello, 1, HANDSHAKE_MS, &meeting->agent_err);
    if (meeting->agent_rc != 0)
        tls_close(TAKE(meeting->agent));
}

void fixture_meet(struct tls_context *server, struct tls_context *agent,
                  struct fixture_meeting *meeting) {
    struct err err;
    int fd;
    *meeting = (struct fixture_meeting){.server = NULL};
    struct agent_call call = {.context = agent, .meeting = meeting};
    must(os_socketpair(&fd, &call.fd, &err), &err);
    struct os_thread thread = {.running = false};
    must(os_thread_start(&thread, "agent", agent_connects, &call, &err), &err);
    meeting->server_rc =
        tls_open(server, TLS_ACCEPT, &fd, HANDSHAKE_MS, &meeting->server, &meeting->server_err);
    if (meeting->server_rc == 0)
        must(tls_write(meeting->server, "h", 1, HANDSHAKE_MS, &err), &err);
    os_thread_join(&thread);
}

void trust_fixture_pair(const struct trust_fixture *trust, struct tls **server,
                        struct tls **agent) {
    struct err err;
    AUTO(tls_context) *server_context = NULL;
    AUTO(tls_context) *agent_context = NULL;
    struct tls_config server_config = fixture_config(trust, &trust->server);
    struct tls_config agent_config = fixture_config(trust, &trust->agent);
    must(tls_context_new(&server_config, &server_context, &err), &err);
    must(tls_context_new(&agent_config, &agent_context, &err), &err);
    struct fixture_meeting meeting;
    fixture_meet(server_context, agent_context, &meeting);
    must(meeting.server_rc, &meeting.server_err);
    must(meeting.agent_rc, &meeting.agent_err);
    *server = meeting.server;
    *agent = meeting.agent;
}
