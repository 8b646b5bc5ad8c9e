#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "os/fault.h"
#include "os/file.h"
#include "os/fs.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452 /* since Linux 6.6 */
#endif

int os_fs_make_dir(int dirfd, const char *name, unsigned mode) {
    int sys = os_fault_hit("mkdir");
    if (sys == 0 && mkdirat(dirfd, name, (mode_t)mode) != 0)
        sys = errno;
    return sys;
}

int os_fs_make_file(int dirfd, const char *name, unsigned mode, int *fd) {
    *fd = OS_FD_NONE;
    int sys = os_fault_hit("open");
    if (sys != 0)
        return sys;
    do {
        *fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
                     (mode_t)mode);
    } while (*fd < 0 && errno == EINTR);
    if (*fd >= 0)
        return 0;
    *fd = OS_FD_NONE;
    return errno;
}

int os_fs_make_symlink(int dirfd, const char *name, const char *target) {
    int sys = os_fault_hit("open");
    if (sys == 0 && symlinkat(target, dirfd, name) != 0)
        sys = errno;
    return sys;
}

static mode_t type_bits(enum os_kind kind) {
    switch (kind) {
    case OS_KIND_CHAR:
        return S_IFCHR;
    case OS_KIND_BLOCK:
        return S_IFBLK;
    case OS_KIND_FIFO:
        return S_IFIFO;
    case OS_KIND_SOCKET:
        return S_IFSOCK;
    case OS_KIND_UNKNOWN:
    case OS_KIND_FILE:
    case OS_KIND_DIR:
    case OS_KIND_SYMLINK:
        break;
    }
    return 0;
}

int os_fs_make_node(int dirfd, const char *name, enum os_kind kind, unsigned mode,
                    uint32_t rdev_major, uint32_t rdev_minor) {
    mode_t type = type_bits(kind);
    if (type == 0)
        return EINVAL;
    int sys = os_fault_hit("open");
    if (sys == 0 && mknodat(dirfd, name, type | (mode_t)mode, makedev(rdev_major, rdev_minor)) != 0)
        sys = errno;
    return sys;
}

int os_fs_link(int from_dirfd, const char *from, int to_dirfd, const char *to) {
    int sys = os_fault_hit("rename");
    if (sys == 0 && linkat(from_dirfd, from, to_dirfd, to, 0) != 0)
        sys = errno;
    return sys;
}

int os_fs_rename(int dirfd, const char *from, const char *to, bool replace) {
    int sys = os_fault_hit("rename");
    if (sys != 0)
        return sys;
    if (renameat2(dirfd, from, dirfd, to, replace ? 0 : RENAME_NOREPLACE) == 0)
        return 0;
    if (replace || (errno != EINVAL && errno != ENOSYS))
        return errno;
    /* A file system that knows no RENAME_NOREPLACE: a link never replaces either. */
    if (linkat(dirfd, from, dirfd, to, 0) != 0)
        return errno;
    return unlinkat(dirfd, from, 0) != 0 ? errno : 0;
}

int os_fs_unlink(int dirfd, const char *name) {
    return unlinkat(dirfd, name, 0) != 0 ? errno : 0;
}

int os_fs_set_owner(int fd, uint32_t uid, uint32_t gid) {
    return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) != 0 ? errno : 0;
}

int os_fs_set_mode(int fd, unsigned mode) {
    if (fchmod(fd, (mode_t)mode) == 0)
        return 0;
    if (errno != EBADF)
        return errno;
    if (syscall(SYS_fchmodat2, fd, "", (mode_t)mode, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != ENOSYS && errno != EPERM)
        return errno;
    /* The magic link leads to what the handle holds, whatever its name means by now. */
    char path[32];
    (void)text_format(path, sizeof path, "/proc/self/fd/%d", fd);
    return fchmodat(AT_FDCWD, path, (mode_t)mode, 0) != 0 ? errno : 0;
}

int os_fs_set_mtime(int fd, int64_t mtime_ns) {
    int64_t s = mtime_ns / 1000000000;
    int64_t ns = mtime_ns % 1000000000;
    if (ns < 0) {
        ns += 1000000000;
        s--;
    }
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = s, .tv_nsec = ns}};
    if (futimens(fd, times) == 0)
        return 0;
    if (errno != EBADF)
        return errno;
    return utimensat(fd, "", times, AT_EMPTY_PATH) != 0 ? errno : 0;
}
