#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "base/vec.h"

#define DIRS_MAX 48u
#define NAME_BYTES_MAX 255u

struct folder {
    int fd;
    char *path; /* relative to the root; NULL when too long to be named */
};

struct maker {
    struct seed *seed;
    struct tree_opts opts;
    bool root_user;
    int root_fd;
    VEC(struct folder) folders;
    VEC(char *) linkable;
};

_Noreturn static void broken(const char *what) {
    (void)fprintf(stderr, "tree: %s: %s\n", what, strerror(errno));
    abort();
}

/* ---- names ---- */

static void odd_name(struct seed *seed, char to[static NAME_BYTES_MAX + 1]) {
    static const char *const given[] = {
        "a",        "a.b",          "a-b", "a b", "-rf", "new\nline", "\xff",     "..a", "...",
        "\xc3\xa4", "\xe2\x82\xac", "*",   "[x]", "\\",  "'\"",       "\x01\x02", " ",   "a\t"};
    size_t n = 0;
    if (seed_one_in(seed, 3)) {
        (void)text_copy(to, NAME_BYTES_MAX + 1, given[seed_below(seed, ARRAY_N(given))]);
        n = strlen(to);
    }
    size_t want = seed_one_in(seed, 12) ? NAME_BYTES_MAX : n + 1 + seed_below(seed, 20);
    bool bytes = seed_one_in(seed, 6);
    for (; n < want && n < NAME_BYTES_MAX; n++) {
        uint8_t c = (uint8_t)seed_below(seed, 256);
        to[n] = bytes && c != 0 && c != '/' ? (char)c : (char)('a' + c % 26);
    }
    to[n] = 0;
}

static char *joined(const char *path, const char *name) {
    if (path == NULL || strlen(path) + strlen(name) + 2 > 3000)
        return NULL;
    struct buf out = {0};
    buf_printf(&out, "%s%s%s", path, *path != 0 ? "/" : "", name);
    char *text = mem_text(buf_text(&out));
    buf_done(&out);
    return text;
}

/* ---- metadata ---- */

static struct timespec random_time(struct seed *seed) {
    int64_t s = (int64_t)seed_below(seed, 4000000000);
    if (seed_one_in(seed, 10))
        s = -s / 2; /* before 1970, still within ext4's range */
    return (struct timespec){.tv_sec = s, .tv_nsec = (long)seed_below(seed, 1000000000)};
}

static unsigned random_mode(const struct maker *maker, bool dir) {
    unsigned mode = (unsigned)seed_below(maker->seed, 01000);
    if (seed_one_in(maker->seed, 8))
        mode |= (unsigned)seed_below(maker->seed, 8) << 9;
    if (maker->opts.no_set_id)
        mode &= 01777;
    return maker->root_user ? mode : mode | (dir ? 0700 : 0600);
}

static void put_le(uint8_t *p, uint32_t v, size_t n) {
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* user::rwx user:ID:perm group::r-x mask other */
static void set_acl(const struct maker *maker, int fd, const char *key) {
    static const uint16_t tags[] = {1, 2, 4, 0x10, 0x20};
    uint8_t acl[4 + 8 * ARRAY_N(tags)];
    put_le(acl, 2, 4);
    for (size_t i = 0; i < ARRAY_N(tags); i++) {
        uint8_t *at = acl + 4 + 8 * i;
        put_le(at, tags[i], 2);
        put_le(at + 2, i == 0 ? 7 : (uint32_t)seed_below(maker->seed, 8), 2);
        put_le(at + 4, tags[i] == 2 ? (uint32_t)seed_below(maker->seed, 60000) : UINT32_MAX, 4);
    }
    (void)fsetxattr(fd, key, acl, sizeof acl, 0); /* a file system without ACLs */
}

static void set_attributes(const struct maker *maker, int fd, bool dir) {
    struct seed *seed = maker->seed;
    uint8_t value[600];
    for (uint64_t n = seed_below(seed, 4); n-- > 0;) {
        char key[64];
        const char *space = maker->root_user && seed_one_in(seed, 4) ? "trusted." : "user.";
        (void)text_format(key, sizeof key, "%sk%llu", space,
                          (unsigned long long)seed_below(seed, 1000));
        seed_fill(seed, value, sizeof value);
        (void)fsetxattr(fd, key, value, seed_below(seed, sizeof value), 0);
    }
    if (seed_one_in(seed, 3))
        set_acl(maker, fd, "system.posix_acl_access");
    if (dir && seed_one_in(seed, 3))
        set_acl(maker, fd, "system.posix_acl_default");
    if (!dir && maker->root_user && !maker->opts.no_set_id && seed_one_in(seed, 6)) {
        uint8_t capability[20] = {0};
        put_le(capability, 0x02000001, 4);
        put_le(capability + 4, 1u << 10, 4); /* cap_net_bind_service */
        (void)fsetxattr(fd, "security.capability", capability, sizeof capability, 0);
    }
}

static void set_metadata(const struct maker *maker, int fd, bool dir) {
    struct seed *seed = maker->seed;
    if (maker->root_user && !maker->opts.no_foreign_owner && seed_one_in(seed, 3) &&
        fchown(fd, (uid_t)seed_below(seed, 70000), (gid_t)seed_below(seed, 70000)) != 0)
        broken("fchown");
    if (seed_one_in(seed, 4))
        set_attributes(maker, fd, dir);
    if (seed_one_in(seed, 2) && fchmod(fd, random_mode(maker, dir)) != 0)
        broken("fchmod");
    const struct timespec times[2] = {random_time(seed), random_time(seed)};
    if (futimens(fd, times) != 0)
        broken("futimens");
}

/* ---- entries ---- */

static void write_random(struct seed *seed, int fd, off_t at, size_t n) {
    uint8_t *bytes = mem_new(n);
    bool text = seed_one_in(seed, 2);
    seed_fill(seed, bytes, n);
    for (size_t i = 0; text && i < n; i++)
        bytes[i] = (uint8_t)("etaoin shrdlu\n"[bytes[i] % 14]);
    if (n > 0 && pwrite(fd, bytes, n, at) != (ssize_t)n)
        broken("pwrite");
    mem_free(bytes);
}

static void fill_sparse(struct seed *seed, int fd) {
    off_t at = 0;
    for (uint64_t i = seed_below(seed, 6); i-- > 0;) {
        at += (off_t)seed_below(seed, 1 << 20);
        size_t n = 1 + seed_below(seed, 20000);
        write_random(seed, fd, at, n);
        at += (off_t)n;
    }
    if (ftruncate(fd, at + (off_t)seed_below(seed, 1 << 20)) != 0)
        broken("ftruncate");
}

static void fill_file(const struct maker *maker, int fd) {
    struct seed *seed = maker->seed;
    size_t most = maker->opts.file_bytes > 0 ? maker->opts.file_bytes : 65536;
    switch (seed_below(seed, 8)) {
    case 0:
        break; /* empty */
    case 1:
        fill_sparse(seed, fd);
        break;
    case 2:
        write_random(seed, fd, 0, seed_below(seed, most + 1));
        break;
    default:
        write_random(seed, fd, 0, seed_below(seed, 3000));
        break;
    }
}

static void make_file(const struct maker *maker, int dirfd, const char *name) {
    int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return; /* the name is taken */
    fill_file(maker, fd);
    set_metadata(maker, fd, false);
    (void)close(fd);
}

static void set_times_of(const struct maker *maker, int dirfd, const char *name) {
    const struct timespec times[2] = {random_time(maker->seed), random_time(maker->seed)};
    (void)utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
    if (maker->root_user && !maker->opts.no_foreign_owner)
        (void)fchownat(dirfd, name, (uid_t)seed_below(maker->seed, 70000), 5, AT_SYMLINK_NOFOLLOW);
}

static void make_symlink(const struct maker *maker, int dirfd, const char *name) {
    static const char *const targets[] = {".",        "..", "/etc/passwd", "nowhere/at/all",
                                          "../../..", "/",  "\xff\xfe"};
    char target[4001];
    size_t n = 1 + seed_below(maker->seed, sizeof target - 1);
    memset(target, 'x', n);
    target[n < sizeof target ? n : n - 1] = 0;
    const char *to = targets[seed_below(maker->seed, ARRAY_N(targets))];
    if (seed_one_in(maker->seed, 6))
        to = name; /* a loop */
    if (seed_one_in(maker->seed, 10))
        to = target;
    if (symlinkat(to, dirfd, name) == 0)
        set_times_of(maker, dirfd, name);
}

static void make_special(const struct maker *maker, int dirfd, const char *name) {
    static const mode_t kinds[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
    mode_t kind = kinds[maker->opts.no_devices ? 0 : seed_below(maker->seed, ARRAY_N(kinds))];
    dev_t dev =
        kind == S_IFCHR || kind == S_IFBLK ? makedev((unsigned)seed_below(maker->seed, 500), 7) : 0;
    if (mknodat(dirfd, name, kind | 0600, dev) != 0)
        return; /* taken, or not permitted */
    (void)fchmodat(dirfd, name, random_mode(maker, false) & 0777, 0);
    set_times_of(maker, dirfd, name);
}

static void make_hard_link(const struct maker *maker, int dirfd, const char *name) {
    if (maker->linkable.n == 0)
        return;
    const char *first = maker->linkable.p[seed_below(maker->seed, maker->linkable.n)];
    (void)linkat(maker->root_fd, first, dirfd, name, 0);
}

static void make_folder(struct maker *maker, const struct folder *in, const char *name) {
    if (maker->folders.n == DIRS_MAX || mkdirat(in->fd, name, 0700) != 0)
        return;
    struct folder made = {.fd = openat(in->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                          .path = joined(in->path, name)};
    if (made.fd < 0)
        broken("openat");
    *vec_push(&maker->folders) = made;
}

static void remember(struct maker *maker, const struct folder *in, const char *name) {
    char *path = joined(in->path, name);
    struct stat st;
    if (path != NULL && fstatat(in->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISDIR(st.st_mode))
        *vec_push(&maker->linkable) = path;
    else
        mem_free(path);
}

static void make_entry(struct maker *maker) {
    const struct folder in = maker->folders.p[seed_below(maker->seed, maker->folders.n)];
    char name[NAME_BYTES_MAX + 1];
    odd_name(maker->seed, name);
    uint64_t kind = seed_below(maker->seed, 20);
    if (kind < 3)
        make_folder(maker, &in, name);
    else if (kind < 5)
        make_symlink(maker, in.fd, name);
    else if (kind < 6)
        make_special(maker, in.fd, name);
    else if (kind < 8)
        make_hard_link(maker, in.fd, name);
    else
        make_file(maker, in.fd, name);
    if (kind != 6 && kind != 7)
        remember(maker, &in, name);
}

/* A path that no call takes whole. */
static void make_deep(struct maker *maker) {
    char name[NAME_BYTES_MAX + 1];
    int fd = dup(maker->root_fd);
    for (int i = 0; i < 20; i++) {
        memset(name, 'a' + i, 240);
        name[240] = 0;
        (void)mkdirat(fd, name, 0700); /* there already: a tree that is changed */
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (next < 0)
            broken("deep folder");
        (void)close(fd);
        fd = next;
        if (i % 7 == 6)
            make_file(maker, fd, "in the deep");
    }
    set_metadata(maker, fd, true);
    (void)close(fd);
}

static struct maker maker_of(const char *root, struct seed *seed, struct tree_opts opts) {
    struct maker maker = {.seed = seed, .opts = opts, .root_user = geteuid() == 0};
    maker.root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (maker.root_fd < 0)
        broken(root);
    *vec_push(&maker.folders) = (struct folder){.fd = maker.root_fd, .path = mem_text("")};
    return maker;
}

static void make_all(struct maker *maker, bool whole) {
    if (whole && !maker->opts.no_deep_path)
        make_deep(maker);
    size_t n = maker->opts.entries > 0 ? maker->opts.entries : 300;
    for (size_t i = 0; i < n; i++)
        make_entry(maker);
    for (size_t i = maker->folders.n; i-- > 0;) { /* what lies deeper came later */
        set_metadata(maker, maker->folders.p[i].fd, true);
        (void)close(maker->folders.p[i].fd);
        mem_free(maker->folders.p[i].path);
    }
    for (size_t i = 0; i < maker->linkable.n; i++)
        mem_free(maker->linkable.p[i]);
    vec_done(&maker->linkable);
    vec_done(&maker->folders);
}

void tree_make(const char *root, struct seed *seed, struct tree_opts opts) {
    struct maker maker = maker_of(root, seed, opts);
    make_all(&maker, true);
}

/* ---- changing ---- */

static void change_file(const struct maker *maker, int dirfd, const char *name) {
    int fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return; /* not for us */
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return;
    }
    switch (seed_below(maker->seed, 4)) {
    case 0:
        write_random(maker->seed, fd, st.st_size, seed_below(maker->seed, 5000));
        break;
    case 1:
        (void)ftruncate(fd, st.st_size / 2);
        break;
    case 2:
        write_random(maker->seed, fd, (off_t)seed_below(maker->seed, (uint64_t)st.st_size + 1),
                     100);
        break;
    default:
        set_metadata(maker, fd, false);
        break;
    }
    (void)close(fd);
}

void tree_change(const char *root, struct seed *seed, struct tree_opts opts) {
    struct maker maker = maker_of(root, seed, opts);
    VEC(char *) names = {0};
    for (size_t i = 0; i < 40; i++) { /* what lies right below the root */
        char name[NAME_BYTES_MAX + 1];
        odd_name(seed, name);
        *vec_push(&names) = mem_text(name);
        make_file(&maker, maker.root_fd, name);
    }
    for (size_t i = 0; i < names.n; i++) {
        if (seed_one_in(seed, 4))
            (void)unlinkat(maker.root_fd, names.p[i], 0);
        else if (seed_one_in(seed, 4))
            (void)renameat(maker.root_fd, names.p[i], maker.root_fd,
                           names.p[seed_below(seed, names.n)]);
        else
            change_file(&maker, maker.root_fd, names.p[i]);
    }
    for (size_t i = 0; i < names.n; i++)
        mem_free(names.p[i]);
    vec_done(&names);
    make_all(&maker, false);
}
