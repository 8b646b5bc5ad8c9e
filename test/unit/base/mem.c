/* Covers src/base/mem.c and the ownership macros of src/base/base.h. */
#include "unit.h"

#include "base/base.h"
#include "died.h"

static void mem_new_gives_zeroed_memory(void **state) {
    (void)state;
    uint8_t *p = mem_new(1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    mem_free(p);
    uint64_t *numbers = mem_new_array(100, sizeof *numbers);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(numbers[i], 0);
    mem_free(numbers);
}

static void mem_of_no_bytes_is_a_pointer_all_the_same(void **state) {
    (void)state;
    void *made[] = {mem_new(0), mem_new_array(0, 8), mem_new_array(8, 0), mem_resize(NULL, 0),
                    mem_copy("", 0)};
    for (size_t i = 0; i < ARRAY_N(made); i++) {
        assert_non_null(made[i]);
        mem_free(made[i]);
    }
    mem_free(NULL);
}

static void mem_resize_keeps_the_content(void **state) {
    (void)state;
    char *p = mem_text("content");
    p = mem_resize(p, 100000);
    assert_string_equal(p, "content");
    p = mem_resize(p, 8);
    assert_string_equal(p, "content");
    mem_free(p);
}

static void ask_for_an_overflowing_array(void *arg) {
    (void)arg;
    mem_free(mem_new_array(SIZE_MAX / 2, 3));
}

static void mem_new_array_aborts_on_overflow(void **state) {
    (void)state;
    assert_true(died_in(ask_for_an_overflowing_array, NULL));
}

static void break_an_invariant(void *arg) {
    (void)arg;
    INVARIANT(arg != NULL);
}

static void a_broken_invariant_aborts(void **state) {
    (void)state;
    assert_true(died_in(break_an_invariant, NULL));
    int something;
    assert_false(died_in(break_an_invariant, &something));
}

struct thing {
    int *closed;
};
static void thing_auto(struct thing **p) {
    if (*p != NULL)
        ++*(*p)->closed;
}

static struct thing *taken_out_of_its_scope(struct thing *thing) {
    AUTO(thing) *mine = thing;
    return TAKE(mine);
}

static void take_hands_over_what_auto_would_close(void **state) {
    (void)state;
    int closed = 0;
    struct thing thing = {&closed};
    assert_ptr_equal(taken_out_of_its_scope(&thing), &thing);
    assert_int_equal(closed, 0);
    {
        AUTO(thing) *mine = &thing;
        assert_non_null(mine);
    }
    assert_int_equal(closed, 1);
}

static void min_and_max_evaluate_once(void **state) {
    (void)state;
    int n = 1;
    assert_int_equal(MIN(n++, 5), 1);
    assert_int_equal(n, 2);
    assert_int_equal(MAX(n++, 1), 2);
    assert_int_equal(n, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mem_new_gives_zeroed_memory),
        cmocka_unit_test(mem_of_no_bytes_is_a_pointer_all_the_same),
        cmocka_unit_test(mem_resize_keeps_the_content),
        cmocka_unit_test(mem_new_array_aborts_on_overflow),
        cmocka_unit_test(a_broken_invariant_aborts),
        cmocka_unit_test(take_hands_over_what_auto_would_close),
        cmocka_unit_test(min_and_max_evaluate_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
