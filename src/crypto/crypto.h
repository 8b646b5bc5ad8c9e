#pragma once
/* crypto -- the only room with primitives.
 * Owns: hash, AEAD, key derivation, secrets, signatures, X.509, TLS.
 * Knows nothing of: what the bytes are for, who the peers are.
 * Threads: objects belong to one thread unless their header says otherwise (tls, x509_trust).
 * Lifetime: every X_new / X_open has an X_free / X_close that takes NULL.
 * Limits: AEAD_PLAIN_MAX, X509_*_MAX. */

/* First thing in a program: OpenSSL then ignores OPENSSL_CONF and the system's configuration file,
 * which could weaken what the other headers promise. */
void crypto_start(void);
