#include "os/durable.h"

#include "base/base.h"
#include "base/text.h"
#include "os/fault.h"
#include "os/file.h"
#include "os/random.h"

static void reach(const char *point) {
    if (point != NULL)
        OS_COMMIT_POINT(point);
}

int durable_seal(int *fd, int tmp_dirfd, const char *tmp, int to_dirfd, const char *name,
                 const char *point_before, const char *point_after, struct err *err) {
    int rc = os_fsync(*fd, err);
    os_close(fd);
    if (rc == 0) {
        reach(point_before);
        rc = os_rename(tmp_dirfd, tmp, to_dirfd, name, false, err);
    }
    if (rc != 0) {
        (void)os_unlink(tmp_dirfd, tmp, NULL);
        return ERR_NOTE(err, "seal %s", name);
    }
    if (os_fsync(to_dirfd, err) != 0)
        return ERR_NOTE(err, "seal %s: directory", name);
    reach(point_after);
    return 0;
}

static int write_in(int dirfd, const char *name, struct span bytes, unsigned mode, bool replace,
                    struct err *err) {
    uint8_t noise[8];
    char tmp[OS_NAME_MAX + 1], hex[2 * sizeof noise + 1];
    os_random(noise, sizeof noise);
    text_hex(hex, noise, sizeof noise);
    (void)text_format(tmp, sizeof tmp, ".tmp-%s", hex);

    OS_FD_AUTO int fd = OS_FD_NONE;
    if (os_file_create(dirfd, tmp, mode, &fd, err) != 0)
        return ERR_NOTE(err, "write %s", name);
    int rc = os_write_at(fd, 0, bytes.p, bytes.n, err);
    if (rc == 0)
        rc = os_fsync(fd, err);
    if (rc == 0)
        rc = os_rename(dirfd, tmp, dirfd, name, replace, err);
    if (rc != 0) {
        (void)os_unlink(dirfd, tmp, NULL);
        return ERR_NOTE(err, "write %s", name);
    }
    return os_fsync(dirfd, err) != 0 ? ERR_NOTE(err, "write %s: directory", name) : 0;
}

int durable_write(int dirfd, const char *path, struct span bytes, unsigned mode, bool replace,
                  struct err *err) {
    char folder[OS_PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL && dirfd != OS_FD_CWD)
        return write_in(dirfd, path, bytes, mode, replace, err);
    size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (n >= sizeof folder)
        return ERR(err, ERR_USAGE, "path is longer than %d bytes", OS_PATH_MAX - 1);
    memcpy(folder, slash == NULL ? "." : path, slash == NULL ? 1 : n);
    folder[slash == NULL ? 1 : n] = 0;
    OS_FD_AUTO int fd = OS_FD_NONE; /* the temp file must lie beside its final name */
    if (os_dir_open(dirfd, folder, &fd, err) != 0)
        return ERR_NOTE(err, "write %s", path);
    return write_in(fd, slash == NULL ? path : slash + 1, bytes, mode, replace, err);
}

int durable_move(int from_dirfd, const char *from, int to_dirfd, const char *to, struct err *err) {
    if (os_rename(from_dirfd, from, to_dirfd, to, false, err) != 0)
        return -1;
    if (os_fsync(to_dirfd, err) != 0 || os_fsync(from_dirfd, err) != 0)
        return ERR_NOTE(err, "move %s: directory", from);
    return 0;
}

int durable_remove(int dirfd, const char *name, struct err *err) {
    if (os_unlink(dirfd, name, err) != 0)
        return -1;
    return os_fsync(dirfd, err) != 0 ? ERR_NOTE(err, "remove %s: directory", name) : 0;
}
