#pragma once
/* format/commit -- the record that makes a recovery point exist.
 * Owns: the commit file's bytes, what each side signs, the hash chain (docs/format/commit.md).
 * Knows nothing of: keys' whereabouts, files, the catalog.
 * Threads: pure functions.
 * Lifetime: decoded structs are values.
 * Limits: COMMIT_BYTES_MAX. */
#include "base/base.h"
#include "crypto/hash.h"

#define COMMIT_BYTES_MAX 16384u
#define COMMIT_SIGNATURE_BYTES 64u /* Ed25519 */

enum commit_state { COMMIT_COMPLETE = 1, COMMIT_PARTIAL = 2 };

struct commit {
    uint8_t store[16], source[16], job[16];
    uint64_t sequence;      /* per source, from 1, gap-free */
    struct digest previous; /* hash of the previous commit of the source; zero for the first */
    struct digest manifest; /* name of the root record */
    uint8_t state;          /* enum commit_state */
    uint64_t entries, files, dirs, bytes, problems; /* of the manifest */
    uint64_t read_bytes, sent_bytes;                /* of the job */
    char computer[256];
    char root_path[4096];
    /* server's part */
    int64_t started_s, finished_s; /* server time */
    uint64_t stored_bytes;
    uint8_t agent_key[32], server_key[32]; /* Ed25519 public keys; each is in its own side's part */
    uint8_t agent_signature[COMMIT_SIGNATURE_BYTES], server_signature[COMMIT_SIGNATURE_BYTES];
};

/* Is it one that commit_get() would accept?  For the sides, before they sign.  ERR_FORMAT: a
 * state, sequence, count or text that cannot be (complete with problems, a first one with a
 * predecessor). */
[[nodiscard]] int commit_check(const struct commit *commit, struct err *err);
/* The bytes the agent signs: type tag, then everything up to its signature.  Appended. */
void commit_agent_part(struct buf *out, const struct commit *commit);
/* Decode what commit_agent_part() made; the server's part and both signatures of *out are zero.
 * ERR_FORMAT, ERR_FORMAT_VERSION. */
[[nodiscard]] int commit_agent_part_get(struct span in, struct commit *out, struct err *err);
/* The bytes the server signs: type tag, agent's part, agent's signature, server's part.
 * Appended. */
void commit_server_part(struct buf *out, const struct commit *commit);
/* The whole file.  Appended. */
void commit_put(struct buf *out, const struct commit *commit);
/* Accepts exactly the bytes that commit_put() would write.  Signatures are not checked here.
 * ERR_FORMAT, ERR_FORMAT_VERSION. */
[[nodiscard]] int commit_get(struct span in, struct commit *out, struct err *err);
/* Links the chain and is the point's id: hash of the whole file. */
void commit_hash(struct span file, struct digest *out);
