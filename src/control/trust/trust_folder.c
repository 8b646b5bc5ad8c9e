#include "base/text.h"
#include "control/trust/trust_int.h"

#define SEED_DIGITS (2 * SIGN_SEED_BYTES)

void trust_side_done(struct trust_side *side) {
    x509_chain_free(TAKE(side->chain));
    secret_free(TAKE(side->seed));
    buf_done(&side->anchors_pem);
    buf_done(&side->crl_pem);
    buf_done(&side->metadata);
}

int trust_folder_make(int state_fd, int *fd, struct err *err) {
    if (os_mkdir(state_fd, TRUST_FOLDER, 0700, true, err) != 0 || os_fsync(state_fd, err) != 0)
        return -1;
    return os_dir_open(state_fd, TRUST_FOLDER, fd, err);
}

int trust_folder_open(int state_fd, int *fd, struct err *err) {
    bool exists;
    if (os_exists(state_fd, TRUST_FOLDER, &exists, err) != 0)
        return -1;
    if (!exists)
        return ERR(err, ERR_TRUST_UNSET, "no credentials are configured");
    return os_dir_open(state_fd, TRUST_FOLDER, fd, err);
}

int trust_load_optional(int fd, const char *name, size_t max, struct buf *out, struct err *err) {
    bool exists;
    if (os_exists(fd, name, &exists, err) != 0)
        return -1;
    return exists ? os_load(fd, name, max, out, err) : 0;
}

static int load_seed(int fd, struct trust_side *side, struct err *err) {
    uint8_t seed[SIGN_SEED_BYTES];
    struct buf file = {0};
    int rc = trust_load_optional(fd, TRUST_SIGNING_KEY, SEED_DIGITS + 1, &file, err);
    if (rc == 0 && file.n > 0) {
        if (file.n >= SEED_DIGITS &&
            text_unhex((const char *)file.p, SEED_DIGITS, seed, sizeof seed))
            side->seed = secret_of(span_of(seed, sizeof seed));
        else
            rc = ERR(err, ERR_FORMAT, "%s holds no signing key", TRUST_SIGNING_KEY);
    }
    secret_wipe(seed, sizeof seed);
    secret_wipe(file.p, file.n);
    buf_done(&file);
    if (rc != 0 || side->seed == NULL)
        return rc;
    return sign_public_of(side->seed, &side->signing_key, err);
}

static int load_chain(int fd, struct trust_side *side, struct err *err) {
    struct buf file = {0};
    struct span key_inside = {0};
    int rc = trust_load_optional(fd, TRUST_IDENTITY, X509_FILE_MAX, &file, err);
    if (rc == 0 && file.n == 0)
        rc = ERR(err, ERR_TRUST_UNSET, "no credentials are configured");
    if (rc == 0)
        rc = x509_chain_of_pem(buf_span(&file), key_inside, &side->chain, err);
    secret_wipe(file.p, file.n);
    buf_done(&file);
    return rc != 0 ? ERR_NOTE(err, TRUST_IDENTITY) : 0;
}

int trust_side_load_lasting(int fd, struct trust_side *side, struct err *err) {
    if (load_seed(fd, side, err) != 0)
        return -1;
    if (trust_load_optional(fd, TRUST_ANCHORS, X509_FILE_MAX, &side->anchors_pem, err) != 0 ||
        trust_load_optional(fd, TRUST_CRL, X509_CRL_FILE_MAX, &side->crl_pem, err) != 0 ||
        trust_load_optional(fd, TRUST_METADATA, CRED_BYTES_MAX, &side->metadata, err) != 0)
        return -1;
    if (side->metadata.n > 0 && cred_get(buf_span(&side->metadata), &side->own, err) != 0)
        return ERR_NOTE(err, TRUST_METADATA);
    return 0;
}

int trust_side_load(int fd, struct trust_side *side, struct err *err) {
    if (load_chain(fd, side, err) != 0 || trust_side_load_lasting(fd, side, err) != 0)
        return -1;
    if (side->seed == NULL || side->metadata.n == 0)
        return ERR(err, ERR_TRUST_UNSET, "the credentials were never completed: configure again");
    return 0;
}

static int store_seed(int fd, const struct trust_side *side, struct err *err) {
    char hex[SEED_DIGITS + 1];
    bool exists;
    if (os_exists(fd, TRUST_SIGNING_KEY, &exists, err) != 0 || exists)
        return exists ? 0 : -1;
    text_hex(hex, secret_span(side->seed).p, SIGN_SEED_BYTES);
    hex[SEED_DIGITS] = '\n';
    int rc = durable_write(fd, TRUST_SIGNING_KEY, span_of(hex, sizeof hex), 0600, false, err);
    secret_wipe(hex, sizeof hex);
    return rc;
}

static int store_identity(int fd, const struct trust_side *side, struct err *err) {
    AUTO(secret) *key_pem = NULL;
    struct buf file = {0};
    if (x509_chain_key_pem(side->chain, &key_pem, err) != 0)
        return -1;
    int rc = x509_chain_pem(side->chain, 0, &file, err);
    if (rc == 0) {
        buf_reserve(&file, secret_span(key_pem).n); /* so that no copy is left behind by growing */
        buf_put_span(&file, secret_span(key_pem));
        rc = durable_write(fd, TRUST_IDENTITY, buf_span(&file), 0600, true, err);
    }
    secret_wipe(file.p, file.n);
    buf_done(&file);
    return rc;
}

int trust_side_store(int fd, const struct trust_side *side, struct err *err) {
    if (store_seed(fd, side, err) != 0 ||
        durable_write(fd, TRUST_ANCHORS, buf_span(&side->anchors_pem), 0644, true, err) != 0 ||
        durable_write(fd, TRUST_CRL, buf_span(&side->crl_pem), 0644, true, err) != 0 ||
        store_identity(fd, side, err) != 0)
        return -1;
    return durable_write(fd, TRUST_METADATA, buf_span(&side->metadata), 0644, true, err);
}
