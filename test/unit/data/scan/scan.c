/* Covers src/data/scan/scan.c, scan_list.c, scan_step.c, scan_links.c. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "base/vec.h"
#include "data/scan/scan.h"
#include "died.h"
#include "os/os.h"
#include "scratch.h"
#include "tree.h"

static char root[SCRATCH_PATH_MAX];

static int setup(void **state) {
    (void)state;
    (void)scratch_make(root);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tree_remove(root);
    return 0;
}

static const char *at(const char *name) {
    static char path[4][512];
    static unsigned i;
    char *to = path[i++ % 4];
    (void)text_format(to, 512, "%s/%s", root, name);
    return to;
}

static void put_file(const char *name, const char *content) {
    int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    assert_int_equal(close(fd), 0);
}

static void put_dir(const char *name) {
    assert_int_equal(mkdir(at(name), 0755), 0);
}

static struct scan *start(struct scan_opts opts) {
    struct scan *scan = NULL;
    struct err err = {0};
    if (scan_open(root, &opts, &scan, &err) != 0)
        fail_msg("%s", err.text);
    return scan;
}

static struct scan_entry *next(struct scan *scan) {
    struct scan_entry *entry;
    assert_int_equal(scan_next(scan, &entry, NULL), 0);
    return entry;
}

/* "path" lines of a whole walk, with a mark behind those that are special. */
static char *walk(struct scan_opts opts) {
    AUTO(scan) *scan = start(opts);
    struct buf out = {0};
    for (struct scan_entry *entry; (entry = next(scan)) != NULL; scan_entry_free(entry)) {
        buf_printf(&out, "%s", (const char *)entry->meta.path.p);
        if (entry->meta.kind == ENTRY_HARDLINK)
            buf_printf(&out, "=%.*s", (int)entry->meta.link.n, (const char *)entry->meta.link.p);
        if (entry->problem != 0)
            buf_printf(&out, "!%s", strerrorname_np(entry->problem));
        buf_printf(&out, " ");
    }
    char *text = mem_text(buf_text(&out));
    buf_done(&out);
    return text;
}

static void assert_walk(struct scan_opts opts, const char *expected) {
    MEM_AUTO char *got = walk(opts);
    assert_string_equal(got, expected);
}

/* ---- order ---- */

static void entries_come_in_the_order_of_the_manifest(void **state) {
    (void)state;
    put_dir("a");
    put_file("a/z", "");
    put_file("a.b", "");
    put_file("a-b", "");
    put_dir("b");
    put_dir("b/c");
    put_file("b/c/d", "");
    put_file("b/c.e", "");
    assert_walk((struct scan_opts){0}, " a a/z a-b a.b b b/c b/c/d b/c.e ");
}

static size_t check_walk(unsigned threads) {
    AUTO(scan) *scan = start((struct scan_opts){.threads = threads});
    struct buf before = {0};
    size_t n = 0;
    for (struct scan_entry *entry; (entry = next(scan)) != NULL; n++) {
        if (n > 0)
            assert_true(manifest_path_compare(buf_span(&before), entry->meta.path) < 0);
        buf_clear(&before);
        buf_put_span(&before, entry->meta.path);
        assert_int_equal(entry->problem, 0);
        char path[4096];
        struct stat st;
        if (text_format(path, sizeof path, "%s/%s", root, (const char *)entry->meta.path.p)) {
            assert_int_equal(lstat(path, &st), 0);
            assert_int_equal(entry->meta.ino, st.st_ino);
            assert_int_equal(entry->meta.mode, st.st_mode & 07777);
            assert_int_equal(entry->meta.uid, st.st_uid);
            assert_int_equal(entry->meta.nlink, st.st_nlink);
            assert_int_equal(entry->blocks, st.st_blocks);
            assert_true(entry->meta.mtime_ns ==
                        st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec);
            if (S_ISREG(st.st_mode))
                assert_int_equal(entry->meta.size, st.st_size);
        }
        scan_entry_free(entry);
    }
    struct scan_sum found = scan_found(scan);
    assert_int_equal(found.entries, n);
    assert_true(found.complete);
    buf_done(&before);
    return n;
}

static void random_trees_are_walked_whole_and_in_order(void **state) {
    (void)state;
    struct seed seed = seed_start("random_trees_are_walked_whole_and_in_order");
    tree_make(root, &seed, (struct tree_opts){.entries = 600, .file_bytes = 4096});
    size_t n = check_walk(1);
    assert_true(n > 300);
    assert_int_equal(check_walk(2), n);
    assert_int_equal(check_walk(5), n);
}

static void a_wide_folder_is_shared_between_threads_and_stays_in_order(void **state) {
    (void)state;
    for (int i = 0; i < 3000; i++) {
        char name[32];
        (void)text_format(name, sizeof name, "%d", i * 7919 % 3000);
        if (i % 100 == 0)
            put_dir(name);
        else
            put_file(name, "");
    }
    assert_int_equal(check_walk(4), 3001);
    assert_int_equal(check_walk(1), 3001);
}

/* ---- roots ---- */

static enum err_code code_of_open(const char *path) {
    struct scan *scan = NULL;
    struct err err = {0};
    struct scan_opts opts = {0};
    assert_int_equal(scan_open(path, &opts, &scan, &err), -1);
    assert_null(scan);
    return err.code;
}

static void a_missing_root_is_an_error_and_no_empty_success(void **state) {
    (void)state;
    assert_int_equal(code_of_open(at("nowhere")), ERR_SOURCE_MISSING);
    put_file("file", "x");
    assert_int_equal(code_of_open(at("file")), ERR_SOURCE_MISSING);
    assert_int_equal(code_of_open(at("file/below")), ERR_SOURCE_MISSING);
    put_dir("real");
    assert_int_equal(symlink("real", at("link")), 0);
    assert_int_equal(code_of_open(at("link")), ERR_SOURCE_MISSING);
    assert_int_equal(symlink("nowhere", at("dangling")), 0);
    assert_int_equal(code_of_open(at("dangling")), ERR_SOURCE_MISSING);
}

/* Runs as somebody who may not override permissions. */
static void walk_unprivileged(void *arg) {
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(2);
    struct scan *scan = NULL;
    struct err err = {0};
    struct scan_opts opts = {0};
    if (scan_open(arg, &opts, &scan, &err) != 0)
        _exit(err.code == ERR_PERMISSION ? 0 : 3);
    size_t denied = 0, fine = 0;
    struct scan_entry *entry;
    while (scan_next(scan, &entry, &err) == 0 && entry != NULL) {
        denied += entry->problem == EACCES ? 1 : 0;
        fine += entry->problem == 0 ? 1 : 0;
        scan_entry_free(entry);
    }
    scan_close(scan);
    _exit(denied == 1 && fine == 3 ? 4 : 5);
}

static void what_may_not_be_listed_is_said_and_the_rest_goes_on(void **state) {
    (void)state;
    assert_int_equal(chmod(root, 0755), 0);
    put_dir("closed");
    put_file("closed/inside", "");
    put_file("file", "");
    put_dir("open");
    assert_int_equal(chmod(at("closed"), 0), 0);
    int status = died_run(walk_unprivileged, root);
    assert_int_equal(WEXITSTATUS(status), 4);
    char closed[512];
    (void)text_copy(closed, sizeof closed, at("closed"));
    status = died_run(walk_unprivileged, closed); /* as a root: an error */
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- hard links, mounts ---- */

static void later_names_of_a_file_point_to_the_first(void **state) {
    (void)state;
    put_dir("b");
    put_file("b/one", "x");
    assert_int_equal(link(at("b/one"), at("a")), 0);
    assert_int_equal(link(at("b/one"), at("c")), 0);
    put_file("alone", "y");
    assert_int_equal(symlink("t", at("s1")), 0);
    assert_int_equal(link(at("s1"), at("s2")), 0);
    assert_walk((struct scan_opts){0}, " a alone b b/one=a c=a s1 s2=s1 ");
}

static void walk_with_a_mount(void *arg) {
    (void)arg;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", at("mounted"), "tmpfs", 0, NULL) != 0)
        _exit(2);
    put_file("mounted/inside", "");
    MEM_AUTO char *all = walk((struct scan_opts){0});
    MEM_AUTO char *one = walk((struct scan_opts){.one_file_system = true});
    _exit(text_equal(all, " file mounted mounted/inside ") && text_equal(one, " file mounted ")
              ? 3
              : 4);
}

static void one_file_system_stops_at_mount_points(void **state) {
    (void)state;
    put_dir("mounted");
    put_file("file", "");
    int status = died_run(walk_with_a_mount, NULL);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
        print_message("[  SKIPPED ] one_file_system_stops_at_mount_points: cannot mount\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 3);
}

/* ---- what is left out ---- */

static void excluded_folders_are_not_entered(void **state) {
    (void)state;
    put_dir("keep");
    put_file("keep/a.o", "");
    put_file("keep/a.c", "");
    put_dir("out");
    put_file("out/a.c", "");
    put_dir("keep/out");
    assert_int_equal(chmod(at("out"), 0), 0);
    const char *rules[] = {"*.o", "# no rule", "/out/"};
    assert_walk((struct scan_opts){.excludes = rules, .exclude_n = ARRAY_N(rules)},
                " keep keep/a.c keep/out ");
}

#define SIGNATURE "Signature: 8a477f597d28d172789f06886806bc55"

static void a_cache_keeps_only_its_tag(void **state) {
    (void)state;
    put_dir("cache");
    put_file("cache/CACHEDIR.TAG", SIGNATURE "\n# more");
    put_file("cache/big", "");
    put_dir("cache/deep");
    put_dir("fake");
    put_file("fake/CACHEDIR.TAG", "Signature: 8a477f59");
    put_file("fake/data", "");
    put_dir("pipe");
    assert_int_equal(mkfifo(at("pipe/CACHEDIR.TAG"), 0600), 0);
    assert_walk((struct scan_opts){.exclude_caches = true},
                " cache cache/CACHEDIR.TAG fake fake/CACHEDIR.TAG fake/data pipe "
                "pipe/CACHEDIR.TAG ");
    assert_walk((struct scan_opts){0},
                " cache cache/CACHEDIR.TAG cache/big cache/deep fake fake/CACHEDIR.TAG fake/data "
                "pipe pipe/CACHEDIR.TAG ");
}

/* ---- the bounded look-ahead ---- */

#define MANY (SCAN_AHEAD_ENTRIES + 2048u)

static void make_many(const char *dir) {
    int fd = open(at(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; i < MANY; i++) {
        char name[16];
        (void)text_format(name, sizeof name, "%06u", i);
        assert_int_equal(mknodat(fd, name, S_IFREG | 0600, 0), 0);
    }
    assert_int_equal(close(fd), 0);
}

static void what_vanishes_before_its_turn_is_reported(void **state) {
    (void)state;
    put_dir("a");
    make_many("a");
    AUTO(scan) *scan = start((struct scan_opts){.threads = 2});
    while (scan_found(scan).entries < SCAN_AHEAD_ENTRIES)
        (void)sched_yield();
    /* The workers stop here: nothing was taken yet. */
    char last[16], path[64];
    (void)text_format(last, sizeof last, "%06u", MANY - 1);
    (void)text_format(path, sizeof path, "a/%s", last);
    assert_int_equal(unlink(at(path)), 0);
    size_t n = 0, gone = 0;
    for (struct scan_entry *entry; (entry = next(scan)) != NULL; scan_entry_free(entry), n++) {
        assert_true(scan_found(scan).entries <= n + SCAN_AHEAD_ENTRIES + 4 * 256 + 2);
        if (entry->problem == ENOENT)
            gone++;
        else
            assert_int_equal(entry->problem, 0);
    }
    assert_int_equal(gone, 1);
    assert_int_equal(n, MANY + 2);
}

static void a_walk_may_be_given_up_at_any_time(void **state) {
    (void)state;
    struct seed seed = seed_start("a_walk_may_be_given_up_at_any_time");
    tree_make(root, &seed, (struct tree_opts){.entries = 200, .file_bytes = 4096});
    for (size_t stop = 0; stop < 120; stop += 7) {
        AUTO(scan) *scan = start((struct scan_opts){.threads = 3});
        for (size_t i = 0; i < stop; i++)
            scan_entry_free(next(scan));
    }
}

/* ---- many threads ---- */

struct readers {
    struct os_queue *queue;
    atomic_uint_least64_t bytes, problems;
};

static void read_all(void *arg) {
    struct readers *readers = arg;
    for (struct scan_entry *entry; (entry = os_queue_pop(readers->queue)) != NULL;) {
        struct scan_item item = {.fd = OS_FD_NONE};
        uint8_t bytes[4096];
        size_t got = 0;
        int sys = entry->meta.kind == ENTRY_FILE ? scan_item_open(entry, &item) : 0;
        if (sys == 0 && item.fd != OS_FD_NONE)
            sys = scan_item_read(&item, 0, bytes, sizeof bytes, &got);
        struct buf xattrs = {0};
        if (sys == 0)
            sys = scan_xattrs(entry, &item, &xattrs);
        buf_done(&xattrs);
        scan_item_close(&item);
        (void)atomic_fetch_add(&readers->bytes, got);
        (void)atomic_fetch_add(&readers->problems, sys != 0 ? 1 : 0);
        scan_entry_free(entry);
    }
}

static void items_are_read_by_several_threads_while_the_walk_goes_on(void **state) {
    (void)state;
    for (int d = 0; d < 300; d++) { /* more folders than are kept open */
        char name[32];
        (void)text_format(name, sizeof name, "d%d", d);
        put_dir(name);
        for (int f = 0; f < 4; f++) {
            (void)text_format(name, sizeof name, "d%d/f%d", d, f);
            put_file(name, "seven77");
        }
    }
    AUTO(scan) *scan = start((struct scan_opts){.threads = 2});
    struct readers readers = {.queue = os_queue_new(2000)};
    struct os_thread threads[3] = {0};
    for (size_t i = 0; i < ARRAY_N(threads); i++)
        assert_int_equal(os_thread_start(&threads[i], "read", read_all, &readers, NULL), 0);
    for (struct scan_entry *entry; (entry = next(scan)) != NULL;)
        assert_true(os_queue_push(readers.queue, entry));
    os_queue_close(readers.queue);
    for (size_t i = 0; i < ARRAY_N(threads); i++)
        os_thread_join(&threads[i]);
    os_queue_free(readers.queue);
    assert_int_equal(readers.problems, 0);
    assert_int_equal(readers.bytes, 300 * 4 * 7);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(entries_come_in_the_order_of_the_manifest),
        TEST(random_trees_are_walked_whole_and_in_order),
        TEST(a_wide_folder_is_shared_between_threads_and_stays_in_order),
        TEST(a_missing_root_is_an_error_and_no_empty_success),
        TEST(what_may_not_be_listed_is_said_and_the_rest_goes_on),
        TEST(later_names_of_a_file_point_to_the_first),
        TEST(one_file_system_stops_at_mount_points),
        TEST(excluded_folders_are_not_entered),
        TEST(a_cache_keeps_only_its_tag),
        TEST(what_vanishes_before_its_turn_is_reported),
        TEST(a_walk_may_be_given_up_at_any_time),
        TEST(items_are_read_by_several_threads_while_the_walk_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
