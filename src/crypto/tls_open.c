#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>

#include "base/text.h"
#include "crypto/tls_int.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/sock.h"

#define GOODBYE_MS 1000u /* for a refused peer to read why, before the socket goes */

int tls_check_peer(X509_STORE_CTX *ctx, void *arg) {
    (void)arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
    struct err err;
    tls->report = (struct x509_report){0};
    x509_check_objects(tls->context->trust, leaf, X509_STORE_CTX_get0_untrusted(ctx), &tls->path,
                       &tls->report);
    int n = i2d_X509(leaf, NULL);
    if (n > 0 && x509_describe(leaf, &tls->peer, &err) == 0) {
        buf_clear(&tls->peer_der);
        unsigned char *p = buf_extend(&tls->peer_der, (size_t)n);
        (void)i2d_X509(leaf, &p);
    } else {
        tls->report.unmet |= 1u << X509_CHAIN_SOUND;
    }
    if (tls->report.unmet == 0)
        return 1;
    bool revoked = x509_unmet(&tls->report, X509_NOT_REVOKED);
    bool late = x509_unmet(&tls->report, X509_IN_DATE);
    X509_STORE_CTX_set_error(ctx, revoked ? X509_V_ERR_CERT_REVOKED
                                  : late  ? X509_V_ERR_CERT_HAS_EXPIRED
                                          : X509_V_ERR_CERT_UNTRUSTED);
    return 0;
}

/* Alerts by which the other side says that it does not accept our certificate. */
static bool refuses_us(int reason) {
    switch (reason) {
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_NO_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return true;
    default:
        return false;
    }
}

int tls_fail(struct tls *tls, int ssl_error, const char *what, struct err *err) {
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    if (atomic_load(&tls->cancelled))
        return crypto_fail(err, ERR_INTERRUPTED, "the connection was shut down");
    if (tls->report.unmet != 0) {
        crypto_forget();
        (void)x509_report_fail(&tls->report, tls->peer.subject, err);
        if (err != NULL)
            err->code = ERR_AUTH;
        return ERR_NOTE(err, "peer refused");
    }
    if (refuses_us(reason))
        return crypto_fail(err, ERR_AUTH, "the peer refuses our certificate");
    if (ssl_error == SSL_ERROR_SYSCALL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        crypto_forget();
        return ERR(err, ERR_UNREACHABLE, "%s: the peer broke off", what);
    }
    return crypto_fail(err, ERR_AUTH, what);
}

static struct tls *make(struct tls_context *context, enum tls_side side, int *fd) {
    struct tls *tls = mem_new(sizeof *tls);
    tls->fd = *fd;
    *fd = OS_FD_NONE;
    tls->context = tls_context_hold(context);
    os_mutex_init(&tls->writing);
    os_mutex_init(&tls->using);
    tls->ssl = SSL_new(context->ssl_ctx);
    BIO *bio = BIO_new(context->stream);
    INVARIANT(tls->ssl != NULL && bio != NULL);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    if (side == TLS_CONNECT)
        SSL_set_connect_state(tls->ssl);
    else
        SSL_set_accept_state(tls->ssl);
    return tls;
}

/* Say why, if there is something to say.  A refused peer may be sending already; closing on unread
 * bytes would reset the connection and take the reason with it.  So read on, for a moment. */
static void part(struct tls *tls) {
    uint8_t waste[4096];
    uint64_t end = os_mono_ns() + (uint64_t)GOODBYE_MS * 1000000;
    struct err err;
    if (tls->sealed.n == 0 || tls_flush(tls, GOODBYE_MS, &err) != 0)
        return;
    os_sock_finish(tls->fd);
    for (uint64_t now = os_mono_ns(); now < end; now = os_mono_ns()) {
        size_t n = 0;
        bool again = false;
        if (os_sock_read(tls->fd, waste, sizeof waste, &n, &again, &err) != 0 || (n == 0 && !again))
            return;
        uint32_t left_ms = (uint32_t)((end - now) / 1000000 + 1);
        if (again && os_wait(tls->fd, OS_WANT_READ, left_ms, &err) != 0)
            return;
    }
}

static int handshake(struct tls *tls, uint32_t timeout_ms, struct err *err) {
    uint64_t end = os_mono_ns() + (uint64_t)timeout_ms * 1000000;
    for (;;) {
        crypto_forget();
        int rc = SSL_do_handshake(tls->ssl);
        int why = SSL_get_error(tls->ssl, rc);
        if (rc != 1 && why != SSL_ERROR_WANT_READ)
            return tls_fail(tls, why, "TLS handshake", err);
        if (tls_flush(tls, timeout_ms, err) != 0)
            return ERR_NOTE(err, "TLS handshake");
        if (rc == 1)
            return 0;
        uint64_t now = os_mono_ns();
        if (timeout_ms != 0 && now >= end)
            return ERR(err, ERR_TIMEOUT, "TLS handshake took longer than %u ms", timeout_ms);
        uint32_t left_ms = timeout_ms == 0 ? 0 : (uint32_t)((end - now) / 1000000 + 1);
        if (os_wait(tls->fd, OS_WANT_READ, left_ms, err) != 0)
            return ERR_NOTE(err, "TLS handshake");
    }
}

int tls_open(struct tls_context *context, enum tls_side side, int *fd, uint32_t timeout_ms,
             struct tls **out, struct err *err) {
    AUTO(tls) *tls = make(context, side, fd);
    if (handshake(tls, timeout_ms, err) != 0) {
        tls->broken = true;
        part(tls);
        return -1;
    }
    *out = TAKE(tls);
    return 0;
}

void tls_close(struct tls *tls) {
    if (tls == NULL)
        return;
    if (!tls->broken && !tls->cancelled) {
        (void)SSL_shutdown(tls->ssl);
        /* A goodbye that does not fit into the socket at once is not worth waiting for. */
        (void)tls_flush(tls, 1, NULL);
    }
    crypto_forget();
    SSL_free(tls->ssl);
    os_close(&tls->fd);
    buf_done(&tls->wire);
    buf_done(&tls->sealed);
    buf_done(&tls->peer_der);
    os_mutex_done(&tls->writing);
    os_mutex_done(&tls->using);
    tls_context_free(tls->context);
    mem_free(tls);
}

bool tls_gone(const struct tls *tls) {
    return os_sock_gone(tls->fd);
}

void tls_shutdown(struct tls *tls) {
    atomic_store(&tls->cancelled, true);
    os_sock_shutdown(tls->fd);
}

void tls_peer(const struct tls *tls, struct digest *certificate_sha256,
              struct digest *spki_sha256) {
    *certificate_sha256 = tls->peer.sha256;
    *spki_sha256 = tls->peer.spki_sha256;
}

struct span tls_peer_certificate(const struct tls *tls) {
    return buf_span(&tls->peer_der);
}

bool tls_peer_below(const struct tls *tls, const struct digest *authority_sha256) {
    for (size_t i = 1; i < tls->path.n; i++)
        if (digest_equal(&tls->path.sha256[i], authority_sha256))
            return true;
    return false;
}

int tls_export(const struct tls *tls, const char *label, uint8_t out[static 32], struct err *err) {
    if (SSL_export_keying_material(tls->ssl, out, 32, label, strlen(label), NULL, 0, 0) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot export keying material");
    return 0;
}
