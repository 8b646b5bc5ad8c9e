/* Covers src/crypto/hash.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/text.h"
#include "crypto/hash.h"

/* Input of the official test vectors: 0, 1, .. 250, 0, 1, ... */
static uint8_t *pattern(size_t n) {
    uint8_t *p = mem_new(n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i % 251);
    return p;
}

static void expect_hex(const struct digest *digest, const char *hex) {
    char text[65];
    text_hex(text, digest->b, sizeof digest->b);
    assert_string_equal(text, hex);
}

static void hash_gives_the_official_vectors(void **state) {
    (void)state;
    static const struct {
        size_t n;
        const char *plain;
        const char *keyed;
    } rows[] = {
        {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
         "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"},
        {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
         "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b"},
        {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
         "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4"},
        {102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
         "1c35d1a5811083fd7119f5d5d1ba027b4d01c0c6c49fb6ff2cf75393ea5db4a7"},
    };
    for (size_t i = 0; i < ARRAY_N(rows); i++) {
        MEM_AUTO uint8_t *p = pattern(rows[i].n);
        struct digest digest;
        hash_bytes(span_of(p, rows[i].n), &digest);
        expect_hex(&digest, rows[i].plain);
        hash_keyed((const uint8_t *)"whats the Elvish word for friend", span_of(p, rows[i].n),
                   &digest);
        expect_hex(&digest, rows[i].keyed);
    }
}

static void typed_hash_is_the_hash_of_type_and_bytes(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 1022, 1023, 1024, 8190, 8191, 8192, 8193, 65536, 262144};
    struct hasher *hasher = hasher_new();
    for (size_t i = 0; i < ARRAY_N(sizes); i++) {
        MEM_AUTO uint8_t *p = pattern(sizes[i]);
        uint8_t type = (uint8_t)(i + 1);
        struct digest typed, plain;
        hash_typed(type, span_of(p, sizes[i]), &typed);
        hasher_reset(hasher);
        hasher_add(hasher, span_of(&type, 1));
        hasher_add(hasher, span_of(p, sizes[i]));
        hasher_get(hasher, &plain);
        assert_true(digest_equal(&typed, &plain));
        hash_typed((uint8_t)(type + 1), span_of(p, sizes[i]), &typed);
        assert_false(digest_equal(&typed, &plain));
    }
    hasher_free(hasher);
}

static void hasher_goes_on_after_a_look(void **state) {
    (void)state;
    struct hasher *hasher = hasher_new();
    struct digest half, whole, expected;
    MEM_AUTO uint8_t *p = pattern(5000);
    hasher_add(hasher, span_of(p, 2500));
    hasher_get(hasher, &half);
    hasher_add(hasher, span_of(p + 2500, 2500));
    hasher_get(hasher, &whole);
    hash_bytes(span_of(p, 2500), &expected);
    assert_true(digest_equal(&half, &expected));
    hash_bytes(span_of(p, 5000), &expected);
    assert_true(digest_equal(&whole, &expected));
    hasher_free(hasher);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_gives_the_official_vectors),
        cmocka_unit_test(typed_hash_is_the_hash_of_type_and_bytes),
        cmocka_unit_test(hasher_goes_on_after_a_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
