#pragma once
/* Shared by trust_*.c: one side's folder, and judging the other's metadata file. */
#include "control/trust/trust.h"
#include "crypto/x509.h"
#include "format/cred/cred.h"
#include "os/os.h"

/* The files of the folder.  Each is replaced as a whole; metadata comes last, and the server's file
 * after it, so that a crash between leaves what was there before, or an identity whose metadata
 * file must be written again.  Certificate and key are one file: they count only together. */
#define TRUST_IDENTITY "identity.pem"   /* 0600: certificate, issuers, private key */
#define TRUST_ANCHORS "anchors.pem"     /* authorities we trust */
#define TRUST_CRL "crl.pem"             /* their revocation lists */
#define TRUST_SIGNING_KEY "signing.key" /* 0600: Ed25519 seed, hex */
#define TRUST_METADATA "metadata.bin"   /* how we introduced ourselves last */
#define TRUST_SERVER "server.bin"       /* agent: the pinned server's metadata file */

struct trust_side {
    struct x509_chain *chain; /* with its key */
    struct secret *seed;
    struct sign_public signing_key;
    struct buf anchors_pem;
    struct buf crl_pem;
    struct buf metadata;
    struct cred_file own; /* decoded `metadata` */
};
void trust_side_done(struct trust_side *side);

/* ---- trust_folder.c ---- */
/* The folder below state_fd, made when it is not there. */
[[nodiscard]] int trust_folder_make(int state_fd, int *fd, struct err *err);
/* ERR_TRUST_UNSET when there is no folder. */
[[nodiscard]] int trust_folder_open(int state_fd, int *fd, struct err *err);
/* ERR_TRUST_UNSET when nothing is configured. */
[[nodiscard]] int trust_side_load(int fd, struct trust_side *side, struct err *err);
/* The parts that outlive a new certificate: signing key, anchors, lists; absent ones stay empty. */
[[nodiscard]] int trust_side_load_lasting(int fd, struct trust_side *side, struct err *err);
[[nodiscard]] int trust_side_store(int fd, const struct trust_side *side, struct err *err);
/* An optional file, appended; absent is nothing. */
[[nodiscard]] int trust_load_optional(int fd, const char *name, size_t max, struct buf *out,
                                      struct err *err);

/* ---- trust_material.c ---- */
/* Judge the material and take it into a side that holds its lasting parts already.  `hinted_crl`:
 * lists from where nobody vouches for them; those that an authority of ours signed are taken. */
[[nodiscard]] int trust_side_take(struct trust_side *side, const struct trust_material *material,
                                  const struct trust_opts *opts, struct span hinted_crl,
                                  struct err *err);
/* The newer lists of `offered` into the side; *news: there were any. */
[[nodiscard]] int trust_side_merge_crl(struct trust_side *side, struct span offered,
                                       enum x509_crl_skip skip, bool *news, struct err *err);

/* ---- trust_introduce.c ---- */
/* Write the side's own metadata, one generation on, signed.  opts NULL: as it was before. */
[[nodiscard]] int trust_side_introduce(struct trust_side *side, enum cred_role role,
                                       const struct trust_opts *opts, struct err *err);
void trust_side_identity(const struct trust_side *side, struct trust_identity *out);
struct trust_rules {
    bool allow_weak_key;
    bool crl_optional;
    int64_t now_s;
};
/* TLS with this side's identity; anchor NULL: any trusted root. */
[[nodiscard]] int trust_side_context(const struct trust_side *side, const struct trust_rules *rules,
                                     const struct digest *anchor, struct tls_context **out,
                                     struct err *err);
/* The same certificate for callers without one of their own (REST over HTTPS). */
[[nodiscard]] int trust_side_public_context(const struct trust_side *side, struct tls_context **out,
                                            struct err *err);

/* ---- trust_judge.c ---- */
/* Everything docs/format/cred.md wants of the other side's file, but for duplicates.  Spans of
 * *file point into `metadata`; `info` is of the certificate. */
[[nodiscard]] int trust_judge(const struct trust_side *ours, struct span metadata,
                              enum cred_role wanted, const struct trust_rules *rules,
                              struct cred_file *file, struct x509_info *info, struct digest *anchor,
                              struct err *err);
/* ---- trust_attach.c: the judgement, the record, duplicates ---- */
[[nodiscard]] int trust_side_attach(const struct trust_side *ours, const struct trust_rules *rules,
                                    struct span metadata, const struct trust_computer *known,
                                    size_t known_n, struct trust_computer *out, struct err *err);
/* `name` is one of the certificate's, letter case aside. */
bool trust_names_hold(const struct x509_info *info, const char *name);
/* The peer of the channel is the machine recorded as this. */
struct trust_recorded {
    const char *name;
    const char *subject;
    const struct digest *anchor_sha256;
};
bool trust_peer_is(const struct tls *tls, const struct x509_info *info,
                   const struct trust_recorded *recorded);
void trust_text(char *to, size_t size, struct span text);
