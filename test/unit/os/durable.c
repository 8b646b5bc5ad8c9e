/* Covers src/os/durable.c and src/os/fault.c: what exists after each step failed, or after the
 * process died there. */
#include "unit.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "died.h"
#include "os/durable.h"
#include "os/fault.h"
#include "os/file.h"
#include "scratch.h"

#define EXIT_SETUP 99

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

static void expect_names(size_t n, const char *const *wanted) {
    os_names names = {0};
    assert_int_equal(os_list(dir, &names, NULL), 0);
    assert_int_equal(names.n, n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(names.p[i], wanted[i]);
    os_names_done(&names);
}
#define EXPECT_NAMES(...)                                                                          \
    expect_names(ARRAY_N(((const char *const[]){__VA_ARGS__})), (const char *const[]){__VA_ARGS__})

static void expect_content(const char *name, const char *content) {
    struct buf buf = {0};
    assert_int_equal(os_load(dir, name, 100, &buf, NULL), 0);
    assert_string_equal(buf_text(&buf), content);
    buf_done(&buf);
}

static int temp_file(const char *name, int *fd) {
    return os_file_create(dir, name, 0600, fd, NULL) != 0 ? -1
                                                          : os_write_at(*fd, 0, "bytes", 5, NULL);
}

static void seal_puts_a_temp_file_under_its_name(void **state) {
    (void)state;
    int fd;
    assert_int_equal(temp_file("temp", &fd), 0);
    assert_int_equal(durable_seal(&fd, dir, "temp", dir, "name", NULL, NULL, NULL), 0);
    assert_int_equal(fd, OS_FD_NONE);
    EXPECT_NAMES("name");
    expect_content("name", "bytes");
}

static void seal_over_an_existing_name_keeps_that_one(void **state) {
    (void)state;
    struct err err = {0};
    int fd;
    assert_int_equal(durable_write(dir, "name", span_text("first"), 0600, false, NULL), 0);
    assert_int_equal(temp_file("temp", &fd), 0);
    assert_int_equal(durable_seal(&fd, dir, "temp", dir, "name", NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_int_equal(fd, OS_FD_NONE);
    EXPECT_NAMES("name");
    expect_content("name", "first");
}

static void write_makes_a_new_file_with_its_mode(void **state) {
    (void)state;
    struct stat st;
    assert_int_equal(durable_write(dir, "name", span_text("one"), 0640, false, NULL), 0);
    EXPECT_NAMES("name");
    expect_content("name", "one");
    assert_int_equal(fstatat(dir, "name", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777 & ~(unsigned)0022, 0640);
    assert_int_equal(durable_write(dir, "empty", span_of(NULL, 0), 0600, false, NULL), 0);
    expect_content("empty", "");
}

static void write_replaces_only_when_told(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(durable_write(dir, "name", span_text("one"), 0600, false, NULL), 0);
    assert_int_equal(durable_write(dir, "name", span_text("two"), 0600, false, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_true(text_starts(err.text, "write name: "));
    expect_content("name", "one");
    assert_int_equal(durable_write(dir, "name", span_text("two"), 0600, true, NULL), 0);
    expect_content("name", "two");
    EXPECT_NAMES("name");
}

static void write_takes_a_path_below_the_working_directory(void **state) {
    (void)state;
    char name[OS_PATH_MAX];
    struct err err = {0};
    assert_true(text_format(name, sizeof name, "%s/name", path));
    if (durable_write(OS_FD_CWD, name, span_text("one"), 0600, true, &err) != 0)
        print_message("%s\n", err.text);
    assert_int_equal(err.code, ERR_NONE);
    EXPECT_NAMES("name");
}

static void move_and_remove_are_told_what_is_absent(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(durable_write(dir, "a", span_text("one"), 0600, false, NULL), 0);
    assert_int_equal(durable_write(dir, "b", span_text("two"), 0600, false, NULL), 0);
    assert_int_equal(durable_move(dir, "a", dir, "b", &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_int_equal(durable_remove(dir, "b", &err), 0);
    assert_int_equal(durable_move(dir, "a", dir, "b", &err), 0);
    EXPECT_NAMES("b");
    expect_content("b", "one");
    assert_int_equal(durable_remove(dir, "a", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(durable_move(dir, "a", dir, "c", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* ---- with faults: each runs in a process of its own, which answers by exit status ---- */

static int code_status(enum err_code code) {
    return (int)code % 90 + 1;
}

static int child_seal(void) {
    struct err err = {0};
    int fd = openat(dir, "temp", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "bytes", 5) != 5)
        return EXIT_SETUP;
    int rc = durable_seal(&fd, dir, "temp", dir, "name", "I2a", "I2", &err);
    return fd != OS_FD_NONE ? EXIT_SETUP : rc == 0 ? 0 : code_status(err.code);
}

static int child_write(void) {
    struct err err = {0};
    int rc = durable_write(dir, "name", span_text("new"), 0600, true, &err);
    return rc == 0 ? 0 : code_status(err.code);
}

/* Bit i: the i-th hit acted. */
static int child_hits(void) {
    int acted = 0;
    for (int i = 0; i < 6; i++)
        acted |= (os_fault_hit("here") != 0) << i;
    for (int i = 0; i < 3; i++)
        if (os_fault_hit("there") != 0)
            return EXIT_SETUP;
    return acted;
}

static int child_errno(void) {
    return os_fault_hit("here");
}

static const struct {
    const char *name;
    int (*run)(void);
} children[] = {
    {"seal", child_seal}, {"write", child_write}, {"hits", child_hits}, {"errno", child_errno}};

static int child_main(const char *name, const char *folder) {
    dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < ARRAY_N(children); i++)
        if (text_equal(children[i].name, name))
            return children[i].run();
    return EXIT_SETUP;
}

static int status_of(const char *name, const char *fault) {
    int status = died_exec(name, path, fault);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), EXIT_SETUP);
    return WEXITSTATUS(status);
}

static void expect_killed(const char *name, const char *fault) {
    int status = died_exec(name, path, fault);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void need_faults(void) {
#ifndef CASEMATE_FAULTS
    skip();
#endif
}

static void seal_that_cannot_fsync_leaves_nothing(void **state) {
    (void)state;
    need_faults();
    assert_int_equal(status_of("seal", "fsync:1:eio"), code_status(ERR_IO));
    expect_names(0, NULL);
    /* and never came to rename */
    assert_int_equal(status_of("seal", "fsync:1:eio,rename:1:kill"), code_status(ERR_IO));
    expect_names(0, NULL);
}

static void seal_that_cannot_rename_leaves_nothing(void **state) {
    (void)state;
    need_faults();
    assert_int_equal(status_of("seal", "rename:1:enospc"), code_status(ERR_SPACE));
    expect_names(0, NULL);
}

static void seal_that_cannot_fsync_the_directory_fails_undecided(void **state) {
    (void)state;
    need_faults();
    assert_int_equal(status_of("seal", "fsync:2:eio"), code_status(ERR_IO));
    EXPECT_NAMES("name");
    expect_content("name", "bytes");
}

static void seal_killed_before_its_point_has_only_the_temp_file(void **state) {
    (void)state;
    need_faults();
    expect_killed("seal", "I2a:1:kill");
    EXPECT_NAMES("temp");
    expect_content("temp", "bytes");
}

static void seal_reaches_its_points_in_order(void **state) {
    (void)state;
    need_faults();
    /* fsync of the file, I2a, rename, fsync of the directory, I2: a kill at one is never
     * overtaken by a kill at a later one. */
    static const char *const steps[] = {"fsync:1", "I2a:1", "rename:1", "fsync:2", "I2:1"};
    for (size_t i = 0; i < ARRAY_N(steps); i++) {
        char fault[64];
        assert_true(text_format(fault, sizeof fault, "%s:kill", steps[i]));
        expect_killed("seal", fault);
        bool renamed = i > 2;
        expect_content(renamed ? "name" : "temp", "bytes");
        assert_int_equal(os_unlink(dir, renamed ? "name" : "temp", NULL), 0);
        expect_names(0, NULL);
    }
}

static void write_that_fails_anywhere_keeps_the_old_content(void **state) {
    (void)state;
    need_faults();
    static const struct {
        const char *fault;
        enum err_code code;
    } rows[] = {{"open:1:eio", ERR_IO},        {"write:1:enospc", ERR_SPACE},
                {"fsync:1:eio", ERR_IO},       {"rename:1:enospc", ERR_SPACE},
                {"open:1:enomem", ERR_MEMORY}, {"fsync:1+:enospc", ERR_SPACE}};
    assert_int_equal(durable_write(dir, "name", span_text("old"), 0600, false, NULL), 0);
    for (size_t i = 0; i < ARRAY_N(rows); i++) {
        assert_int_equal(status_of("write", rows[i].fault), code_status(rows[i].code));
        EXPECT_NAMES("name");
        expect_content("name", "old");
    }
    assert_int_equal(status_of("write", "fsync:2:eio"), code_status(ERR_IO));
    expect_content("name", "new"); /* undecided: told as a failure */
}

static void write_killed_anywhere_has_the_old_or_the_new_content(void **state) {
    (void)state;
    need_faults();
    static const char *const steps[] = {"open:1:kill", "write:1:kill", "fsync:1:kill",
                                        "rename:1:kill", "fsync:2:kill"};
    for (size_t i = 0; i < ARRAY_N(steps); i++) {
        assert_int_equal(durable_write(dir, "name", span_text("old"), 0600, true, NULL), 0);
        expect_killed("write", steps[i]);
        expect_content("name", i < 4 ? "old" : "new");
    }
}

/* ---- the rules themselves ---- */

static void a_rule_acts_at_its_hit_and_with_a_plus_ever_after(void **state) {
    (void)state;
    need_faults();
    assert_int_equal(status_of("hits", ""), 0);
    assert_int_equal(status_of("hits", "here:1:eio"), 1);
    assert_int_equal(status_of("hits", "here:3:eio"), 4);
    assert_int_equal(status_of("hits", "here:4+:eio"), 8 + 16 + 32);
    assert_int_equal(status_of("hits", "here:7:eio"), 0);
    assert_int_equal(status_of("hits", "there:9:eio,here:2:eio"), 2);
    assert_int_equal(status_of("hits", "here:1:eio,here:2:enospc"), 3);
}

static void a_rule_that_cannot_be_read_is_no_rule(void **state) {
    (void)state;
    need_faults();
    static const char *const odd[] = {"",          "here", "here:1", "here:x:eio",
                                      "here::eio", ",,",   ":1:eio", "here:-1:eio"};
    for (size_t i = 0; i < ARRAY_N(odd); i++)
        assert_int_equal(status_of("hits", odd[i]), 0);
    assert_int_equal(status_of("hits", "nonsense,here:1:eio"), 1);
}

static void a_rule_names_the_errno(void **state) {
    (void)state;
    need_faults();
    assert_int_equal(status_of("errno", "here:1:enospc"), ENOSPC);
    assert_int_equal(status_of("errno", "here:1:enomem"), ENOMEM);
    assert_int_equal(status_of("errno", "here:1:eio"), EIO);
    expect_killed("errno", "here:1:kill");
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv) {
    if (argc == 3)
        return child_main(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        EACH(seal_puts_a_temp_file_under_its_name),
        EACH(seal_over_an_existing_name_keeps_that_one),
        EACH(write_makes_a_new_file_with_its_mode),
        EACH(write_replaces_only_when_told),
        EACH(write_takes_a_path_below_the_working_directory),
        EACH(move_and_remove_are_told_what_is_absent),
        EACH(seal_that_cannot_fsync_leaves_nothing),
        EACH(seal_that_cannot_rename_leaves_nothing),
        EACH(seal_that_cannot_fsync_the_directory_fails_undecided),
        EACH(seal_killed_before_its_point_has_only_the_temp_file),
        EACH(seal_reaches_its_points_in_order),
        EACH(write_that_fails_anywhere_keeps_the_old_content),
        EACH(write_killed_anywhere_has_the_old_or_the_new_content),
        EACH(a_rule_acts_at_its_hit_and_with_a_plus_ever_after),
        EACH(a_rule_that_cannot_be_read_is_no_rule),
        EACH(a_rule_names_the_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
