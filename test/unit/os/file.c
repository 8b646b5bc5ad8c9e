/* Covers src/os/file.c. */
#include "unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "died.h"
#include "os/file.h"
#include "scratch.h"

static char path[SCRATCH_PATH_MAX];
static int dir = OS_FD_NONE;

static int setup(void **state) {
    (void)state;
    return os_dir_open(OS_FD_CWD, scratch_make(path), &dir, NULL);
}

static int teardown(void **state) {
    (void)state;
    os_close(&dir);
    scratch_remove(path);
    return 0;
}

static int new_file(const char *name, const char *content) {
    int fd;
    assert_int_equal(os_file_create(dir, name, 0600, &fd, NULL), 0);
    assert_int_equal(os_write_at(fd, 0, content, strlen(content), NULL), 0);
    return fd;
}

static void errno_becomes_the_code_that_tells_it_best(void **state) {
    (void)state;
    static const struct {
        int sys;
        enum err_code code;
    } rows[] = {{ENOENT, ERR_NOT_FOUND},
                {ENOTDIR, ERR_NOT_FOUND},
                {EEXIST, ERR_EXISTS},
                {ENOTEMPTY, ERR_EXISTS},
                {ENOSPC, ERR_SPACE},
                {EDQUOT, ERR_SPACE},
                {EACCES, ERR_PERMISSION},
                {EPERM, ERR_PERMISSION},
                {EROFS, ERR_PERMISSION},
                {ENOMEM, ERR_MEMORY},
                {EIO, ERR_IO},
                {0, ERR_IO}};
    for (size_t i = 0; i < ARRAY_N(rows); i++)
        assert_int_equal(os_error_code(rows[i].sys), rows[i].code);
}

static void close_of_nothing_is_fine_and_leaves_nothing(void **state) {
    (void)state;
    int fd = OS_FD_NONE;
    os_close(&fd);
    fd = new_file("a", "");
    int number = fd;
    os_close(&fd);
    assert_int_equal(fd, OS_FD_NONE);
    assert_int_equal(close(number), -1);
}

static void descriptors_are_closed_on_exec(void **state) {
    (void)state;
    int fd = new_file("a", "");
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(dir, F_GETFD) & FD_CLOEXEC) != 0);
    os_close(&fd);
}

static void create_refuses_what_exists_and_does_not_follow_links(void **state) {
    (void)state;
    struct err err = {0};
    int fd = new_file("a", "x");
    os_close(&fd);
    assert_int_equal(os_file_create(dir, "a", 0600, &fd, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_int_equal(fd, OS_FD_NONE);
    assert_non_null(strstr(err.text, "a"));
    assert_int_equal(symlinkat("elsewhere", dir, "link"), 0);
    assert_int_equal(os_file_create(dir, "link", 0600, &fd, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
}

static void open_of_the_absent_is_not_found_and_names_it(void **state) {
    (void)state;
    struct err err = {0};
    int fd = 77;
    assert_int_equal(os_file_open_read(dir, "absent", &fd, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(err.sys, ENOENT);
    assert_int_equal(fd, OS_FD_NONE);
    assert_string_equal(err.text, "cannot open absent: No such file or directory");
    assert_int_equal(os_file_open_write(dir, "absent", &fd, &err), -1);
    assert_int_equal(os_dir_open(dir, "absent", &fd, &err), -1);
    fd = new_file("plain", "");
    os_close(&fd);
    assert_int_equal(os_dir_open(dir, "plain", &fd, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void read_gives_fewer_bytes_only_at_the_end(void **state) {
    (void)state;
    struct err err = {0};
    OS_FD_AUTO int fd = new_file("a", "0123456789");
    char to[16];
    size_t got;
    assert_int_equal(os_read_at(fd, 4, to, sizeof to, &got, &err), 0);
    assert_int_equal(got, 6);
    assert_memory_equal(to, "456789", 6);
    assert_int_equal(os_read_at(fd, 10, to, 1, &got, &err), 0);
    assert_int_equal(got, 0);
    assert_int_equal(os_read_exact_at(fd, 4, to, 6, &err), 0);
    assert_int_equal(os_read_exact_at(fd, 4, to, 7, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_string_equal(err.text, "file ends at 10, 7 bytes wanted at 4");
}

static void write_at_leaves_a_hole_before_it(void **state) {
    (void)state;
    OS_FD_AUTO int fd = new_file("a", "");
    uint64_t size;
    assert_int_equal(os_write_at(fd, (uint64_t)5 << 30, "end", 3, NULL), 0);
    assert_int_equal(os_file_size(fd, &size, NULL), 0);
    assert_true(size == ((uint64_t)5 << 30) + 3);
    char to[3];
    assert_int_equal(os_read_exact_at(fd, (uint64_t)5 << 30, to, 3, NULL), 0);
    assert_memory_equal(to, "end", 3);
    assert_int_equal(os_file_truncate(fd, 1, NULL), 0);
    assert_int_equal(os_size_of(dir, "a", &size, NULL), 0);
    assert_int_equal(size, 1);
}

static void read_of_a_closed_descriptor_fails(void **state) {
    (void)state;
    struct err err = {0};
    char to[1];
    size_t got;
    uint64_t size;
    assert_int_equal(os_read_at(-1, 0, to, 1, &got, &err), -1);
    assert_int_equal(err.sys, EBADF);
    assert_int_equal(os_write_at(-1, 0, to, 1, &err), -1);
    assert_int_equal(os_file_size(-1, &size, &err), -1);
    assert_int_equal(os_fsync(-1, &err), -1);
    assert_int_equal(os_file_truncate(-1, 1, &err), -1);
    assert_int_equal(os_lock(-1, &err), -1);
    assert_int_equal(err.code, ERR_IO);
}

static void reserve_keeps_the_length(void **state) {
    (void)state;
    OS_FD_AUTO int fd = new_file("a", "abc");
    uint64_t size;
    assert_int_equal(os_file_reserve(fd, 1 << 20, NULL), 0);
    assert_int_equal(os_file_size(fd, &size, NULL), 0);
    assert_int_equal(size, 3);
    os_file_flush_hint(fd, 0, 3);
    os_file_drop_cache(fd);
}

static void rename_replaces_only_when_told(void **state) {
    (void)state;
    struct err err = {0};
    int a = new_file("a", "new"), b = new_file("b", "old");
    os_close(&a);
    os_close(&b);
    assert_int_equal(os_rename(dir, "a", dir, "b", false, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    struct buf buf = {0};
    assert_int_equal(os_load(dir, "b", 10, &buf, &err), 0);
    assert_string_equal(buf_text(&buf), "old");
    assert_int_equal(os_rename(dir, "a", dir, "b", true, &err), 0);
    buf_clear(&buf);
    assert_int_equal(os_load(dir, "b", 10, &buf, &err), 0);
    assert_string_equal(buf_text(&buf), "new");
    buf_done(&buf);
    assert_int_equal(os_rename(dir, "a", dir, "c", false, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void mkdir_may_meet_an_existing_one_only_when_told(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(os_mkdir(dir, "d", 0700, false, &err), 0);
    assert_int_equal(os_mkdir(dir, "d", 0700, true, &err), 0);
    assert_int_equal(os_mkdir(dir, "d", 0700, false, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
}

static void mkdirs_makes_every_missing_parent(void **state) {
    (void)state;
    struct err err = {0};
    char deep[OS_PATH_MAX];
    assert_true(text_format(deep, sizeof deep, "%s/one/two/three", path));
    assert_int_equal(os_mkdirs(deep, 0700, &err), 0);
    assert_int_equal(os_mkdirs(deep, 0700, &err), 0);
    struct stat st;
    assert_int_equal(stat(deep, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);

    int fd = new_file("plain", "");
    os_close(&fd);
    assert_true(text_format(deep, sizeof deep, "%s/plain/below", path));
    assert_int_equal(os_mkdirs(deep, 0700, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_non_null(strstr(err.text, "plain is not a directory"));
    assert_int_equal(os_mkdirs("", 0700, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
}

static void mkdirs_takes_a_slash_at_the_end(void **state) {
    (void)state;
    struct err err = {0};
    char deep[OS_PATH_MAX];
    assert_true(text_format(deep, sizeof deep, "%s/one//two/", path));
    assert_int_equal(os_mkdirs(deep, 0700, &err), 0);
    struct stat st;
    assert_int_equal(stat(deep, &st), 0);
}

static void exists_does_not_follow_links(void **state) {
    (void)state;
    bool exists;
    assert_int_equal(os_exists(dir, "a", &exists, NULL), 0);
    assert_false(exists);
    assert_int_equal(symlinkat("nowhere", dir, "a"), 0);
    assert_int_equal(os_exists(dir, "a", &exists, NULL), 0);
    assert_true(exists);
    assert_int_equal(os_unlink(dir, "a", NULL), 0);
    struct err err = {0};
    assert_int_equal(os_unlink(dir, "a", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void list_is_in_byte_order_without_the_dots(void **state) {
    (void)state;
    static const char *const sorted[] = {".hidden", "A", "a", "a b", "b", "\xff"};
    for (size_t i = ARRAY_N(sorted); i-- > 0;) {
        int fd = new_file(sorted[i], "");
        os_close(&fd);
    }
    for (int again = 0; again < 2; again++) { /* the descriptor's own position does not matter */
        os_names names = {0};
        assert_int_equal(os_list(dir, &names, NULL), 0);
        assert_int_equal(names.n, ARRAY_N(sorted));
        for (size_t i = 0; i < names.n; i++)
            assert_string_equal(names.p[i], sorted[i]);
        os_names_done(&names);
    }
    os_names none = {0};
    struct err err = {0};
    assert_int_equal(os_list(-1, &none, &err), -1);
    os_names_done(&none);
}

static void load_appends_and_keeps_to_its_limit(void **state) {
    (void)state;
    struct err err = {0};
    int fd = new_file("a", "content");
    os_close(&fd);
    struct buf buf = {0};
    buf_put(&buf, "x:", 2);
    assert_int_equal(os_load(dir, "a", 7, &buf, &err), 0);
    assert_string_equal(buf_text(&buf), "x:content");
    assert_int_equal(os_load(dir, "a", 6, &buf, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(buf.n, 9);
    assert_int_equal(os_load(dir, "absent", 6, &buf, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    buf_done(&buf);
}

static void try_lock(void *arg) {
    struct err err = {0};
    OS_FD_AUTO int fd = OS_FD_NONE;
    if (os_file_open_write(dir, arg, &fd, &err) != 0)
        _exit(2);
    _exit(os_lock(fd, &err) == 0 ? 0 : err.code == ERR_LOCKED ? 1 : 3);
}

static void a_lock_is_held_by_one_process_until_closed(void **state) {
    (void)state;
    char name[] = "lock";
    int fd = new_file(name, "");
    assert_int_equal(os_lock(fd, NULL), 0);
    assert_int_equal(os_lock(fd, NULL), 0); /* its owner may ask again */
    assert_int_equal(WEXITSTATUS(died_run(try_lock, name)), 1);
    os_close(&fd);
    assert_int_equal(WEXITSTATUS(died_run(try_lock, name)), 0);
}

static void space_is_told(void **state) {
    (void)state;
    struct os_space space;
    assert_int_equal(os_space_of(dir, &space, NULL), 0);
    assert_true(space.total_bytes > 0);
    assert_true(space.free_bytes <= space.total_bytes);
    struct err err = {0};
    assert_int_equal(os_space_of(-1, &space, &err), -1);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errno_becomes_the_code_that_tells_it_best),
        EACH(close_of_nothing_is_fine_and_leaves_nothing),
        EACH(descriptors_are_closed_on_exec),
        EACH(create_refuses_what_exists_and_does_not_follow_links),
        EACH(open_of_the_absent_is_not_found_and_names_it),
        EACH(read_gives_fewer_bytes_only_at_the_end),
        EACH(write_at_leaves_a_hole_before_it),
        EACH(read_of_a_closed_descriptor_fails),
        EACH(reserve_keeps_the_length),
        EACH(rename_replaces_only_when_told),
        EACH(mkdir_may_meet_an_existing_one_only_when_told),
        EACH(mkdirs_makes_every_missing_parent),
        EACH(mkdirs_takes_a_slash_at_the_end),
        EACH(exists_does_not_follow_links),
        EACH(list_is_in_byte_order_without_the_dots),
        EACH(load_appends_and_keeps_to_its_limit),
        EACH(a_lock_is_held_by_one_process_until_closed),
        EACH(space_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
