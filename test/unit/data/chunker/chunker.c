/* Covers src/data/chunker/chunker.c, chunker_scalar.c, chunker_avx2.c, chunker_avx512.c */
#include "unit.h"

#include "base/vec.h"
#include "data/chunker/chunker_int.h"
#include "golden.h"
#include "seed.h"

#define DATA_BYTES (8u << 20)

static uint8_t *data_new(size_t n) {
    return mem_resize(NULL, n);
}

/* Small chunks, so that little data has many. */
static struct chunker_params small_params(struct seed *seed) {
    struct chunker_params params = chunker_defaults;
    params.avg_bytes = 4096u << seed_below(seed, 3);
    params.min_bytes = params.avg_bytes >> seed_below(seed, 3);
    params.max_bytes = params.avg_bytes << seed_below(seed, 4);
    params.seed = seed_u64(seed);
    return params;
}

/* Bytes of many kinds, one after the other. */
static void data_mixed(struct seed *seed, uint8_t *to, size_t n) {
    for (size_t at = 0; at < n;) {
        size_t m = MIN(1 + seed_below(seed, 90000), n - at), period = 1 + seed_below(seed, 64);
        uint8_t pattern[64];
        seed_fill(seed, pattern, sizeof pattern);
        uint64_t kind = seed_below(seed, 5);
        for (size_t i = 0; i < m; i++)
            to[at + i] = kind == 0   ? 0
                         : kind == 1 ? pattern[i % period]
                         : kind == 2 ? (uint8_t)(seed_u64(seed) & 3)
                         : kind == 3 ? (uint8_t)(i / 7)
                                     : 0xff;
        if (kind == 4)
            seed_fill(seed, to + at, m);
        at += m;
    }
}

static void every_engine_cuts_the_same(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    uint8_t *data = data_new(DATA_BYTES);
    unsigned engines = 0;
    for (unsigned round = 0; round < 10; round++) {
        struct chunker_params params = small_params(&seed);
        struct chunker *fast = chunker_new(&params), *plain = chunker_new(&params);
        assert_true(chunker_engine_use(plain, CHUNKER_SCALAR));
        if (round % 2 == 0)
            seed_fill(&seed, data, DATA_BYTES);
        else
            data_mixed(&seed, data, DATA_BYTES);
        size_t n = DATA_BYTES - seed_below(&seed, 100);
        for (int engine = CHUNKER_AVX2; engine < CHUNKER_ENGINES; engine++) {
            if (!chunker_engine_use(fast, (enum chunker_engine)engine))
                continue;
            engines++;
            for (size_t at = seed_below(&seed, 64), cut; at < n; at += cut) {
                struct span rest = span_of(data + at, n - at);
                cut = chunker_next(fast, rest, true);
                assert_int_equal(cut, chunker_next(plain, rest, true));
            }
        }
        chunker_free(fast);
        chunker_free(plain);
    }
    printf("%u comparisons\n", engines);
    mem_free(data);
}

/* The whole input in an allocation of its own: a sanitizer sees a read before or behind it. */
static void no_engine_reads_outside_its_input(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    for (unsigned round = 0; round < 600; round++) {
        struct chunker_params params = small_params(&seed);
        struct chunker *chunker = chunker_new(&params);
        size_t n = seed_below(&seed, 3u * params.avg_bytes);
        uint8_t *data = data_new(n > 0 ? n : 1);
        seed_fill(&seed, data, n);
        for (int engine = 0; engine < CHUNKER_ENGINES; engine++)
            if (chunker_engine_use(chunker, (enum chunker_engine)engine))
                assert_in_range(chunker_next(chunker, span_of(data, n), true), n > 0, n);
        mem_free(data);
        chunker_free(chunker);
    }
}

/* Without the end of the file the answer is the same cut, or 0 for want of bytes. */
static void more_bytes_never_change_an_answer(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    uint8_t *data = data_new(DATA_BYTES);
    data_mixed(&seed, data, DATA_BYTES);
    struct chunker *chunker = chunker_new(&chunker_defaults);
    for (size_t at = 0, cut; at < DATA_BYTES; at += cut) {
        size_t left = DATA_BYTES - at;
        cut = chunker_next(chunker, span_of(data + at, left), true);
        for (unsigned k = 0; k < 8; k++) {
            size_t n = seed_below(&seed, MIN(left, (size_t)300000) + 1);
            size_t early = chunker_next(chunker, span_of(data + at, n), false);
            if (early == 0)
                assert_true(n <= cut && n < chunker_defaults.max_bytes);
            else
                assert_int_equal(early, cut);
        }
    }
    chunker_free(chunker);
    mem_free(data);
}

/* The law of chunker_int.h: from the minimum on, a cut per 256 KiB, from the average on, one per
 * 16 KiB.  Expected and allowed are computed for 64 MiB. */
static void sizes_follow_the_law(void **state) {
    (void)state;
    struct seed seed = {.state = 7};
    size_t n = 64u << 20;
    uint8_t *data = data_new(n);
    seed_fill(&seed, data, n);
    struct chunker *chunker = chunker_new(&chunker_defaults);
    unsigned all = 0, early = 0, below_96k = 0, full = 0;
    for (size_t at = 0, cut; at < n; at += cut, all++) {
        cut = chunker_next(chunker, span_of(data + at, n - at), true);
        assert_true(at + cut == n || cut >= chunker_defaults.min_bytes);
        assert_true(cut <= chunker_defaults.max_bytes);
        early += cut < chunker_defaults.avg_bytes;
        below_96k += cut < 96 * 1024;
        full += cut == chunker_defaults.max_bytes;
    }
    printf("%u chunks: %u below 64 KiB, %u below 96 KiB, %u full\n", all, early, below_96k, full);
    assert_in_range(all, 850, 930);                    /* mean 75 KiB */
    assert_in_range(early * 1000 / all, 130, 210);     /* 1 - exp(-48/256) = 17.1 % */
    assert_in_range(below_96k * 1000 / all, 850, 925); /* 88.8 % */
    assert_in_range(full, 0, 2);                       /* exp(-12) */
    chunker_free(chunker);
    mem_free(data);
}

static void an_insertion_moves_few_cuts(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    uint8_t *data = data_new(DATA_BYTES + 100);
    seed_fill(&seed, data, DATA_BYTES);
    struct chunker *chunker = chunker_new(&chunker_defaults);
    VEC(size_t) ends = {0}; /* counted from the end of the data */
    for (size_t at = 0; at < DATA_BYTES;) {
        at += chunker_next(chunker, span_of(data + at, DATA_BYTES - at), true);
        *vec_push(&ends) = DATA_BYTES - at;
    }
    size_t where = DATA_BYTES / 4 + seed_below(&seed, 100000), more = 1 + seed_below(&seed, 99);
    memmove(data + where + more, data + where, DATA_BYTES - where);
    size_t n = DATA_BYTES + more, common = 0, k = 0, all = 0;
    for (size_t at = 0; at < n; all++) {
        at += chunker_next(chunker, span_of(data + at, n - at), true);
        while (k < ends.n && ends.p[k] > n - at)
            k++;
        common += k < ends.n && ends.p[k] == n - at;
    }
    /* before the insertion all end elsewhere; behind it they meet again after some chunks */
    assert_in_range(common, all / 2, all);
    vec_done(&ends);
    chunker_free(chunker);
    mem_free(data);
}

/* Periods up to 64 make windows that come again and again: every chunk is still within bounds,
 * and all but the first few are equal. */
static void degenerate_inputs_are_bounded(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    size_t n = 2u << 20;
    uint8_t *data = data_new(n);
    for (size_t period = 1; period <= 64; period++) {
        struct chunker_params params = chunker_defaults;
        params.seed = seed_u64(&seed);
        struct chunker *chunker = chunker_new(&params);
        uint8_t pattern[64];
        seed_fill(&seed, pattern, sizeof pattern);
        for (size_t i = 0; i < n; i++)
            data[i] = pattern[i % period];
        for (size_t at = 0, cut; at < n; at += cut) {
            cut = chunker_next(chunker, span_of(data + at, n - at), true);
            assert_true(at + cut == n || cut >= params.min_bytes);
            assert_in_range(cut, 1, params.max_bytes);
        }
        chunker_free(chunker);
    }
    mem_free(data);
}

/* A run of any byte value, under any seed, is cut at the maximum only. */
static void runs_have_no_boundary(void **state) {
    (void)state;
    struct seed seed = seed_start(__func__);
    uint8_t *data = data_new(CHUNK_BYTES_MAX);
    for (unsigned round = 0; round < 64; round++) {
        struct chunker_params params = chunker_defaults;
        params.seed = seed_u64(&seed);
        struct chunker *chunker = chunker_new(&params);
        for (unsigned b = round % 4; b < 256; b += 4) {
            memset(data, (int)b, CHUNK_BYTES_MAX);
            struct span all = span_of(data, CHUNK_BYTES_MAX);
            assert_int_equal(chunker_next(chunker, all, false), params.max_bytes);
        }
        chunker_free(chunker);
    }
    mem_free(data);
}

static void short_inputs_are_one_chunk(void **state) {
    (void)state;
    static uint8_t data[16 * 1024];
    struct chunker *chunker = chunker_new(&chunker_defaults);
    assert_int_equal(chunker_next(chunker, span_of(data, 0), true), 0);
    assert_int_equal(chunker_next(chunker, span_of(data, 0), false), 0);
    assert_int_equal(chunker_next(chunker, span_of(data, 1), true), 1);
    assert_int_equal(chunker_next(chunker, span_of(data, 1), false), 0);
    assert_int_equal(chunker_next(chunker, span_of(data, sizeof data), true), sizeof data);
    assert_int_equal(chunker_next(chunker, span_of(data, sizeof data), false), 0);
    chunker_free(chunker);
}

/* Cuts decide what is deduplicated: they must stay where they are from release to release. */
static void cuts_stay_where_they_are(void **state) {
    (void)state;
    struct seed seed = {.state = 2026};
    uint8_t *data = data_new(DATA_BYTES);
    seed_fill(&seed, data, DATA_BYTES / 2);
    data_mixed(&seed, data + DATA_BYTES / 2, DATA_BYTES / 2);
    struct chunker *chunker = chunker_new(&chunker_defaults);
    struct buf cuts = {0};
    for (size_t at = 0, cut; at < DATA_BYTES; at += cut) {
        cut = chunker_next(chunker, span_of(data + at, DATA_BYTES - at), true);
        buf_put_u32(&cuts, (uint32_t)cut);
    }
    golden_equal("chunker/gear-nc2.cuts", buf_span(&cuts));
    buf_done(&cuts);
    chunker_free(chunker);
    mem_free(data);
}

static void parameters_out_of_range_are_refused(void **state) {
    (void)state;
    static const struct chunker_params bad[] = {
        {0},
        {2, 16384, 65536, 262144, 16384, 0},
        {1, 16384, 65535, 262144, 16384, 0},
        {1, 1024, 2048, 262144, 16384, 0},
        {1, 16384, 262144, 262144, 16384, 0},
        {1, 1023, 65536, 262144, 16384, 0},
        {1, 65537, 65536, 262144, 16384, 0},
        {1, 16384, 65536, 65535, 16384, 0},
        {1, 16384, 65536, 262145, 16384, 0},
        {1, 16384, 65536, 262144, 512, 0},
        {1, 16384, 65536, 262144, 524288, 0},
        {1, 16384, 65536, 262144, 16383, 0},
    };
    static const struct chunker_params good[] = {
        {1, 1024, 4096, 4096, 1024, 0},
        {1, 65536, 65536, 65536, 262144, 1},
        {1, 131072, 131072, 262144, 4096, UINT64_MAX},
    };
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_N(bad); i++) {
        assert_int_equal(chunker_params_check(&bad[i], &err), -1);
        assert_int_equal(err.code, ERR_FORMAT);
    }
    for (size_t i = 0; i < ARRAY_N(good); i++) {
        assert_int_equal(chunker_params_check(&good[i], &err), 0);
        chunker_free(chunker_new(&good[i]));
    }
    assert_int_equal(chunker_params_check(&chunker_defaults, &err), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_engine_cuts_the_same),
        cmocka_unit_test(no_engine_reads_outside_its_input),
        cmocka_unit_test(more_bytes_never_change_an_answer),
        cmocka_unit_test(sizes_follow_the_law),
        cmocka_unit_test(an_insertion_moves_few_cuts),
        cmocka_unit_test(degenerate_inputs_are_bounded),
        cmocka_unit_test(runs_have_no_boundary),
        cmocka_unit_test(short_inputs_are_one_chunk),
        cmocka_unit_test(cuts_stay_where_they_are),
        cmocka_unit_test(parameters_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
