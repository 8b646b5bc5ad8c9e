/* Between SQLite and the file system: a checksum in every page of a database.
 *
 * SQLite trusts the disk: a flipped bit in a row is a wrong row.  So the last DB_SUM_BYTES of each
 * page, which SQLite reserves for such use, hold the BLAKE3 of the page's number and its bytes; a
 * page that does not agree is an error, never data.  The number is in it because a disk may also
 * put a good page into a wrong place.  The write-ahead log has checksums of its own.
 *
 * This is also where the fault suites make SQLite's writes and syncs fail. */
#include <errno.h>

#include "base/text.h"
#include "crypto/hash.h"
#include "data/catalog/catalog_int.h"

#define DB_HEADER_BYTES 100 /* SQLite looks at it before it knows the page size */

static_assert(sizeof(struct digest) >= DB_SUM_BYTES);

struct pages_vfs {
    sqlite3_vfs vfs;
    char name[40];
};

struct pages_file {
    sqlite3_file base;
    bool checked;         /* a database, not its log */
    sqlite3_file inner[]; /* szOsFile bytes of the system's own */
};

static sqlite3_file *inner(sqlite3_file *file) {
    return ((struct pages_file *)(void *)file)->inner;
}

static void page_sum(int64_t offset, const uint8_t *page, struct digest *sum) {
    uint8_t bytes[8 + DB_PAGE_BYTES - DB_SUM_BYTES];
    be64_put(bytes, (uint64_t)offset / DB_PAGE_BYTES);
    memcpy(bytes + 8, page, DB_PAGE_BYTES - DB_SUM_BYTES);
    hash_bytes(span_of(bytes, sizeof bytes), sum);
}

static int file_close(sqlite3_file *file) {
    return inner(file)->pMethods->xClose(inner(file));
}

/* SQLite takes what is behind the end of a file for zeros; half a page is damage. */
static int short_read(sqlite3_file *file, int n, sqlite3_int64 offset) {
    sqlite3_int64 size;
    int code = inner(file)->pMethods->xFileSize(inner(file), &size);
    if (code != SQLITE_OK)
        return code;
    return n > DB_HEADER_BYTES && offset < size ? SQLITE_IOERR_DATA : SQLITE_IOERR_SHORT_READ;
}

static int file_read(sqlite3_file *file, void *to, int n, sqlite3_int64 offset) {
    int code = inner(file)->pMethods->xRead(inner(file), to, n, offset);
    if (!((struct pages_file *)(void *)file)->checked)
        return code;
    if (code != SQLITE_OK)
        return code == SQLITE_IOERR_SHORT_READ ? short_read(file, n, offset) : code;
    if (n <= DB_HEADER_BYTES)
        return SQLITE_OK; /* page 1 is read as a whole before any of it counts */
    if (n != DB_PAGE_BYTES || offset % DB_PAGE_BYTES != 0)
        return SQLITE_IOERR_DATA; /* not our page size: the header is damaged */
    struct digest sum;
    const uint8_t *page = to;
    page_sum(offset, page, &sum);
    bool equal = memcmp(sum.b, page + DB_PAGE_BYTES - DB_SUM_BYTES, DB_SUM_BYTES) == 0;
    return equal ? SQLITE_OK : SQLITE_IOERR_DATA;
}

/* SQLite's code for a planted failure, SQLITE_OK without. */
static int planted(const char *point, int otherwise) {
    int sys = os_fault_hit(point);
    if (sys == 0)
        return SQLITE_OK;
    errno = sys; /* where SQLite looks for the reason */
    return sys == ENOSPC ? SQLITE_FULL : otherwise;
}

static int file_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 offset) {
    int code = planted("write", SQLITE_IOERR_WRITE);
    if (code != SQLITE_OK)
        return code;
    if (!((struct pages_file *)(void *)file)->checked)
        return inner(file)->pMethods->xWrite(inner(file), from, n, offset);
    if (n != DB_PAGE_BYTES || offset % DB_PAGE_BYTES != 0)
        return SQLITE_IOERR_WRITE;
    uint8_t page[DB_PAGE_BYTES];
    struct digest sum;
    memcpy(page, from, DB_PAGE_BYTES);
    page_sum(offset, page, &sum);
    memcpy(page + DB_PAGE_BYTES - DB_SUM_BYTES, sum.b, DB_SUM_BYTES);
    return inner(file)->pMethods->xWrite(inner(file), page, n, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    return inner(file)->pMethods->xTruncate(inner(file), size);
}

static int file_sync(sqlite3_file *file, int flags) {
    int code = planted("fsync", SQLITE_IOERR_FSYNC);
    return code == SQLITE_OK ? inner(file)->pMethods->xSync(inner(file), flags) : code;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
    return inner(file)->pMethods->xFileSize(inner(file), size);
}

static int file_lock(sqlite3_file *file, int level) {
    return inner(file)->pMethods->xLock(inner(file), level);
}

static int file_unlock(sqlite3_file *file, int level) {
    return inner(file)->pMethods->xUnlock(inner(file), level);
}

static int file_reserved(sqlite3_file *file, int *reserved) {
    return inner(file)->pMethods->xCheckReservedLock(inner(file), reserved);
}

static int file_control(sqlite3_file *file, int what, void *arg) {
    return inner(file)->pMethods->xFileControl(inner(file), what, arg);
}

static int file_sector(sqlite3_file *file) {
    return inner(file)->pMethods->xSectorSize(inner(file));
}

static int file_traits(sqlite3_file *file) {
    return inner(file)->pMethods->xDeviceCharacteristics(inner(file));
}

/* Version 1: no shared memory and no mapping.  Whoever holds the lock holds the index of the log in
 * its own memory, and no page reaches SQLite but through file_read. */
static const sqlite3_io_methods file_methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                    int *flags_out) {
    struct pages_file *ours = (struct pages_file *)(void *)file;
    (void)vfs;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    file->pMethods = NULL;
    ours->checked = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    int code = real->xOpen(real, name, ours->inner, flags, flags_out);
    if (code == SQLITE_OK)
        file->pMethods = &file_methods;
    return code;
}

/* All but opening is the system's own: its functions do not care through which copy of the table
 * they are called. */
int pages_vfs_new(struct pages_vfs **out, struct err *err) {
    const sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    struct pages_vfs *vfs = mem_new(sizeof *vfs);
    (void)text_format(vfs->name, sizeof vfs->name, "casemate-%p", (void *)vfs);
    vfs->vfs = *real;
    vfs->vfs.pNext = NULL;
    vfs->vfs.zName = vfs->name;
    vfs->vfs.szOsFile = (int)sizeof(struct pages_file) + real->szOsFile;
    vfs->vfs.xOpen = vfs_open;
    int code = sqlite3_vfs_register(&vfs->vfs, 0);
    if (code != SQLITE_OK) {
        mem_free(vfs);
        return ERR(err, ERR_INTERNAL, "cannot set up SQLite: %s", sqlite3_errstr(code));
    }
    *out = vfs;
    return 0;
}

void pages_vfs_free(struct pages_vfs *vfs) {
    if (vfs == NULL)
        return;
    (void)sqlite3_vfs_unregister(&vfs->vfs);
    mem_free(vfs);
}

const char *pages_vfs_name(const struct pages_vfs *vfs) {
    return vfs->name;
}
