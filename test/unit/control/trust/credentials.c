/* Covers src/control/trust/trust_agent.c, trust_attach.c, trust_computer.c, trust_folder.c,
 * trust_introduce.c, trust_judge.c, trust_material.c, trust_server.c. */
#include "unit.h"

#include <sys/stat.h>

#include "base/text.h"
#include "control/trust/trust.h"
#include "crypto/x509.h"
#include "format/cred/cred.h"
#include "os/clock.h"
#include "trust_folders.h"

static const struct span nothing;
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

static void expect_mode(const char *side, const char *file, mode_t mode) {
    char path[SCRATCH_PATH_MAX + 64];
    struct stat st;
    (void)text_format(path, sizeof path, "%s/%s/trust/%s", folders.path, side, file);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, mode);
}

static void secrets_are_kept_private_and_out_of_metadata(void **state) {
    (void)state;
    expect_mode("server", "identity.pem", 0600);
    expect_mode("server", "signing.key", 0600);
    expect_mode("agent", "identity.pem", 0600);
    expect_mode("agent", "signing.key", 0600);
    expect_mode("agent", ".", 0700);
    const struct buf *const files[] = {&folders.server_metadata, &folders.agent_metadata};
    for (size_t i = 0; i < ARRAY_N(files); i++)
        assert_null(memmem(files[i]->p, files[i]->n, "PRIVATE KEY", 11));
}

static bool same(const struct trust_computer *a, const struct trust_computer *b) {
    struct buf x = {0}, y = {0};
    trust_computer_put(&x, a);
    trust_computer_put(&y, b);
    bool equal = span_equal(buf_span(&x), buf_span(&y));
    buf_done(&x);
    buf_done(&y);
    return equal;
}

static int attach(struct span metadata, const struct trust_computer *known, size_t known_n,
                  struct err *err) {
    AUTO(trust_server) *server = open_server(folders.server_fd);
    struct trust_computer computer;
    return trust_attach(server, metadata, known, known_n, false, &computer, err);
}

static void a_servers_own_file_is_refused_and_changes_nothing(void **state) {
    (void)state;
    struct err err;
    struct trust_computer known = folders.computer;
    assert_int_equal(attach(buf_span(&folders.server_metadata), &known, 1, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_ROLE);
    assert_non_null(strstr(err.text, "this server itself"));
    assert_non_null(strstr(err.text, "nothing was changed"));
    assert_true(same(&known, &folders.computer));

    struct trust_folders other; /* any other server's file as well */
    trust_folders_init(&other);
    assert_int_equal(attach(buf_span(&other.server_metadata), &known, 1, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_ROLE);
    assert_null(strstr(err.text, "itself"));
    trust_folders_done(&other);
}

static void set_server_refuses_a_computers_file(void **state) {
    (void)state;
    struct buf metadata = {0};
    struct err err;
    const struct trust_material material = fixture_material(&folders.trust, &folders.trust.agent);
    const struct trust_opts opts = {.control_port = 135};
    assert_int_equal(trust_agent_set_server(folders.agent_fd, buf_span(&folders.agent_metadata),
                                            &material, &opts, &metadata, &err),
                     -1);
    assert_int_equal(err.code, ERR_TRUST_ROLE);
    assert_int_equal(metadata.n, 0);
    AUTO(trust_agent) *agent = open_agent(folders.agent_fd); /* as before */
    struct trust_pin pin;
    trust_agent_server(agent, &pin);
    assert_string_equal(pin.name, "server.example");
}

static void every_changed_byte_of_a_metadata_file_is_noticed(void **state) {
    (void)state;
    AUTO(trust_server) *server = open_server(folders.server_fd);
    struct buf file = {0};
    for (size_t i = 0; i < folders.agent_metadata.n; i++) {
        struct trust_computer computer;
        struct err err;
        buf_clear(&file);
        buf_put_span(&file, buf_span(&folders.agent_metadata));
        file.p[i] ^= 1;
        if (trust_attach(server, buf_span(&file), NULL, 0, false, &computer, &err) == 0)
            fail_msg("byte %zu", i);
        assert_int_equal(trust_attach(server, span_of(file.p, i), NULL, 0, false, &computer, &err),
                         -1);
    }
    buf_done(&file);
}

static void duplicates_are_refused(void **state) {
    (void)state;
    struct err err;
    struct trust_computer known = folders.computer;
    struct span metadata = buf_span(&folders.agent_metadata);
    assert_int_equal(attach(metadata, &known, 1, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_DUPLICATE);
    (void)text_copy(known.name, sizeof known.name, "AGENT.example");
    known.spki_sha256.b[0] ^= 1;
    assert_int_equal(attach(metadata, &known, 1, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_DUPLICATE);
    known = folders.computer;
    (void)text_copy(known.name, sizeof known.name, "clone.example");
    assert_int_equal(attach(metadata, &known, 1, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_DUPLICATE);
    assert_non_null(strstr(err.text, "clone.example"));
    known.spki_sha256.b[0] ^= 1;
    must(attach(metadata, &known, 1, &err), &err);
}

/* An agent with its own folder, certificate made from the template. */
struct newcomer {
    struct fixture_side side;
    int fd;
    struct buf metadata;
};

static int join(const struct x509_template *template, const struct trust_opts *opts,
                struct newcomer *newcomer, struct err *err) {
    static unsigned count;
    char name[32];
    (void)text_format(name, sizeof name, "newcomer-%u", ++count);
    *newcomer = (struct newcomer){.fd = trust_folders_make(folders.path, name)};
    fixture_issue(&folders.trust.ca, template, &newcomer->side);
    const struct trust_material material = fixture_material(&folders.trust, &newcomer->side);
    return trust_agent_set_server(newcomer->fd, buf_span(&folders.server_metadata), &material, opts,
                                  &newcomer->metadata, err);
}

static void newcomer_done(struct newcomer *newcomer) {
    os_close(&newcomer->fd);
    fixture_side_done(&newcomer->side);
    buf_done(&newcomer->metadata);
}

static void unmet_requirements_are_all_named_when_a_server_is_set(void **state) {
    (void)state;
    static const char *const name[] = {"late.example"};
    struct x509_template template = fixture_template(name);
    const struct trust_opts opts = {.control_port = 135};
    struct newcomer newcomer;
    struct err err;
    template.uses = X509_MAKE_SERVER;
    template.not_after_s = os_wall_s() - 5;
    assert_int_equal(join(&template, &opts, &newcomer, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    assert_non_null(strstr(err.text, x509_requirement_text(X509_EKU_BOTH)));
    assert_non_null(strstr(err.text, x509_requirement_text(X509_IN_DATE)));
    struct trust_agent *agent = NULL;
    assert_int_equal(trust_agent_open(newcomer.fd, NULL, &agent, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_UNSET);
    newcomer_done(&newcomer);
}

static void an_expired_computer_is_refused_at_attach(void **state) {
    (void)state;
    struct trust_server *server = NULL;
    struct trust_computer computer;
    struct err err;
    const struct trust_opts later = {.now_s = os_wall_s() + 30 * 86400, .crl_optional = true};
    must(trust_server_open(folders.server_fd, &later, &server, &err), &err);
    assert_int_equal(
        trust_attach(server, buf_span(&folders.agent_metadata), NULL, 0, false, &computer, &err),
        -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    assert_non_null(strstr(err.text, x509_requirement_text(X509_IN_DATE)));
    trust_server_close(server);
}

static void a_revoked_computer_is_refused_at_attach_and_on_the_channel(void **state) {
    (void)state;
    static const char *const name[] = {"lost.example"};
    struct x509_template template = fixture_template(name);
    const struct trust_opts opts = {.control_port = 135};
    struct newcomer newcomer;
    struct trust_folders own; /* its server learns of the revocation, the others must not */
    struct err err;
    trust_folders_init(&own);
    newcomer = (struct newcomer){.fd = trust_folders_make(own.path, "lost")};
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
    newcomer_done(&newcomer);
    trust_folders_done(&own);
}

static void another_authority_is_refused_unless_it_is_named(void **state) {
    (void)state;
    struct trust_folders other; /* an authority of the same name, as it happens */
    struct buf metadata = {0};
    struct err err;
    trust_folders_init(&other);
    assert_int_equal(attach(buf_span(&other.agent_metadata), NULL, 0, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_ANCHOR);

    int fd = trust_folders_make(folders.path, "bridge");
    struct trust_material material = fixture_material(&folders.trust, &folders.trust.agent);
    const struct trust_opts opts = {.control_port = 135};
    assert_int_equal(trust_agent_set_server(fd, buf_span(&other.server_metadata), &material, &opts,
                                            &metadata, &err),
                     -1);
    assert_int_equal(err.code, ERR_TRUST_ANCHOR);
    struct buf both = {0};
    buf_put_span(&both, buf_span(&folders.trust.ca.certificate_pem));
    buf_put_span(&both, buf_span(&other.trust.ca.certificate_pem));
    material.anchors = buf_span(&both);
    must(trust_agent_set_server(fd, buf_span(&other.server_metadata), &material, &opts, &metadata,
                                &err),
         &err);
    buf_done(&both);
    buf_done(&metadata);
    os_close(&fd);
    trust_folders_done(&other);
}

static void the_servers_certificate_does_not_serve_a_computer(void **state) {
    (void)state;
    int fd = trust_folders_make(folders.path, "twin");
    struct buf metadata = {0};
    struct err err;
    const struct trust_material material = fixture_material(&folders.trust, &folders.trust.server);
    const struct trust_opts opts = {.control_port = 135};
    assert_int_equal(trust_agent_set_server(fd, buf_span(&folders.server_metadata), &material,
                                            &opts, &metadata, &err),
                     -1);
    assert_int_equal(err.code, ERR_TRUST_DUPLICATE);
    os_close(&fd);
}

static void a_renewed_certificate_stays_the_same_machine(void **state) {
    (void)state;
    static const char *const name[] = {"renewed.example"};
    struct x509_template template = fixture_template(name);
    const struct trust_opts opts = {.control_port = 135, .transfer_port = 5719};
    struct newcomer newcomer;
    struct trust_computer known[2] = {folders.computer};
    struct fixture_meeting meeting;
    struct err err;
    size_t i = 99;
    must(join(&template, &opts, &newcomer, &err), &err);
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
    newcomer_done(&newcomer);
}

static void a_stranger_below_the_same_authority_is_unknown(void **state) {
    (void)state;
    static const char *const name[] = {"stranger.example"};
    struct x509_template template = fixture_template(name);
    const struct trust_opts opts = {.control_port = 135};
    struct newcomer newcomer;
    struct fixture_meeting meeting;
    struct err err;
    size_t i;
    must(join(&template, &opts, &newcomer, &err), &err);
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
    newcomer_done(&newcomer);
}

static void a_name_must_be_one_of_the_certificate(void **state) {
    (void)state;
    static const char *const names[] = {"first.example", "second.example"};
    struct x509_template template = fixture_template(names);
    template.names_n = 2;
    struct trust_opts opts = {.name = "third.example", .control_port = 135};
    struct newcomer newcomer;
    struct err err;
    assert_int_equal(join(&template, &opts, &newcomer, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    newcomer_done(&newcomer);
    opts.name = "Second.example";
    must(join(&template, &opts, &newcomer, &err), &err);
    struct cred_file file;
    must(cred_get(buf_span(&newcomer.metadata), &file, &err), &err);
    assert_true(span_equal(file.cred.name, span_text("Second.example")));
    newcomer_done(&newcomer);
    template.names_n = 0;
    opts.name = NULL;
    assert_int_equal(join(&template, &opts, &newcomer, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    newcomer_done(&newcomer);
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

static void regenerated_metadata_is_the_same_but_for_its_generation(void **state) {
    (void)state;
    AUTO(trust_server) *server = open_server(folders.server_fd);
    struct buf metadata = {0};
    struct err err;
    struct cred_file before, after;
    must(cred_get(buf_span(&folders.server_metadata), &before, &err), &err);
    must(trust_server_regenerate(server, &metadata, &err), &err);
    must(cred_get(buf_span(&metadata), &after, &err), &err);
    assert_true(after.cred.generation > before.cred.generation);
    assert_true(span_equal(after.cred.name, before.cred.name));
    assert_int_equal(after.cred.transfer_port, before.cred.transfer_port);
    assert_memory_equal(after.cred.signing_key.b, before.cred.signing_key.b, 32);
    assert_true(digest_equal(&after.cred.spki_sha256, &before.cred.spki_sha256));
    int fd = trust_folders_make(folders.path, "again");
    struct buf own = {0};
    const struct trust_material material = fixture_material(&folders.trust, &folders.trust.agent);
    const struct trust_opts opts = {.control_port = 135};
    must(trust_agent_set_server(fd, buf_span(&metadata), &material, &opts, &own, &err), &err);
    os_close(&fd);
    buf_done(&own);
    buf_done(&metadata);
}

static void lists_in_the_servers_file_reach_the_agent(void **state) {
    (void)state;
    int fd = trust_folders_make(folders.path, "no-list");
    struct buf metadata = {0};
    struct err err;
    struct trust_material material = fixture_material(&folders.trust, &folders.trust.agent);
    material.crl = nothing;
    const struct trust_opts opts = {.control_port = 135};
    must(trust_agent_set_server(fd, buf_span(&folders.server_metadata), &material, &opts, &metadata,
                                &err),
         &err);
    AUTO(trust_agent) *agent = open_agent(fd);
    assert_int_equal(trust_agent_put_crl(agent, span_text("x"), &err), -1);
    must(trust_agent_put_crl(agent, buf_span(&folders.trust.crl_pem), &err), &err);

    int server_fd = trust_folders_make(folders.path, "server-no-list");
    struct trust_material server = fixture_material(&folders.trust, &folders.trust.server);
    server.crl = nothing;
    buf_clear(&metadata);
    assert_int_equal(trust_server_configure(server_fd, &server, &opts, &metadata, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    assert_non_null(strstr(err.text, x509_requirement_text(X509_CRL_PRESENT)));
    os_close(&fd);
    os_close(&server_fd);
    buf_done(&metadata);
}

static void a_failed_configuration_leaves_the_former_one(void **state) {
    (void)state;
    struct trust_identity before, after;
    struct buf metadata = {0};
    struct err err;
    AUTO(trust_server) *server = open_server(folders.server_fd);
    trust_server_identity(server, &before);
    struct trust_material material = fixture_material(&folders.trust, &folders.trust.agent);
    material.key = nothing;
    const struct trust_opts opts = {.transfer_port = 5718};
    assert_int_equal(trust_server_configure(folders.server_fd, &material, &opts, &metadata, &err),
                     -1);
    must(trust_server_reload(server, &err), &err);
    trust_server_identity(server, &after);
    assert_true(digest_equal(&before.certificate_sha256, &after.certificate_sha256));
    assert_int_equal(before.generation, after.generation);
}

static void configured_by_thumbprint_from_pkcs12_with_a_chosen_anchor(void **state) {
    (void)state;
    struct buf pem = {0}, file = {0}, metadata = {0};
    struct err err;
    AUTO(x509_chain) *chain = NULL;
    buf_put_span(&pem, buf_span(&folders.trust.server.certificate_pem));
    buf_put_span(&pem, buf_span(&folders.trust.ca.certificate_pem));
    must(x509_chain_of_pem(buf_span(&pem), secret_span(folders.trust.server.key_pem), &chain, &err),
         &err);
    must(x509_chain_pkcs12(chain, "server", span_text("pw"), &file, &err), &err);
    char print[41], anchor[65];
    text_hex(print, x509_chain_info(chain, 0)->sha1, 20);
    text_hex(anchor, x509_chain_info(chain, 1)->sha256.b, 32);
    const struct trust_material material = {.certificate = buf_span(&file),
                                            .password = span_text("pw"),
                                            .crl = buf_span(&folders.trust.crl_pem),
                                            .thumbprint = print};
    struct trust_opts opts = {.transfer_port = 5718, .anchor_thumbprint = anchor};
    int fd = trust_folders_make(folders.path, "pkcs12");
    must(trust_server_configure(fd, &material, &opts, &metadata, &err), &err);
    opts.anchor_thumbprint = print; /* its own certificate is no authority */
    assert_int_equal(trust_server_configure(fd, &material, &opts, &metadata, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    os_close(&fd);
    buf_done(&pem);
    buf_done(&file);
    buf_done(&metadata);
}

static void metadata_is_written_under_its_own_name(void **state) {
    (void)state;
    char path[OS_PATH_MAX], expected[OS_PATH_MAX];
    struct buf written = {0};
    struct err err;
    must(trust_write_metadata(folders.path, buf_span(&folders.agent_metadata), path, &err), &err);
    (void)text_format(expected, sizeof expected, "%s/CertificateConfiguration_agent.example.bin",
                      folders.path);
    assert_string_equal(path, expected);
    must(os_load(OS_FD_CWD, path, CRED_BYTES_MAX, &written, &err), &err);
    assert_true(span_equal(buf_span(&written), buf_span(&folders.agent_metadata)));
    assert_int_equal(
        trust_write_metadata("/nonexistent", buf_span(&folders.agent_metadata), path, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    buf_done(&written);
}

static void the_record_of_a_computer_comes_back(void **state) {
    (void)state;
    struct trust_computer out;
    struct buf record = {0};
    struct err err;
    trust_computer_put(&record, &folders.computer);
    must(trust_computer_get(buf_span(&record), &out, &err), &err);
    assert_true(same(&out, &folders.computer));
    for (size_t n = 0; n < record.n; n++)
        assert_int_equal(trust_computer_get(span_of(record.p, n), &out, &err), -1);
    record.p[0] = 2;
    assert_int_equal(trust_computer_get(buf_span(&record), &out, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT_VERSION);
    record.p[0] = 1;
    record.p[1] = 3;
    assert_int_equal(trust_computer_get(buf_span(&record), &out, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    buf_done(&record);
}

static void accounts_are_told_to_be_not_built(void **state) {
    (void)state;
    struct err err;
    assert_int_equal(trust_mode_ready(TRUST_CERTIFICATE, &err), 0);
    assert_int_equal(trust_mode_ready(TRUST_NTLM, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_MODE);
}

static void an_empty_folder_is_unset(void **state) {
    (void)state;
    int fd = trust_folders_make(folders.path, "empty");
    struct trust_server *server = NULL;
    struct trust_agent *agent = NULL;
    struct err err;
    assert_int_equal(trust_server_open(fd, NULL, &server, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_UNSET);
    assert_int_equal(trust_agent_open(fd, NULL, &agent, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_UNSET);
    assert_int_equal(trust_agent_open(folders.server_fd, NULL, &agent, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_UNSET);
    os_close(&fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_know_each_other_after_the_three_steps),
        cmocka_unit_test(secrets_are_kept_private_and_out_of_metadata),
        cmocka_unit_test(a_servers_own_file_is_refused_and_changes_nothing),
        cmocka_unit_test(set_server_refuses_a_computers_file),
        cmocka_unit_test(every_changed_byte_of_a_metadata_file_is_noticed),
        cmocka_unit_test(duplicates_are_refused),
        cmocka_unit_test(unmet_requirements_are_all_named_when_a_server_is_set),
        cmocka_unit_test(an_expired_computer_is_refused_at_attach),
        cmocka_unit_test(a_revoked_computer_is_refused_at_attach_and_on_the_channel),
        cmocka_unit_test(another_authority_is_refused_unless_it_is_named),
        cmocka_unit_test(the_servers_certificate_does_not_serve_a_computer),
        cmocka_unit_test(a_renewed_certificate_stays_the_same_machine),
        cmocka_unit_test(a_stranger_below_the_same_authority_is_unknown),
        cmocka_unit_test(a_name_must_be_one_of_the_certificate),
        cmocka_unit_test(weak_keys_need_the_switch_on_each_side_and_for_each_computer),
        cmocka_unit_test(regenerated_metadata_is_the_same_but_for_its_generation),
        cmocka_unit_test(lists_in_the_servers_file_reach_the_agent),
        cmocka_unit_test(a_failed_configuration_leaves_the_former_one),
        cmocka_unit_test(configured_by_thumbprint_from_pkcs12_with_a_chosen_anchor),
        cmocka_unit_test(metadata_is_written_under_its_own_name),
        cmocka_unit_test(the_record_of_a_computer_comes_back),
        cmocka_unit_test(accounts_are_told_to_be_not_built),
        cmocka_unit_test(an_empty_folder_is_unset),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
