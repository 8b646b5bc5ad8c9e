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

static void unmet_requirements_are_all_named_when_a_server_is_set(void **state) {
    (void)state;
    static const char *const name[] = {"late.example"};
    struct x509_template template = fixture_template(name);
    const struct trust_opts opts = {.control_port = 135};
    struct trust_newcomer newcomer;
    struct err err;
    template.uses = X509_MAKE_SERVER;
    template.not_after_s = os_wall_s() - 5;
    assert_int_equal(trust_newcomer_join(&folders, &template, &opts, &newcomer, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    assert_non_null(strstr(err.text, x509_requirement_text(X509_EKU_BOTH)));
    assert_non_null(strstr(err.text, x509_requirement_text(X509_IN_DATE)));
    struct trust_agent *agent = NULL;
    assert_int_equal(trust_agent_open(newcomer.fd, NULL, &agent, &err), -1);
    assert_int_equal(err.code, ERR_TRUST_UNSET);
    trust_newcomer_done(&newcomer);
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

static void a_name_must_be_one_of_the_certificate(void **state) {
    (void)state;
    static const char *const names[] = {"first.example", "second.example"};
    struct x509_template template = fixture_template(names);
    template.names_n = 2;
    struct trust_opts opts = {.name = "third.example", .control_port = 135};
    struct trust_newcomer newcomer;
    struct err err;
    assert_int_equal(trust_newcomer_join(&folders, &template, &opts, &newcomer, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    trust_newcomer_done(&newcomer);
    opts.name = "Second.example";
    must(trust_newcomer_join(&folders, &template, &opts, &newcomer, &err), &err);
    struct cred_file file;
    must(cred_get(buf_span(&newcomer.metadata), &file, &err), &err);
    assert_true(span_equal(file.cred.name, span_text("Second.example")));
    trust_newcomer_done(&newcomer);
    template.names_n = 0;
    opts.name = NULL;
    assert_int_equal(trust_newcomer_join(&folders, &template, &opts, &newcomer, &err), -1);
    assert_int_equal(err.code, ERR_CERTIFICATE);
    trust_newcomer_done(&newcomer);
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
        cmocka_unit_test(secrets_are_kept_private_and_out_of_metadata),
        cmocka_unit_test(a_servers_own_file_is_refused_and_changes_nothing),
        cmocka_unit_test(set_server_refuses_a_computers_file),
        cmocka_unit_test(every_changed_byte_of_a_metadata_file_is_noticed),
        cmocka_unit_test(duplicates_are_refused),
        cmocka_unit_test(unmet_requirements_are_all_named_when_a_server_is_set),
        cmocka_unit_test(an_expired_computer_is_refused_at_attach),
        cmocka_unit_test(another_authority_is_refused_unless_it_is_named),
        cmocka_unit_test(the_servers_certificate_does_not_serve_a_computer),
        cmocka_unit_test(a_name_must_be_one_of_the_certificate),
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
