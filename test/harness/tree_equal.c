#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "base/vec.h"
#include "tree.h"

#define READ_BYTES 65536u

struct inode_pair {
    dev_t a_dev, b_dev;
    ino_t a, b;
};

struct comparison {
    unsigned ignore;
    char *difference;
    struct buf path;
    VEC(struct inode_pair) pairs; /* of entries with several names */
};

typedef VEC(char *) name_vec;

/* Say what differs, and where; false. */
static bool differs(struct comparison *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool differs(struct comparison *c, const char *format, ...) {
    char what[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    struct buf escaped = {0};
    text_escape(&escaped, buf_span(&c->path));
    (void)text_format(c->difference, TREE_DIFFERENCE_MAX, "%s: %.500s", what, buf_text(&escaped));
    buf_done(&escaped);
    return false;
}

/* ---- names ---- */

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(int fd, name_vec *names) {
    DIR *dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (dir == NULL)
        return;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            *vec_push(names) = mem_text(e->d_name);
    (void)closedir(dir);
    if (names->n > 1)
        qsort(names->p, names->n, sizeof *names->p, by_bytes);
}

static void names_done(name_vec *names) {
    for (size_t i = 0; i < names->n; i++)
        mem_free(names->p[i]);
    vec_done(names);
}

/* ---- attributes ---- */

/* "key=hex" lines, sorted. */
static void attributes_of(int dirfd, const char *name, name_vec *out) {
    char path[64 + 256], keys[8192];
    uint8_t value[65536];
    (void)text_format(path, sizeof path, "/proc/self/fd/%d/%s", dirfd, name);
    ssize_t n = llistxattr(path, keys, sizeof keys);
    for (const char *key = keys; n > 0 && key < keys + n; key += strlen(key) + 1) {
        ssize_t got = lgetxattr(path, key, value, sizeof value);
        struct buf line = {0};
        buf_printf(&line, "%s=", key);
        for (ssize_t i = 0; i < got; i++)
            buf_printf(&line, "%02x", value[i]);
        *vec_push(out) = mem_text(buf_text(&line));
        buf_done(&line);
    }
    if (out->n > 1)
        qsort(out->p, out->n, sizeof *out->p, by_bytes);
}

static bool same_attributes(struct comparison *c, int a, int b, const char *name) {
    name_vec of_a = {0}, of_b = {0};
    attributes_of(a, name, &of_a);
    attributes_of(b, name, &of_b);
    bool same = of_a.n == of_b.n;
    for (size_t i = 0; same && i < of_a.n; i++)
        same = strcmp(of_a.p[i], of_b.p[i]) == 0;
    if (!same)
        (void)differs(c, "attributes (%zu and %zu, first %.60s / %.60s)", of_a.n, of_b.n,
                      of_a.n > 0 ? of_a.p[0] : "-", of_b.n > 0 ? of_b.p[0] : "-");
    names_done(&of_a);
    names_done(&of_b);
    return same;
}

/* ---- content ---- */

static bool same_bytes(struct comparison *c, int a, int b, off_t size) {
    uint8_t *of_a = mem_new(READ_BYTES), *of_b = mem_new(READ_BYTES);
    bool same = true;
    for (off_t at = 0; same && at < size;) {
        ssize_t n = pread(a, of_a, READ_BYTES, at), m = pread(b, of_b, READ_BYTES, at);
        same = n > 0 && n == m && memcmp(of_a, of_b, (size_t)n) == 0;
        if (!same)
            (void)differs(c, "content in the block at %lld", (long long)at);
        at += n > 0 ? n : 1;
    }
    mem_free(of_a);
    mem_free(of_b);
    return same;
}

static bool same_holes(struct comparison *c, int a, int b, off_t size) {
    for (off_t at = 0; at < size;) {
        off_t data_a = lseek(a, at, SEEK_DATA), data_b = lseek(b, at, SEEK_DATA);
        if (data_a != data_b)
            return differs(c, "data after %lld begins at %lld / %lld", (long long)at,
                           (long long)data_a, (long long)data_b);
        if (data_a < 0)
            return true;
        off_t hole_a = lseek(a, data_a, SEEK_HOLE), hole_b = lseek(b, data_b, SEEK_HOLE);
        if (hole_a != hole_b)
            return differs(c, "hole after %lld begins at %lld / %lld", (long long)data_a,
                           (long long)hole_a, (long long)hole_b);
        at = hole_a;
    }
    return true;
}

static bool same_content(struct comparison *c, int a, int b, const char *name, off_t size) {
    int of_a = openat(a, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int of_b = openat(b, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool same = of_a >= 0 && of_b >= 0;
    if (!same)
        (void)differs(c, "cannot be opened (%s)", strerror(errno));
    same = same && same_bytes(c, of_a, of_b, size);
    if (same && (c->ignore & TREE_IGNORE_HOLES) == 0)
        same = same_holes(c, of_a, of_b, size);
    if (of_a >= 0)
        (void)close(of_a);
    if (of_b >= 0)
        (void)close(of_b);
    return same;
}

static bool same_target(struct comparison *c, int a, int b, const char *name) {
    char of_a[4097], of_b[4097];
    ssize_t n = readlinkat(a, name, of_a, sizeof of_a), m = readlinkat(b, name, of_b, sizeof of_b);
    return (n >= 0 && n == m && memcmp(of_a, of_b, (size_t)n) == 0) ||
           differs(c, "link target (%zd and %zd bytes)", n, m);
}

/* ---- metadata ---- */

/* Both belong to the same group, or both to none seen so far. */
static bool same_group(struct comparison *c, const struct stat *a, const struct stat *b) {
    if (a->st_nlink != b->st_nlink)
        return differs(c, "%llu / %llu hard links", (unsigned long long)a->st_nlink,
                       (unsigned long long)b->st_nlink);
    if (a->st_nlink < 2)
        return true;
    for (size_t i = 0; i < c->pairs.n; i++) {
        const struct inode_pair *pair = &c->pairs.p[i];
        bool in_a = pair->a == a->st_ino && pair->a_dev == a->st_dev;
        bool in_b = pair->b == b->st_ino && pair->b_dev == b->st_dev;
        if (in_a != in_b)
            return differs(c, "hard-link group");
        if (in_a)
            return true;
    }
    *vec_push(&c->pairs) =
        (struct inode_pair){.a_dev = a->st_dev, .b_dev = b->st_dev, .a = a->st_ino, .b = b->st_ino};
    return true;
}

static bool same_metadata(struct comparison *c, const struct stat *a, const struct stat *b) {
    bool special = !S_ISREG(a->st_mode) && !S_ISDIR(a->st_mode);
    unsigned mask = special && (c->ignore & TREE_IGNORE_SPECIAL_MODE) != 0 ? 0 : 07777;
    if (((a->st_mode ^ b->st_mode) & mask) != 0)
        return differs(c, "mode %o / %o", a->st_mode & 07777, b->st_mode & 07777);
    if ((c->ignore & TREE_IGNORE_OWNER) == 0 && (a->st_uid != b->st_uid || a->st_gid != b->st_gid))
        return differs(c, "owner %u:%u / %u:%u", a->st_uid, a->st_gid, b->st_uid, b->st_gid);
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec)
        return differs(c, "modified %lld.%09ld / %lld.%09ld", (long long)a->st_mtim.tv_sec,
                       a->st_mtim.tv_nsec, (long long)b->st_mtim.tv_sec, b->st_mtim.tv_nsec);
    if ((S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode)) && a->st_rdev != b->st_rdev)
        return differs(c, "device number");
    if (!S_ISDIR(a->st_mode) && a->st_size != b->st_size)
        return differs(c, "size %lld / %lld", (long long)a->st_size, (long long)b->st_size);
    return S_ISDIR(a->st_mode) || same_group(c, a, b);
}

/* ---- the walk: recursive, a test's tree is as deep as the test made it ---- */

static bool same_folder(struct comparison *c, int a, int b);

static bool same_subfolder(struct comparison *c, int a, int b, const char *name) {
    int of_a = openat(a, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int of_b = openat(b, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool same =
        of_a >= 0 && of_b >= 0 ? same_folder(c, of_a, of_b) : differs(c, "folder cannot be opened");
    if (of_a >= 0)
        (void)close(of_a);
    if (of_b >= 0)
        (void)close(of_b);
    return same;
}

static bool same_entry(struct comparison *c, int a, int b, const char *name) {
    struct stat of_a, of_b;
    if (fstatat(a, name, &of_a, AT_SYMLINK_NOFOLLOW) != 0 ||
        fstatat(b, name, &of_b, AT_SYMLINK_NOFOLLOW) != 0)
        return differs(c, "cannot be looked at (%s)", strerror(errno));
    if ((of_a.st_mode & S_IFMT) != (of_b.st_mode & S_IFMT))
        return differs(c, "kind %o / %o", of_a.st_mode & S_IFMT, of_b.st_mode & S_IFMT);
    if (!same_metadata(c, &of_a, &of_b) || !same_attributes(c, a, b, name))
        return false;
    if (S_ISREG(of_a.st_mode))
        return same_content(c, a, b, name, of_a.st_size);
    if (S_ISLNK(of_a.st_mode))
        return same_target(c, a, b, name);
    return !S_ISDIR(of_a.st_mode) || same_subfolder(c, a, b, name);
}

static bool same_folder(struct comparison *c, int a, int b) {
    name_vec of_a = {0}, of_b = {0};
    list(a, &of_a);
    list(b, &of_b);
    size_t before = c->path.n;
    bool same = true;
    for (size_t i = 0; same && (i < of_a.n || i < of_b.n); i++) {
        const char *in_a = i < of_a.n ? of_a.p[i] : NULL, *in_b = i < of_b.n ? of_b.p[i] : NULL;
        const char *name = in_b == NULL || (in_a != NULL && strcmp(in_a, in_b) < 0) ? in_a : in_b;
        buf_printf(&c->path, "%s%s", before > 0 ? "/" : "", name);
        if (!text_equal(in_a, in_b))
            same = differs(c, "only in the %s tree", name == in_a ? "first" : "second");
        else
            same = same_entry(c, a, b, name);
        c->path.n = before;
    }
    names_done(&of_a);
    names_done(&of_b);
    return same;
}

bool tree_equal(const char *a, const char *b, unsigned ignore,
                char difference[static TREE_DIFFERENCE_MAX]) {
    struct comparison c = {.ignore = ignore, .difference = difference};
    int of_a = open(a, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int of_b = open(b, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st_a, st_b;
    bool same = of_a >= 0 && of_b >= 0 && fstat(of_a, &st_a) == 0 && fstat(of_b, &st_b) == 0;
    if (!same)
        (void)differs(&c, "%s or %s cannot be opened", a, b);
    if (same && (ignore & TREE_IGNORE_ROOT) == 0)
        same = same_metadata(&c, &st_a, &st_b) && same_attributes(&c, of_a, of_b, ".");
    same = same && same_folder(&c, of_a, of_b);
    if (of_a >= 0)
        (void)close(of_a);
    if (of_b >= 0)
        (void)close(of_b);
    buf_done(&c.path);
    vec_done(&c.pairs);
    return same;
}

/* ---- removing ---- */

static void empty(int fd) {
    name_vec names = {0};
    (void)fchmod(fd, 0700);
    list(fd, &names);
    for (size_t i = 0; i < names.n; i++) {
        if (unlinkat(fd, names.p[i], 0) == 0)
            continue;
        int child = openat(fd, names.p[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child < 0) { /* no right to look inside: it is ours, so take it */
            (void)fchmodat(fd, names.p[i], 0700, 0);
            child = openat(fd, names.p[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        if (child >= 0) {
            empty(child);
            (void)close(child);
        }
        (void)unlinkat(fd, names.p[i], AT_REMOVEDIR);
    }
    names_done(&names);
}

void tree_remove(const char *root) {
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    empty(fd);
    (void)close(fd);
    (void)rmdir(root);
}
