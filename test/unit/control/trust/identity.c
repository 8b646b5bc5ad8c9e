/* Covers src/control/trust/trust_agent.c, trust_computer.c, trust_server.c: who is on a channel. */
#include "unit.h"

#include <sys/stat.h>

#include "base/text.h"
#include "control/trust/trust.h"
#include "crypto/x509.h"
#include "format/cred/cred.h"
#include "os/clock.h"
#include "trust_folders.h"

static struct trust_folders folders;

static int set_up(void **state) {
    (void)state;
    trust_folders_init(&folders);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    trust_folders_done(&folders);
    return 0;
}

static void must(int rc, const struct err *err) {
    trust_folders_must(rc, err);
}

static struct trust_server *open_server(int fd) {
    struct trust_server *server = NULL;
    struct err err;
    must(trust_server_open(fd, NULL, &server, &err), &err);
    return server;
}

static struct trust_agent *open_agent(int fd) {
    struct trust_agent *agent = NULL;
    struct err err;
    must(trust_agent_open(fd, NULL, &agent, &err), &err);
    return agent;
}

/* Both ends of a connection between the two folders' owners. */
static void meet(struct trust_server *server, struct trust_agent *agent,
                 struct fixture_meeting *meeting) {
    AUTO(tls_context) *server_context = trust_server_context(server);
    AUTO(tls_context) *agent_context = trust_agent_context(agent);
    fixture_meet(server_context, agent_context, meeting);
}

static void part(struct fixture_meeting *meeting) {
    tls_close(meeting->agent);
    tls_close(meeting->server);
}

static void both_sides_know_each_other_after_the_three_steps(void **state) {
    (void)state;
    AUTO(trust_server) *server = open_server(folders.server_fd);
    AUTO(trust_agent) *agent = open_agent(folders.agent_fd);
    struct fixture_meeting meeting;
    struct err err;
    size_t i = 99;
    meet(server, agent, &meeting);
    must(meeting.server_rc, &meeting.server_err);
    must(meeting.agent_rc, &meeting.agent_err);
    must(trust_identify(meeting.server, &folders.computer, 1, &i, &err), &err);
    assert_int_equal(i, 0);
    must(trust_agent_identify(agent, meeting.agent, &err), &err);
    part(&meeting);

    struct trust_identity own, theirs;
    struct trust_pin pin;
    trust_server_identity(server, &own);
    trust_agent_identity(agent, &theirs);
    trust_agent_server(agent, &pin);
    assert_string_equal(own.name, "server.example");
    assert_string_equal(pin.name, "server.example");
    assert_string_equal(pin.subject, own.subject);
    assert_memory_equal(pin.signing_key.b, own.signing_key.b, 32);
    assert_int_equal(pin.transfer_port, 5718);
    assert_true(digest_equal(&pin.certificate_sha256, &own.certificate_sha256));
    assert_true(digest_equal(&pin.anchor_sha256, &own.anchor_sha256));
    assert_string_equal(folders.computer.name, "agent.example");
    assert_string_equal(folders.computer.subject, theirs.subject);
    assert_memory_equal(folders.computer.signing_key.b, theirs.signing_key.b, 32);
    assert_true(digest_equal(&folders.computer.spki_sha256, &theirs.spki_sha256));
    assert_int_equal(folders.computer.control_port, 135);
    assert_int_equal(folders.computer.not_after_s, theirs.not_after_s);

    struct signature signature;
    must(trust_agent_sign(agent, span_text("manifest"), &signature, &err), &err);
    must(sign_verify(&folders.computer.signing_key, span_text("manifest"), &signature, &err), &err);
    must(trust_server_sign(server, span_text("commit"), &signature, &err), &err);
    must(sign_verify(&pin.signing_key, span_text("commit"), &signature, &err), &err);
}

static void a_revoked_computer_is_refused_at_attach_and_on_the_channel(void **state) {
    (void)state;
    static const char *const name[] = {"lost.example"};
    struct x509_template template = fixture_template(name);
    const struct trust_opts opts = {.control_port = 135};
    struct trust_newcomer newcomer;
    struct trust_folders own; /* its server learns of the revocation, the others must not */
    struct err err;
    trust_folders_init(&own);
    newcomer = (struct trust_newcomer){.fd = trust_folders_make(own.path, "lost")};
    fixture_issue(&own.trust.ca, &template, &newcomer.side);
    const struct trust_material material = fixture_material(&own.trust, &newcomer.side);
    must(trust_agent_set_server(newcomer.fd, buf_span(&own.server_metadata), &material, &opts,
                                &newcomer.metadata, &err),
         &err);
    AUTO(trust_server) *server = open_server(own.server_fd);
    struct buf list = {0};
    const struct x509_revoked revoked = {.serial = newcomer.side.serial, .when_s = os_wall_s()};
    const struct x509_crl_template crl = {.number = 2,
                                          .this_update_s = os_wall_s() - 5,
                                          .next_update_s = os_wall_s() + 86400,
                                          .revoked = &revoked,
                                          .revoked_n = 1};
    const struct x509_issuer issuer = {.certificate_pem = buf_span(&own.trust.ca.certificate_pem),
                                       .key_pem = secret_span(own.trust.ca.key_pem)};
    must(x509_make_crl(&crl, &issuer, &list, &err), &err);
    must(trust_server_put_crl(server, buf_span(&list), &err), &err);
    assert_int_equal(trust_server_put_crl(server, buf_span(&own.trust.crl_pem), &err), -1);
    assert_int_equal(err.code, ERR_EXISTS); /* number 1 is older */

    struct trust_computer computer;
    assert_int_equal(
        trust_attach(server, buf_span(&newcomer.metadata), NULL, 0, false, &computer, &err), -1);
    assert_non_null(strstr(err.text, x509_requirement_text(X509_NOT_REVOKED)));
    AUTO(trust_agent) *agent = open_agent(newcomer.fd);
    struct fixture_meeting meeting;
    meet(server, agent, &meeting);
    assert_int_equal(meeting.server_rc, -1);
    assert_int_equal(meeting.server_err.code, ERR_AUTH);
    assert_int_equal(meeting.agent_rc, -1);
    part(&meeting);

    trust_crls held = {0};
    struct buf pem = {0};
    must(trust_server_crls(server, &pem, &held, &err), &err);
    assert_int_equal(held.n, 1);
    assert_string_equal(held.p[0].number, "2");
    assert_int_equal(held.p[0].revoked_n, 1);
    assert_true(span_equal(buf_span(&pem), buf_span(&list)));
    vec_done(&held);
    buf_done(&pem);
    buf_done(&list);
    trust_newcomer_done(&newcomer);
    trust_folders_done(&own);
}

static void a_renewed_certificate_stays_the_same_machine(void **state) {
    (void)state;
    static const char *const name[] = {"renewed.example"};
    struct x509_template template = fixture_template(name);
    const struct trust_opts opts = {.control_port = 135, .transfer_port = 5719};
    struct trust_newcomer newcomer;
    struct trust_computer known[2] = {folders.computer};
    struct fixture_meeting meeting;
    struct err err;
    size_t i = 99;
    must(trust_newcomer_join(&folders, &template, &opts, &newcomer, &err), &err);
    AUTO(trust_server) *server = open_server(folders.server_fd);
    must(trust_attach(server, buf_span(&newcomer.metadata), known, 1, false, &known[1], &err),
         &err);
    AUTO(trust_agent) *agent = open_agent(newcomer.fd);

    struct fixture_side renewed; /* another key and serial number, the same subject and names */
    struct buf metadata = {0};
    x509_make_serial(&template.serial);
    fixture_issue(&folders.trust.ca, &template, &renewed);
    const struct trust_material material = fixture_material(&folders.trust, &renewed);
    must(trust_agent_set_server(newcomer.fd, buf_span(&folders.server_metadata), &material, &opts,
                                &metadata, &err),
         &err);
    must(trust_agent_reload(agent, &err), &err);
    meet(server, agent, &meeting);
    must(meeting.server_rc, &meeting.server_err);
    struct digest certificate, spki;
    tls_peer(meeting.server, &certificate, &spki);
    assert_false(digest_equal(&spki, &known[1].spki_sha256));
    must(trust_identify(meeting.server, known, 2, &i, &err), &err);
    assert_int_equal(i, 1);
    part(&meeting);

    struct trust_identity identity; /* the signing key outlives the certificate */
    trust_agent_identity(agent, &identity);
    assert_memory_equal(identity.signing_key.b, known[1].signing_key.b, 32);
    assert_int_equal(identity.generation, 2);
    fixture_side_done(&renewed);
    buf_done(&metadata);
    trust_newcomer_done(&newcomer);
}

static void a_stranger_below_the_same_authority_is_unknown(void **state) {
    (void)state;
    static const char *const name[] = {"stranger.example"};
    struct x509_template template = fixture_template(name);
    const struct trust_opts opts = {.control_port = 135};
    struct trust_newcomer newcomer;
    struct fixture_meeting meeting;
    struct err err;
    size_t i;
    must(trust_newcomer_join(&folders, &template, &opts, &newcomer, &err), &err);
    AUTO(trust_server) *server = open_server(folders.server_fd);
    AUTO(trust_agent) *agent = open_agent(newcomer.fd);
    meet(server, agent, &meeting);
    must(meeting.server_rc, &meeting.server_err);
    assert_int_equal(trust_identify(meeting.server, &folders.computer, 1, &i, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_UNKNOWN);
    part(&meeting);

    /* Nor does another computer pass for the server towards an agent. */
    struct tls_config config = fixture_config(&folders.trust, &newcomer.side);
    AUTO(tls_context) *posing = NULL;
    must(tls_context_new(&config, &posing, &err), &err);
    AUTO(trust_agent) *victim = open_agent(folders.agent_fd);
    AUTO(tls_context) *victim_context = trust_agent_context(victim);
    fixture_meet(posing, victim_context, &meeting);
    must(meeting.agent_rc, &meeting.agent_err);
    assert_int_equal(trust_agent_identify(victim, meeting.agent, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_UNKNOWN);
    part(&meeting);
    trust_newcomer_done(&newcomer);
}

static void weak_keys_need_the_switch_on_each_side_and_for_each_computer(void **state) {
    (void)state;
    static const char *const name[] = {"old.example"};
    struct x509_template template = fixture_template(name);
    struct fixture_side side;
    struct buf metadata = {0};
    struct err err;
    int fd = trust_folders_make(folders.path, "old");
    fixture_issue_with(&folders.trust.ca, &template, X509_MAKE_RSA, 1024, &side);
    const struct trust_material material = fixture_material(&folders.trust, &side);
    struct trust_opts opts = {.control_port = 135};
    assert_int_equal(trust_agent_set_server(fd, buf_span(&folders.server_metadata), &material,
                                            &opts, &metadata, &err),
                     -1);
    opts.allow_weak_key = true;
    must(trust_agent_set_server(fd, buf_span(&folders.server_metadata), &material, &opts, &metadata,
                                &err),
         &err);
    AUTO(trust_server) *server = open_server(folders.server_fd);
    AUTO(trust_agent) *agent = open_agent(fd);
    struct trust_computer computer;
    struct fixture_meeting meeting;
    size_t i;
    assert_int_equal(trust_attach(server, buf_span(&metadata), NULL, 0, false, &computer, &err),
                     -1);
    must(trust_attach(server, buf_span(&metadata), NULL, 0, true, &computer, &err), &err);
    assert_true(computer.allow_weak_key);
    meet(server, agent, &meeting);
    assert_int_equal(meeting.server_rc, -1);
    part(&meeting);
    must(trust_server_allow_weak_key(server, true, &err), &err);
    meet(server, agent, &meeting);
    must(meeting.server_rc, &meeting.server_err);
    must(trust_identify(meeting.server, &computer, 1, &i, &err), &err);
    computer.allow_weak_key = false;
    assert_int_equal(trust_identify(meeting.server, &computer, 1, &i, &err), -1);
    assert_int_equal(err.code, ERR_AUTH);
    part(&meeting);
    fixture_side_done(&side);
    buf_done(&metadata);
    os_close(&fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_know_each_other_after_the_three_steps),
        cmocka_unit_test(a_revoked_computer_is_refused_at_attach_and_on_the_channel),
        cmocka_unit_test(a_renewed_certificate_stays_the_same_machine),
        cmocka_unit_test(a_stranger_below_the_same_authority_is_unknown),
        cmocka_unit_test(weak_keys_need_the_switch_on_each_side_and_for_each_computer),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
