#include <openssl/ssl.h>
#include <stdatomic.h>

#include "crypto/tls_int.h"
#include "os/sock.h"

/* Records sealed before one call sends them: large enough that calls do not matter, small enough
 * to stay in the cache between sealing and sending. */
#define BATCH_BYTES (128u * 1024)
/* AES-GCM keys are renewed long before the limit of RFC 8446 5.5 (2^24.5 full records). */
#define KEY_BYTES_MAX ((uint64_t)64 << 30)

static int lost(struct tls *tls, struct err *err) {
    os_mutex_lock(&tls->using);
    tls->broken = true;
    os_mutex_unlock(&tls->using);
    if (atomic_load(&tls->cancelled))
        return ERR(err, ERR_INTERRUPTED, "the connection was shut down");
    return -1;
}

/* Seal up to BATCH_BYTES.  SSL_write_ex takes one record at a time and always finds room. */
static int seal(struct tls *tls, const uint8_t *from, size_t n, size_t *taken, struct err *err) {
    size_t batch = MIN(n, BATCH_BYTES);
    int rc = 0;
    *taken = 0;
    os_mutex_lock(&tls->using);
    crypto_forget();
    if (tls->key_bytes >= KEY_BYTES_MAX) {
        tls->key_bytes = 0;
        if (SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1)
            rc = tls_fail(tls, SSL_ERROR_SSL, "cannot renew the session key", err);
    }
    while (rc == 0 && *taken < batch) {
        size_t written = 0;
        int ok = SSL_write_ex(tls->ssl, from + *taken, batch - *taken, &written);
        if (ok != 1)
            rc = tls_fail(tls, SSL_get_error(tls->ssl, ok), "cannot send", err);
        *taken += written;
    }
    os_mutex_unlock(&tls->using);
    tls->key_bytes += *taken;
    return rc;
}

int tls_write(struct tls *tls, const void *from, size_t n, uint32_t timeout_ms, struct err *err) {
    const uint8_t *p = from;
    int rc = 0;
    os_mutex_lock(&tls->writing);
    while (rc == 0 && n > 0) {
        size_t taken = 0;
        rc = seal(tls, p, n, &taken, err);
        if (rc == 0)
            rc = tls_flush(tls, timeout_ms, err);
        p += taken;
        n -= taken;
    }
    os_mutex_unlock(&tls->writing);
    return rc != 0 ? lost(tls, err) : 0;
}

/* One look: *got = 0 and again: nothing there yet; *got = 0 and !again: the peer closed. */
static int open_record(struct tls *tls, void *to, size_t n, size_t *got, bool *again,
                       struct err *err) {
    int rc = 0;
    *got = 0;
    os_mutex_lock(&tls->using);
    crypto_forget();
    int ok = SSL_read_ex(tls->ssl, to, n, got);
    int why = SSL_get_error(tls->ssl, ok);
    *again = ok != 1 && why == SSL_ERROR_WANT_READ;
    if (ok != 1 && !*again && why != SSL_ERROR_ZERO_RETURN)
        rc = tls_fail(tls, why, "cannot receive", err);
    os_mutex_unlock(&tls->using);
    return rc;
}

int tls_read_some(struct tls *tls, void *to, size_t n, size_t *got, uint32_t timeout_ms,
                  struct err *err) {
    *got = 0;
    if (n == 0)
        return 0;
    for (;;) {
        bool again = false;
        if (open_record(tls, to, n, got, &again, err) != 0)
            return lost(tls, err);
        if (!again)
            return *got == 0 && atomic_load(&tls->cancelled) ? lost(tls, err) : 0;
        if (os_wait(tls->fd, OS_WANT_READ, timeout_ms, err) != 0)
            return atomic_load(&tls->cancelled) ? lost(tls, err) : -1;
    }
}

int tls_read(struct tls *tls, void *to, size_t n, uint32_t timeout_ms, struct err *err) {
    uint8_t *p = to;
    while (n > 0) {
        size_t got = 0;
        if (tls_read_some(tls, p, n, &got, timeout_ms, err) != 0)
            return -1;
        if (got == 0)
            return ERR(err, ERR_UNREACHABLE, "the peer closed the connection early");
        p += got;
        n -= got;
    }
    return 0;
}
