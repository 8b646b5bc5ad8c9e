/* A whole pack of version 1, as docs/format/pack.md describes it: it must be readable for ever. */
#include "crypto/secret.h"
#include "format/pack/pack.h"
#include "golden.h"
#include "unit.h"

struct golden {
    struct buf bytes;
    struct aead *aead;
    struct segment_chunk chunks[SEGMENT_CHUNKS_MAX];
};

static int load(void **state) {
    struct golden *golden = mem_new(sizeof *golden);
    struct err err;
    uint8_t key[32];
    struct pack_header header;
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    golden_read("pack/small.pack", &golden->bytes);
    assert_int_equal(pack_header_get(buf_span(&golden->bytes), &header, &err), 0);
    AUTO(secret) *store_key = secret_of(span_of(key, sizeof key)), *pack_key = NULL;
    assert_int_equal(
        secret_derive(store_key, "casemate pack v1", span_of(header.id.b, 32), &pack_key, &err), 0);
    golden->aead = aead_new(secret_span(pack_key).p);
    *state = golden;
    return 0;
}

static int unload(void **state) {
    struct golden *golden = *state;
    aead_free(golden->aead);
    buf_done(&golden->bytes);
    mem_free(golden);
    return 0;
}

static int open_record(struct golden *golden, uint64_t off, uint32_t counter, struct buf *out) {
    struct span pack = buf_span(&golden->bytes);
    struct pack_record record;
    uint8_t aad[PACK_AAD_BYTES], nonce[AEAD_NONCE_BYTES];
    struct err err;
    struct span rest = span_of(pack.p + off, pack.n - (size_t)off);
    assert_int_equal(pack_record_get(rest, &record, &err), 0);
    assert_int_equal(record.counter, counter);
    memcpy(aad, pack.p, PACK_HEADER_BYTES);
    memcpy(aad + PACK_HEADER_BYTES, rest.p, PACK_RECORD_BYTES);
    pack_nonce(nonce, counter);
    buf_clear(out);
    return aead_open(golden->aead, nonce, span_of(aad, sizeof aad),
                     span_of(rest.p + PACK_RECORD_BYTES, record.sealed_bytes + AEAD_TAG_BYTES),
                     buf_extend(out, record.sealed_bytes), &err);
}

static struct pack_trailer trailer_of(const struct golden *golden) {
    struct pack_trailer trailer;
    struct err err;
    struct span end =
        span_of(golden->bytes.p + golden->bytes.n - PACK_TRAILER_BYTES, PACK_TRAILER_BYTES);
    assert_int_equal(pack_trailer_get(end, &trailer, &err), 0);
    return trailer;
}

static void golden_pack_opens_from_trailer_to_chunks(void **state) {
    struct golden *golden = *state;
    struct pack_trailer trailer = trailer_of(golden);
    struct pack_footer footer;
    struct buf bytes = {0}, segment_bytes = {0};
    struct segment segment;
    struct err err;
    static const uint32_t lengths[] = {300, 400, 40};
    static const uint8_t types[] = {CHUNK_DATA, CHUNK_TREE, CHUNK_MANIFEST};
    assert_int_equal(trailer.segment_n, 2);
    assert_int_equal(trailer.chunk_n, 3);
    assert_int_equal(open_record(golden, trailer.footer_off, 2, &bytes), 0);
    assert_int_equal(pack_footer_get(buf_span(&bytes), &footer, &err), 0);
    assert_int_equal(footer.end_off, trailer.footer_off);
    struct pack_walk walk = pack_walk_of(&footer);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(pack_walk_next(&walk));
        assert_int_equal(walk.chunk.length, lengths[i]);
        assert_int_equal(walk.chunk.type, types[i]);
        assert_int_equal(walk.chunk.name.b[5], 0x40 + i);
        assert_int_equal(open_record(golden, walk.segment_off, walk.segment_i, &segment_bytes), 0);
        assert_int_equal(segment_get(buf_span(&segment_bytes), golden->chunks, &segment, &err), 0);
        assert_int_equal(segment.chunks[i - walk.segment_first_i].length, lengths[i]);
    }
    assert_int_equal(segment.codec, SEGMENT_RAW);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(segment.payload.p[i], i);
    buf_done(&bytes);
    buf_done(&segment_bytes);
}

static void golden_pack_has_its_content_hash(void **state) {
    struct golden *golden = *state;
    struct pack_trailer trailer = trailer_of(golden);
    const uint8_t *p = golden->bytes.p;
    uint64_t off = PACK_HEADER_BYTES;
    struct digest part, content;
    struct hasher *hasher = hasher_new();
    hash_bytes(span_of(p, PACK_HEADER_BYTES), &part);
    hasher_add(hasher, span_of(part.b, sizeof part.b));
    for (uint32_t i = 0; i <= trailer.segment_n; i++) {
        struct pack_record record;
        struct err err;
        assert_int_equal(pack_record_get(span_of(p + off, PACK_RECORD_BYTES), &record, &err), 0);
        hash_bytes(span_of(p + off, PACK_RECORD_EXTRA + record.sealed_bytes), &part);
        hasher_add(hasher, span_of(part.b, sizeof part.b));
        off += PACK_RECORD_EXTRA + record.sealed_bytes;
    }
    assert_int_equal(off, golden->bytes.n - PACK_TRAILER_BYTES);
    hasher_get(hasher, &content);
    assert_true(digest_equal(&content, &trailer.content));
    hasher_free(hasher);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(golden_pack_opens_from_trailer_to_chunks, load, unload),
        cmocka_unit_test_setup_teardown(golden_pack_has_its_content_hash, load, unload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
