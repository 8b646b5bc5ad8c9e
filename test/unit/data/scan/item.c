/* Covers src/data/scan/scan_item.c, scan_fixed.c. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "base/vec.h"
#include "data/scan/scan.h"
#include "os/file.h"
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

/* The walk kept open, and the entry of `name` out of it. */
struct one {
    struct scan *scan;
    struct scan_entry *entry;
};

static struct one find(const char *name) {
    struct one one = {0};
    struct scan_opts opts = {.threads = 1};
    assert_int_equal(scan_open(root, &opts, &one.scan, NULL), 0);
    struct scan_entry *entry;
    while (scan_next(one.scan, &entry, NULL) == 0 && entry != NULL) {
        if (one.entry == NULL && span_equal(entry->meta.path, span_text(name)))
            one.entry = entry;
        else
            scan_entry_free(entry);
    }
    assert_non_null(one.entry);
    return one;
}

static void one_done(struct one *one) {
    scan_entry_free(one->entry);
    scan_close(one->scan);
}

/* ---- reading ---- */

static void an_item_is_read_at_any_offset(void **state) {
    (void)state;
    put_file("file", "0123456789");
    SCOPED(one) one = find("file");
    struct scan_item item;
    assert_int_equal(scan_item_open(one.entry, &item), 0);
    char bytes[16];
    size_t got;
    assert_int_equal(scan_item_read(&item, 3, bytes, 4, &got), 0);
    assert_int_equal(got, 4);
    assert_memory_equal(bytes, "3456", 4);
    assert_int_equal(scan_item_read(&item, 8, bytes, sizeof bytes, &got), 0);
    assert_int_equal(got, 2);
    assert_int_equal(scan_item_read(&item, 99, bytes, sizeof bytes, &got), 0);
    assert_int_equal(got, 0);
    assert_true(scan_item_unchanged(one.entry, &item));
    scan_item_close(&item);
}

static void what_took_the_place_of_a_file_is_not_opened(void **state) {
    (void)state;
    put_file("file", "x");
    put_file("other", "y");
    SCOPED(one) one = find("file");
    struct scan_item item;
    assert_int_equal(unlink(at("file")), 0);
    assert_int_equal(scan_item_open(one.entry, &item), ENOENT);
    assert_int_equal(symlink("other", at("file")), 0);
    assert_int_equal(scan_item_open(one.entry, &item), ESTALE);
    assert_int_equal(scan_entry_refresh(one.entry), ESTALE);
    assert_int_equal(unlink(at("file")), 0);
    assert_int_equal(mkfifo(at("file"), 0600), 0);
    assert_int_equal(scan_item_open(one.entry, &item), ESTALE); /* and does not hang */
    assert_int_equal(unlink(at("file")), 0);
    assert_int_equal(mkdir(at("file"), 0700), 0);
    assert_int_equal(scan_item_open(one.entry, &item), ESTALE);
    assert_int_equal(item.fd, OS_FD_NONE);
}

static void a_file_put_in_place_by_rename_is_found_again(void **state) {
    (void)state;
    put_file("file", "x");
    SCOPED(one) one = find("file");
    put_file("new", "longer");
    assert_int_equal(rename(at("new"), at("file")), 0);
    struct scan_item item;
    assert_int_equal(scan_item_open(one.entry, &item), ESTALE);
    assert_int_equal(scan_entry_refresh(one.entry), 0);
    assert_int_equal(one.entry->meta.size, 6);
    assert_int_equal(scan_item_open(one.entry, &item), 0);
    assert_true(scan_item_unchanged(one.entry, &item));
    scan_item_close(&item);
}

static void a_folder_that_became_a_link_is_not_entered(void **state) {
    (void)state;
    assert_int_equal(mkdir(at("dir"), 0700), 0);
    put_file("dir/file", "inside");
    SCOPED(one) one = find("dir/file");
    assert_int_equal(rename(at("dir"), at("moved")), 0);
    assert_int_equal(symlink("moved", at("dir")), 0);
    struct scan_item item;
    assert_int_equal(scan_item_open(one.entry, &item), ESTALE);
    assert_int_equal(unlink(at("dir")), 0);
    assert_int_equal(mkdir(at("dir"), 0700), 0);
    put_file("dir/file", "another");
    assert_int_equal(scan_item_open(one.entry, &item), ESTALE);
    struct buf xattrs = {0};
    assert_int_equal(scan_xattrs(one.entry, NULL, &xattrs), ESTALE);
    assert_int_equal(scan_entry_refresh(one.entry), ESTALE);
}

static void a_change_while_reading_is_noticed(void **state) {
    (void)state;
    put_file("file", "x");
    SCOPED(one) one = find("file");
    struct scan_item item;
    assert_int_equal(scan_item_open(one.entry, &item), 0);
    put_file("file", "y");
    assert_false(scan_item_unchanged(one.entry, &item));
    scan_item_close(&item);
}

static void reading_leaves_the_access_time_alone(void **state) {
    (void)state;
    put_file("file", "x");
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    assert_int_equal(utimensat(AT_FDCWD, at("file"), old, 0), 0);
    SCOPED(one) one = find("file");
    struct scan_item item;
    char byte;
    size_t got;
    assert_int_equal(scan_item_open(one.entry, &item), 0);
    assert_int_equal(scan_item_read(&item, 0, &byte, 1, &got), 0);
    scan_item_close(&item);
    struct stat st;
    assert_int_equal(stat(at("file"), &st), 0);
    assert_int_equal(st.st_atim.tv_sec, 1000);
}

static void a_path_beyond_the_limit_of_the_kernel_is_read(void **state) {
    (void)state;
    char name[241], path[20 * 241 + 8] = "";
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 20; i++) {
        memset(name, 'a' + i, 240);
        name[240] = 0;
        assert_int_equal(mkdirat(fd, name, 0700), 0);
        int deeper = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(close(fd), 0);
        fd = deeper;
        (void)text_format(path + strlen(path), sizeof path - strlen(path), "%s/", name);
    }
    int file = openat(fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(file, "deep", 4), 4);
    (void)fsetxattr(file, "user.depth", "x", 1, 0);
    assert_int_equal(close(file), 0);
    assert_int_equal(symlinkat("target", fd, "l"), 0);
    assert_int_equal(close(fd), 0);
    (void)text_format(path + strlen(path), sizeof path - strlen(path), "f");
    SCOPED(one) one = find(path);
    struct scan_item item;
    char bytes[8];
    size_t got;
    assert_int_equal(scan_item_open(one.entry, &item), 0);
    assert_int_equal(scan_item_read(&item, 0, bytes, sizeof bytes, &got), 0);
    assert_int_equal(got, 4);
    scan_item_close(&item);
    path[strlen(path) - 1] = 'l';
    SCOPED(one) link = find(path);
    struct buf target = {0};
    assert_int_equal(scan_link(link.entry, &target), 0);
    assert_string_equal(buf_text(&target), "target");
    buf_done(&target);
}

/* ---- attributes ---- */

static bool set(const char *name, const char *key, const char *value) {
    return lsetxattr(at(name), key, value, strlen(value), 0) == 0;
}

static void assert_attributes(const char *name, bool open_first, const char *expected) {
    SCOPED(one) one = find(name);
    struct scan_item item = {.fd = OS_FD_NONE};
    if (open_first)
        assert_int_equal(scan_item_open(one.entry, &item), 0);
    struct buf encoded = {0}, text = {0};
    assert_int_equal(scan_xattrs(one.entry, &item, &encoded), 0);
    scan_item_close(&item);
    struct cursor c = cursor_of(buf_span(&encoded));
    struct span key, value;
    while (entry_xattr_next(&c, &key, &value))
        buf_printf(&text, "%.*s=%.*s ", (int)key.n, (const char *)key.p, (int)value.n,
                   (const char *)value.p);
    assert_false(c.bad);
    assert_string_equal(buf_text(&text), expected);
    buf_done(&encoded);
    buf_done(&text);
}

static void attributes_of_every_kind_come_sorted_by_name(void **state) {
    (void)state;
    put_file("file", "x");
    assert_int_equal(mkdir(at("dir"), 0700), 0);
    assert_int_equal(symlink("file", at("link")), 0);
    if (!set("file", "user.zz", "last") || !set("file", "user.a", "") ||
        !set("file", "user.m", "middle") || !set("dir", "user.d", "folder"))
        skip(); /* a file system without attributes */
    assert_attributes("file", true, "user.a= user.m=middle user.zz=last ");
    assert_attributes("file", false, "user.a= user.m=middle user.zz=last ");
    assert_attributes("dir", false, "user.d=folder ");
    bool privileged = set("link", "trusted.l", "of the link");
    assert_attributes("link", false, privileged ? "trusted.l=of the link " : "");
}

static void a_large_attribute_is_kept_or_reported(void **state) {
    (void)state;
    put_file("file", "x");
    char *value = mem_new(3001);
    memset(value, 'v', 3000);
    bool could = set("file", "user.large", value);
    SCOPED(one) one = find("file");
    struct buf encoded = {0};
    assert_int_equal(scan_xattrs(one.entry, NULL, &encoded), 0);
    assert_true(could ? encoded.n > 3000 : encoded.n == 0);
    buf_done(&encoded);
    mem_free(value);
}

/* ---- holes ---- */

static void extents_tell_where_data_is(void **state) {
    (void)state;
    int fd = open(at("sparse"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char block[4096];
    memset(block, 'x', sizeof block);
    for (off_t i = 1; i <= 5; i++)
        assert_int_equal(pwrite(fd, block, sizeof block, i << 20), sizeof block);
    assert_int_equal(ftruncate(fd, 8 << 20), 0);
    SCOPED(one) one = find("sparse");
    struct scan_item item;
    assert_int_equal(scan_item_open(one.entry, &item), 0);
    struct extent extents[8];
    size_t n;
    uint64_t size = one.entry->meta.size;
    assert_int_equal(scan_extents(&item, size, extents, 8, &n), 0);
    if (n == 1) { /* no holes on this file system */
        scan_item_close(&item);
        (void)close(fd);
        skip();
    }
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(extents[i].offset, (i + 1) << 20);
        assert_int_equal(extents[i].length, sizeof block);
    }
    assert_int_equal(scan_extents(&item, (1 << 20) + 100, extents, 8, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(extents[0].length, 100); /* cut at the size that is asked about */
    assert_int_equal(scan_extents(&item, size, extents, 5, &n), 0);
    assert_int_equal(n, 5);
    assert_int_equal(scan_extents(&item, size, extents, 1, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(extents[0].offset, 1 << 20);
    assert_int_equal(extents[0].length, (4 << 20) + sizeof block);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_int_equal(scan_extents(&item, 1 << 20, extents, 8, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(scan_extents(&item, 0, extents, 8, &n), 0);
    assert_int_equal(n, 0);
    scan_item_close(&item);
    assert_int_equal(close(fd), 0);
}

static void more_extents_than_fit_are_joined_across_narrow_holes(void **state) {
    (void)state;
    int fd = open(at("ragged"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char block[4096];
    memset(block, 'x', sizeof block);
    for (off_t i = 0; i < 50; i++) { /* pairs 4 KiB apart, a wide hole after each */
        assert_int_equal(pwrite(fd, block, sizeof block, i * (1 << 20)), sizeof block);
        assert_int_equal(pwrite(fd, block, sizeof block, i * (1 << 20) + 8192), sizeof block);
    }
    SCOPED(one) one = find("ragged");
    struct scan_item item;
    struct extent extents[128];
    size_t n;
    uint64_t size = one.entry->meta.size;
    assert_int_equal(scan_item_open(one.entry, &item), 0);
    assert_int_equal(scan_extents(&item, size, extents, 128, &n), 0);
    if (n == 100) {
        assert_int_equal(scan_extents(&item, size, extents, 99, &n), 0);
        assert_int_equal(n, 50);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(extents[i].offset, i << 20);
            assert_int_equal(extents[i].length, 12288);
        }
        for (size_t max = 2; max < 60; max++) {
            assert_int_equal(scan_extents(&item, size, extents, max, &n), 0);
            assert_in_range(n, 1, max);
            assert_int_equal(extents[n - 1].offset + extents[n - 1].length, size);
        }
    }
    scan_item_close(&item);
    assert_int_equal(close(fd), 0);
}

/* ---- images and databases ---- */

#define FIRST_BYTES 32768u

struct image {
    const char *name;
    struct {
        size_t at;
        const char *bytes;
        size_t n;
    } parts[6];
    bool fixed;
};

#define HEAP_PAGE(v) "\0\0\0\0\x01\0\0\0\0\0" v "\x20\0\x00\x1f\x00\x20\x04\x20", 20

static const struct image images[] = {
    {"notes.txt", {{0, "hello", 5}}, false},
    {"app.db", {{0, "SQLite format 3", 16}}, true},
    {"app", {{0, "SQLite format 3?", 16}}, false},
    {"disk", {{0, "QFI\xfb", 4}}, true},
    {"disk", {{0, "KDMV", 4}}, true},
    {"disk", {{0, "conectix", 8}}, true},
    {"disk", {{0, "vhdxfile", 8}}, true},
    {"disk", {{0, "<<< image >>>", 13}, {64, "\x7f\x10\xda\xbe", 4}}, true},
    {"anything.QCOW2", {{0, "", 0}}, true},
    {"x.vmdk", {{0, "", 0}}, true},
    {"mbr", {{446, "\x80\0\0\0\x83\0\0\0\0\x08\0\0\0\x10\0\0", 16}, {510, "\x55\xaa", 2}}, true},
    {"no table", {{446, "\x33", 1}, {510, "\x55\xaa", 2}}, false},
    {"empty table", {{510, "\x55\xaa", 2}}, false},
    {"gpt", {{510, "\x55\xaa", 2}, {512, "EFI PART", 8}}, true},
    {"ext",
     {{1024, "\0\x20\0\0\0\x80", 6},
      {1024 + 24, "\x02", 1},
      {1024 + 56, "\x53\xef", 2},
      {1024 + 76, "\x01", 1}},
     true},
    {"not ext", {{1024 + 56, "\x53\xef", 2}}, false},
    {"16384", {{0, HEAP_PAGE("\0\0")}, {8192, HEAP_PAGE("\x04\0")}}, true},
    {"one page of many", {{0, HEAP_PAGE("\0\0")}}, false},
    {"bad flags", {{0, HEAP_PAGE("\x10\0")}, {8192, HEAP_PAGE("\0\0")}}, false},
    {"page then text",
     {{0, HEAP_PAGE("\0\0")}, {8192, HEAP_PAGE("\0\0")}, {16384, "text", 4}},
     false},
    {"t1",
     {{16, "\0\0\0\0\0\x01\x02\x03", 8}, {24, "\0\x08", 2}, {34, "\0\0\0\x05\0\0\0\x05", 8}},
     true},
    {"t2",
     {{16, "\0\0\0\0\0\x01\x02\x03", 8}, {24, "\0\x08", 2}, {34, "\0\0\0\x05\0\0\0\x06", 8}},
     false},
    {"t.ibd", {{0, "", 0}}, true},
    {"small.img", {{0, "", 0}}, false},
};

static void images_and_databases_want_fixed_blocks(void **state) {
    (void)state;
    uint8_t *bytes = mem_new(FIRST_BYTES);
    for (size_t i = 0; i < ARRAY_N(images); i++) {
        const struct image *image = &images[i];
        memset(bytes, 0, FIRST_BYTES);
        for (size_t k = 0; k < ARRAY_N(image->parts); k++)
            if (image->parts[k].n > 0)
                memcpy(bytes + image->parts[k].at, image->parts[k].bytes, image->parts[k].n);
        struct scan_entry entry = {.name = image->name, .meta = {.size = 40000}};
        if (scan_wants_fixed(&entry, span_of(bytes, FIRST_BYTES)) != image->fixed)
            fail_msg("row %zu, %s: expected %s", i, image->name, image->fixed ? "fixed" : "cut");
    }
    /* Every length of first bytes is safe; a raw image is one by name, size and sectors. */
    for (size_t n = 0; n < 9000; n += 13) {
        uint8_t *exact = mem_copy(bytes, n);
        struct scan_entry entry = {.name = "f"};
        assert_false(scan_wants_fixed(&entry, span_of(exact, n)));
        mem_free(exact);
    }
    struct scan_entry raw = {.name = "disk.img", .meta = {.size = 1 << 20}};
    assert_true(scan_wants_fixed(&raw, span_of(bytes, 0)));
    raw.meta.size++;
    assert_false(scan_wants_fixed(&raw, span_of(bytes, 0)));
    mem_free(bytes);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_item_is_read_at_any_offset),
        TEST(what_took_the_place_of_a_file_is_not_opened),
        TEST(a_file_put_in_place_by_rename_is_found_again),
        TEST(a_folder_that_became_a_link_is_not_entered),
        TEST(a_change_while_reading_is_noticed),
        TEST(reading_leaves_the_access_time_alone),
        TEST(a_path_beyond_the_limit_of_the_kernel_is_read),
        TEST(attributes_of_every_kind_come_sorted_by_name),
        TEST(a_large_attribute_is_kept_or_reported),
        TEST(extents_tell_where_data_is),
        TEST(more_extents_than_fit_are_joined_across_narrow_holes),
        TEST(images_and_databases_want_fixed_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
