#pragma once
/* Shared inside crypto: owned OpenSSL objects and its error queue. */
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/base.h"

/* Fill *err with `what` and OpenSSL's first reason, and empty its queue; returns -1. */
int crypto_fail(struct err *err, enum err_code code, const char *what);
/* Empty the error queue after a failure that is none to us. */
void crypto_forget(void);

#define CRYPTO_CLEANUP(type, name, free_fn)                                                        \
    static inline void name(type **p) {                                                            \
        free_fn(*p);                                                                               \
    }
CRYPTO_CLEANUP(EVP_PKEY, pkey_auto, EVP_PKEY_free)
CRYPTO_CLEANUP(EVP_MD_CTX, md_ctx_auto, EVP_MD_CTX_free)
CRYPTO_CLEANUP(BIO, bio_auto, BIO_free_all)
CRYPTO_CLEANUP(X509, x509_auto, X509_free)
CRYPTO_CLEANUP(X509_CRL, crl_auto, X509_CRL_free)
#define PKEY_AUTO __attribute__((cleanup(pkey_auto))) EVP_PKEY
#define MD_CTX_AUTO __attribute__((cleanup(md_ctx_auto))) EVP_MD_CTX
#define BIO_AUTO __attribute__((cleanup(bio_auto))) BIO
#define X509_AUTO __attribute__((cleanup(x509_auto))) X509
#define CRL_AUTO __attribute__((cleanup(crl_auto))) X509_CRL
