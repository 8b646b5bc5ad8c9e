/* Covers src/crypto/aead.c, secret.c, sign.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

static void expect_hex(const uint8_t *p, size_t n, const char *hex) {
    char text[257];
    assert_true(n <= 128);
    text_hex(text, p, n);
    assert_string_equal(text, hex);
}

/* McGrew and Viega, test cases 13, 14 and 16. */
static void aead_gives_the_published_vectors(void **state) {
    (void)state;
    uint8_t zero[32] = {0}, out[128];
    struct aead *aead = aead_new(zero);
    assert_int_equal(aead_seal(aead, zero, span_of(NULL, 0), span_of(NULL, 0), out, NULL), 0);
    expect_hex(out, 16, "530f8afbc74536b9a963b4f1c4cb738b");
    assert_int_equal(aead_seal(aead, zero, span_of(NULL, 0), span_of(zero, 16), out, NULL), 0);
    expect_hex(out, 32, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    aead_free(aead);

    uint8_t key[32], nonce[12], aad[20], plain[60];
    assert_true(text_unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", 64,
                           key, sizeof key));
    assert_true(text_unhex("cafebabefacedbaddecaf888", 24, nonce, sizeof nonce));
    assert_true(text_unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2", 40, aad, sizeof aad));
    assert_true(text_unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                           "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
                           120, plain, sizeof plain));
    aead = aead_new(key);
    assert_int_equal(
        aead_seal(aead, nonce, span_of(aad, sizeof aad), span_of(plain, sizeof plain), out, NULL),
        0);
    expect_hex(out, 76,
               "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7"
               "b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
    aead_free(aead);
}

static void aead_opens_in_place_and_refuses_every_flipped_bit(void **state) {
    (void)state;
    uint8_t key[32] = {1}, nonce[12] = {2}, sealed[40 + AEAD_TAG_BYTES], copy[sizeof sealed];
    struct span aad = span_text("header");
    struct err err;
    struct aead *aead = aead_new(key);
    for (size_t i = 0; i < 40; i++)
        sealed[i] = (uint8_t)i;
    assert_int_equal(aead_seal(aead, nonce, aad, span_of(sealed, 40), sealed, &err), 0);
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        memcpy(copy, sealed, sizeof copy);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(aead_open(aead, nonce, aad, span_of(copy, sizeof copy), copy, &err), -1);
        assert_int_equal(err.code, ERR_TAMPERED);
        for (size_t i = 0; i < 40; i++)
            assert_int_equal(copy[i], 0);
    }
    for (size_t n = 0; n < sizeof sealed; n++) {
        memcpy(copy, sealed, sizeof copy);
        assert_int_equal(aead_open(aead, nonce, aad, span_of(copy, n), copy, &err), -1);
        assert_int_equal(err.code, ERR_TAMPERED);
    }
    memcpy(copy, sealed, sizeof copy);
    assert_int_equal(
        aead_open(aead, nonce, span_text("Header"), span_of(copy, sizeof copy), copy, &err), -1);
    assert_int_equal(err.code, ERR_TAMPERED);
    assert_int_equal(aead_open(aead, nonce, aad, span_of(sealed, sizeof sealed), sealed, &err), 0);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(sealed[i], i);
    aead_free(aead);
}

/* RFC 5869, test case 1, cut to 32 bytes; its info is binary without zeros, so it is a label. */
static void derive_gives_the_published_vector(void **state) {
    (void)state;
    uint8_t key[22], salt[13];
    memset(key, 0x0b, sizeof key);
    for (size_t i = 0; i < sizeof salt; i++)
        salt[i] = (uint8_t)i;
    AUTO(secret) *secret = secret_of(span_of(key, sizeof key));
    AUTO(secret) *derived = NULL;
    assert_int_equal(secret_derive(secret, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9",
                                   span_of(salt, sizeof salt), &derived, NULL),
                     0);
    expect_hex(secret_span(derived).p, 32,
               "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}

static void derived_keys_differ_by_label_and_context(void **state) {
    (void)state;
    static const char *const labels[] = {"pack", "name"};
    static const char *const contexts[] = {"", "a", "b"};
    AUTO(secret) *key = secret_new(32);
    struct secret *derived[6] = {NULL};
    for (size_t i = 0; i < ARRAY_N(derived); i++)
        assert_int_equal(
            secret_derive(key, labels[i / 3], span_text(contexts[i % 3]), &derived[i], NULL), 0);
    for (size_t i = 0; i < ARRAY_N(derived); i++)
        for (size_t j = 0; j < i; j++)
            assert_false(span_equal(secret_span(derived[i]), secret_span(derived[j])));
    for (size_t i = 0; i < ARRAY_N(derived); i++)
        secret_free(derived[i]);
    secret_free(NULL);
}

/* RFC 8032, 7.1, test 2. */
static void signature_gives_the_published_vector(void **state) {
    (void)state;
    uint8_t seed_bytes[32], message = 0x72;
    assert_true(text_unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", 64,
                           seed_bytes, sizeof seed_bytes));
    AUTO(secret) *seed = secret_of(span_of(seed_bytes, sizeof seed_bytes));
    struct sign_public public;
    struct signature signature;
    assert_int_equal(sign_public_of(seed, &public, NULL), 0);
    expect_hex(public.b, 32, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    assert_int_equal(sign_bytes(seed, span_of(&message, 1), &signature, NULL), 0);
    expect_hex(signature.b, 64,
               "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
               "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    assert_int_equal(sign_verify(&public, span_of(&message, 1), &signature, NULL), 0);
}

static void signature_refuses_other_bytes_and_keys(void **state) {
    (void)state;
    AUTO(secret) *mine = sign_seed_new();
    AUTO(secret) *other = sign_seed_new();
    AUTO(secret) *brief = secret_new(31);
    struct sign_public mine_public, other_public;
    struct signature signature;
    struct err err;
    assert_int_equal(sign_public_of(mine, &mine_public, &err), 0);
    assert_int_equal(sign_public_of(other, &other_public, &err), 0);
    assert_int_equal(sign_bytes(mine, span_text("commit"), &signature, &err), 0);
    assert_int_equal(sign_verify(&mine_public, span_text("commit"), &signature, &err), 0);
    assert_int_equal(sign_verify(&mine_public, span_text("commits"), &signature, &err), -1);
    assert_int_equal(err.code, ERR_TAMPERED);
    assert_int_equal(sign_verify(&other_public, span_text("commit"), &signature, &err), -1);
    assert_int_equal(err.code, ERR_TAMPERED);
    signature.b[0] ^= 1;
    assert_int_equal(sign_verify(&mine_public, span_text("commit"), &signature, &err), -1);
    assert_int_equal(sign_bytes(brief, span_text("commit"), &signature, &err), -1);
    assert_int_equal(err.code, ERR_CRYPTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aead_gives_the_published_vectors),
        cmocka_unit_test(aead_opens_in_place_and_refuses_every_flipped_bit),
        cmocka_unit_test(derive_gives_the_published_vector),
        cmocka_unit_test(derived_keys_differ_by_label_and_context),
        cmocka_unit_test(signature_gives_the_published_vector),
        cmocka_unit_test(signature_refuses_other_bytes_and_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
