#pragma once
/* control/trust -- which machine is who: the credentials of this side, the other side as it was
 * introduced, and what a channel's certificate proves.
 * Owns: the folder trust/ below the state folder; metadata files; pinning; the agent's local
 *   policy (policy.h); the small certificate authority (ca.h).
 * Knows nothing of: channels, the catalog, command lines.
 * Threads: a trust_server or trust_agent may be used by any thread; changes swap under its lock.
 * Lifetime: X_open has X_close; a context taken is given back with tls_context_free.
 * Limits: TRUST_NAME_MAX, CRED_BYTES_MAX, X509_*_MAX.
 *
 * Identity is the authority that was recorded at attach, plus subject and name of the
 * certificate: one renewed with the same subject below the same authority goes on being the same
 * machine. Thumbprints only select.  Errors of all: ERR_CERTIFICATE names every unmet
 * requirement. */
#include "base/base.h"
#include "crypto/sign.h"
#include "crypto/tls.h"

#define TRUST_NAME_MAX 256
#define TRUST_SUBJECT_MAX 512
#define TRUST_FOLDER "trust"

/* How a computer authenticates; pinned at attach, changed only by removing and attaching again. */
enum trust_mode { TRUST_CERTIFICATE = 1, TRUST_NTLM = 2 };
/* ERR_TRUST_MODE: this build cannot. */
[[nodiscard]] int trust_mode_ready(enum trust_mode mode, struct err *err);

/* What an administrator hands in: contents of files, PEM, DER or PKCS#12. */
struct trust_material {
    struct span certificate; /* the certificate; issuers and key may be in it */
    struct span key;         /* may be empty */
    struct span anchors;    /* may be empty: authorities that certificate's file lacks, and those of
                                the other side when they are others */
    struct span crl;        /* may be empty: revocation lists, PEM or DER */
    struct span password;   /* of the PKCS#12 file or the key; may be empty */
    const char *thumbprint; /* which certificate; NULL: the only one with its key */
};
/* How this side introduces itself. */
struct trust_opts {
    const char *name; /* must be a name in the certificate; NULL: the host's if it is one, else the
                          first of the certificate */
    uint16_t control_port;
    uint16_t transfer_port;
    const char *anchor_thumbprint; /* authority that peers shall trust; NULL: the root */
    const char *crl_url;           /* may be NULL */
    bool allow_weak_key;           /* RSA 1024..2047 */
    bool crl_optional; /* go on when a list is missing or old; one that revokes still counts */
    int64_t now_s;     /* 0: the clock */
};

/* This side, as people see it. */
struct trust_identity {
    char name[TRUST_NAME_MAX];
    char subject[TRUST_SUBJECT_MAX];
    struct digest certificate_sha256;
    struct digest spki_sha256;
    struct digest anchor_sha256;
    struct sign_public signing_key;
    int64_t not_after_s;
    uint64_t generation;
    uint16_t control_port;
    uint16_t transfer_port;
};
/* A revocation list that is held. */
struct trust_crl {
    char issuer[TRUST_SUBJECT_MAX];
    char number[64]; /* decimal; empty when the list has none */
    int64_t this_update_s;
    int64_t next_update_s; /* 0: none given */
    size_t revoked_n;
};
typedef VEC(struct trust_crl) trust_crls;

/* ---- server ---- */
/* Check everything, store it below state_fd, make the signing key when there is none, and write the
 * metadata file into `metadata` (appended).  On failure what was configured before stays. */
[[nodiscard]] int trust_server_configure(int state_fd, const struct trust_material *material,
                                         const struct trust_opts *opts, struct buf *metadata,
                                         struct err *err);

struct trust_server;
/* now_s, allow_weak_key and crl_optional of opts count here.  allow_weak_key: some attached
 * computer was allowed one; trust_identify holds the others to the rule.  ERR_TRUST_UNSET: nothing
 * is configured. */
[[nodiscard]] int trust_server_open(int state_fd, const struct trust_opts *opts,
                                    struct trust_server **out, struct err *err);
void trust_server_close(struct trust_server *server);
static inline void trust_server_auto(struct trust_server **p) {
    trust_server_close(*p);
}
/* Read the folder again: renewed certificates and newer lists count for the next connection. */
[[nodiscard]] int trust_server_reload(struct trust_server *server, struct err *err);
[[nodiscard]] int trust_server_allow_weak_key(struct trust_server *server, bool allow,
                                              struct err *err);
/* The metadata file again, one generation on; appended. */
[[nodiscard]] int trust_server_regenerate(struct trust_server *server, struct buf *metadata,
                                          struct err *err);
void trust_server_identity(struct trust_server *server, struct trust_identity *out);
/* For connections of either direction; give it back with tls_context_free. */
struct tls_context *trust_server_context(struct trust_server *server);
/* For HTTPS, where callers have no certificate; the caller's, as above. */
[[nodiscard]] int trust_server_public_context(struct trust_server *server, struct tls_context **out,
                                              struct err *err);
[[nodiscard]] int trust_server_sign(struct trust_server *server, struct span bytes,
                                    struct signature *out, struct err *err);
/* Newer revocation lists of trusted authorities, PEM or DER.  ERR_EXISTS: older than the one held;
 * nothing changed. */
[[nodiscard]] int trust_server_put_crl(struct trust_server *server, struct span file,
                                       struct err *err);
/* What is held: the lists as PEM (appended), and what they say (may be NULL). */
[[nodiscard]] int trust_server_crls(struct trust_server *server, struct buf *pem, trust_crls *list,
                                    struct err *err);

/* A computer as it was introduced; what the catalog keeps. */
struct trust_computer {
    enum trust_mode mode;
    char name[TRUST_NAME_MAX];
    char subject[TRUST_SUBJECT_MAX];
    uint16_t control_port;
    uint16_t transfer_port;
    struct digest anchor_sha256;
    struct digest spki_sha256; /* of the certificate at attach: no other computer may have it */
    struct digest certificate_sha256; /* the same certificate */
    uint8_t certificate_sha1[20];     /* alias for people */
    struct sign_public signing_key;
    int64_t not_after_s;
    uint64_t generation;
    bool allow_weak_key;
};
/* Judge a computer's metadata file against those known.  Nothing is changed anywhere; the caller
 * stores *out.  ERR_TRUST_ROLE: a server's file, this one's or another's; ERR_TAMPERED;
 * ERR_TRUST_ANCHOR; ERR_TRUST_DUPLICATE. */
[[nodiscard]] int trust_attach(struct trust_server *server, struct span metadata,
                               const struct trust_computer *known, size_t known_n,
                               bool allow_weak_key, struct trust_computer *out, struct err *err);
void trust_computer_put(struct buf *out, const struct trust_computer *computer);
[[nodiscard]] int trust_computer_get(struct span in, struct trust_computer *out, struct err *err);
/* Which of the known computers is at the other end of the channel.  ERR_TRUST_UNKNOWN, ERR_AUTH. */
[[nodiscard]] int trust_identify(const struct tls *tls, const struct trust_computer *known,
                                 size_t known_n, size_t *i, struct err *err);

/* ---- agent ---- */
/* Judge the server's metadata file and our own certificate, pin the server, store both below
 * state_fd, make the signing key when there is none, and write our metadata file into `metadata`
 * (appended).  On failure what was set before stays.  ERR_TRUST_ROLE, ERR_TAMPERED,
 * ERR_TRUST_ANCHOR: the server's authority is neither ours nor among material->anchors. */
[[nodiscard]] int trust_agent_set_server(int state_fd, struct span server_metadata,
                                         const struct trust_material *material,
                                         const struct trust_opts *opts, struct buf *metadata,
                                         struct err *err);

/* The server as it was pinned. */
struct trust_pin {
    char name[TRUST_NAME_MAX];
    char subject[TRUST_SUBJECT_MAX];
    uint16_t control_port;
    uint16_t transfer_port;
    struct digest anchor_sha256;
    struct digest certificate_sha256;
    struct sign_public signing_key;
};
struct trust_agent;
[[nodiscard]] int trust_agent_open(int state_fd, const struct trust_opts *opts,
                                   struct trust_agent **out, struct err *err);
void trust_agent_close(struct trust_agent *agent);
static inline void trust_agent_auto(struct trust_agent **p) {
    trust_agent_close(*p);
}
[[nodiscard]] int trust_agent_reload(struct trust_agent *agent, struct err *err);
void trust_agent_identity(struct trust_agent *agent, struct trust_identity *out);
void trust_agent_server(struct trust_agent *agent, struct trust_pin *out);
struct tls_context *trust_agent_context(struct trust_agent *agent);
[[nodiscard]] int trust_agent_sign(struct trust_agent *agent, struct span bytes,
                                   struct signature *out, struct err *err);
[[nodiscard]] int trust_agent_put_crl(struct trust_agent *agent, struct span file, struct err *err);
/* Is the pinned server at the other end of the channel?  ERR_TRUST_UNKNOWN. */
[[nodiscard]] int trust_agent_identify(struct trust_agent *agent, const struct tls *tls,
                                       struct err *err);

/* ---- both ---- */
/* Write a metadata file under its own name into a folder that exists; replaces an older one.
 * `path` receives where. */
[[nodiscard]] int trust_write_metadata(const char *folder, struct span metadata,
                                       char path[static 4096], struct err *err);
