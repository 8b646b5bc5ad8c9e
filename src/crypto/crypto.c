#include "crypto/crypto.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "crypto/crypto_int.h"

int crypto_fail(struct err *err, enum err_code code, const char *what) {
    unsigned long reason = ERR_peek_error();
    const char *text = reason != 0 ? ERR_reason_error_string(reason) : NULL;
    ERR_clear_error();
    if (text == NULL)
        return ERR(err, code, "%s", what);
    return ERR(err, code, "%s: %s", what, text);
}

void crypto_forget(void) {
    ERR_clear_error();
}

void crypto_start(void) {
    INVARIANT(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1);
}
