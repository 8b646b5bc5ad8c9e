/* Covers src/data/apply against points and neighbours that mean harm. */
#include "unit.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "apply_fixture.h"
#include "died.h"

/* ---- names from a hostile point ---- */

static void paths_that_lead_out_are_refused(void **state) {
    (void)state;
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_OVERWRITE});
    static const char *const paths[] = {
        "..", "../x", "a/../../x", "a/..", "/etc/passwd", "/",           "a//b",    "a/",
        ".",  "./a",  "a/./b",     "//a",  "a/b/",        "../target/x", "...//..", "a/b/../c",
    };
    for (size_t i = 0; i < ARRAY_N(paths); i++) {
        if (restore_file(apply, paths[i], "x") != APPLY_REFUSED ||
            restore_dir(apply, paths[i]) != APPLY_REFUSED ||
            restore_symlink(apply, paths[i], "x") != APPLY_REFUSED ||
            restore_link(apply, paths[i], "a") != APPLY_REFUSED)
            fail_msg("%s was not refused", paths[i]);
        assert_int_equal(why.code, ERR_ENTRY_REFUSED);
    }
    struct entry nul = entry_of(ENTRY_FILE, "", 0644);
    nul.path = span_of("a\0b", 3);
    assert_int_equal(restore_file_entry(apply, nul, "x"), APPLY_REFUSED);
    char name[300];
    memset(name, 'n', sizeof name);
    name[256] = 0;
    assert_int_equal(restore_file(apply, name, "x"), APPLY_REFUSED);
    name[255] = 0;
    assert_int_equal(restore_file(apply, name, "x"), APPLY_DONE);
    assert_int_equal(restore_file(apply, "", "x"), APPLY_REFUSED);
    assert_int_equal(restore_link(apply, "fine", "../outside"), APPLY_FAILED);
    assert_int_equal(names_in("target"), 1);
    assert_int_equal(names_in(""), 1);
}

static void a_link_of_the_point_is_not_walked_through(void **state) {
    (void)state;
    assert_int_equal(mkdir(at("outside"), 0755), 0);
    put_file("outside/passwd", "victim");
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_OVERWRITE});
    assert_int_equal(restore_symlink(apply, "evil", at("outside")), APPLY_DONE);
    assert_int_equal(restore_file(apply, "evil/passwd", "overwritten"), APPLY_REFUSED);
    assert_int_equal(restore_dir(apply, "evil/new"), APPLY_REFUSED);
    assert_int_equal(restore_symlink(apply, "evil/link", "x"), APPLY_REFUSED);
    assert_int_equal(restore_dir(apply, "evil"), APPLY_REFUSED);
    assert_int_equal(restore_symlink(apply, "up", ".."), APPLY_DONE);
    assert_int_equal(restore_file(apply, "up/outside/passwd", "overwritten"), APPLY_REFUSED);
    assert_int_equal(restore_file(apply, "fine", "x"), APPLY_DONE);
    finish(apply);
    assert_content("outside/passwd", "victim");
    assert_int_equal(names_in("outside"), 1);
}

static void a_link_that_was_there_is_replaced_not_followed(void **state) {
    (void)state;
    put_file("outside", "victim");
    assert_int_equal(symlink(at("outside"), at("target/file")), 0);
    assert_int_equal(symlink(root, at("target/dir")), 0);
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_OVERWRITE});
    assert_int_equal(restore_file(apply, "file", "new"), APPLY_DONE);
    assert_int_equal(restore_dir(apply, "dir"), APPLY_REFUSED);
    assert_int_equal(restore_file(apply, "dir/outside", "new"), APPLY_REFUSED);
    finish(apply);
    assert_content("outside", "victim");
    assert_content("target/file", "new");
}

static void another_name_of_an_outside_file_keeps_it_as_it_was(void **state) {
    (void)state;
    put_file("outside", "victim");
    assert_int_equal(chmod(at("outside"), 0600), 0);
    assert_int_equal(link(at("outside"), at("target/file")), 0);
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_OVERWRITE});
    assert_int_equal(restore_file(apply, "file", "new"), APPLY_DONE);
    finish(apply);
    assert_content("outside", "victim");
    assert_int_equal(look("outside").st_mode & 07777, 0600);
    assert_int_equal(look("outside").st_nlink, 1);
    assert_content("target/file", "new");
}

static void a_hard_link_joins_only_what_was_restored(void **state) {
    (void)state;
    put_file("target/secret", "not of this restore");
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_OVERWRITE});
    assert_int_equal(restore_link(apply, "link", "secret"), APPLY_FAILED);
    assert_int_equal(why.code, ERR_ENTRY_LINK);
    struct entry first = entry_of(ENTRY_FILE, "first", 0644);
    first.nlink = 2;
    assert_int_equal(restore_file_entry(apply, first, "x"), APPLY_DONE);
    assert_int_equal(rename(at("target/secret"), at("target/first")), 0); /* exchanged meanwhile */
    assert_int_equal(restore_link(apply, "link", "first"), APPLY_REFUSED);
    assert_false(exists("target/link"));
    assert_int_equal(names_in("target"), 1);
}

/* ---- arithmetic from a hostile point ---- */

static enum apply_result begin_sparse(struct apply *apply, const struct extent *extents, uint32_t n,
                                      uint64_t size) {
    struct entry entry = entry_of(ENTRY_FILE, "sparse", 0600);
    entry.flags = ENTRY_SPARSE;
    entry.extents = extents;
    entry.extent_n = n;
    entry.size = size;
    struct apply_file *file;
    enum apply_result result = apply_file_begin(apply, &entry, &file, &why);
    if (result == APPLY_DONE)
        apply_file_abort(file);
    return result;
}

static void extents_that_overlap_or_leave_the_file_are_refused(void **state) {
    (void)state;
    AUTO(apply) *apply = start((struct apply_opts){0});
    const struct extent fine[] = {{0, 10}, {10, 5}, {100, 900}};
    const struct extent overlap[] = {{0, 10}, {9, 5}};
    const struct extent backwards[] = {{100, 10}, {0, 5}};
    const struct extent wraps[] = {{UINT64_MAX - 5, 10}};
    assert_int_equal(begin_sparse(apply, fine, 3, 1000), APPLY_DONE);
    assert_int_equal(begin_sparse(apply, fine, 3, 999), APPLY_REFUSED);
    assert_int_equal(begin_sparse(apply, overlap, 2, 1000), APPLY_REFUSED);
    assert_int_equal(begin_sparse(apply, backwards, 2, 1000), APPLY_REFUSED);
    assert_int_equal(begin_sparse(apply, wraps, 1, UINT64_MAX), APPLY_REFUSED);
    assert_int_equal(begin_sparse(apply, wraps, 1, 1000), APPLY_REFUSED);
    assert_int_equal(begin_sparse(apply, NULL, 0, (uint64_t)INT64_MAX + 1), APPLY_REFUSED);
    assert_int_equal(names_in("target"), 0);
}

static void more_content_than_announced_is_refused(void **state) {
    (void)state;
    AUTO(apply) *apply = start((struct apply_opts){0});
    struct entry entry = entry_of(ENTRY_FILE, "file", 0600);
    entry.size = 10;
    struct apply_file *file;
    struct err err = {0};
    assert_int_equal(apply_file_begin(apply, &entry, &file, &err), APPLY_DONE);
    assert_int_equal(apply_file_write(file, 5, span_text("012345"), &err), -1);
    assert_int_equal(err.code, ERR_ENTRY_REFUSED);
    assert_int_equal(apply_file_write(file, UINT64_MAX, span_text("01"), &err), -1);
    assert_int_equal(apply_file_write(file, 0, span_text("0123456789"), &err), 0);
    assert_int_equal(apply_file_write(file, 0, span_text("x"), &err), -1); /* again and again */
    assert_int_equal(apply_file_commit(file, &err), APPLY_FAILED);
    assert_int_equal(names_in("target"), 0);
}

/* ---- power ---- */

static const uint8_t capability[20] = {1, 0, 0, 2, 0, 4};

static void set_id_bits_and_capabilities_need_permission(void **state) {
    (void)state;
    struct buf xattrs = {0};
    entry_xattr_put(&xattrs, span_text("security.capability"),
                    span_of(capability, sizeof capability));
    struct entry entry = entry_of(ENTRY_FILE, "tool", 06755);
    entry.xattrs = buf_span(&xattrs);
    {
        AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_OVERWRITE});
        assert_int_equal(restore_file_entry(apply, entry, "x"), APPLY_DONE);
        assert_int_equal(restore(apply, entry_of(ENTRY_DIR, "dir", 02775)), APPLY_DONE);
        struct apply_totals totals;
        assert_int_equal(apply_finish(apply, &totals, NULL), 0);
        assert_int_equal(totals.reduced, 2);
    }
    assert_int_equal(look("target/tool").st_mode & 07777, 0755);
    assert_int_equal(look("target/dir").st_mode & 07777, 0775);
    assert_int_equal(getxattr(at("target/tool"), "security.capability", NULL, 0), -1);
    assert_string_equal(buf_text(&notes),
                        "tool: restored without set-id bits, security attributes\n"
                        "dir: restored without set-id bits\n");
    AUTO(apply) *apply =
        start((struct apply_opts){.existing = APPLY_OVERWRITE, .allow_set_id = true});
    assert_int_equal(restore_file_entry(apply, entry, "x"), APPLY_DONE);
    assert_int_equal(look("target/tool").st_mode & 07777, 06755);
    if (geteuid() == 0)
        assert_int_equal(getxattr(at("target/tool"), "security.capability", NULL, 0), 20);
    buf_done(&xattrs);
}

static void set_id_bits_do_not_outlive_their_owner(void **state) {
    (void)state;
    struct entry entry = entry_of(ENTRY_FILE, "tool", 04755);
    entry.uid = 12345;
    AUTO(apply) *apply =
        start((struct apply_opts){.existing = APPLY_OVERWRITE, .allow_set_id = true});
    assert_int_equal(restore_file_entry(apply, entry, "x"), APPLY_DONE);
    bool privileged = geteuid() == 0;
    assert_int_equal(look("target/tool").st_uid, privileged ? 12345 : geteuid());
    assert_int_equal(look("target/tool").st_mode & 07777, privileged ? 04755 : 0755);
}

static void devices_and_sockets_need_permission(void **state) {
    (void)state;
    struct entry device = entry_of(ENTRY_CHAR, "null", 0666);
    device.rdev_major = 1;
    device.rdev_minor = 3;
    struct entry socket = entry_of(ENTRY_SOCKET, "socket", 0600);
    AUTO(apply) *strict = start((struct apply_opts){0});
    assert_int_equal(restore(strict, device), APPLY_REFUSED);
    assert_int_equal(restore(strict, socket), APPLY_REFUSED);
    assert_int_equal(restore(strict, entry_of(ENTRY_FIFO, "fifo", 0640)), APPLY_DONE);
    assert_true(S_ISFIFO(look("target/fifo").st_mode));
    assert_int_equal(look("target/fifo").st_mode & 07777, 0640);
    assert_int_equal(names_in("target"), 1);
    AUTO(apply) *free_hand = start((struct apply_opts){.allow_devices = true});
    assert_int_equal(restore(free_hand, socket), APPLY_DONE);
    if (geteuid() != 0)
        skip_test("devices_and_sockets_need_permission", "device nodes need root");
    assert_int_equal(restore(free_hand, device), APPLY_DONE);
    assert_int_equal(look("target/null").st_rdev, makedev(1, 3));
}

static void attributes_a_walk_never_records_are_not_set(void **state) {
    (void)state;
    struct buf xattrs = {0};
    entry_xattr_put(&xattrs, span_text("btrfs.compression"), span_text("zlib"));
    entry_xattr_put(&xattrs, span_text("system.nfs4_acl"), span_text("x"));
    struct entry entry = entry_of(ENTRY_FILE, "file", 0600);
    entry.xattrs = buf_span(&xattrs);
    AUTO(apply) *apply = start((struct apply_opts){.allow_set_id = true});
    assert_int_equal(restore_file_entry(apply, entry, "x"), APPLY_DONE);
    assert_string_equal(buf_text(&notes), "file: restored without extended attributes\n");
    entry.path = span_text("malformed");
    entry.xattrs.n--;
    assert_int_equal(restore_file_entry(apply, entry, "x"), APPLY_DONE);
    assert_string_equal(buf_text(&notes), "file: restored without extended attributes\n"
                                          "malformed: restored without extended attributes\n");
    buf_done(&xattrs);
}

/* ---- mounts ---- */

static void restore_beside_a_mount(void *arg) {
    (void)arg;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", at("target/mounted"), "tmpfs", 0, NULL) != 0 ||
        mount(at("outside"), at("target/bound"), NULL, MS_BIND, NULL) != 0 ||
        mount(at("outside/file"), at("target/file"), NULL, MS_BIND, NULL) != 0)
        _exit(2);
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_OVERWRITE});
    bool held = restore_file(apply, "mounted/x", "x") == APPLY_REFUSED &&
                restore_dir(apply, "mounted") == APPLY_REFUSED &&
                restore_dir(apply, "bound/x") == APPLY_REFUSED &&
                restore_file(apply, "bound/file", "x") == APPLY_REFUSED &&
                restore_file(apply, "file", "x") == APPLY_REFUSED &&
                restore_file(apply, "fine", "x") == APPLY_DONE;
    _exit(held && names_in("target/mounted") == 0 && names_in("outside") == 1 ? 3 : 4);
}

static void what_is_mounted_inside_the_target_is_left_alone(void **state) {
    (void)state;
    assert_int_equal(mkdir(at("outside"), 0755), 0);
    put_file("outside/file", "victim");
    put_file("target/file", "");
    assert_int_equal(mkdir(at("target/mounted"), 0755), 0);
    assert_int_equal(mkdir(at("target/bound"), 0755), 0);
    int status = died_run(restore_beside_a_mount, NULL);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
        skip_test("what_is_mounted_inside_the_target_is_left_alone", "cannot mount");
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_content("outside/file", "victim");
}

/* ---- a racer in the target ---- */

#define RACES 3000u

static atomic_bool racing;

static void exchange_for_ever(void *arg) {
    (void)arg;
    char dir[600], trap[600];
    (void)text_copy(dir, sizeof dir, at("target/dir"));
    (void)text_copy(trap, sizeof trap, at("target/trap"));
    while (atomic_load(&racing))
        (void)renameat2(AT_FDCWD, dir, AT_FDCWD, trap, RENAME_EXCHANGE);
}

static void exchanging_a_folder_for_a_link_leads_nothing_outside(void **state) {
    (void)state;
    assert_int_equal(mkdir(at("outside"), 0755), 0);
    put_file("outside/victim", "victim");
    struct stat before = look("outside");
    assert_int_equal(mkdir(at("target/dir"), 0755), 0);
    assert_int_equal(symlink(at("outside"), at("target/trap")), 0);
    atomic_store(&racing, true);
    struct os_thread racer = {0};
    assert_int_equal(os_thread_start(&racer, "racer", exchange_for_ever, NULL, NULL), 0);
    uint64_t done = 0, refused = 0;
    for (unsigned i = 0; i < RACES; i += 5) {
        AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_OVERWRITE});
        for (unsigned k = i; k < i + 5; k++) {
            char path[64];
            (void)text_format(path, sizeof path, "dir/%u", k);
            enum apply_result result = restore_file(apply, path, "x");
            done += result == APPLY_DONE ? 1 : 0;
            refused += result == APPLY_REFUSED ? 1 : 0;
            (void)restore_symlink(apply, "dir/link", "x");
            (void)restore_dir(apply, "dir");
            (void)restore_file(apply, "dir/victim", "gotcha");
        }
        struct apply_totals totals;
        assert_int_equal(apply_finish(apply, &totals, NULL), 0);
    }
    atomic_store(&racing, false);
    os_thread_join(&racer);
    assert_int_equal(done + refused, RACES);
    assert_content("outside/victim", "victim");
    assert_int_equal(names_in("outside"), 1);
    struct stat after = look("outside");
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
}

static void a_folder_exchanged_before_the_end_keeps_its_metadata(void **state) {
    (void)state;
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_OVERWRITE});
    assert_int_equal(restore(apply, entry_of(ENTRY_DIR, "dir", 0777)), APPLY_DONE);
    assert_int_equal(rename(at("target/dir"), at("target/was")), 0);
    assert_int_equal(mkdir(at("target/dir"), 0700), 0);
    struct apply_totals totals;
    assert_int_equal(apply_finish(apply, &totals, NULL), 0);
    assert_int_equal(totals.refused, 1);
    assert_int_equal(totals.done, 0);
    assert_int_equal(look("target/dir").st_mode & 07777, 0700);
    assert_string_equal(buf_text(&notes), "dir: exchanged by somebody while it was restored\n");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(paths_that_lead_out_are_refused),
        TEST(a_link_of_the_point_is_not_walked_through),
        TEST(a_link_that_was_there_is_replaced_not_followed),
        TEST(another_name_of_an_outside_file_keeps_it_as_it_was),
        TEST(a_hard_link_joins_only_what_was_restored),
        TEST(extents_that_overlap_or_leave_the_file_are_refused),
        TEST(more_content_than_announced_is_refused),
        TEST(set_id_bits_and_capabilities_need_permission),
        TEST(set_id_bits_do_not_outlive_their_owner),
        TEST(devices_and_sockets_need_permission),
        TEST(attributes_a_walk_never_records_are_not_set),
        TEST(what_is_mounted_inside_the_target_is_left_alone),
        TEST(exchanging_a_folder_for_a_link_leads_nothing_outside),
        TEST(a_folder_exchanged_before_the_end_keeps_its_metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
