/* Covers src/data/store/store_cache.c */
#include "data/store/store_cache.h"
#include "seed.h"
#include "unit.h"

static void fill(struct store_cache *cache, uint64_t key, size_t n) {
    struct buf *buf = store_cache_put(cache, key, n);
    assert_int_equal(buf->n, n);
    memset(buf->p, (int)(key % 251), n);
}

static bool holds(struct store_cache *cache, uint64_t key) {
    const struct buf *buf = store_cache_get(cache, key);
    for (size_t i = 0; buf != NULL && i < buf->n; i++)
        assert_int_equal(buf->p[i], key % 251);
    return buf != NULL;
}

static void least_recently_used_goes_first(void **state) {
    (void)state;
    struct store_cache *cache = store_cache_new(4096);
    for (uint64_t key = 1; key <= 4; key++)
        fill(cache, key, 1000);
    assert_true(holds(cache, 1));
    fill(cache, 5, 1000);
    assert_false(holds(cache, 2));
    assert_true(holds(cache, 1));
    assert_true(holds(cache, 3));
    store_cache_drop(cache, 3);
    assert_false(holds(cache, 3));
    store_cache_drop(cache, 3);
    store_cache_free(cache);
}

static void one_larger_than_all_is_still_kept(void **state) {
    (void)state;
    struct store_cache *cache = store_cache_new(100);
    fill(cache, 1, 50);
    fill(cache, 2, 5000);
    assert_true(holds(cache, 2));
    assert_false(holds(cache, 1));
    fill(cache, 3, 50);
    assert_false(holds(cache, 2));
    assert_true(holds(cache, 3));
    store_cache_free(cache);
}

static void random_keys_and_sizes_never_mix(void **state) {
    (void)state;
    struct seed seed = seed_start("store_cache");
    struct store_cache *cache = store_cache_new(20000);
    uint64_t hits = 0;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t key = seed_below(&seed, 200) << 32 | 96;
        if (holds(cache, key))
            hits++;
        else
            fill(cache, key, 1 + seed_below(&seed, 700));
        if (seed_one_in(&seed, 50))
            store_cache_drop(cache, seed_below(&seed, 200) << 32 | 96);
    }
    assert_true(hits > 1000);
    store_cache_free(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_recently_used_goes_first),
        cmocka_unit_test(one_larger_than_all_is_still_kept),
        cmocka_unit_test(random_keys_and_sizes_never_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
