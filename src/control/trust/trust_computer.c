#include "base/text.h"
#include "control/trust/trust_int.h"

/* The record of docs/format/cred.md, and who a channel's peer is by it. */
#define RECORD_VERSION 1
#define FLAG_WEAK_KEY 1u

void trust_computer_put(struct buf *out, const struct trust_computer *computer) {
    buf_put_u8(out, RECORD_VERSION);
    buf_put_u8(out, (uint8_t)computer->mode);
    buf_put_u8(out, computer->allow_weak_key ? FLAG_WEAK_KEY : 0);
    buf_put_u16(out, computer->control_port);
    buf_put_u16(out, computer->transfer_port);
    buf_put(out, computer->anchor_sha256.b, sizeof computer->anchor_sha256.b);
    buf_put(out, computer->spki_sha256.b, sizeof computer->spki_sha256.b);
    buf_put(out, computer->certificate_sha256.b, sizeof computer->certificate_sha256.b);
    buf_put(out, computer->certificate_sha1, sizeof computer->certificate_sha1);
    buf_put(out, computer->signing_key.b, sizeof computer->signing_key.b);
    buf_put_u64(out, (uint64_t)computer->not_after_s);
    buf_put_u64(out, computer->generation);
    buf_put_lstr(out, span_text(computer->name));
    buf_put_lstr(out, span_text(computer->subject));
}

static bool is_text(struct span text) {
    return text.n > 0 && memchr(text.p, 0, text.n) == NULL;
}

int trust_computer_get(struct span in, struct trust_computer *out, struct err *err) {
    struct cursor c = cursor_of(in);
    *out = (struct trust_computer){0};
    uint8_t version = cursor_u8(&c), mode = cursor_u8(&c), flags = cursor_u8(&c);
    if (!c.bad && version != RECORD_VERSION)
        return ERR(err, ERR_FORMAT_VERSION, "record of a computer has version %u",
                   (unsigned)version);
    out->mode = (enum trust_mode)mode;
    out->allow_weak_key = (flags & FLAG_WEAK_KEY) != 0;
    out->control_port = cursor_u16(&c);
    out->transfer_port = cursor_u16(&c);
    cursor_copy(&c, out->anchor_sha256.b, sizeof out->anchor_sha256.b);
    cursor_copy(&c, out->spki_sha256.b, sizeof out->spki_sha256.b);
    cursor_copy(&c, out->certificate_sha256.b, sizeof out->certificate_sha256.b);
    cursor_copy(&c, out->certificate_sha1, sizeof out->certificate_sha1);
    cursor_copy(&c, out->signing_key.b, sizeof out->signing_key.b);
    out->not_after_s = (int64_t)cursor_u64(&c);
    out->generation = cursor_u64(&c);
    struct span name = cursor_lstr(&c, CRED_NAME_MAX);
    struct span subject = cursor_lstr(&c, TRUST_SUBJECT_MAX - 1);
    bool known_mode = mode == TRUST_CERTIFICATE || mode == TRUST_NTLM;
    if (!cursor_ended(&c) || !known_mode || (flags & ~FLAG_WEAK_KEY) != 0 ||
        !cred_name_allowed(name) || !is_text(subject))
        return ERR(err, ERR_FORMAT, "record of a computer is damaged");
    trust_text(out->name, sizeof out->name, name);
    trust_text(out->subject, sizeof out->subject, subject);
    return 0;
}

/* The listener takes weak keys as soon as one computer may have one; the others may not. */
static int check_key(const struct trust_computer *computer, const struct x509_info *info,
                     struct err *err) {
    bool weak = info->key_kind == X509_KEY_RSA && info->key_bits < 2048;
    if (weak && !computer->allow_weak_key)
        return ERR(err, ERR_AUTH, "computer %.120s shows an RSA key of %u bits, which is too weak",
                   computer->name, info->key_bits);
    return 0;
}

int trust_identify(const struct tls *tls, const struct trust_computer *known, size_t known_n,
                   size_t *i, struct err *err) {
    struct x509_info info;
    if (x509_info_of(tls_peer_certificate(tls), &info, err) != 0)
        return -1;
    for (*i = 0; *i < known_n; (*i)++) {
        const struct trust_computer *computer = &known[*i];
        const struct trust_recorded recorded = {.name = computer->name,
                                                .subject = computer->subject,
                                                .anchor_sha256 = &computer->anchor_sha256};
        if (computer->mode == TRUST_CERTIFICATE && trust_peer_is(tls, &info, &recorded))
            return check_key(computer, &info, err);
    }
    return ERR(err, ERR_TRUST_UNKNOWN, "the peer proved to be %.200s, which is not attached",
               info.subject);
}
