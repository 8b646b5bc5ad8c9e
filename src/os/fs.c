#include "os/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "os/fault.h"
#include "os/file.h"

#define PIECE_MAX 4000u /* of a path, per call: below PATH_MAX */

static enum os_kind kind_of_mode(unsigned mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
        return OS_KIND_FILE;
    case S_IFDIR:
        return OS_KIND_DIR;
    case S_IFLNK:
        return OS_KIND_SYMLINK;
    case S_IFCHR:
        return OS_KIND_CHAR;
    case S_IFBLK:
        return OS_KIND_BLOCK;
    case S_IFIFO:
        return OS_KIND_FIFO;
    case S_IFSOCK:
        return OS_KIND_SOCKET;
    default:
        return OS_KIND_UNKNOWN;
    }
}

static int64_t nanoseconds(struct statx_timestamp t) {
    int64_t ns;
    if (__builtin_mul_overflow(t.tv_sec, INT64_C(1000000000), &ns) ||
        __builtin_add_overflow(ns, (int64_t)t.tv_nsec, &ns))
        return t.tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

int os_fs_meta(int dirfd, const char *name, struct os_meta *meta) {
    struct statx sx;
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name == 0 ? AT_EMPTY_PATH : 0);
    if (statx(dirfd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &sx) != 0)
        return errno;
    *meta = (struct os_meta){
        .kind = kind_of_mode(sx.stx_mode),
        .mode = sx.stx_mode & 07777,
        .uid = sx.stx_uid,
        .gid = sx.stx_gid,
        .nlink = sx.stx_nlink,
        .rdev_major = sx.stx_rdev_major,
        .rdev_minor = sx.stx_rdev_minor,
        .size = sx.stx_size,
        .blocks = sx.stx_blocks,
        .ino = sx.stx_ino,
        .dev = makedev(sx.stx_dev_major, sx.stx_dev_minor),
        .mtime_ns = nanoseconds(sx.stx_mtime),
        .ctime_ns = nanoseconds(sx.stx_ctime),
        .btime_ns = (sx.stx_mask & STATX_BTIME) != 0 ? nanoseconds(sx.stx_btime) : 0,
    };
    return 0;
}

/* O_NOATIME is only for the owner and for root: ask, and do without when refused. */
static int open_quietly(int dirfd, const char *name, int flags, int *fd) {
    int quiet = (flags & O_PATH) != 0 ? 0 : O_NOATIME;
    for (;;) {
        *fd = openat(dirfd, name, flags | quiet | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
        if (*fd >= 0)
            return 0;
        if (errno == EPERM && quiet != 0)
            quiet = 0;
        else if (errno != EINTR)
            break;
    }
    *fd = OS_FD_NONE;
    return errno;
}

static int open_beneath(int dirfd, const char *path, unsigned flags, int *fd) {
    struct open_how how = {
        .flags = O_DIRECTORY | O_CLOEXEC | ((flags & OS_FS_PATH_ONLY) != 0 ? O_PATH : O_NOATIME),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
                   ((flags & OS_FS_ONE_MOUNT) != 0 ? RESOLVE_NO_XDEV : 0),
    };
    for (;;) {
        long rc = syscall(SYS_openat2, dirfd, path, &how, sizeof how);
        if (rc >= 0) {
            *fd = (int)rc;
            return 0;
        }
        if (errno == EPERM && (how.flags & O_NOATIME) != 0)
            how.flags &= ~(uint64_t)O_NOATIME;
        else if (errno != EINTR && errno != EAGAIN) /* EAGAIN: a rename ran alongside */
            break;
    }
    *fd = OS_FD_NONE;
    return errno;
}

static bool is_dots(const char *name) {
    return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

/* openat2's promises for one component, on kernels without it.  (A bind mount of the same file
 * system is not seen as a mount here.) */
static int open_step(int dirfd, const char *name, unsigned flags, int *fd) {
    *fd = OS_FD_NONE;
    if (is_dots(name))
        return EXDEV;
    int how = O_DIRECTORY | ((flags & OS_FS_PATH_ONLY) != 0 ? O_PATH : O_RDONLY);
    int sys = open_quietly(dirfd, *name == 0 ? "." : name, how, fd);
    struct os_meta from, to;
    if (sys == ENOTDIR && os_fs_meta(dirfd, name, &to) == 0 && to.kind == OS_KIND_SYMLINK)
        return ELOOP;
    if (sys != 0 || (flags & OS_FS_ONE_MOUNT) == 0)
        return sys;
    sys = os_fs_meta(dirfd, "", &from);
    if (sys == 0)
        sys = os_fs_meta(*fd, "", &to);
    if (sys == 0 && from.dev != to.dev)
        sys = EXDEV;
    if (sys != 0)
        os_close(fd);
    return sys;
}

/* Bytes of `path` that one call takes: whole components; all of it when it fits. */
static size_t piece_length(const char *path, bool by_steps) {
    size_t n = strnlen(path, PIECE_MAX + 1);
    if (by_steps)
        return strcspn(path, "/");
    if (n <= PIECE_MAX)
        return n;
    for (n = PIECE_MAX; n > 0 && path[n] != '/'; n--)
        ;
    return n > 0 ? n : PIECE_MAX + 1;
}

int os_fs_open_dir(int dirfd, const char *path, unsigned flags, int *fd) {
    OS_FD_AUTO int at = OS_FD_NONE; /* as far as we came */
    *fd = OS_FD_NONE;
    for (;;) {
        bool by_steps = (flags & OS_FS_BY_STEPS) != 0;
        size_t n = piece_length(path, by_steps);
        char piece[PIECE_MAX + 1];
        if (n > PIECE_MAX)
            return ENAMETOOLONG;
        memcpy(piece, path, n);
        piece[n] = 0;
        bool last = path[n] == 0;
        int from = at != OS_FD_NONE ? at : dirfd;
        unsigned how = last ? flags : flags | OS_FS_PATH_ONLY;
        int next;
        int sys = by_steps ? open_step(from, piece, how, &next)
                           : open_beneath(from, n == 0 ? "." : piece, how, &next);
        if (!by_steps && (sys == ENOSYS || sys == EPERM)) { /* old kernel, or a strict filter */
            flags |= OS_FS_BY_STEPS;
            continue;
        }
        if (sys != 0)
            return sys;
        if (last) {
            *fd = next;
            return 0;
        }
        os_close(&at);
        at = next;
        path += n + 1;
    }
}

int os_fs_open_root(const char *path, int *fd) {
    OS_FD_AUTO int top = OS_FD_NONE;
    *fd = OS_FD_NONE;
    if (path[0] != '/')
        return EINVAL;
    int sys = open_quietly(AT_FDCWD, "/", O_PATH | O_DIRECTORY, &top);
    return sys != 0 ? sys : os_fs_open_dir(top, path + strspn(path, "/"), 0, fd);
}

int os_fs_open_handle(int dirfd, const char *name, int *fd) {
    return open_quietly(dirfd, name, O_PATH, fd);
}

/* Somebody holds a lease: open by the handle we checked, and wait until it is given up. */
static int open_leased(int dirfd, const char *name, int *fd) {
    OS_FD_AUTO int handle = OS_FD_NONE;
    struct os_meta meta;
    int sys = os_fs_open_handle(dirfd, name, &handle);
    if (sys == 0)
        sys = os_fs_meta(handle, "", &meta);
    if (sys != 0)
        return sys;
    if (meta.kind != OS_KIND_FILE)
        return ESTALE;
    char path[64];
    (void)text_format(path, sizeof path, "/proc/self/fd/%d", handle);
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return *fd < 0 ? errno : 0;
}

int os_fs_open_file(int dirfd, const char *name, int *fd, struct os_meta *meta) {
    int sys = os_fault_hit("open");
    if (sys != 0)
        return sys;
    sys = open_quietly(dirfd, name, O_RDONLY | O_NONBLOCK, fd);
    if (sys == EWOULDBLOCK)
        sys = open_leased(dirfd, name, fd);
    if (sys == 0)
        sys = os_fs_meta(*fd, "", meta);
    if (sys == 0 && meta->kind != OS_KIND_FILE)
        sys = ESTALE;
    if (sys != 0)
        os_close(fd);
    return sys == ELOOP || sys == ENXIO ? ESTALE : sys; /* a link, a socket */
}

int os_fs_read(int fd, uint64_t offset, void *to, size_t n, size_t *got) {
    *got = 0;
    while (*got < n) {
        ssize_t r = pread(fd, (uint8_t *)to + *got, n - *got, (off_t)(offset + *got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return errno;
        if (r == 0)
            break;
        *got += (size_t)r;
    }
    return 0;
}

int os_fs_next_data(int fd, uint64_t from, uint64_t *start, uint64_t *end) {
    off_t data = lseek(fd, (off_t)from, SEEK_DATA);
    if (data < 0)
        return errno;
    off_t hole = lseek(fd, data, SEEK_HOLE);
    if (hole < 0)
        return errno;
    *start = (uint64_t)data;
    *end = (uint64_t)hole;
    return 0;
}

int os_fs_read_link(int dirfd, const char *name, struct buf *out) {
    char target[OS_PATH_MAX + 1];
    ssize_t n = readlinkat(dirfd, name, target, sizeof target);
    if (n < 0)
        return errno;
    if ((size_t)n >= sizeof target)
        return ENAMETOOLONG;
    buf_put(out, target, (size_t)n);
    return 0;
}

int os_fs_sync(int fd) {
    int sys = os_fault_hit("fsync");
    if (sys == 0 && syncfs(fd) != 0)
        sys = errno;
    return sys;
}

int os_fs_lock_shared(int fd) {
    return flock(fd, LOCK_SH | LOCK_NB) != 0 ? errno : 0; /* anyone may hold it for ever */
}

int os_fs_lock_alone(int fd) {
    return flock(fd, LOCK_EX | LOCK_NB) != 0 ? errno : 0;
}

bool os_fs_is_pseudo(int fd) {
    static const uint32_t magic[] = {
        0x9fa0,     /* proc */
        0x62656572, /* sysfs */
        0x27e0eb,   /* cgroup */
        0x63677270, /* cgroup2 */
        0x64626720, /* debugfs */
        0x74726163, /* tracefs */
        0x73636673, /* securityfs */
        0x6e736673, /* namespaces */
        0xcafe4a11, /* bpf */
        0x42494e4d, /* binfmt_misc */
        0x1cd1,     /* devpts */
        0xde5e81e4, /* efivarfs */
        0x6165676c, /* pstore */
        0x62656570, /* configfs */
        0x65735543, /* fusectl */
        0xf97cff8c, /* selinux */
    };
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_N(magic); i++)
        if ((uint32_t)fs.f_type == magic[i])
            return true;
    return false;
}
