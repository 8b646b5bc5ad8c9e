#include "format/cred/cred.h"

#include "base/text.h"

#define MAGIC "CMCREDEN"
#define MAGIC_BYTES 8
#define VERSION 1
#define FEATURES_KNOWN 0u /* required-feature bits this reader understands */
#define FLAGS_KNOWN ((uint32_t)CRED_WEAK_KEY)
#define SIGNED_TAG "casemate credential 1"

static_assert(CRED_CHAIN_MAX * (CRED_CERTIFICATE_MAX + 3) + CRED_CRL_MAX + CRED_URL_MAX +
                  CRED_SIGNATURE_MAX + 1024 <=
              CRED_BYTES_MAX);

bool cred_name_allowed(struct span name) {
    if (name.n == 0 || name.n > CRED_NAME_MAX || name.p[0] == '.' || name.p[0] == '-')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && c != '.' && c != '-' && c != '_' && c != ':')
            return false;
    }
    return true;
}

void cred_file_name(char to[static CRED_FILE_NAME_MAX], struct span name) {
    INVARIANT(cred_name_allowed(name));
    INVARIANT(text_format(to, CRED_FILE_NAME_MAX, "CertificateConfiguration_%.*s.bin", (int)name.n,
                          (const char *)name.p));
}

/* Printable ASCII: the URL is shown to people and handed to other programs. */
static bool url_allowed(struct span url) {
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] >= 0x7f)
            return false;
    return url.n <= CRED_URL_MAX;
}

static bool chain_allowed(const struct cred *cred) {
    if (cred->chain_n < 2 || cred->chain_n > CRED_CHAIN_MAX || cred->anchor_i < 1 ||
        cred->anchor_i >= cred->chain_n)
        return false;
    for (size_t i = 0; i < cred->chain_n; i++)
        if (cred->chain[i].n == 0 || cred->chain[i].n > CRED_CERTIFICATE_MAX)
            return false;
    return true;
}

static bool allowed(const struct cred *cred) {
    return (cred->role == CRED_SERVER || cred->role == CRED_COMPUTER) &&
           (cred->flags & ~FLAGS_KNOWN) == 0 && cred->generation >= 1 && cred->made_s >= 0 &&
           cred->not_after_s >= 0 && cred_name_allowed(cred->name) && url_allowed(cred->crl_url) &&
           cred->crl_pem.n <= CRED_CRL_MAX;
}

void cred_put(struct buf *out, const struct cred *cred) {
    INVARIANT(chain_allowed(cred) && allowed(cred));
    buf_put(out, MAGIC, MAGIC_BYTES);
    buf_put_u16(out, VERSION);
    buf_put_u32(out, 0);
    buf_put_u8(out, (uint8_t)cred->role);
    buf_put_u32(out, cred->flags);
    buf_put_u64(out, cred->generation);
    buf_put_u64(out, (uint64_t)cred->made_s);
    buf_put_u64(out, (uint64_t)cred->not_after_s);
    buf_put_u16(out, cred->control_port);
    buf_put_u16(out, cred->transfer_port);
    buf_put(out, cred->signing_key.b, sizeof cred->signing_key.b);
    buf_put(out, cred->spki_sha256.b, sizeof cred->spki_sha256.b);
    buf_put_lstr(out, cred->name);
    buf_put_lstr(out, cred->crl_url);
    buf_put_u8(out, (uint8_t)cred->chain_n);
    buf_put_u8(out, (uint8_t)cred->anchor_i);
    for (size_t i = 0; i < cred->chain_n; i++)
        buf_put_lstr(out, cred->chain[i]);
    buf_put_lstr(out, cred->crl_pem);
}

void cred_put_signature(struct buf *out, struct span signature) {
    INVARIANT(signature.n > 0 && signature.n <= CRED_SIGNATURE_MAX);
    buf_put_lstr(out, signature);
}

void cred_signed_part(struct buf *out, struct span unsigned_file) {
    buf_put(out, SIGNED_TAG, sizeof SIGNED_TAG); /* its zero byte ends it */
    buf_put_span(out, unsigned_file);
}

static int read_head(struct cursor *c, struct err *err) {
    struct span magic = cursor_bytes(c, MAGIC_BYTES);
    uint16_t version = cursor_u16(c);
    uint32_t features = cursor_u32(c);
    if (c->bad || !span_equal(magic, span_of(MAGIC, MAGIC_BYTES)))
        return ERR(err, ERR_FORMAT, "not a metadata file of Casemate");
    if (version != VERSION)
        return ERR(err, ERR_FORMAT_VERSION, "metadata file has version %u, %u is known",
                   (unsigned)version, (unsigned)VERSION);
    if ((features & ~FEATURES_KNOWN) != 0)
        return ERR(err, ERR_FORMAT_VERSION, "metadata file needs unknown features %#x", features);
    return 0;
}

static void read_body(struct cursor *c, struct cred *cred) {
    cred->role = (enum cred_role)cursor_u8(c);
    cred->flags = cursor_u32(c);
    cred->generation = cursor_u64(c);
    cred->made_s = (int64_t)cursor_u64(c);
    cred->not_after_s = (int64_t)cursor_u64(c);
    cred->control_port = cursor_u16(c);
    cred->transfer_port = cursor_u16(c);
    cursor_copy(c, cred->signing_key.b, sizeof cred->signing_key.b);
    cursor_copy(c, cred->spki_sha256.b, sizeof cred->spki_sha256.b);
    cred->name = cursor_lstr(c, CRED_NAME_MAX);
    cred->crl_url = cursor_lstr(c, CRED_URL_MAX);
    cred->chain_n = cursor_u8(c);
    cred->anchor_i = cursor_u8(c);
    for (size_t i = 0; i < cred->chain_n && i < CRED_CHAIN_MAX; i++)
        cred->chain[i] = cursor_lstr(c, CRED_CERTIFICATE_MAX);
    cred->crl_pem = cursor_lstr(c, CRED_CRL_MAX);
}

int cred_get(struct span file, struct cred_file *out, struct err *err) {
    *out = (struct cred_file){0};
    if (file.n > CRED_BYTES_MAX)
        return ERR(err, ERR_LIMIT, "metadata file has %zu bytes, at most %u are read", file.n,
                   CRED_BYTES_MAX);
    struct cursor c = cursor_of(file);
    if (read_head(&c, err) != 0)
        return -1;
    read_body(&c, &out->cred);
    out->unsigned_file = span_of(file.p, file.n - cursor_left(&c));
    out->signature = cursor_lstr(&c, CRED_SIGNATURE_MAX);
    if (!cursor_ended(&c) || out->signature.n == 0)
        return ERR(err, ERR_FORMAT, "metadata file is cut, or longer than it says");
    if (!chain_allowed(&out->cred) || !allowed(&out->cred))
        return ERR(err, ERR_FORMAT, "metadata file holds a value that cannot be");
    return 0;
}
