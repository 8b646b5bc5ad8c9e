/* Covers src/base/vec.c. */
#include "unit.h"

#include "base/base.h"
#include "base/vec.h"
#include "died.h"

struct pair {
    uint32_t a;
    uint64_t b;
};

static void vec_keeps_every_element_while_it_grows(void **state) {
    (void)state;
    VEC(struct pair) pairs = {0};
    for (uint32_t i = 0; i < 10000; i++)
        *vec_push(&pairs) = (struct pair){.a = i, .b = ~(uint64_t)i};
    assert_int_equal(pairs.n, 10000);
    assert_true(pairs.cap >= pairs.n);
    for (uint32_t i = 0; i < 10000; i++)
        assert_true(pairs.p[i].a == i && pairs.p[i].b == ~(uint64_t)i);
    vec_done(&pairs);
    assert_null(pairs.p);
    assert_int_equal(pairs.n + pairs.cap, 0);
}

static void vec_grows_seldom(void **state) {
    (void)state;
    VEC(char) bytes = {0};
    unsigned grown = 0;
    size_t cap = 0;
    for (size_t i = 0; i < 1000000; i++) {
        *vec_push(&bytes) = 'x';
        grown += bytes.cap != cap;
        cap = bytes.cap;
    }
    assert_true(grown < 40);
    assert_true(bytes.cap < 2 * bytes.n);
    vec_done(&bytes);
}

static void vec_reserve_makes_room_at_once(void **state) {
    (void)state;
    VEC(uint64_t) numbers = {0};
    vec_reserve(&numbers, 1);
    assert_true(numbers.cap >= 1);
    vec_reserve(&numbers, 5000);
    assert_true(numbers.cap >= 5000);
    assert_int_equal(numbers.n, 0);
    const uint64_t *before = numbers.p;
    for (uint64_t i = 0; i < 5000; i++)
        *vec_push(&numbers) = i;
    assert_ptr_equal(numbers.p, before);
    vec_done(&numbers);
}

static void grow_past_all_memory(void *arg) {
    (void)arg;
    VEC(struct pair) pairs = {0};
    vec_reserve(&pairs, SIZE_MAX / 8);
    vec_done(&pairs);
}

static void vec_of_an_impossible_size_aborts(void **state) {
    (void)state;
    assert_true(died_in(grow_past_all_memory, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vec_keeps_every_element_while_it_grows),
        cmocka_unit_test(vec_grows_seldom),
        cmocka_unit_test(vec_reserve_makes_room_at_once),
        cmocka_unit_test(vec_of_an_impossible_size_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
