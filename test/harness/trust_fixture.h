#pragma once
/* A small certification authority with a server and an agent below it, and TLS between them:
 *
 *   struct trust_fixture trust;
 *   trust_fixture_init(&trust);
 *   struct tls *server, *agent;
 *   trust_fixture_pair(&trust, &server, &agent);
 *   ...
 *   tls_close(agent);
 *   tls_close(server);
 *   trust_fixture_done(&trust);
 *
 * Anything that fails here fails the test. */
#include "base/base.h"
#include "crypto/secret.h"
#include "crypto/tls.h"
#include "crypto/x509_make.h"

/* One certificate with its key, PEM. */
struct fixture_side {
    struct buf certificate_pem;
    struct secret *key_pem;
    struct x509_serial serial;
};

struct trust_fixture {
    struct fixture_side ca;     /* "CN=Fixture CA" */
    struct buf crl_pem;         /* revokes nobody */
    struct fixture_side server; /* server.example */
    struct fixture_side agent;  /* agent.example */
};

void trust_fixture_init(struct trust_fixture *trust);
void trust_fixture_done(struct trust_fixture *trust);
void fixture_side_done(struct fixture_side *side);

/* A good template for `name` (subject and SAN), valid from an hour ago for a day. */
struct x509_template fixture_template(const char *const *name);
/* A P-256 certificate from the template; issuer NULL: self-signed. */
void fixture_issue(const struct fixture_side *issuer, const struct x509_template *template,
                   struct fixture_side *side);
void fixture_issue_with(const struct fixture_side *issuer, const struct x509_template *template,
                        enum x509_make_key kind, uint32_t rsa_bits, struct fixture_side *side);
/* A revocation list of the issuer, revoking `revoked` (may be NULL), valid from `age_s` seconds ago
 * for a day; appended. */
void fixture_crl(const struct fixture_side *issuer, const struct fixture_side *revoked,
                 int64_t age_s, struct buf *pem);

/* What `side` brings to a conversation with holders of certificates below trust->ca. */
struct tls_config fixture_config(const struct trust_fixture *trust,
                                 const struct fixture_side *side);
/* Both meet over a socket pair, and the server sends a first byte, by which the agent knows that it
 * was accepted.  What each side found: 0 or -1; refused streams are NULL. */
struct fixture_meeting {
    struct tls *server;
    struct tls *agent;
    int server_rc;
    int agent_rc;
    struct err server_err;
    struct err agent_err;
};
void fixture_meet(struct tls_context *server, struct tls_context *agent,
                  struct fixture_meeting *meeting);
/* Two open streams. */
void trust_fixture_pair(const struct trust_fixture *trust, struct tls **server, struct tls **agent);
