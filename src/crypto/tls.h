#pragma once
/* crypto/tls -- TLS 1.3 streams over non-blocking sockets.  No tickets, no 0-RTT, no renegotiation,
 * nothing older.
 *
 * One SSL object may be read by one thread and written by another: each call holds the stream's
 * lock only while OpenSSL works, never while waiting.  Errors: ERR_AUTH (peer refused, or refuses
 * us), ERR_TIMEOUT, ERR_UNREACHABLE. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "crypto/hash.h"

/* Our identity and what we accept from the other side.  PEM files; see crypto/x509.h for the
 * checks. */
struct tls_context;
struct tls_config {
    struct span certificate_pem; /* leaf first, then intermediates */
    struct span key_pem;
    struct span anchors_pem; /* trusted CA certificates */
    struct span crls_pem; /* certificate revocation lists; with require_crl every link of the chain
                             needs one */
    const struct digest *anchor_sha256; /* the peer's chain must pass through it; NULL: any root */
    bool require_crl;
    bool allow_weak_key; /* RSA 1024..2047 */
    int64_t now_s;       /* the time certificates are judged at; 0: the clock */
};
[[nodiscard]] int tls_context_new(const struct tls_config *config, struct tls_context **out,
                                  struct err *err);
/* Server side without client certificates (console, REST over HTTPS). */
[[nodiscard]] int tls_context_new_public(struct span certificate_pem, struct span key_pem,
                                         struct tls_context **out, struct err *err);
/* One more owner: each gives it back with tls_context_free. */
struct tls_context *tls_context_hold(struct tls_context *context);
/* Open streams of it go on. */
void tls_context_free(struct tls_context *context);
static inline void tls_context_auto(struct tls_context **p) {
    tls_context_free(*p);
}

struct tls;
enum tls_side { TLS_CONNECT, TLS_ACCEPT };
/* Takes *fd (closed with the stream, also on failure).  Handshakes within timeout_ms; the peer's
 * certificate has passed every check of crypto/x509.h when this returns 0 (in TLS 1.3 the
 * connecting side learns of a refusal at first read). */
[[nodiscard]] int tls_open(struct tls_context *context, enum tls_side side, int *fd,
                           uint32_t timeout_ms, struct tls **out, struct err *err);
void tls_close(struct tls *tls);
static inline void tls_auto(struct tls **p) {
    tls_close(*p);
}
/* Exactly n bytes / all n bytes, or -1.  timeout_ms counts without progress; 0 = for ever. */
[[nodiscard]] int tls_read(struct tls *tls, void *to, size_t n, uint32_t timeout_ms,
                           struct err *err);
[[nodiscard]] int tls_write(struct tls *tls, const void *from, size_t n, uint32_t timeout_ms,
                            struct err *err);
/* Up to n bytes, at least 1; 0 bytes = the peer closed. */
[[nodiscard]] int tls_read_some(struct tls *tls, void *to, size_t n, size_t *got,
                                uint32_t timeout_ms, struct err *err);
/* The peer closed, or the connection broke; asked without reading. */
bool tls_gone(const struct tls *tls);
/* Wake readers and writers with ERR_INTERRUPTED; for cancelling from another thread. */
void tls_shutdown(struct tls *tls);
/* SHA-256 of the peer's certificate (DER) and of its public key (SPKI). */
void tls_peer(const struct tls *tls, struct digest *certificate_sha256, struct digest *spki_sha256);
/* The peer's certificate, DER, borrowed. */
struct span tls_peer_certificate(const struct tls *tls);
/* Whether this authority stands above the peer's certificate in its verified chain. */
bool tls_peer_below(const struct tls *tls, const struct digest *authority_sha256);
/* RFC 9266 tls-exporter keying material, label "EXPORTER-Channel-Binding" or ours. */
[[nodiscard]] int tls_export(const struct tls *tls, const char *label, uint8_t out[static 32],
                             struct err *err);
