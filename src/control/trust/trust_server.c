#include "base/text.h"
#include "control/trust/trust_int.h"

struct trust_server {
    int state_fd;
    struct os_mutex mutex;
    struct trust_rules rules GUARDED_BY(mutex);
    struct trust_side side GUARDED_BY(mutex);
    struct tls_context *context GUARDED_BY(mutex);
};

int trust_server_configure(int state_fd, const struct trust_material *material,
                           const struct trust_opts *opts, struct buf *metadata, struct err *err) {
    SCOPED(trust_side) side = {0};
    OS_FD_AUTO int fd = OS_FD_NONE;
    struct span no_hint = {0};
    if (trust_folder_make(state_fd, &fd, err) != 0 ||
        trust_side_load_lasting(fd, &side, err) != 0 ||
        trust_side_take(&side, material, opts, no_hint, err) != 0 ||
        trust_side_introduce(&side, CRED_SERVER, opts, err) != 0 ||
        trust_side_store(fd, &side, err) != 0)
        return ERR_NOTE(err, "configure credentials");
    buf_put_span(metadata, buf_span(&side.metadata));
    return 0;
}

/* Side and context of what lies in the folder now. */
static int read_folder(int state_fd, const struct trust_rules *rules, struct trust_side *side,
                       struct tls_context **context, struct err *err) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    if (trust_folder_open(state_fd, &fd, err) != 0 || trust_side_load(fd, side, err) != 0)
        return -1;
    if (side->own.cred.role != CRED_SERVER)
        return ERR(err, ERR_TRUST_UNSET, "the folder holds a computer's credentials, no server's");
    return trust_side_context(side, rules, NULL, context, err);
}

static struct trust_rules rules_now(struct trust_server *server) {
    os_mutex_lock(&server->mutex);
    struct trust_rules rules = server->rules;
    os_mutex_unlock(&server->mutex);
    return rules;
}

/* Takes side and context; what was there before is left in them for the caller's scope. */
static void swap_in(struct trust_server *server, struct trust_side *side,
                    struct tls_context **context) {
    os_mutex_lock(&server->mutex);
    struct trust_side old = server->side;
    struct tls_context *old_context = server->context;
    server->side = *side;
    server->context = *context;
    os_mutex_unlock(&server->mutex);
    *side = old;
    *context = old_context;
}

int trust_server_reload(struct trust_server *server, struct err *err) {
    SCOPED(trust_side) side = {0};
    AUTO(tls_context) *context = NULL;
    struct trust_rules rules = rules_now(server);
    if (read_folder(server->state_fd, &rules, &side, &context, err) != 0)
        return -1;
    swap_in(server, &side, &context);
    return 0;
}

int trust_server_open(int state_fd, const struct trust_opts *opts, struct trust_server **out,
                      struct err *err) {
    AUTO(trust_server) *server = mem_new(sizeof *server);
    os_mutex_init(&server->mutex);
    server->state_fd = OS_FD_NONE;
    if (opts != NULL)
        server->rules = (struct trust_rules){.allow_weak_key = opts->allow_weak_key,
                                             .crl_optional = opts->crl_optional,
                                             .now_s = opts->now_s};
    if (os_dir_open(state_fd, ".", &server->state_fd, err) != 0 ||
        trust_server_reload(server, err) != 0)
        return -1;
    *out = TAKE(server);
    return 0;
}

void trust_server_close(struct trust_server *server) {
    if (server == NULL)
        return;
    tls_context_free(server->context);
    trust_side_done(&server->side);
    os_close(&server->state_fd);
    os_mutex_done(&server->mutex);
    mem_free(server);
}

int trust_server_allow_weak_key(struct trust_server *server, bool allow, struct err *err) {
    os_mutex_lock(&server->mutex);
    server->rules.allow_weak_key = allow;
    os_mutex_unlock(&server->mutex);
    return trust_server_reload(server, err);
}

int trust_server_regenerate(struct trust_server *server, struct buf *metadata, struct err *err) {
    SCOPED(trust_side) side = {0};
    AUTO(tls_context) *context = NULL;
    OS_FD_AUTO int fd = OS_FD_NONE;
    struct trust_rules rules = rules_now(server);
    if (read_folder(server->state_fd, &rules, &side, &context, err) != 0 ||
        trust_side_introduce(&side, CRED_SERVER, NULL, err) != 0 ||
        trust_folder_open(server->state_fd, &fd, err) != 0 ||
        durable_write(fd, TRUST_METADATA, buf_span(&side.metadata), 0644, true, err) != 0)
        return -1;
    buf_put_span(metadata, buf_span(&side.metadata));
    swap_in(server, &side, &context);
    return 0;
}

int trust_server_put_crl(struct trust_server *server, struct span file, struct err *err) {
    SCOPED(trust_side) side = {0};
    AUTO(tls_context) *context = NULL;
    OS_FD_AUTO int fd = OS_FD_NONE;
    struct trust_rules rules = rules_now(server);
    bool news = false;
    if (read_folder(server->state_fd, &rules, &side, &context, err) != 0 ||
        trust_side_merge_crl(&side, file, X509_CRL_SKIP_NONE, &news, err) != 0)
        return -1;
    if (!news)
        return 0;
    tls_context_free(TAKE(context)); /* made with the lists of before */
    if (trust_side_context(&side, &rules, NULL, &context, err) != 0 ||
        trust_folder_open(server->state_fd, &fd, err) != 0 ||
        durable_write(fd, TRUST_CRL, buf_span(&side.crl_pem), 0644, true, err) != 0)
        return -1;
    swap_in(server, &side, &context);
    return 0;
}

void trust_server_identity(struct trust_server *server, struct trust_identity *out) {
    os_mutex_lock(&server->mutex);
    trust_side_identity(&server->side, out);
    os_mutex_unlock(&server->mutex);
}

struct tls_context *trust_server_context(struct trust_server *server) {
    os_mutex_lock(&server->mutex);
    struct tls_context *context = tls_context_hold(server->context);
    os_mutex_unlock(&server->mutex);
    return context;
}

int trust_server_public_context(struct trust_server *server, struct tls_context **out,
                                struct err *err) {
    os_mutex_lock(&server->mutex);
    int rc = trust_side_public_context(&server->side, out, err);
    os_mutex_unlock(&server->mutex);
    return rc;
}

int trust_server_sign(struct trust_server *server, struct span bytes, struct signature *out,
                      struct err *err) {
    os_mutex_lock(&server->mutex);
    int rc = sign_bytes(server->side.seed, bytes, out, err);
    os_mutex_unlock(&server->mutex);
    return rc;
}

int trust_server_crls(struct trust_server *server, struct buf *pem, trust_crls *list,
                      struct err *err) {
    x509_crl_infos infos = {0};
    struct buf held = {0};
    os_mutex_lock(&server->mutex);
    buf_put_span(&held, buf_span(&server->side.crl_pem));
    os_mutex_unlock(&server->mutex);
    int rc = list != NULL ? x509_crl_describe(buf_span(&held), &infos, err) : 0;
    for (size_t i = 0; i < infos.n && rc == 0; i++) {
        const struct x509_crl_info *info = &infos.p[i];
        struct trust_crl *crl = vec_push(list);
        *crl = (struct trust_crl){.this_update_s = info->this_update_s,
                                  .next_update_s = info->next_update_s,
                                  .revoked_n = info->revoked_n};
        (void)text_copy(crl->issuer, sizeof crl->issuer, info->issuer);
        (void)text_copy(crl->number, sizeof crl->number, info->number);
    }
    if (rc == 0 && pem != NULL)
        buf_put_span(pem, buf_span(&held));
    vec_done(&infos);
    buf_done(&held);
    return rc;
}

int trust_attach(struct trust_server *server, struct span metadata,
                 const struct trust_computer *known, size_t known_n, bool allow_weak_key,
                 struct trust_computer *out, struct err *err) {
    os_mutex_lock(&server->mutex);
    struct trust_rules rules = server->rules;
    rules.allow_weak_key = allow_weak_key;
    int rc = trust_side_attach(&server->side, &rules, metadata, known, known_n, out, err);
    os_mutex_unlock(&server->mutex);
    return rc;
}
