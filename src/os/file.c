#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "os/fault.h"

static_assert(OS_FD_CWD == AT_FDCWD);

enum err_code os_error_code(int sys) {
    switch (sys) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return ERR_EXISTS;
    case ENOSPC:
    case EDQUOT:
        return ERR_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_PERMISSION;
    case ENOMEM:
        return ERR_MEMORY;
    default:
        return ERR_IO;
    }
}

const char *os_error_text(int sys) {
    const char *text = strerrordesc_np(sys);
    return text != NULL ? text : "unknown error";
}

static int fail(struct err *err, const char *what, const char *name) {
    int sys = errno;
    return ERR_SYS(err, os_error_code(sys), sys, "cannot %s %s", what, name);
}

void os_close(int *fd) {
    if (*fd != OS_FD_NONE)
        (void)close(*fd);
    *fd = OS_FD_NONE;
}

void os_fd_done(int *fd) {
    os_close(fd);
}

static int open_at(int dirfd, const char *name, int flags, unsigned mode, int *fd,
                   struct err *err) {
    *fd = OS_FD_NONE;
    int sys = os_fault_hit("open");
    if (sys == 0) {
        do {
            *fd = openat(dirfd, name, flags | O_CLOEXEC, (mode_t)mode);
        } while (*fd < 0 && errno == EINTR);
        if (*fd >= 0)
            return 0;
        sys = errno;
    }
    *fd = OS_FD_NONE;
    return ERR_SYS(err, os_error_code(sys), sys, "cannot open %s", name);
}

int os_dir_open(int dirfd, const char *path, int *fd, struct err *err) {
    return open_at(dirfd, path, O_RDONLY | O_DIRECTORY, 0, fd, err);
}

int os_file_open_read(int dirfd, const char *name, int *fd, struct err *err) {
    return open_at(dirfd, name, O_RDONLY | O_NOCTTY, 0, fd, err);
}

int os_file_open_write(int dirfd, const char *name, int *fd, struct err *err) {
    return open_at(dirfd, name, O_RDWR | O_NOCTTY, 0, fd, err);
}

int os_file_create(int dirfd, const char *name, unsigned mode, int *fd, struct err *err) {
    return open_at(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode, fd, err);
}

int os_read_at(int fd, uint64_t offset, void *to, size_t n, size_t *got, struct err *err) {
    *got = 0;
    while (*got < n) {
        ssize_t r = pread(fd, (char *)to + *got, n - *got, (off_t)(offset + *got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return fail(err, "read", "file");
        if (r == 0)
            break;
        *got += (size_t)r;
    }
    return 0;
}

int os_read_exact_at(int fd, uint64_t offset, void *to, size_t n, struct err *err) {
    size_t got;
    if (os_read_at(fd, offset, to, n, &got, err) != 0)
        return -1;
    if (got != n)
        return ERR(err, ERR_FORMAT, "file ends at %llu, %zu bytes wanted at %llu",
                   (unsigned long long)(offset + got), n, (unsigned long long)offset);
    return 0;
}

int os_write_at(int fd, uint64_t offset, const void *from, size_t n, struct err *err) {
    int sys = os_fault_hit("write");
    if (sys != 0)
        return ERR_SYS(err, os_error_code(sys), sys, "cannot write file");
    size_t done = 0;
    while (done < n) {
        ssize_t w = pwrite(fd, (const char *)from + done, n - done, (off_t)(offset + done));
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return fail(err, "write", "file");
        done += (size_t)w;
    }
    return 0;
}

int os_file_size(int fd, uint64_t *size, struct err *err) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail(err, "stat", "file");
    *size = (uint64_t)st.st_size;
    return 0;
}

int os_file_reserve(int fd, uint64_t size, struct err *err) {
    int sys = os_fault_hit("write");
    if (sys == 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) != 0)
        sys = errno;
    if (sys == 0 || sys == EOPNOTSUPP || sys == ENOSYS || sys == EINTR)
        return 0;
    return ERR_SYS(err, os_error_code(sys), sys, "cannot reserve %llu bytes",
                   (unsigned long long)size);
}

int os_file_truncate(int fd, uint64_t size, struct err *err) {
    return ftruncate(fd, (off_t)size) != 0 ? fail(err, "set the length of", "file") : 0;
}

void os_file_flush_hint(int fd, uint64_t offset, uint64_t n) {
    (void)sync_file_range(fd, (off_t)offset, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

void os_file_drop_cache(int fd) {
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

int os_fsync(int fd, struct err *err) {
    int sys = os_fault_hit("fsync");
    if (sys == 0 && fsync(fd) != 0)
        sys = errno;
    return sys != 0 ? ERR_SYS(err, os_error_code(sys), sys, "cannot fsync") : 0;
}

int os_rename(int from_dirfd, const char *from, int to_dirfd, const char *to, bool replace,
              struct err *err) {
    int sys = os_fault_hit("rename");
    if (sys == 0 && renameat2(from_dirfd, from, to_dirfd, to, replace ? 0 : RENAME_NOREPLACE) != 0)
        sys = errno;
    return sys != 0 ? ERR_SYS(err, os_error_code(sys), sys, "cannot rename %s to %s", from, to) : 0;
}

int os_unlink(int dirfd, const char *name, struct err *err) {
    return unlinkat(dirfd, name, 0) != 0 ? fail(err, "remove", name) : 0;
}

int os_mkdir(int dirfd, const char *name, unsigned mode, bool may_exist, struct err *err) {
    int sys = os_fault_hit("mkdir");
    if (sys == 0 && mkdirat(dirfd, name, (mode_t)mode) != 0)
        sys = errno;
    if (sys == 0 || (sys == EEXIST && may_exist))
        return 0;
    return ERR_SYS(err, os_error_code(sys), sys, "cannot make directory %s", name);
}

static int sync_parent(const char *path, struct err *err) {
    char parent[OS_PATH_MAX];
    (void)text_copy(parent, sizeof parent, path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        (void)text_copy(parent, sizeof parent, ".");
    else
        slash[slash == parent ? 1 : 0] = 0;
    OS_FD_AUTO int fd = OS_FD_NONE;
    if (os_dir_open(OS_FD_CWD, parent, &fd, err) != 0)
        return -1;
    return os_fsync(fd, err);
}

int os_mkdirs(const char *path, unsigned mode, struct err *err) {
    char part[OS_PATH_MAX];
    if (*path == 0 || !text_copy(part, sizeof part, path))
        return ERR(err, ERR_USAGE, "path is empty or longer than %d bytes", OS_PATH_MAX - 1);
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != 0)
            continue;
        char kept = *p;
        *p = 0;
        struct stat st;
        if (stat(part, &st) != 0) {
            if (os_mkdir(OS_FD_CWD, part, mode, true, err) != 0 || sync_parent(part, err) != 0)
                return -1;
        } else if (!S_ISDIR(st.st_mode)) {
            return ERR(err, ERR_EXISTS, "%s is not a directory", part);
        }
        if (kept == 0)
            return 0;
        *p = kept;
    }
}

int os_exists(int dirfd, const char *name, bool *exists, struct err *err) {
    struct stat st;
    *exists = fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    return !*exists && errno != ENOENT ? fail(err, "look at", name) : 0;
}

int os_size_of(int dirfd, const char *name, uint64_t *size, struct err *err) {
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return fail(err, "look at", name);
    *size = (uint64_t)st.st_size;
    return 0;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int os_list(int dirfd, os_names *names, struct err *err) {
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        int rc = fail(err, "list", "directory");
        os_close(&fd);
        return rc;
    }
    errno = 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL; errno = 0)
        if (!text_equal(e->d_name, ".") && !text_equal(e->d_name, ".."))
            *vec_push(names) = mem_text(e->d_name);
    int rc = errno != 0 ? fail(err, "list", "directory") : 0;
    (void)closedir(dir);
    if (names->n > 1)
        qsort(names->p, names->n, sizeof *names->p, by_bytes);
    return rc;
}

void os_names_done(os_names *names) {
    for (size_t i = 0; i < names->n; i++)
        mem_free(names->p[i]);
    vec_done(names);
}

int os_load(int dirfd, const char *name, size_t max, struct buf *buf, struct err *err) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    uint64_t size;
    if (os_file_open_read(dirfd, name, &fd, err) != 0 || os_file_size(fd, &size, err) != 0)
        return -1;
    if (size > max)
        return ERR(err, ERR_LIMIT, "%s has %llu bytes, at most %zu are read", name,
                   (unsigned long long)size, max);
    size_t got;
    uint8_t *to = buf_extend(buf, (size_t)size);
    if (os_read_at(fd, 0, to, (size_t)size, &got, err) != 0)
        return ERR_NOTE(err, "%s", name);
    buf->n -= (size_t)size - got;
    return 0;
}

int os_lock(int fd, struct err *err) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return ERR(err, ERR_LOCKED, "another process holds the lock");
    return fail(err, "lock", "file");
}

int os_space_of(int fd, struct os_space *space, struct err *err) {
    struct statvfs vfs;
    if (fstatvfs(fd, &vfs) != 0)
        return fail(err, "ask for", "free space");
    space->total_bytes = (uint64_t)vfs.f_frsize * vfs.f_blocks;
    space->free_bytes = (uint64_t)vfs.f_frsize * vfs.f_bavail;
    return 0;
}
