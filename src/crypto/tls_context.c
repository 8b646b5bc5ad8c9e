#include <openssl/ssl.h>
#include <stdatomic.h>

#include "crypto/tls_int.h"

#define READ_AHEAD_BYTES (128u * 1024)

/* AES-256-GCM has instructions on every server CPU; the other two are for those without. */
#define CIPHERS "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"

static int restrict_protocol(SSL_CTX *ctx, bool allow_weak_key, struct err *err) {
    char groups[] = "X25519:P-256:P-384";
    SSL_CTX_set_security_level(ctx, allow_weak_key ? 1 : 2);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(ctx,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_max_cert_list(ctx, X509_CHAIN_BYTES_MAX);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD_BYTES);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(ctx, 0) != 1 || SSL_CTX_set_max_early_data(ctx, 0) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, CIPHERS) != 1 || SSL_CTX_set1_groups_list(ctx, groups) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot set up TLS");
    return 0;
}

static int use_identity(SSL_CTX *ctx, struct span certificate_pem, struct span key_pem,
                        struct err *err) {
    AUTO(x509_chain) *chain = NULL;
    if (x509_chain_of_pem(certificate_pem, key_pem, &chain, err) != 0)
        return ERR_NOTE(err, "own certificate");
    if (chain->key == NULL)
        return ERR(err, ERR_CERTIFICATE, "own certificate: its private key is missing");
    if (SSL_CTX_use_certificate(ctx, chain->links[0].certificate) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, chain->key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        return crypto_fail(err, ERR_CERTIFICATE, "own certificate cannot be used");
    for (size_t i = 1; i < chain->n; i++)
        if (!chain->links[i].info.self_issued && /* the peer has the root, or does not trust us */
            SSL_CTX_add1_chain_cert(ctx, chain->links[i].certificate) != 1)
            return crypto_fail(err, ERR_CERTIFICATE, "own certificate chain cannot be used");
    return 0;
}

static int make(struct span certificate_pem, struct span key_pem, bool allow_weak_key,
                struct tls_context **out, struct err *err) {
    AUTO(tls_context) *context = mem_new(sizeof *context);
    context->holders = 1;
    context->ssl_ctx = SSL_CTX_new(TLS_method());
    context->stream = tls_stream_method();
    if (context->ssl_ctx == NULL || context->stream == NULL)
        return crypto_fail(err, ERR_CRYPTO, "cannot set up TLS");
    if (restrict_protocol(context->ssl_ctx, allow_weak_key, err) != 0 ||
        use_identity(context->ssl_ctx, certificate_pem, key_pem, err) != 0)
        return -1;
    *out = TAKE(context);
    return 0;
}

int tls_context_new(const struct tls_config *config, struct tls_context **out, struct err *err) {
    AUTO(tls_context) *context = NULL;
    const struct x509_policy policy = {.anchors_pem = config->anchors_pem,
                                       .crls_pem = config->crls_pem,
                                       .anchor_sha256 = config->anchor_sha256,
                                       .require_crl = config->require_crl,
                                       .allow_weak_key = config->allow_weak_key,
                                       .now_s = config->now_s};
    if (make(config->certificate_pem, config->key_pem, config->allow_weak_key, &context, err) != 0)
        return -1;
    if (x509_trust_new(&policy, &context->trust, err) != 0)
        return -1;
    SSL_CTX_set_verify(context->ssl_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(context->ssl_ctx, tls_check_peer, NULL);
    *out = TAKE(context);
    return 0;
}

int tls_context_new_public(struct span certificate_pem, struct span key_pem,
                           struct tls_context **out, struct err *err) {
    return make(certificate_pem, key_pem, false, out, err);
}

struct tls_context *tls_context_hold(struct tls_context *context) {
    (void)atomic_fetch_add(&context->holders, 1);
    return context;
}

void tls_context_free(struct tls_context *context) {
    if (context == NULL || atomic_fetch_sub(&context->holders, 1) > 1)
        return;
    SSL_CTX_free(context->ssl_ctx);
    BIO_meth_free(context->stream);
    x509_trust_free(context->trust);
    mem_free(context);
}
