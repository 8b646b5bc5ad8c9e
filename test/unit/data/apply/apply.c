/* Covers src/data/apply: targets, policies, files, folders, what interrupted restores leave. */
#include "unit.h"

#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "apply_fixture.h"
#include "died.h"

/* ---- the target ---- */

static enum err_code code_of_open(const char *path) {
    struct apply *apply = NULL;
    struct err err = {0};
    assert_int_equal(apply_open(path, (struct apply_opts){0}, &apply, &err), -1);
    assert_null(apply);
    return err.code;
}

static void a_target_must_be_a_real_folder(void **state) {
    (void)state;
    put_file("file", "x");
    assert_int_equal(symlink("target", at("link")), 0);
    assert_int_equal(symlink("nowhere", at("dangling")), 0);
    assert_int_equal(code_of_open(at("file")), ERR_TARGET);
    assert_int_equal(code_of_open(at("file/below")), ERR_TARGET);
    assert_int_equal(code_of_open(at("link")), ERR_TARGET);
    assert_int_equal(code_of_open(at("dangling")), ERR_TARGET);
    assert_int_equal(code_of_open(at("dangling/below")), ERR_TARGET);
    assert_int_equal(code_of_open(""), ERR_TARGET);
    assert_int_equal(code_of_open("/proc/self"), ERR_TARGET);
    assert_int_equal(code_of_open("/sys/kernel"), ERR_TARGET);
    assert_content("file", "x");
}

static void a_missing_target_is_made_with_all_above_it(void **state) {
    (void)state;
    struct apply *apply = NULL;
    (void)text_format(target, sizeof target, "%s/new//deeper/still/", root);
    apply = start((struct apply_opts){0});
    assert_int_equal(restore_file(apply, "file", "x"), APPLY_DONE);
    assert_int_equal(restore(apply, entry_of(ENTRY_DIR, "", 0750)), APPLY_DONE);
    finish(apply);
    apply_close(apply);
    assert_content("new/deeper/still/file", "x");
    assert_int_equal(look("new/deeper/still").st_mode & 07777, 0750);
    assert_int_equal(look("new/deeper/still").st_mtim.tv_sec, 1234567890);
}

static void metadata_of_a_target_in_use_stay_unless_overwritten(void **state) {
    (void)state;
    put_file("target/mine", "x");
    assert_int_equal(chmod(target, 0711), 0);
    for (int overwrite = 0; overwrite < 2; overwrite++) {
        AUTO(apply) *apply =
            start((struct apply_opts){.existing = overwrite ? APPLY_OVERWRITE : APPLY_COPY});
        assert_int_equal(restore(apply, entry_of(ENTRY_DIR, "", 0700)), APPLY_DONE);
        finish(apply);
        assert_int_equal(look("target").st_mode & 07777, overwrite ? 0700 : 0711);
    }
}

/* ---- what exists already ---- */

static void copy_keeps_both(void **state) {
    (void)state;
    put_file("target/file", "old");
    char name[256];
    memset(name, 'n', 255);
    name[255] = 0;
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_COPY});
    assert_int_equal(restore_file(apply, name, "1"), APPLY_DONE);
    assert_int_equal(restore_file(apply, name, "2"), APPLY_DONE); /* loses its end */
    assert_int_equal(restore_file(apply, "file", "new"), APPLY_DONE);
    assert_int_equal(restore_file(apply, "file", "newer"), APPLY_DONE);
    assert_int_equal(restore_symlink(apply, "file", "there"), APPLY_DONE);
    finish(apply);
    assert_content("target/file", "old");
    os_names names = {0};
    int fd = OS_FD_NONE;
    assert_int_equal(os_dir_open(OS_FD_CWD, target, &fd, NULL), 0);
    assert_int_equal(os_list(fd, &names, NULL), 0);
    os_close(&fd);
    assert_int_equal(names.n, 6);
    assert_true(text_starts(names.p[1], "file (restored 20"));
    assert_true(text_ends(names.p[1], " 2)"));
    assert_true(text_ends(names.p[2], " 3)"));
    assert_int_equal(strlen(names.p[3]), strlen("file (restored 2026-11-21 12.30.05)"));
    assert_int_equal(strlen(names.p[4]), 255);
    os_names_done(&names);
}

static void a_copy_keeps_its_hard_links(void **state) {
    (void)state;
    put_file("target/first", "old");
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_COPY});
    struct entry first = entry_of(ENTRY_FILE, "first", 0644);
    first.nlink = 2;
    assert_int_equal(restore_file_entry(apply, first, "new"), APPLY_DONE);
    assert_int_equal(restore_link(apply, "second", "first"), APPLY_DONE);
    assert_content("target/second", "new");
    assert_int_equal(look("target/first").st_nlink, 1);
    assert_int_equal(look("target/second").st_nlink, 2);
}

static void skip_leaves_what_is_there(void **state) {
    (void)state;
    put_file("target/file", "old");
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_SKIP});
    assert_int_equal(restore_file(apply, "file", "new"), APPLY_SKIPPED);
    assert_int_equal(restore_symlink(apply, "file", "x"), APPLY_SKIPPED);
    assert_int_equal(restore_file(apply, "other", "new"), APPLY_DONE);
    struct apply_file *file;
    struct entry late = entry_of(ENTRY_FILE, "late", 0600);
    assert_int_equal(apply_file_begin(apply, &late, &file, NULL), APPLY_DONE);
    put_file("target/late", "appeared meanwhile");
    assert_int_equal(apply_file_commit(file, NULL), APPLY_SKIPPED);
    struct apply_totals totals;
    assert_int_equal(apply_finish(apply, &totals, NULL), 0);
    assert_int_equal(totals.skipped, 3);
    assert_int_equal(totals.done, 1);
    assert_content("target/file", "old");
    assert_content("target/late", "appeared meanwhile");
    assert_int_equal(names_in("target"), 3);
}

static void overwriting_makes_a_new_file(void **state) {
    (void)state;
    put_file("target/file", "old");
    assert_int_equal(chmod(at("target/file"), 0400), 0);
    int reader = open(at("target/file"), O_RDONLY | O_CLOEXEC);
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_OVERWRITE});
    assert_int_equal(restore_file(apply, "file", "new"), APPLY_DONE);
    char bytes[8] = "";
    assert_int_equal(read(reader, bytes, sizeof bytes), 3);
    assert_string_equal(bytes, "old");
    assert_int_equal(close(reader), 0);
    assert_content("target/file", "new");
    assert_int_equal(look("target/file").st_mode & 07777, 0644);
}

static void what_is_in_the_way_is_named(void **state) {
    (void)state;
    static const enum apply_existing policies[] = {APPLY_COPY, APPLY_SKIP, APPLY_OVERWRITE};
    assert_int_equal(mkdir(at("target/dir"), 0755), 0);
    put_file("target/dir/inside", "x");
    put_file("target/file", "x");
    for (size_t i = 0; i < ARRAY_N(policies); i++) {
        AUTO(apply) *apply = start((struct apply_opts){.existing = policies[i]});
        assert_int_equal(restore_file(apply, "dir", "x"), APPLY_REFUSED);
        assert_string_equal(why.text, "dir: a folder is in the way");
        assert_int_equal(restore_symlink(apply, "dir", "x"), APPLY_REFUSED);
        assert_int_equal(restore_dir(apply, "file"), APPLY_REFUSED);
        assert_string_equal(why.text, "file: a file is where a folder is needed");
        assert_int_equal(restore_file(apply, "file/below", "x"), APPLY_REFUSED);
        assert_int_equal(restore(apply, entry_of(ENTRY_FILE, "file", 0600)), APPLY_REFUSED);
        assert_int_equal(restore(apply, entry_of(ENTRY_SYMLINK, "", 0777)), APPLY_REFUSED);
        assert_int_equal(names_in("target"), 2);
    }
}

static void a_file_that_cannot_be_replaced_fails_and_leaves_nothing(void **state) {
    (void)state;
    put_file("target/file", "old");
    int fd = open(at("target/file"), O_RDONLY | O_CLOEXEC), flags = FS_IMMUTABLE_FL;
    bool immutable = ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    if (!immutable) {
        assert_int_equal(close(fd), 0);
        skip_test("a_file_that_cannot_be_replaced_fails_and_leaves_nothing",
                  "cannot make a file immutable");
    }
    AUTO(apply) *apply = start((struct apply_opts){.existing = APPLY_OVERWRITE});
    enum apply_result result = restore_file(apply, "file", "new");
    flags = 0;
    assert_int_equal(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(result, APPLY_FAILED);
    assert_int_equal(why.code, ERR_PERMISSION);
    assert_content("target/file", "old");
    assert_int_equal(names_in("target"), 1);
}

/* ---- files ---- */

static void a_file_appears_only_when_it_is_whole(void **state) {
    (void)state;
    AUTO(apply) *apply = start((struct apply_opts){0});
    struct entry entry = entry_of(ENTRY_FILE, "file", 0600);
    entry.size = 6;
    struct apply_file *file;
    assert_int_equal(apply_file_begin(apply, &entry, &file, NULL), APPLY_DONE);
    assert_int_equal(apply_file_write(file, 3, span_text("def"), NULL), 0);
    assert_false(exists("target/file"));
    assert_int_equal(names_in("target"), 1); /* its temp name */
    assert_int_equal(apply_file_write(file, 0, span_text("abc"), NULL), 0);
    assert_int_equal(apply_file_commit(file, NULL), APPLY_DONE);
    assert_content("target/file", "abcdef");
    assert_int_equal(apply_file_begin(apply, &entry, &file, NULL), APPLY_DONE);
    assert_int_equal(apply_file_write(file, 0, span_text("abc"), NULL), 0);
    why = (struct err){0};
    assert_int_equal(apply_file_commit(file, &why), APPLY_FAILED);
    assert_string_equal(why.text, "file: 3 of 6 bytes came");
    assert_int_equal(apply_file_begin(apply, &entry, &file, NULL), APPLY_DONE);
    apply_file_abort(file);
    apply_file_abort(NULL);
    struct apply_totals totals;
    assert_int_equal(apply_finish(apply, &totals, NULL), 0);
    assert_int_equal(totals.done, 1);
    assert_int_equal(totals.failed, 2);
    assert_int_equal(totals.bytes, 6);
    assert_int_equal(names_in("target"), 1);
}

static void holes_are_not_written(void **state) {
    (void)state;
    const struct extent extents[] = {{1 << 20, 4096}, {3 << 20, 8192}};
    uint8_t block[8192];
    memset(block, 'x', sizeof block);
    struct entry entry = entry_of(ENTRY_FILE, "sparse", 0600);
    entry.flags = ENTRY_SPARSE;
    entry.size = (8 << 20) + 5;
    entry.extents = extents;
    entry.extent_n = 2;
    AUTO(apply) *apply = start((struct apply_opts){0});
    struct apply_file *file;
    assert_int_equal(apply_file_begin(apply, &entry, &file, NULL), APPLY_DONE);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            apply_file_write(file, extents[i].offset, span_of(block, extents[i].length), NULL), 0);
    assert_int_equal(apply_file_commit(file, NULL), APPLY_DONE);
    assert_int_equal(look("target/sparse").st_size, (8 << 20) + 5);
    assert_true(look("target/sparse").st_blocks <= 64);
    entry.extent_n = 0;
    entry.path = span_text("hole");
    assert_int_equal(apply_file_begin(apply, &entry, &file, NULL), APPLY_DONE);
    assert_int_equal(apply_file_commit(file, NULL), APPLY_DONE);
    assert_int_equal(look("target/hole").st_size, (8 << 20) + 5);
    assert_int_equal(look("target/hole").st_blocks, 0);
}

/* ---- folders ---- */

static void folders_get_their_metadata_last_and_from_below(void **state) {
    (void)state;
    AUTO(apply) *apply = start((struct apply_opts){0});
    assert_int_equal(restore(apply, entry_of(ENTRY_DIR, "a", 0500)), APPLY_DONE);
    assert_int_equal(restore(apply, entry_of(ENTRY_DIR, "a/b", 0500)), APPLY_DONE);
    assert_int_equal(restore_file(apply, "a/b/file", "x"), APPLY_DONE);
    assert_int_equal(look("target/a").st_mode & 0777, 0700); /* nobody else comes in until then */
    finish(apply);
    assert_int_equal(look("target/a").st_mode & 07777, 0500);
    assert_int_equal(look("target/a/b").st_mode & 07777, 0500);
    assert_int_equal(look("target/a").st_mtim.tv_sec, 1234567890);
    assert_int_equal(look("target/a/b").st_mtim.tv_nsec, 123456789);
}

static void close_folders_to_oneself(void *arg) {
    (void)arg;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(2);
    AUTO(apply) *apply = start((struct apply_opts){0});
    struct apply_totals totals = {0};
    bool made = restore(apply, entry_of(ENTRY_DIR, "a", 0)) == APPLY_DONE &&
                restore(apply, entry_of(ENTRY_DIR, "a/b", 0)) == APPLY_DONE &&
                restore(apply, entry_of(ENTRY_DIR, "a/b/c", 0)) == APPLY_DONE &&
                restore_file(apply, "a/b/c/file", "x") == APPLY_DONE;
    _exit(made && apply_finish(apply, &totals, NULL) == 0 && totals.done == 4 && notes.n == 0 ? 3
                                                                                              : 4);
}

static void folders_that_forbid_everything_come_back_too(void **state) {
    (void)state;
    assert_int_equal(chmod(root, 0755), 0);
    assert_int_equal(chmod(target, 0777), 0);
    assert_int_equal(WEXITSTATUS(died_run(close_folders_to_oneself, NULL)), 3);
    assert_int_equal(look("target/a").st_mode & 07777, 0);
}

static void folders_above_a_chosen_path_are_made(void **state) {
    (void)state;
    AUTO(apply) *apply = start((struct apply_opts){0});
    assert_int_equal(restore_file(apply, "a/b/c/file", "x"), APPLY_DONE);
    assert_int_equal(restore_dir(apply, "a/d/e"), APPLY_DONE);
    finish(apply);
    assert_content("target/a/b/c/file", "x");
    assert_true(exists("target/a/d/e"));
}

static void more_folders_than_are_kept_open(void **state) {
    (void)state;
    AUTO(apply) *apply = start((struct apply_opts){0});
    struct apply_file *files[2 * APPLY_OPEN_DIRS_MAX];
    for (unsigned i = 0; i < ARRAY_N(files); i++) { /* all in use at once */
        char path[32];
        (void)text_format(path, sizeof path, "d%u", i);
        assert_int_equal(restore_dir(apply, path), APPLY_DONE);
        (void)text_format(path, sizeof path, "d%u/file", i);
        struct entry entry = entry_of(ENTRY_FILE, path, 0600);
        assert_int_equal(apply_file_begin(apply, &entry, &files[i], NULL), APPLY_DONE);
    }
    for (unsigned i = 0; i < ARRAY_N(files); i++)
        assert_int_equal(apply_file_commit(files[i], NULL), APPLY_DONE);
    for (unsigned i = 0; i < ARRAY_N(files); i++) {
        char path[32];
        (void)text_format(path, sizeof path, "d%u/again", i);
        assert_int_equal(restore_file(apply, path, "x"), APPLY_DONE);
    }
    finish(apply);
    assert_int_equal(names_in("target"), ARRAY_N(files));
    assert_int_equal(names_in("target/d255"), 2);
}

/* ---- security ---- */

static void inherited_security_comes_from_the_folder_around(void **state) {
    (void)state;
    bool privileged = geteuid() == 0;
    uid_t uid = privileged ? 1234 : geteuid();
    gid_t gid = privileged ? 4321 : getegid();
    assert_int_equal(chown(target, uid, gid), 0);
    assert_int_equal(chmod(target, 02751), 0);
    struct buf xattrs = {0};
    entry_xattr_put(&xattrs, span_text("trusted.x"), span_text("x"));
    entry_xattr_put(&xattrs, span_text("user.x"), span_text("x"));
    struct entry tool = entry_of(ENTRY_FILE, "dir/tool", 04777);
    tool.uid = 77;
    tool.xattrs = buf_span(&xattrs);
    AUTO(apply) *apply = start((struct apply_opts){.security = APPLY_INHERIT});
    assert_int_equal(restore(apply, entry_of(ENTRY_DIR, "dir", 0777)), APPLY_DONE);
    assert_int_equal(restore_file_entry(apply, tool, "x"), APPLY_DONE);
    assert_int_equal(restore_file(apply, "dir/text", "x"), APPLY_DONE);
    assert_int_equal(restore_symlink(apply, "dir/link", "x"), APPLY_DONE);
    finish(apply);
    assert_string_equal(buf_text(&notes), "");
    assert_int_equal(look("target/dir").st_mode & 07777, 02751);
    assert_int_equal(look("target/dir").st_mtim.tv_sec, 1234567890);
    assert_int_equal(look("target/dir/tool").st_mode & 07777, 0751);
    assert_int_equal(look("target/dir/text").st_mode & 07777, 0640);
    static const char *const made[] = {"target/dir", "target/dir/tool", "target/dir/link"};
    for (size_t i = 0; i < ARRAY_N(made); i++) {
        assert_int_equal(look(made[i]).st_uid, uid);
        assert_int_equal(look(made[i]).st_gid, gid);
    }
    assert_int_equal(getxattr(at("target/dir/tool"), "user.x", NULL, 0), 1);
    assert_int_equal(getxattr(at("target/dir/tool"), "trusted.x", NULL, 0), -1);
    buf_done(&xattrs);
}

/* user::rwx user:4242:rwx group::r-x mask::rwx other::--- */
static const uint8_t acl[] = {2,    0,    0,    0,    1,    0,    7,    0,    0xff, 0xff, 0xff,
                              0xff, 2,    0,    7,    0,    0x92, 0x10, 0,    0,    4,    0,
                              5,    0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,    7,    0,    0xff,
                              0xff, 0xff, 0xff, 0x20, 0,    0,    0,    0xff, 0xff, 0xff, 0xff};

static bool has(const char *name, const char *key) {
    return lgetxattr(at(name), key, NULL, 0) >= 0;
}

static void a_default_acl_of_the_target_reaches_nothing_restored(void **state) {
    (void)state;
    if (setxattr(target, "system.posix_acl_default", acl, sizeof acl, 0) != 0)
        skip_test("a_default_acl_of_the_target_reaches_nothing_restored", "no ACLs here");
    for (int inherit = 0; inherit < 2; inherit++) {
        AUTO(apply) *apply = start((struct apply_opts){
            .existing = APPLY_OVERWRITE, .security = inherit ? APPLY_INHERIT : APPLY_RESTORE});
        assert_int_equal(restore_file(apply, inherit ? "f1" : "f0", "x"), APPLY_DONE);
        assert_int_equal(restore_dir(apply, inherit ? "d1" : "d0"), APPLY_DONE);
        assert_int_equal(restore_file(apply, inherit ? "d1/f" : "d0/f", "x"), APPLY_DONE);
        finish(apply);
    }
    static const char *const restored[] = {"target/f0", "target/d0", "target/d0/f"};
    static const char *const inherited[] = {"target/f1", "target/d1", "target/d1/f"};
    for (size_t i = 0; i < ARRAY_N(restored); i++) {
        assert_false(has(restored[i], "system.posix_acl_access"));
        assert_true(has(inherited[i], "system.posix_acl_access"));
    }
    assert_false(has("target/d0", "system.posix_acl_default"));
    assert_true(has("target/d1", "system.posix_acl_default"));
    assert_int_equal(look("target/f0").st_mode & 07777, 0644);
    assert_int_equal(look("target/d0").st_mode & 07777, 0755);
}

static void lose_the_owner(void *arg) {
    (void)arg;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(2);
    struct entry entry = entry_of(ENTRY_FILE, "file", 04711);
    entry.uid = 1;
    AUTO(apply) *apply = start((struct apply_opts){.allow_set_id = true});
    bool done = restore_file_entry(apply, entry, "x") == APPLY_DONE;
    bool told = text_equal(buf_text(&notes), "file: restored without owner, set-id bits\n");
    _exit(done && told && (look("target/file").st_mode & 07777) == 0711 ? 3 : 4);
}

static void without_privilege_the_owner_is_lost_and_said_so(void **state) {
    (void)state;
    assert_int_equal(chmod(root, 0755), 0);
    assert_int_equal(chmod(target, 0777), 0);
    assert_int_equal(WEXITSTATUS(died_run(lose_the_owner, NULL)), 3);
}

/* ---- what interrupted restores leave ---- */

static void leftovers_are_removed_when_nobody_restores_here(void **state) {
    (void)state;
    assert_int_equal(mkdir(at("target/dir"), 0755), 0);
    put_file("target/" APPLY_TEMP_PREFIX "00112233445566770000", "half");
    put_file("target/dir/" APPLY_TEMP_PREFIX "00112233445566770001", "half");
    put_file("target/dir/mine", "x");
    AUTO(apply) *first = start((struct apply_opts){0});
    assert_int_equal(names_in("target"), 1);
    assert_int_equal(names_in("target/dir"), 2);
    assert_int_equal(restore_dir(first, "dir"), APPLY_DONE);
    assert_int_equal(names_in("target/dir"), 1);
    struct apply_file *file;
    struct entry entry = entry_of(ENTRY_FILE, "dir/file", 0600);
    assert_int_equal(apply_file_begin(first, &entry, &file, NULL), APPLY_DONE);
    AUTO(apply) *second = start((struct apply_opts){0}); /* the first one still works */
    assert_int_equal(restore_dir(second, "dir"), APPLY_DONE);
    assert_int_equal(names_in("target/dir"), 2);
    assert_int_equal(apply_file_commit(file, NULL), APPLY_DONE);
    assert_true(exists("target/dir/file"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_target_must_be_a_real_folder),
        TEST(a_missing_target_is_made_with_all_above_it),
        TEST(metadata_of_a_target_in_use_stay_unless_overwritten),
        TEST(copy_keeps_both),
        TEST(a_copy_keeps_its_hard_links),
        TEST(skip_leaves_what_is_there),
        TEST(overwriting_makes_a_new_file),
        TEST(what_is_in_the_way_is_named),
        TEST(a_file_that_cannot_be_replaced_fails_and_leaves_nothing),
        TEST(a_file_appears_only_when_it_is_whole),
        TEST(holes_are_not_written),
        TEST(folders_get_their_metadata_last_and_from_below),
        TEST(folders_that_forbid_everything_come_back_too),
        TEST(folders_above_a_chosen_path_are_made),
        TEST(more_folders_than_are_kept_open),
        TEST(inherited_security_comes_from_the_folder_around),
        TEST(a_default_acl_of_the_target_reaches_nothing_restored),
        TEST(without_privilege_the_owner_is_lost_and_said_so),
        TEST(leftovers_are_removed_when_nobody_restores_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
