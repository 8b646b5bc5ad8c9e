/* Covers src/crypto/crypto.c. */
#include "unit.h"

#include "base/base.h"
#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/crypto.h"
#include "scratch.h"

/* Under this configuration no algorithm of ours is found: without crypto_start the test aborts. */
static void openssl_is_not_configured_from_outside(void **state) {
    (void)state;
    char folder[SCRATCH_PATH_MAX], path[SCRATCH_PATH_MAX + 16];
    (void)text_format(path, sizeof path, "%s/openssl.cnf", scratch_make(folder));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("openssl_conf = all\n[all]\nalg_section = algorithms\n"
                      "[algorithms]\ndefault_properties = provider=none\n",
                      file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(setenv("OPENSSL_CONF", path, 1), 0);
    crypto_start();
    uint8_t key[AEAD_KEY_BYTES] = {0};
    AUTO(aead) *aead = aead_new(key);
    assert_non_null(aead);
    scratch_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_is_not_configured_from_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
