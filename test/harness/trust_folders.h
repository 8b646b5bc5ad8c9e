#pragma once
/* State folders of a server and an agent that trust each other, made by the same steps an
 * administrator takes; for tests of rooms above control/trust.
 *
 *   struct trust_folders folders;
 *   trust_folders_init(&folders);
 *   ... trust_server_open(folders.server_fd, NULL, &server, &err) ... folders.computer ...
 *   trust_folders_done(&folders);
 */
#include "base/text.h"
#include "control/trust/trust.h"
#include "os/file.h"
#include "scratch.h"
#include "trust_fixture.h"
#include "unit.h"

struct trust_folders {
    struct trust_fixture trust;
    char path[SCRATCH_PATH_MAX];
    int server_fd;
    int agent_fd;
    struct buf server_metadata;
    struct buf agent_metadata;
    struct trust_computer computer; /* agent.example, as attached */
};

static inline void trust_folders_must(int rc, const struct err *err) {
    if (rc != 0)
        fail_msg("%s", err->text);
}

/* What an administrator hands in for this side. */
static inline struct trust_material fixture_material(const struct trust_fixture *trust,
                                                     const struct fixture_side *side) {
    return (struct trust_material){.certificate = buf_span(&side->certificate_pem),
                                   .key = secret_span(side->key_pem),
                                   .anchors = buf_span(&trust->ca.certificate_pem),
                                   .crl = buf_span(&trust->crl_pem)};
}

static inline int trust_folders_make(const char *parent, const char *name) {
    struct err err;
    OS_FD_AUTO int parent_fd = OS_FD_NONE;
    int fd = OS_FD_NONE;
    trust_folders_must(os_dir_open(OS_FD_CWD, parent, &parent_fd, &err), &err);
    trust_folders_must(os_mkdir(parent_fd, name, 0700, true, &err), &err);
    trust_folders_must(os_dir_open(parent_fd, name, &fd, &err), &err);
    return fd;
}

static inline void trust_folders_init(struct trust_folders *folders) {
    struct err err;
    *folders = (struct trust_folders){.server_fd = OS_FD_NONE};
    trust_fixture_init(&folders->trust);
    (void)scratch_make(folders->path);
    folders->server_fd = trust_folders_make(folders->path, "server");
    folders->agent_fd = trust_folders_make(folders->path, "agent");
    const struct trust_material server = fixture_material(&folders->trust, &folders->trust.server);
    const struct trust_material agent = fixture_material(&folders->trust, &folders->trust.agent);
    const struct trust_opts server_opts = {.transfer_port = 5718};
    const struct trust_opts agent_opts = {.control_port = 135, .transfer_port = 5719};
    trust_folders_must(trust_server_configure(folders->server_fd, &server, &server_opts,
                                              &folders->server_metadata, &err),
                       &err);
    trust_folders_must(trust_agent_set_server(folders->agent_fd,
                                              buf_span(&folders->server_metadata), &agent,
                                              &agent_opts, &folders->agent_metadata, &err),
                       &err);
    AUTO(trust_server) *opened = NULL;
    trust_folders_must(trust_server_open(folders->server_fd, NULL, &opened, &err), &err);
    trust_folders_must(trust_attach(opened, buf_span(&folders->agent_metadata), NULL, 0, false,
                                    &folders->computer, &err),
                       &err);
}

static inline void trust_folders_done(struct trust_folders *folders) {
    buf_done(&folders->server_metadata);
    buf_done(&folders->agent_metadata);
    os_close(&folders->server_fd);
    os_close(&folders->agent_fd);
    scratch_remove(folders->path);
    trust_fixture_done(&folders->trust);
}

/* An agent with its own folder, certificate made from the template. */
struct trust_newcomer {
    struct fixture_side side;
    int fd;
    struct buf metadata;
};

static inline int trust_newcomer_join(const struct trust_folders *folders,
                                      const struct x509_template *template,
                                      const struct trust_opts *opts,
                                      struct trust_newcomer *newcomer, struct err *err) {
    static unsigned count;
    char name[32];
    (void)text_format(name, sizeof name, "newcomer-%u", ++count);
    *newcomer = (struct trust_newcomer){.fd = trust_folders_make(folders->path, name)};
    fixture_issue(&folders->trust.ca, template, &newcomer->side);
    const struct trust_material material = fixture_material(&folders->trust, &newcomer->side);
    return trust_agent_set_server(newcomer->fd, buf_span(&folders->server_metadata), &material,
                                  opts, &newcomer->metadata, err);
}

static inline void trust_newcomer_done(struct trust_newcomer *newcomer) {
    os_close(&newcomer->fd);
    fixture_side_done(&newcomer->side);
    buf_done(&newcomer->metadata);
}
