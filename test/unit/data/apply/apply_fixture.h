#pragma once
/* A target to restore into, and a place outside that nothing may touch. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "data/apply/apply.h"
#include "os/os.h"
#include "scratch.h"
#include "tree.h"

static char root[SCRATCH_PATH_MAX], target[SCRATCH_PATH_MAX + 16];
static struct buf notes; /* of the engine, a line each */

static inline int fixture_setup(void **state) {
    (void)state;
    (void)scratch_make(root);
    (void)text_format(target, sizeof target, "%s/target", root);
    notes.n = 0;
    return mkdir(target, 0755);
}

static inline int fixture_teardown(void **state) {
    (void)state;
    tree_remove(root);
    buf_done(&notes);
    return 0;
}

static inline const char *at(const char *name) { /* "target/x", "outside" */
    static char path[8][600];
    static unsigned i;
    char *to = path[i++ % 8];
    (void)text_format(to, 600, "%s/%s", root, name);
    return to;
}

static inline void put_file(const char *name, const char *content) {
    int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    assert_int_equal(close(fd), 0);
}

static inline void assert_content(const char *name, const char *expected) {
    char got[256] = "";
    int fd = open(at(name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        fail_msg("%s: %s", name, strerror(errno));
    assert_true(read(fd, got, sizeof got - 1) >= 0);
    assert_int_equal(close(fd), 0);
    assert_string_equal(got, expected);
}

static inline struct stat look(const char *name) {
    struct stat st;
    if (lstat(at(name), &st) != 0)
        fail_msg("%s: %s", name, strerror(errno));
    return st;
}

static inline bool exists(const char *name) {
    struct stat st;
    return lstat(at(name), &st) == 0;
}

static inline size_t names_in(const char *name) {
    os_names names = {0};
    int fd = OS_FD_NONE;
    assert_int_equal(os_dir_open(OS_FD_CWD, at(name), &fd, NULL), 0);
    assert_int_equal(os_list(fd, &names, NULL), 0);
    size_t n = names.n;
    os_names_done(&names);
    os_close(&fd);
    return n;
}

static inline void keep_note(void *ctx, struct span path, const struct err *what) {
    (void)ctx;
    (void)path;
    buf_printf(&notes, "%s\n", what->text);
}

static inline struct apply *start(struct apply_opts opts) {
    struct apply *apply = NULL;
    struct err err = {0};
    opts.note = keep_note;
    if (apply_open(target, opts, &apply, &err) != 0)
        fail_msg("%s", err.text);
    return apply;
}

static inline void finish(struct apply *apply) {
    struct apply_totals totals;
    struct err err = {0};
    if (apply_finish(apply, &totals, &err) != 0)
        fail_msg("%s", err.text);
}

/* An entry that whoever runs the test may restore whole. */
static inline struct entry entry_of(enum entry_kind kind, const char *path, uint16_t mode) {
    return (struct entry){
        .path = span_text(path),
        .kind = (uint8_t)kind,
        .mode = mode,
        .uid = geteuid(),
        .gid = getegid(),
        .mtime_ns = INT64_C(1234567890123456789),
        .nlink = 1,
    };
}

static struct err why;

static inline enum apply_result restore(struct apply *apply, struct entry entry) {
    why = (struct err){0};
    return apply_entry(apply, &entry, &why);
}

static inline enum apply_result restore_dir(struct apply *apply, const char *path) {
    return restore(apply, entry_of(ENTRY_DIR, path, 0755));
}

static inline enum apply_result restore_symlink(struct apply *apply, const char *path,
                                                const char *to) {
    struct entry entry = entry_of(ENTRY_SYMLINK, path, 0777);
    entry.link = span_text(to);
    return restore(apply, entry);
}

static inline enum apply_result restore_link(struct apply *apply, const char *path,
                                             const char *first) {
    struct entry entry = entry_of(ENTRY_HARDLINK, path, 0644);
    entry.link = span_text(first);
    return restore(apply, entry);
}

static inline enum apply_result restore_file_entry(struct apply *apply, struct entry entry,
                                                   const char *content) {
    why = (struct err){0};
    struct apply_file *file;
    entry.size = strlen(content);
    enum apply_result result = apply_file_begin(apply, &entry, &file, &why);
    if (result != APPLY_DONE) {
        assert_null(file);
        return result;
    }
    assert_int_equal(apply_file_write(file, 0, span_text(content), &why), 0);
    return apply_file_commit(file, &why);
}

static inline enum apply_result restore_file(struct apply *apply, const char *path,
                                             const char *content) {
    return restore_file_entry(apply, entry_of(ENTRY_FILE, path, 0644), content);
}

static inline void skip_test(const char *name, const char *reason) {
    print_message("[  SKIPPED ] %s: %s\n", name, reason);
    skip();
}
