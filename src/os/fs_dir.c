#include <dirent.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"
#include "os/fs.h"

/* The kernel's own record (getdents64): fixed head, then the name with its NUL. */
struct record {
    uint64_t ino;
    int64_t off;
    uint16_t length;
    uint8_t type;
};
#define NAME_AT (offsetof(struct record, type) + 1)

static enum os_kind kind_of_type(uint8_t type) {
    switch (type) {
    case DT_REG:
        return OS_KIND_FILE;
    case DT_DIR:
        return OS_KIND_DIR;
    case DT_LNK:
        return OS_KIND_SYMLINK;
    case DT_CHR:
        return OS_KIND_CHAR;
    case DT_BLK:
        return OS_KIND_BLOCK;
    case DT_FIFO:
        return OS_KIND_FIFO;
    case DT_SOCK:
        return OS_KIND_SOCKET;
    default:
        return OS_KIND_UNKNOWN;
    }
}

int os_fs_read_dir(int fd, void *block, size_t size, size_t *n) {
    long got;
    do {
        got = syscall(SYS_getdents64, fd, block, size);
    } while (got < 0 && errno == EINTR);
    *n = got > 0 ? (size_t)got : 0;
    return got < 0 ? errno : 0;
}

bool os_fs_next_name(const void *block, size_t n, size_t *pos, struct os_dirent *entry) {
    while (*pos < n) {
        const char *at = (const char *)block + *pos;
        struct record record;
        memcpy(&record, at, NAME_AT);
        *pos += record.length;
        const char *name = at + NAME_AT;
        if (name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0)))
            continue;
        *entry = (struct os_dirent){
            .name = name, .name_n = strlen(name), .kind = kind_of_type(record.type)};
        return true;
    }
    return false;
}
