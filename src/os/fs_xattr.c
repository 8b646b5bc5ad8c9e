#include <errno.h>
#include <sys/xattr.h>

#include "base/base.h"
#include "base/text.h"
#include "os/file.h"
#include "os/fs.h"

#define PROC_FD_MAX 32u
#define VALUE_MAX 65536u /* the kernel's own limit, of a value and of a list */

/* The kernel of our oldest platform has no *xattrat: "/proc/self/fd/N/name" reaches the entry
 * through our descriptor, so the directory cannot be exchanged under us, and l* does not follow
 * the entry itself. */
struct proc_path {
    char text[PROC_FD_MAX + OS_NAME_MAX + 1];
};

static void proc_path_of(struct proc_path *path, int dirfd, const char *name) {
    bool own = *name == 0;
    (void)text_format(path->text, sizeof path->text, "/proc/self/fd/%d%s%s", dirfd, own ? "" : "/",
                      name);
}

static ssize_t list_once(int dirfd, const char *name, char *to, size_t size) {
    if (*name == 0) {
        ssize_t n = flistxattr(dirfd, to, size);
        if (n >= 0 || errno != EBADF)
            return n;
    }
    struct proc_path path;
    proc_path_of(&path, dirfd, name);
    return *name == 0 ? listxattr(path.text, to, size) : llistxattr(path.text, to, size);
}

static ssize_t get_once(int dirfd, const char *name, const char *key, void *to, size_t size) {
    if (*name == 0) {
        ssize_t n = fgetxattr(dirfd, key, to, size);
        if (n >= 0 || errno != EBADF)
            return n;
    }
    struct proc_path path;
    proc_path_of(&path, dirfd, name);
    return *name == 0 ? getxattr(path.text, key, to, size) : lgetxattr(path.text, key, to, size);
}

int os_fs_xattr_list(int dirfd, const char *name, struct buf *out) {
    char few[1024];
    ssize_t n = list_once(dirfd, name, few, sizeof few);
    if (n >= 0) {
        buf_put(out, few, (size_t)n);
        return 0;
    }
    if (errno != ERANGE)
        return errno == EOPNOTSUPP ? 0 : errno;
    size_t before = out->n;
    n = list_once(dirfd, name, (char *)buf_extend(out, VALUE_MAX), VALUE_MAX);
    out->n = before + (n > 0 ? (size_t)n : 0);
    return n < 0 ? errno : 0;
}

int os_fs_xattr_get(int dirfd, const char *name, const char *key, struct buf *out) {
    uint8_t few[1024];
    ssize_t n = get_once(dirfd, name, key, few, sizeof few);
    if (n >= 0) {
        buf_put(out, few, (size_t)n);
        return 0;
    }
    if (errno != ERANGE)
        return errno;
    size_t before = out->n;
    n = get_once(dirfd, name, key, buf_extend(out, VALUE_MAX), VALUE_MAX);
    out->n = before + (n > 0 ? (size_t)n : 0);
    return n < 0 ? errno : 0;
}

int os_fs_set_xattr(int fd, const char *key, struct span value) {
    if (fsetxattr(fd, key, value.p, value.n, 0) == 0)
        return 0;
    if (errno != EBADF)
        return errno;
    struct proc_path path;
    proc_path_of(&path, fd, "");
    return setxattr(path.text, key, value.p, value.n, 0) != 0 ? errno : 0;
}

int os_fs_remove_xattr(int fd, const char *key) {
    int rc = fremovexattr(fd, key);
    if (rc != 0 && errno == EBADF) {
        struct proc_path path;
        proc_path_of(&path, fd, "");
        rc = removexattr(path.text, key);
    }
    return rc == 0 || errno == ENODATA || errno == EOPNOTSUPP ? 0 : errno;
}
