#include "format/pack/pack.h"

#define VERSION 1u
#define SUITE_AES_256_GCM 1u

static const uint8_t header_magic[8] = {0x89, 'C', 'M', 'P', 'A', 'C', 'K', '\n'};
static const uint8_t record_magic[4] = {'C', 'M', 'R', 'C'};
static const uint8_t trailer_magic[8] = {0x89, 'C', 'M', 'P', 'E', 'N', 'D', '\n'};

static bool starts_with(struct span in, const uint8_t *magic, size_t n) {
    return in.n >= n && memcmp(in.p, magic, n) == 0;
}

void pack_header_put(uint8_t to[static PACK_HEADER_BYTES], const struct pack_header *header) {
    memcpy(to, header_magic, 8);
    be16_put(to + 8, VERSION);
    be16_put(to + 10, 0);
    be32_put(to + 12, 0);
    memcpy(to + 16, header->store, 16);
    memcpy(to + 32, header->id.b, 32);
    memcpy(to + 64, header->job, 16);
    memcpy(to + 80, header->source, 16);
}

int pack_header_get(struct span in, struct pack_header *out, struct err *err) {
    if (in.n < PACK_HEADER_BYTES || !starts_with(in, header_magic, sizeof header_magic))
        return ERR(err, ERR_FORMAT, "no pack header");
    uint16_t version = be16_get(in.p + 8);
    uint32_t features = be32_get(in.p + 12);
    if (version != VERSION || features != 0)
        return ERR(err, ERR_FORMAT_VERSION, "pack of version %u with features %#x", version,
                   features);
    if (be16_get(in.p + 10) != 0)
        return ERR(err, ERR_FORMAT, "pack header is damaged");
    memcpy(out->store, in.p + 16, 16);
    memcpy(out->id.b, in.p + 32, 32);
    memcpy(out->job, in.p + 64, 16);
    memcpy(out->source, in.p + 80, 16);
    return 0;
}

void pack_record_put(uint8_t to[static PACK_RECORD_BYTES], const struct pack_record *record) {
    memcpy(to, record_magic, 4);
    to[4] = (uint8_t)record->kind;
    to[5] = SUITE_AES_256_GCM;
    be16_put(to + 6, 0);
    be32_put(to + 8, record->counter);
    be32_put(to + 12, record->sealed_bytes);
}

int pack_record_get(struct span in, struct pack_record *out, struct err *err) {
    if (in.n < PACK_RECORD_BYTES || !starts_with(in, record_magic, sizeof record_magic) ||
        be16_get(in.p + 6) != 0)
        return ERR(err, ERR_FORMAT, "no record header");
    uint8_t kind = in.p[4], suite = in.p[5];
    if ((kind != PACK_SEGMENT && kind != PACK_FOOTER) || suite != SUITE_AES_256_GCM)
        return ERR(err, ERR_FORMAT_VERSION, "record of kind %u with suite %u", kind, suite);
    *out = (struct pack_record){.kind = (enum pack_record_kind)kind,
                                .counter = be32_get(in.p + 8),
                                .sealed_bytes = be32_get(in.p + 12)};
    uint32_t max = kind == PACK_SEGMENT ? SEGMENT_ENCODED_MAX : PACK_FOOTER_BYTES_MAX;
    if (out->sealed_bytes == 0 || out->sealed_bytes > max)
        return ERR(err, ERR_FORMAT, "record of %u bytes, at most %u", out->sealed_bytes, max);
    return 0;
}

void pack_nonce(uint8_t to[static AEAD_NONCE_BYTES], uint32_t counter) {
    be64_put(to, 0);
    be32_put(to + 8, counter);
}

void pack_trailer_put(uint8_t to[static PACK_TRAILER_BYTES], const struct pack_trailer *trailer) {
    struct digest check;
    memcpy(to, trailer_magic, 8);
    be64_put(to + 8, trailer->footer_off);
    be32_put(to + 16, trailer->footer_bytes);
    be32_put(to + 20, trailer->segment_n);
    be32_put(to + 24, trailer->chunk_n);
    be32_put(to + 28, 0);
    memcpy(to + 32, trailer->content.b, 32);
    hash_bytes(span_of(to, 64), &check);
    memcpy(to + 64, check.b, 32);
}

int pack_trailer_get(struct span in, struct pack_trailer *out, struct err *err) {
    struct digest check;
    if (in.n != PACK_TRAILER_BYTES || !starts_with(in, trailer_magic, sizeof trailer_magic))
        return ERR(err, ERR_FORMAT, "no pack trailer");
    hash_bytes(span_of(in.p, 64), &check);
    if (memcmp(check.b, in.p + 64, sizeof check.b) != 0)
        return ERR(err, ERR_FORMAT, "pack trailer is damaged");
    *out = (struct pack_trailer){.footer_off = be64_get(in.p + 8),
                                 .footer_bytes = be32_get(in.p + 16),
                                 .segment_n = be32_get(in.p + 20),
                                 .chunk_n = be32_get(in.p + 24)};
    memcpy(out->content.b, in.p + 32, 32);
    if (out->footer_off < PACK_HEADER_BYTES || out->footer_off > PACK_BYTES_MAX ||
        out->footer_bytes == 0 || out->footer_bytes > PACK_FOOTER_BYTES_MAX ||
        be32_get(in.p + 28) != 0)
        return ERR(err, ERR_FORMAT, "pack trailer tells of a footer that cannot be");
    return 0;
}
