/* Covers src/control/source/source.c */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "must.h"

#include "base/text.h"
#include "control/source/source.h"
#include "os/os.h"
#include "scratch.h"

struct fixture {
    char path[SCRATCH_PATH_MAX];
    int fd;
};

static const uint8_t id[16] = {0xab, 1, 2, 3};
#define ID_HEX "ab010203000000000000000000000000"

static int setup(void **state) {
    struct fixture *f = mem_new(sizeof *f);
    (void)scratch_make(f->path);
    OK(os_dir_open(OS_FD_CWD, f->path, &f->fd, &err));
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    os_close(&f->fd);
    scratch_remove(f->path);
    mem_free(f);
    return 0;
}

static struct source source_new(const char *path) {
    struct source source = {.one_file_system = true};
    memcpy(source.id, id, sizeof id);
    assert_true(text_copy(source.path, sizeof source.path, path));
    return source;
}

static void a_source_comes_back_as_it_was_saved(void **state) {
    struct fixture *f = *state;
    struct source in = source_new("/srv/d\xe4ta with spaces"), out;
    struct buf excludes = {0};
    buf_put_lstr(&excludes, span_text("*.tmp"));
    buf_put_lstr(&excludes, span_text("/cache/"));
    OK(source_set_excludes(&in, buf_span(&excludes), &err));
    OK(source_save(f->fd, &in, &err));
    OK(source_load(f->fd, id, &out, &err));
    assert_memory_equal(out.id, id, sizeof id);
    assert_string_equal(out.path, in.path);
    assert_true(out.one_file_system);
    assert_false(out.exclude_caches);
    assert_int_equal(out.excludes.n, 2);
    assert_string_equal(out.excludes.p[0], "*.tmp");
    assert_string_equal(out.excludes.p[1], "/cache/");
    source_done(&in);
    source_done(&out);
    buf_done(&excludes);
}

static void saving_again_replaces_what_was_there(void **state) {
    struct fixture *f = *state;
    struct source first = source_new("/a"), second = source_new("/b"), out;
    second.one_file_system = false;
    second.exclude_caches = true;
    OK(source_save(f->fd, &first, &err));
    OK(source_save(f->fd, &second, &err));
    OK(source_load(f->fd, id, &out, &err));
    assert_string_equal(out.path, "/b");
    assert_false(out.one_file_system);
    assert_true(out.exclude_caches);
    source_done(&out);
}

static void a_source_that_was_never_registered_is_not_found(void **state) {
    struct fixture *f = *state;
    struct source out;
    FAILS(ERR_NOT_FOUND, source_load(f->fd, id, &out, &err));
    source_done(&out);
}

/* ---- limits ---- */

static void put_patterns(struct buf *encoded, size_t n, size_t length) {
    char pattern[5000];
    memset(pattern, 'p', sizeof pattern);
    for (size_t i = 0; i < n; i++)
        buf_put_lstr(encoded, span_of(pattern, length));
}

static void expect_patterns(size_t n, size_t length, bool good) {
    struct source source = source_new("/a");
    struct buf encoded = {0};
    put_patterns(&encoded, n, length);
    if (good)
        OK(source_set_excludes(&source, buf_span(&encoded), &err));
    else
        FAILS(ERR_USAGE, source_set_excludes(&source, buf_span(&encoded), &err));
    assert_int_equal(source.excludes.n, good ? n : 0);
    source_done(&source);
    buf_done(&encoded);
}

static void exclusions_are_accepted_up_to_their_limits_and_not_one_further(void **state) {
    (void)state;
    expect_patterns(0, 0, true);
    expect_patterns(SOURCE_EXCLUDES_MAX, 3, true);
    expect_patterns(SOURCE_EXCLUDES_MAX + 1, 3, false);
    expect_patterns(1, 4096, true);
    expect_patterns(1, 4097, false);
    expect_patterns(1, 0, false);
}

static void an_exclusion_with_a_line_end_or_nul_or_cut_short_is_refused(void **state) {
    static const struct span bad[] = {{(const uint8_t *)"\3a\nb", 4},
                                      {(const uint8_t *)"\3a\0b", 4},
                                      {(const uint8_t *)"\4abc", 4},
                                      {(const uint8_t *)"\2ab\x80", 4},
                                      {(const uint8_t *)"\x81\0a", 3}};
    (void)state;
    for (size_t i = 0; i < ARRAY_N(bad); i++) {
        struct source source = source_new("/a");
        FAILS(ERR_USAGE, source_set_excludes(&source, bad[i], &err));
        assert_int_equal(source.excludes.n, 0);
        source_done(&source);
    }
}

/* Whatever a message of the server can carry must be loadable again. */
static void the_largest_source_that_is_saved_can_be_loaded(void **state) {
    struct fixture *f = *state;
    char path[4096];
    struct buf encoded = {0};
    memset(path, 'd', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = 0;
    struct source in = source_new(path), out;
    put_patterns(&encoded, 15, 4096); /* 61 KiB: a message holds 64 */
    put_patterns(&encoded, SOURCE_EXCLUDES_MAX - 15, 3);
    OK(source_set_excludes(&in, buf_span(&encoded), &err));
    OK(source_save(f->fd, &in, &err));
    OK(source_load(f->fd, id, &out, &err));
    assert_string_equal(out.path, path);
    assert_int_equal(out.excludes.n, SOURCE_EXCLUDES_MAX);
    assert_int_equal(strlen(out.excludes.p[0]), 4096);
    source_done(&in);
    source_done(&out);
    buf_done(&encoded);
}

/* ---- damage ---- */

static void store_file(struct fixture *f, const char *folder, struct span bytes) {
    char path[512];
    (void)text_format(path, sizeof path, "%s/" ID_HEX, folder);
    OK(durable_write(f->fd, path, bytes, 0600, true, &err));
}

static void a_cut_or_altered_source_file_is_refused(void **state) {
    struct fixture *f = *state;
    struct source in = source_new("/srv"), out;
    struct buf bytes = {0};
    OK(source_save(f->fd, &in, &err));
    OK(os_load(f->fd, "sources/" ID_HEX, 4096, &bytes, &err));
    for (size_t n = 0; n < bytes.n; n++) {
        struct err err = {0};
        store_file(f, "sources", span_of(bytes.p, n));
        assert_int_equal(source_load(f->fd, id, &out, &err), -1);
        assert_true(err.code == ERR_FORMAT || err.code == ERR_FORMAT_VERSION);
        source_done(&out);
    }
    for (size_t i = 0; i < 24; i++) { /* magic, version, id */
        bytes.p[i] ^= 1;
        store_file(f, "sources", buf_span(&bytes));
        FAILS(i < 8 ? ERR_FORMAT_VERSION : ERR_FORMAT, source_load(f->fd, id, &out, &err));
        source_done(&out);
        bytes.p[i] ^= 1;
    }
    buf_done(&bytes);
}

static void a_source_file_that_is_too_long_is_refused(void **state) {
    struct fixture *f = *state;
    struct source in = source_new("/srv"), out;
    OK(source_save(f->fd, &in, &err));
    struct buf bytes = {0};
    memset(buf_extend(&bytes, SOURCE_FILE_BYTES_MAX + 1), 1, SOURCE_FILE_BYTES_MAX + 1);
    store_file(f, "sources", buf_span(&bytes));
    FAILS(ERR_LIMIT, source_load(f->fd, id, &out, &err));
    source_done(&out);
    buf_done(&bytes);
}

/* ---- heads ---- */

static void a_head_comes_back_and_is_zero_before_the_first(void **state) {
    struct fixture *f = *state;
    struct source_head head = {.sequence = 77}, in = {.sequence = UINT64_MAX};
    OK(source_head_load(f->fd, id, &head, &err));
    assert_int_equal(head.sequence, 0);
    memset(in.commit.b, 0x5a, sizeof in.commit.b);
    OK(source_head_save(f->fd, id, &in, &err));
    OK(source_head_load(f->fd, id, &head, &err));
    assert_true(head.sequence == UINT64_MAX);
    assert_true(digest_equal(&head.commit, &in.commit));
    in.sequence = 3;
    OK(source_head_save(f->fd, id, &in, &err));
    OK(source_head_load(f->fd, id, &head, &err));
    assert_int_equal(head.sequence, 3);
}

static void a_cut_long_or_altered_head_is_refused(void **state) {
    struct fixture *f = *state;
    struct source_head head = {.sequence = 5};
    struct buf bytes = {0};
    OK(source_head_save(f->fd, id, &head, &err));
    OK(os_load(f->fd, "heads/" ID_HEX, 4096, &bytes, &err));
    for (size_t n = 0; n < bytes.n; n++) {
        store_file(f, "heads", span_of(bytes.p, n));
        FAILS(ERR_FORMAT, source_head_load(f->fd, id, &head, &err));
    }
    for (size_t i = 0; i < 8; i++) {
        bytes.p[i] ^= 1;
        store_file(f, "heads", buf_span(&bytes));
        FAILS(ERR_FORMAT, source_head_load(f->fd, id, &head, &err));
        bytes.p[i] ^= 1;
    }
    buf_put_u8(&bytes, 0);
    store_file(f, "heads", buf_span(&bytes));
    FAILS(ERR_FORMAT, source_head_load(f->fd, id, &head, &err));
    buf_done(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(a_source_comes_back_as_it_was_saved),
        TEST(saving_again_replaces_what_was_there),
        TEST(a_source_that_was_never_registered_is_not_found),
        TEST(exclusions_are_accepted_up_to_their_limits_and_not_one_further),
        TEST(an_exclusion_with_a_line_end_or_nul_or_cut_short_is_refused),
        TEST(the_largest_source_that_is_saved_can_be_loaded),
        TEST(a_cut_or_altered_source_file_is_refused),
        TEST(a_source_file_that_is_too_long_is_refused),
        TEST(a_head_comes_back_and_is_zero_before_the_first),
        TEST(a_cut_long_or_altered_head_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
