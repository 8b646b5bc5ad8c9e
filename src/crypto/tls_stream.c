#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "crypto/tls_int.h"
#include "os/sock.h"

/* What OpenSSL reads and writes.  Reading asks the socket; writing only gathers: the bytes leave
 * in tls_flush, many records with one call. */

static int stream_read(BIO *bio, char *to, size_t size, size_t *n) {
    struct tls *tls = BIO_get_data(bio);
    bool again = false;
    struct err err;
    BIO_clear_retry_flags(bio);
    *n = 0;
    if (os_sock_read(tls->fd, to, size, n, &again, &err) != 0)
        return -1;
    if (again)
        BIO_set_retry_read(bio);
    else if (*n == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return *n > 0 ? 1 : 0;
}

static int stream_write(BIO *bio, const char *from, size_t size, size_t *n) {
    struct tls *tls = BIO_get_data(bio);
    buf_put(&tls->sealed, from, size);
    *n = size;
    return 1;
}

static long stream_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
}

BIO_METHOD *tls_stream_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "casemate stream");
    bool ok = method != NULL && BIO_meth_set_read_ex(method, stream_read) == 1 &&
              BIO_meth_set_write_ex(method, stream_write) == 1 &&
              BIO_meth_set_ctrl(method, stream_ctrl) == 1;
    if (!ok) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

int tls_flush(struct tls *tls, uint32_t timeout_ms, struct err *err) {
    for (;;) {
        os_mutex_lock(&tls->using);
        struct buf swap = tls->wire;
        tls->wire = tls->sealed;
        tls->sealed = swap;
        buf_clear(&tls->sealed);
        os_mutex_unlock(&tls->using);
        if (tls->wire.n == 0)
            return 0;
        for (size_t sent = 0, n = 0; sent < tls->wire.n; sent += n) {
            bool again = false;
            if (os_sock_write(tls->fd, tls->wire.p + sent, tls->wire.n - sent, &n, &again, err) !=
                0)
                return -1;
            if (again && os_wait(tls->fd, OS_WANT_WRITE, timeout_ms, err) != 0)
                return -1;
        }
        buf_clear(&tls->wire);
    }
}
