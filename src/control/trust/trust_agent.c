#include "base/text.h"
#include "control/trust/trust_int.h"

struct trust_agent {
    int state_fd;
    struct trust_rules rules;
    struct os_mutex mutex;
    struct trust_side side GUARDED_BY(mutex);
    struct trust_pin pin GUARDED_BY(mutex);
    struct tls_context *context GUARDED_BY(mutex);
};

static int judge_server(const struct trust_side *side, struct span metadata,
                        const struct trust_opts *opts, struct err *err) {
    struct cred_file file;
    struct x509_info info;
    struct digest anchor;
    const struct trust_rules rules = {.allow_weak_key = opts->allow_weak_key,
                                      .crl_optional = opts->crl_optional,
                                      .now_s = opts->now_s};
    if (trust_judge(side, metadata, CRED_SERVER, &rules, &file, &info, &anchor, err) != 0)
        return ERR_NOTE(err, "server");
    if (digest_equal(&info.spki_sha256, &x509_chain_info(side->chain, 0)->spki_sha256))
        return ERR(err, ERR_TRUST_DUPLICATE,
                   "the certificate given is the server's own; this computer needs another");
    return 0;
}

int trust_agent_set_server(int state_fd, struct span server_metadata,
                           const struct trust_material *material, const struct trust_opts *opts,
                           struct buf *metadata, struct err *err) {
    SCOPED(trust_side) side = {0};
    OS_FD_AUTO int fd = OS_FD_NONE;
    struct cred_file server;
    if (cred_get(server_metadata, &server, err) != 0)
        return ERR_NOTE(err, "server's metadata file");
    /* The server's lists save the administrator an errand. */
    if (trust_folder_make(state_fd, &fd, err) != 0 ||
        trust_side_load_lasting(fd, &side, err) != 0 ||
        trust_side_take(&side, material, opts, server.cred.crl_pem, err) != 0 ||
        judge_server(&side, server_metadata, opts, err) != 0 ||
        trust_side_introduce(&side, CRED_COMPUTER, opts, err) != 0 ||
        trust_side_store(fd, &side, err) != 0 ||
        durable_write(fd, TRUST_SERVER, server_metadata, 0644, true, err) != 0)
        return ERR_NOTE(err, "set server");
    buf_put_span(metadata, buf_span(&side.metadata));
    return 0;
}

/* The pinned file was judged when it was pinned; its certificate may have ended since. */
static int read_pin(int fd, struct trust_pin *pin, struct err *err) {
    struct buf metadata = {0};
    struct cred_file file;
    struct x509_info info, anchor;
    int rc = trust_load_optional(fd, TRUST_SERVER, CRED_BYTES_MAX, &metadata, err);
    if (rc == 0 && metadata.n == 0)
        rc = ERR(err, ERR_TRUST_UNSET, "no server is set");
    if (rc == 0)
        rc = cred_get(buf_span(&metadata), &file, err);
    if (rc == 0)
        rc = x509_info_of(file.cred.chain[0], &info, err);
    if (rc == 0)
        rc = x509_info_of(file.cred.chain[file.cred.anchor_i], &anchor, err);
    if (rc == 0) {
        *pin = (struct trust_pin){.control_port = file.cred.control_port,
                                  .transfer_port = file.cred.transfer_port,
                                  .anchor_sha256 = anchor.sha256,
                                  .certificate_sha256 = info.sha256,
                                  .signing_key = file.cred.signing_key};
        trust_text(pin->name, sizeof pin->name, file.cred.name);
        (void)text_copy(pin->subject, sizeof pin->subject, info.subject);
    }
    buf_done(&metadata);
    return rc != 0 ? ERR_NOTE(err, TRUST_SERVER) : 0;
}

static int read_folder(const struct trust_agent *agent, struct trust_side *side,
                       struct trust_pin *pin, struct tls_context **context, struct err *err) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    if (trust_folder_open(agent->state_fd, &fd, err) != 0 || trust_side_load(fd, side, err) != 0 ||
        read_pin(fd, pin, err) != 0)
        return -1;
    if (side->own.cred.role != CRED_COMPUTER)
        return ERR(err, ERR_TRUST_UNSET, "the folder holds a server's credentials, no computer's");
    return trust_side_context(side, &agent->rules, &pin->anchor_sha256, context, err);
}

/* Takes side and context; what was there before is left in them for the caller's scope. */
static void swap_in(struct trust_agent *agent, struct trust_side *side, const struct trust_pin *pin,
                    struct tls_context **context) {
    os_mutex_lock(&agent->mutex);
    struct trust_side old = agent->side;
    struct tls_context *old_context = agent->context;
    agent->side = *side;
    agent->pin = *pin;
    agent->context = *context;
    os_mutex_unlock(&agent->mutex);
    *side = old;
    *context = old_context;
}

int trust_agent_reload(struct trust_agent *agent, struct err *err) {
    SCOPED(trust_side) side = {0};
    AUTO(tls_context) *context = NULL;
    struct trust_pin pin;
    if (read_folder(agent, &side, &pin, &context, err) != 0)
        return -1;
    swap_in(agent, &side, &pin, &context);
    return 0;
}

int trust_agent_open(int state_fd, const struct trust_opts *opts, struct trust_agent **out,
                     struct err *err) {
    AUTO(trust_agent) *agent = mem_new(sizeof *agent);
    os_mutex_init(&agent->mutex);
    agent->state_fd = OS_FD_NONE;
    if (opts != NULL)
        agent->rules = (struct trust_rules){.allow_weak_key = opts->allow_weak_key,
                                            .crl_optional = opts->crl_optional,
                                            .now_s = opts->now_s};
    if (os_dir_open(state_fd, ".", &agent->state_fd, err) != 0 ||
        trust_agent_reload(agent, err) != 0)
        return -1;
    *out = TAKE(agent);
    return 0;
}

void trust_agent_close(struct trust_agent *agent) {
    if (agent == NULL)
        return;
    tls_context_free(agent->context);
    trust_side_done(&agent->side);
    os_close(&agent->state_fd);
    os_mutex_done(&agent->mutex);
    mem_free(agent);
}

int trust_agent_put_crl(struct trust_agent *agent, struct span file, struct err *err) {
    SCOPED(trust_side) side = {0};
    AUTO(tls_context) *context = NULL;
    struct trust_pin pin;
    OS_FD_AUTO int fd = OS_FD_NONE;
    bool news = false;
    if (read_folder(agent, &side, &pin, &context, err) != 0 ||
        trust_side_merge_crl(&side, file, X509_CRL_SKIP_NONE, &news, err) != 0)
        return -1;
    if (!news)
        return 0;
    tls_context_free(TAKE(context)); /* made with the lists of before */
    if (trust_side_context(&side, &agent->rules, &pin.anchor_sha256, &context, err) != 0 ||
        trust_folder_open(agent->state_fd, &fd, err) != 0 ||
        durable_write(fd, TRUST_CRL, buf_span(&side.crl_pem), 0644, true, err) != 0)
        return -1;
    swap_in(agent, &side, &pin, &context);
    return 0;
}

void trust_agent_identity(struct trust_agent *agent, struct trust_identity *out) {
    os_mutex_lock(&agent->mutex);
    trust_side_identity(&agent->side, out);
    os_mutex_unlock(&agent->mutex);
}

void trust_agent_server(struct trust_agent *agent, struct trust_pin *out) {
    os_mutex_lock(&agent->mutex);
    *out = agent->pin;
    os_mutex_unlock(&agent->mutex);
}

struct tls_context *trust_agent_context(struct trust_agent *agent) {
    os_mutex_lock(&agent->mutex);
    struct tls_context *context = tls_context_hold(agent->context);
    os_mutex_unlock(&agent->mutex);
    return context;
}

int trust_agent_sign(struct trust_agent *agent, struct span bytes, struct signature *out,
                     struct err *err) {
    os_mutex_lock(&agent->mutex);
    int rc = sign_bytes(agent->side.seed, bytes, out, err);
    os_mutex_unlock(&agent->mutex);
    return rc;
}

int trust_agent_identify(struct trust_agent *agent, const struct tls *tls, struct err *err) {
    struct trust_pin pin;
    struct x509_info info;
    trust_agent_server(agent, &pin);
    if (x509_info_of(tls_peer_certificate(tls), &info, err) != 0)
        return -1;
    const struct trust_recorded recorded = {
        .name = pin.name, .subject = pin.subject, .anchor_sha256 = &pin.anchor_sha256};
    if (!trust_peer_is(tls, &info, &recorded))
        return ERR(err, ERR_TRUST_UNKNOWN,
                   "the peer proved to be %.150s, the server set here is %.150s", info.subject,
                   pin.subject);
    return 0;
}
