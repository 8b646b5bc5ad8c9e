#pragma once
/* os/fs -- entries of a file system as they are: seen and made by directory descriptor and name,
 * no link followed, nothing waited for.
 *
 * Unlike os/file, these return 0 or an errno: what is wrong with one entry is a fact about that
 * entry, and whoever walks a tree goes on.  A `name` is one component; "" is the descriptor
 * itself where said. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum os_kind {
    OS_KIND_UNKNOWN,
    OS_KIND_FILE,
    OS_KIND_DIR,
    OS_KIND_SYMLINK,
    OS_KIND_CHAR,
    OS_KIND_BLOCK,
    OS_KIND_FIFO,
    OS_KIND_SOCKET
};

struct os_meta {
    enum os_kind kind;
    uint16_t mode; /* permission bits, set-id, sticky */
    uint32_t uid, gid;
    uint32_t nlink;
    uint32_t rdev_major, rdev_minor;
    uint64_t size;
    uint64_t blocks; /* of 512 bytes */
    uint64_t ino, dev;
    int64_t mtime_ns, ctime_ns;
    int64_t btime_ns; /* 0 where the file system does not know */
};

/* ---- look ---- */
/* Of the entry itself, links not followed, nothing mounted for it.  name "": of dirfd. */
int os_fs_meta(int dirfd, const char *name, struct os_meta *meta);

enum os_fs_flag {
    OS_FS_PATH_ONLY = 1, /* a handle for names and metadata; needs no read permission */
    OS_FS_ONE_MOUNT = 2, /* EXDEV at a mount point */
    OS_FS_BY_STEPS = 4   /* component by component, as on kernels without openat2 */
};
/* The directory at `path` (relative, of any length; "" is dirfd itself) beneath dirfd: ELOOP when
 * a component is a symbolic link, ENOTDIR when one is anything else.  Access times are kept where
 * the kernel permits. */
int os_fs_open_dir(int dirfd, const char *path, unsigned flags, int *fd);
/* The folder at an absolute path, no component of which may be a symbolic link (ELOOP): whoever can
 * write to a folder on the way could send us elsewhere.  EINVAL: not absolute. */
int os_fs_open_root(const char *path, int *fd);
/* A handle on the entry itself, whatever it is: for metadata, not for content. */
int os_fs_open_handle(int dirfd, const char *name, int *fd);
/* A regular file for reading; ESTALE when it is something else by now.  Never waits, except for
 * the holder of a lease to give it up. */
int os_fs_open_file(int dirfd, const char *name, int *fd, struct os_meta *meta);
/* Up to n bytes at offset; fewer only at the end. */
int os_fs_read(int fd, uint64_t offset, void *to, size_t n, size_t *got);
/* The first run of data at or after `from`; ENXIO when only a hole follows. */
int os_fs_next_data(int fd, uint64_t from, uint64_t *start, uint64_t *end);
/* Target of a symbolic link, appended. */
int os_fs_read_link(int dirfd, const char *name, struct buf *out);

struct os_dirent {
    const char *name;
    size_t name_n;
    enum os_kind kind; /* OS_KIND_UNKNOWN where the file system does not say */
};
/* Next block of raw entries (64 KiB is a good size); *n = 0 at the end. */
int os_fs_read_dir(int fd, void *block, size_t size, size_t *n);
/* Entries of a block, without "." and ".."; false after the last.  *pos starts at 0. */
bool os_fs_next_name(const void *block, size_t n, size_t *pos, struct os_dirent *entry);

/* Names of extended attributes, each with its NUL, appended; name "": of dirfd.  Links are not
 * followed. */
int os_fs_xattr_list(int dirfd, const char *name, struct buf *out);
int os_fs_xattr_get(int dirfd, const char *name, const char *key, struct buf *out);

/* procfs, sysfs and their like: nothing there is a file. */
bool os_fs_is_pseudo(int fd);

/* ---- make: existing names are EEXIST ---- */
int os_fs_make_dir(int dirfd, const char *name, unsigned mode);
int os_fs_make_file(int dirfd, const char *name, unsigned mode, int *fd); /* for writing */
int os_fs_make_symlink(int dirfd, const char *name, const char *target);
int os_fs_make_node(int dirfd, const char *name, enum os_kind kind, unsigned mode,
                    uint32_t rdev_major, uint32_t rdev_minor);
int os_fs_link(int from_dirfd, const char *from, int to_dirfd, const char *to);
/* Within one directory. */
int os_fs_rename(int dirfd, const char *from, const char *to, bool replace);
int os_fs_unlink(int dirfd, const char *name);

/* ---- change: by descriptor, a handle will do ---- */
int os_fs_set_owner(int fd, uint32_t uid, uint32_t gid);
int os_fs_set_mode(int fd, unsigned mode);
int os_fs_set_mtime(int fd, int64_t mtime_ns); /* the access time is left alone */
int os_fs_set_xattr(int fd, const char *key, struct span value);
int os_fs_remove_xattr(int fd, const char *key); /* absent is 0 */
/* Everything of the file system that fd lies on is on disk. */
int os_fs_sync(int fd);

/* Advisory lock of the open directory or file, not waiting when exclusive: EWOULDBLOCK. */
int os_fs_lock_shared(int fd);
int os_fs_lock_alone(int fd);
