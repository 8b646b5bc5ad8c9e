#include "data/catalog/catalog.h"

#include "base/text.h"
#include "data/catalog/catalog_int.h"

#define ASIDE_MAX 1000 /* damaged files kept beside each other */

#if defined(__clang__) /* its analysis does not see what ends a scope */
#define UNCHECKED __attribute__((no_thread_safety_analysis))
#else
#define UNCHECKED
#endif

UNCHECKED struct catalog_lock catalog_locked(struct catalog *catalog) {
    os_mutex_lock(&catalog->mutex);
    return (struct catalog_lock){.catalog = catalog};
}

UNCHECKED void catalog_lock_done(struct catalog_lock *lock) {
    os_mutex_unlock(&lock->catalog->mutex);
}

int catalog_open(const char *dir, struct catalog **out, struct err *err) {
    AUTO(catalog) *catalog = mem_new(sizeof *catalog);
    os_mutex_init(&catalog->mutex);
    catalog->dirfd = OS_FD_NONE;
    catalog->dir = mem_text(dir);
    if (os_mkdirs(dir, 0700, err) != 0 || os_dir_open(OS_FD_CWD, dir, &catalog->dirfd, err) != 0 ||
        pages_vfs_new(&catalog->vfs, err) != 0)
        return -1;
    const char *vfs = pages_vfs_name(catalog->vfs);
    if (db_open(&catalog->state, &db_state, dir, vfs, err) != 0 ||
        db_open(&catalog->points, &db_points, dir, vfs, err) != 0)
        return -1;
    /* SQLite makes a log durable in its folder, a new database not. */
    if ((catalog->state.made || catalog->points.made) && os_fsync(catalog->dirfd, err) != 0)
        return ERR_NOTE(err, "%s", dir);
    *out = TAKE(catalog);
    return 0;
}

void catalog_close(struct catalog *catalog) {
    if (catalog == NULL)
        return;
    db_close(&catalog->points);
    db_close(&catalog->state);
    pages_vfs_free(catalog->vfs);
    os_close(&catalog->dirfd);
    mem_free(catalog->dir);
    os_mutex_done(&catalog->mutex);
    mem_free(catalog);
}

/* ---- damaged, and copied ---- */

static int move_aside(int dirfd, const char *name, unsigned n, struct err *err) {
    char to[OS_NAME_MAX];
    bool exists;
    (void)text_format(to, sizeof to, "%s.damaged-%u", name, n);
    if (os_exists(dirfd, name, &exists, err) != 0)
        return -1;
    return exists ? os_rename(dirfd, name, dirfd, to, false, err) : 0;
}

/* The log first: left behind alone it would be taken for the log of the next catalog.db. */
int catalog_set_aside(const char *dir, struct err *err) {
    static const char *const suffixes[] = {"-wal", "-journal", ""};
    OS_FD_AUTO int dirfd = OS_FD_NONE;
    char name[OS_NAME_MAX];
    bool taken = true;
    unsigned n = 0;
    if (os_dir_open(OS_FD_CWD, dir, &dirfd, err) != 0)
        return -1;
    while (taken && n < ASIDE_MAX) {
        (void)text_format(name, sizeof name, "%s.damaged-%u", db_points.file, ++n);
        if (os_exists(dirfd, name, &taken, err) != 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_N(suffixes); i++) {
        (void)text_format(name, sizeof name, "%s%s", db_points.file, suffixes[i]);
        if (move_aside(dirfd, name, n, err) != 0)
            return -1;
    }
    return os_fsync(dirfd, err);
}

static int copy_state(struct catalog *catalog, const char *path, struct err *err) {
    LOCKED(catalog);
    SCOPED(sql) sql = {0};
    if (sql_open(&sql, &catalog->state, "VACUUM INTO ?", err) != 0)
        return -1;
    sql_text(&sql, path);
    return sql_finish(&sql, NULL, err);
}

int catalog_snapshot(struct catalog *catalog, const char *name, struct err *err) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    char temp[OS_NAME_MAX], path[OS_PATH_MAX];
    bool exists;
    if (!text_format(temp, sizeof temp, "%s.tmp", name) ||
        !text_format(path, sizeof path, "%s/%s", catalog->dir, temp))
        return ERR(err, ERR_USAGE, "the name of the copy is too long: %s", name);
    if (os_exists(catalog->dirfd, temp, &exists, err) != 0 ||
        (exists && os_unlink(catalog->dirfd, temp, err) != 0) ||
        copy_state(catalog, path, err) != 0 ||
        os_file_open_write(catalog->dirfd, temp, &fd, err) != 0 || os_fsync(fd, err) != 0 ||
        os_rename(catalog->dirfd, temp, catalog->dirfd, name, true, err) != 0 ||
        os_fsync(catalog->dirfd, err) != 0)
        return ERR_NOTE(err, "copy of %s", db_state.file);
    return 0;
}
