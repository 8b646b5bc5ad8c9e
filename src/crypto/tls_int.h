#pragma once
/* Shared by tls_*.c. */
#include <openssl/ssl.h>

#include "crypto/crypto_int.h"
#include "crypto/tls.h"
#include "crypto/x509_int.h"
#include "os/thread.h"

struct tls_context {
    _Atomic unsigned holders; /* its owner and its streams */
    SSL_CTX *ssl_ctx;
    BIO_METHOD *stream;
    struct x509_trust *trust; /* NULL: the peer shows no certificate */
};

/* Encrypted bytes are gathered in `sealed` while `using` is held, and sent from `wire` while only
 * `writing` is: a reader never waits for the socket of a writer. */
struct tls {
    int fd;
    struct tls_context *context; /* held */
    struct os_mutex writing;     /* a whole tls_write; taken before `using` */
    struct buf wire GUARDED_BY(writing);
    uint64_t key_bytes GUARDED_BY(writing); /* sealed with the present key */
    struct os_mutex using;                  /* while OpenSSL works */
    SSL *ssl GUARDED_BY(using);
    struct buf sealed GUARDED_BY(using);
    bool broken GUARDED_BY(using); /* the socket is gone: no goodbye */
    _Atomic bool cancelled;
    struct x509_report report; /* written in the handshake only, as all below */
    struct x509_path path;
    struct buf peer_der;
    struct x509_info peer;
};

BIO_METHOD *tls_stream_method(void);
/* The check of the peer's certificate, inside the handshake. */
int tls_check_peer(X509_STORE_CTX *ctx, void *arg);
/* Send what OpenSSL has sealed so far.  Call without `using`, with `writing`. */
[[nodiscard]] int tls_flush(struct tls *tls, uint32_t timeout_ms, struct err *err);
/* Why the last SSL call failed. */
int tls_fail(struct tls *tls, int ssl_error, const char *what, struct err *err);
