#include "base/text.h"
#include "door/rpc/rpc_int.h"

int rpc_open_channel(const struct rpc_identity *identity, enum tls_side side, int *fd,
                     enum frame_role role, char name[static 256], struct channel **out,
                     struct err *err) {
    AUTO(tls) *tls = NULL;
    struct tls_context *context = identity->context(identity->ctx);
    if (context == NULL) {
        os_close(fd);
        return ERR(err, ERR_TRUST_UNSET, "this machine has no certificate configured");
    }
    int rc = tls_open(context, side, fd, RPC_DIAL_MS, &tls, err);
    tls_context_free(context);
    if (rc != 0 || identity->identify(identity->ctx, tls, name, err) != 0)
        return -1;
    *out = channel_new(&tls, role);
    return 0;
}

int rpc_say_hello(const struct rpc_identity *identity, struct channel *channel, struct err *err) {
    return CHANNEL_SEND(channel, hello, err, .version = FRAME_VERSION,
                        .name = span_text(identity->own_name),
                        .software = span_text(identity->software));
}

int rpc_hear_hello(struct channel *channel, struct rpc_peer *peer, struct err *err) {
    struct span body;
    struct msg_hello hello;
    if (channel_expect(channel, FRAME_TYPE_hello, &body, CHANNEL_OPENING_MS, err) != 0 ||
        msg_hello_get(body, &hello, err) != 0)
        return -1;
    if (hello.version != FRAME_VERSION)
        return ERR(err, ERR_PROTOCOL, "peer speaks version %u of the protocol, we speak %u",
                   (unsigned)hello.version, FRAME_VERSION);
    SCOPED(buf) software = {0};
    text_escape(&software, hello.software); /* it is shown on terminals */
    (void)text_copy(peer->software, sizeof peer->software, buf_text(&software));
    return 0;
}
