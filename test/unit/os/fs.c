/* Covers src/os/fs.c, fs_dir.c, fs_make.c, fs_xattr.c. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "died.h"
#include "os/file.h"
#include "os/fs.h"
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

static void put_file(const char *name) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    assert_int_equal(os_fs_make_file(dir, name, 0600, &fd), 0);
    assert_int_equal(write(fd, "0123456789", 10), 10);
}

static int open_dir(const char *name, unsigned flags) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    int sys = os_fs_open_dir(dir, name, flags, &fd);
    assert_true((fd == OS_FD_NONE) == (sys != 0));
    return sys;
}

/* With openat2 and without. */
static const unsigned ways[] = {0,
                                OS_FS_BY_STEPS,
                                OS_FS_PATH_ONLY,
                                OS_FS_BY_STEPS | OS_FS_PATH_ONLY,
                                OS_FS_ONE_MOUNT,
                                OS_FS_BY_STEPS | OS_FS_ONE_MOUNT};

static void folders_are_opened_only_beneath_and_through_no_link(void **state) {
    (void)state;
    assert_int_equal(os_fs_make_dir(dir, "a", 0700), 0);
    assert_int_equal(os_fs_make_dir(dir, "a/b", 0700), 0);
    assert_int_equal(os_fs_make_symlink(dir, "link", "a"), 0);
    assert_int_equal(os_fs_make_symlink(dir, "loop", "loop"), 0);
    assert_int_equal(os_fs_make_symlink(dir, "out", "/"), 0);
    put_file("file");
    for (size_t i = 0; i < ARRAY_N(ways); i++) {
        assert_int_equal(open_dir("", ways[i]), 0);
        assert_int_equal(open_dir("a", ways[i]), 0);
        assert_int_equal(open_dir("a/b", ways[i]), 0);
        assert_int_equal(open_dir("link", ways[i]), ELOOP);
        assert_int_equal(open_dir("link/b", ways[i]), ELOOP);
        assert_int_equal(open_dir("loop", ways[i]), ELOOP);
        assert_int_equal(open_dir("out/tmp", ways[i]), ELOOP);
        assert_int_equal(open_dir("file", ways[i]), ENOTDIR);
        assert_int_equal(open_dir("file/x", ways[i]), ENOTDIR);
        assert_int_equal(open_dir("none/x", ways[i]), ENOENT);
        assert_int_equal(open_dir("..", ways[i]), EXDEV);
        assert_int_equal(open_dir("a/../..", ways[i]), EXDEV);
    }
}

static int open_root(const char *below) {
    char whole[SCRATCH_PATH_MAX + 16];
    OS_FD_AUTO int fd = OS_FD_NONE;
    (void)text_format(whole, sizeof whole, "%s/%s", path, below);
    return os_fs_open_root(whole, &fd);
}

/* Whoever may write to a folder on the way must not be able to send us elsewhere. */
static void a_root_is_reached_through_no_link_at_all(void **state) {
    (void)state;
    OS_FD_AUTO int fd = OS_FD_NONE;
    assert_int_equal(os_fs_make_dir(dir, "a", 0700), 0);
    assert_int_equal(os_fs_make_dir(dir, "a/b", 0700), 0);
    assert_int_equal(os_fs_make_symlink(dir, "link", "a"), 0);
    assert_int_equal(os_fs_make_symlink(dir, "out", "/"), 0);
    assert_int_equal(open_root("a/b"), 0);
    assert_int_equal(open_root("link"), ELOOP);
    assert_int_equal(open_root("link/b"), ELOOP);
    assert_int_equal(open_root("out/etc"), ELOOP);
    assert_int_equal(open_root("none"), ENOENT);
    assert_int_equal(os_fs_open_root("a/b", &fd), EINVAL);
}

static void paths_of_any_length_are_opened(void **state) {
    (void)state;
    struct buf deep = {0};
    OS_FD_AUTO int fd = OS_FD_NONE;
    assert_int_equal(os_fs_open_dir(dir, "", 0, &fd), 0);
    char name[201];
    memset(name, 'd', 200);
    name[200] = 0;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(os_fs_make_dir(fd, name, 0700), 0);
        int next;
        assert_int_equal(os_fs_open_dir(fd, name, 0, &next), 0);
        os_close(&fd);
        fd = next;
        buf_printf(&deep, "%s%s", i > 0 ? "/" : "", name);
    }
    struct os_meta here, there;
    assert_int_equal(os_fs_meta(fd, "", &here), 0);
    for (size_t i = 0; i < ARRAY_N(ways); i++) {
        OS_FD_AUTO int again = OS_FD_NONE;
        assert_int_equal(os_fs_open_dir(dir, buf_text(&deep), ways[i], &again), 0);
        assert_int_equal(os_fs_meta(again, "", &there), 0);
        assert_int_equal(here.ino, there.ino);
    }
    buf_printf(&deep, "/missing");
    assert_int_equal(open_dir(buf_text(&deep), 0), ENOENT);
    MEM_AUTO char *one = mem_new(5000);
    memset(one, 'x', 4999);
    assert_int_equal(open_dir(one, 0), ENAMETOOLONG);
    buf_done(&deep);
    os_close(&fd);
    while (rmdir(path) != 0) { /* too deep for a removal by path: from the top, moved up */
        OS_FD_AUTO int top = OS_FD_NONE;
        char moved[16];
        if (os_fs_open_dir(dir, name, 0, &top) != 0)
            break;
        (void)text_format(moved, sizeof moved, "up");
        bool more = renameat(top, name, dir, moved) == 0;
        assert_int_equal(unlinkat(dir, name, AT_REMOVEDIR), 0);
        if (!more)
            break;
        assert_int_equal(renameat(dir, moved, dir, name), 0);
    }
}

static void open_a_mount(void *arg) {
    (void)arg;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        chdir(path) != 0 || mount("none", "a", "tmpfs", 0, NULL) != 0)
        _exit(2);
    os_close(&dir); /* of the namespace that was left */
    if (os_dir_open(OS_FD_CWD, path, &dir, NULL) != 0)
        _exit(2);
    for (size_t i = 0; i < ARRAY_N(ways); i++)
        if (open_dir("a", ways[i]) != ((ways[i] & OS_FS_ONE_MOUNT) != 0 ? EXDEV : 0))
            _exit(4);
    _exit(3);
}

static void mount_points_are_seen(void **state) {
    (void)state;
    assert_int_equal(os_fs_make_dir(dir, "a", 0700), 0);
    int status = died_run(open_a_mount, NULL);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
        print_message("[  SKIPPED ] mount_points_are_seen: cannot mount\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 3);
}

static void only_regular_files_are_opened_for_reading(void **state) {
    (void)state;
    struct os_meta meta;
    int fd;
    put_file("file");
    assert_int_equal(os_fs_make_symlink(dir, "link", "file"), 0);
    assert_int_equal(os_fs_make_dir(dir, "dir", 0700), 0);
    assert_int_equal(os_fs_make_node(dir, "fifo", OS_KIND_FIFO, 0600, 0, 0), 0);
    assert_int_equal(os_fs_make_node(dir, "socket", OS_KIND_SOCKET, 0600, 0, 0), 0);
    assert_int_equal(os_fs_make_node(dir, "x", OS_KIND_DIR, 0600, 0, 0), EINVAL);
    static const char *const others[] = {"link", "dir", "fifo", "socket"};
    for (size_t i = 0; i < ARRAY_N(others); i++) {
        assert_int_equal(os_fs_open_file(dir, others[i], &fd, &meta), ESTALE);
        assert_int_equal(fd, OS_FD_NONE);
    }
    assert_int_equal(os_fs_open_file(dir, "none", &fd, &meta), ENOENT);
    assert_int_equal(os_fs_open_file(dir, "file", &fd, &meta), 0);
    assert_int_equal(meta.size, 10);
    os_close(&fd);
}

/* A file server's lease makes a non-blocking open fail: then it is waited for. */
static void a_lease_is_waited_for(void **state) {
    (void)state;
    put_file("file");
    OS_FD_AUTO int holder = openat(dir, "file", O_RDWR | O_CLOEXEC);
    if (fcntl(holder, F_SETSIG, 0) != 0 || signal(SIGIO, SIG_IGN) == SIG_ERR ||
        fcntl(holder, F_SETLEASE, F_WRLCK) != 0) {
        print_message("[  SKIPPED ] a_lease_is_waited_for: no leases here\n");
        skip();
    }
    pid_t child = fork();
    if (child == 0) {
        struct os_meta meta;
        int fd;
        _exit(os_fs_open_file(dir, "file", &fd, &meta) == 0 ? 3 : 4);
    }
    while (fcntl(holder, F_GETLEASE) == F_WRLCK) /* until somebody asks for it */
        (void)sched_yield();
    assert_int_equal(fcntl(holder, F_SETLEASE, F_UNLCK), 0);
    assert_int_equal(WEXITSTATUS(died_wait(child)), 3);
}

static void names_of_a_folder_come_without_dots(void **state) {
    (void)state;
    for (int i = 0; i < 500; i++) {
        char name[32];
        (void)text_format(name, sizeof name, "..name-%d", i);
        put_file(name);
    }
    MEM_AUTO uint8_t *block = mem_new(4096);
    size_t n, count = 0;
    OS_FD_AUTO int fd = OS_FD_NONE;
    assert_int_equal(os_fs_open_dir(dir, "", 0, &fd), 0);
    while (os_fs_read_dir(fd, block, 4096, &n) == 0 && n > 0) {
        struct os_dirent entry;
        for (size_t pos = 0; os_fs_next_name(block, n, &pos, &entry); count++) {
            assert_int_equal(entry.name_n, strlen(entry.name));
            assert_true(text_starts(entry.name, "..name-"));
        }
    }
    assert_int_equal(count, 500);
}

static void a_handle_is_enough_to_change_metadata(void **state) {
    (void)state;
    put_file("file");
    assert_int_equal(os_fs_make_symlink(dir, "link", "file"), 0);
    assert_int_equal(os_fs_make_node(dir, "fifo", OS_KIND_FIFO, 0600, 0, 0), 0);
    static const char *const names[] = {"file", "link", "fifo"};
    for (size_t i = 0; i < ARRAY_N(names); i++) {
        OS_FD_AUTO int fd = OS_FD_NONE;
        struct os_meta meta;
        assert_int_equal(os_fs_open_handle(dir, names[i], &fd), 0);
        assert_int_equal(os_fs_set_mtime(fd, -1500000001), 0);
        assert_int_equal(os_fs_set_owner(fd, geteuid(), getegid()), 0);
        if (i != 1)
            assert_int_equal(os_fs_set_mode(fd, 0421), 0);
        assert_int_equal(os_fs_meta(dir, names[i], &meta), 0);
        assert_true(meta.mtime_ns == -1500000001);
        if (i != 1)
            assert_int_equal(meta.mode, 0421);
    }
    struct os_meta meta;
    assert_int_equal(os_fs_meta(dir, "file", &meta), 0); /* not changed through the link */
    assert_int_equal(meta.kind, OS_KIND_FILE);
}

static void attributes_are_set_read_and_removed(void **state) {
    (void)state;
    put_file("file");
    OS_FD_AUTO int fd = openat(dir, "file", O_RDWR | O_CLOEXEC);
    OS_FD_AUTO int handle = OS_FD_NONE;
    assert_int_equal(os_fs_open_handle(dir, "file", &handle), 0);
    MEM_AUTO uint8_t *large = mem_new(2000);
    memset(large, 'l', 2000);
    if (os_fs_set_xattr(fd, "user.large", span_of(large, 2000)) != 0) {
        print_message("[  SKIPPED ] attributes_are_set_read_and_removed: none here\n");
        skip();
    }
    assert_int_equal(os_fs_set_xattr(handle, "user.small", span_text("s")), 0);
    const struct {
        int fd;
        const char *name;
    } ways_to[] = {{fd, ""}, {handle, ""}, {dir, "file"}};
    for (size_t i = 0; i < ARRAY_N(ways_to); i++) {
        struct buf list = {0}, value = {0};
        assert_int_equal(os_fs_xattr_list(ways_to[i].fd, ways_to[i].name, &list), 0);
        assert_int_equal(list.n, sizeof "user.large" + sizeof "user.small");
        assert_int_equal(os_fs_xattr_get(ways_to[i].fd, ways_to[i].name, "user.large", &value), 0);
        assert_int_equal(value.n, 2000);
        assert_memory_equal(value.p, large, 2000);
        assert_int_equal(os_fs_xattr_get(ways_to[i].fd, ways_to[i].name, "user.none", &value),
                         ENODATA);
        buf_done(&list);
        buf_done(&value);
    }
    assert_int_equal(os_fs_remove_xattr(handle, "user.small"), 0);
    assert_int_equal(os_fs_remove_xattr(fd, "user.small"), 0); /* absent already */
    assert_int_equal(os_fs_set_xattr(fd, "user.empty", (struct span){0}), 0);
}

static void existing_names_are_not_replaced_unless_asked(void **state) {
    (void)state;
    int fd;
    put_file("a");
    put_file("b");
    assert_int_equal(os_fs_make_file(dir, "a", 0600, &fd), EEXIST);
    assert_int_equal(fd, OS_FD_NONE);
    assert_int_equal(os_fs_make_symlink(dir, "a", "x"), EEXIST);
    assert_int_equal(os_fs_make_dir(dir, "a", 0700), EEXIST);
    assert_int_equal(os_fs_link(dir, "a", dir, "b"), EEXIST);
    assert_int_equal(os_fs_rename(dir, "a", "b", false), EEXIST);
    assert_int_equal(os_fs_rename(dir, "a", "b", true), 0);
    assert_int_equal(os_fs_unlink(dir, "a"), ENOENT);
    assert_int_equal(os_fs_link(dir, "b", dir, "c"), 0);
    assert_int_equal(os_fs_unlink(dir, "b"), 0);
    assert_int_equal(os_fs_sync(dir), 0);
}

static void data_is_found_between_holes(void **state) {
    (void)state;
    OS_FD_AUTO int fd = OS_FD_NONE;
    assert_int_equal(os_fs_make_file(dir, "sparse", 0600, &fd), 0);
    assert_int_equal(pwrite(fd, "x", 1, 1 << 20), 1);
    assert_int_equal(ftruncate(fd, 4 << 20), 0);
    uint64_t start, end;
    assert_int_equal(os_fs_next_data(fd, 0, &start, &end), 0);
    assert_true(start <= 1 << 20 && end > 1 << 20);
    if (end < 4 << 20)
        assert_int_equal(os_fs_next_data(fd, end, &start, &end), ENXIO);
}

static void pseudo_file_systems_are_known(void **state) {
    (void)state;
    OS_FD_AUTO int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(os_fs_is_pseudo(proc));
    assert_false(os_fs_is_pseudo(dir));
}

static void one_holder_alone_or_many_together(void **state) {
    (void)state;
    OS_FD_AUTO int other = OS_FD_NONE;
    assert_int_equal(os_fs_open_dir(dir, "", 0, &other), 0);
    assert_int_equal(os_fs_lock_shared(dir), 0);
    assert_int_equal(os_fs_lock_alone(dir), 0);
    assert_int_equal(os_fs_lock_shared(dir), 0);
    assert_int_equal(os_fs_lock_shared(other), 0);
    assert_int_equal(os_fs_lock_alone(dir), EWOULDBLOCK);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(folders_are_opened_only_beneath_and_through_no_link),
        TEST(a_root_is_reached_through_no_link_at_all),
        TEST(paths_of_any_length_are_opened),
        TEST(mount_points_are_seen),
        TEST(only_regular_files_are_opened_for_reading),
        TEST(a_lease_is_waited_for),
        TEST(names_of_a_folder_come_without_dots),
        TEST(a_handle_is_enough_to_change_metadata),
        TEST(attributes_are_set_read_and_removed),
        TEST(existing_names_are_not_replaced_unless_asked),
        TEST(data_is_found_between_holes),
        TEST(pseudo_file_systems_are_known),
        TEST(one_holder_alone_or_many_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
