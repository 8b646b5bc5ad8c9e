#include <errno.h>

#include "base/base.h"
#include "data/apply/apply_int.h"

#define BLOCK_BYTES 65536u
#define ACL_DEFAULT "system.posix_acl_default"
#define MODE_MAKING 0700u /* of a folder until its metadata are set: nobody else comes in */
#define MODE_IMPLIED 0755u

/* ---- the cache; under the mutex ---- */

static struct apply_dir *find(struct apply *apply, uint64_t hash, struct span path) {
    for (size_t i = 0; i < APPLY_OPEN_DIRS_MAX; i++) {
        struct apply_dir *dir = apply->dirs[i];
        if (dir != NULL && dir->hash == hash && span_equal(span_of(dir->path, dir->path_n), path))
            return dir;
    }
    return NULL;
}

static void dir_free(struct apply_dir *dir) {
    os_close(&dir->fd);
    mem_free(dir);
}

/* Into an empty place or that of the folder unused for longest; stays outside when all are in
 * use. */
static void keep(struct apply *apply, struct apply_dir *dir) {
    size_t victim = APPLY_OPEN_DIRS_MAX;
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < APPLY_OPEN_DIRS_MAX; i++) {
        const struct apply_dir *at = apply->dirs[i];
        uint64_t used = at == NULL ? 0 : at->used;
        if ((at == NULL || at->refs == 0) && used < oldest) {
            oldest = used;
            victim = i;
        }
    }
    if (victim == APPLY_OPEN_DIRS_MAX)
        return;
    if (apply->dirs[victim] != NULL)
        dir_free(apply->dirs[victim]);
    apply->dirs[victim] = dir;
    dir->cached = true;
}

void apply_dir_put(struct apply *apply, struct apply_dir *dir) {
    if (dir == NULL)
        return;
    os_mutex_lock(&apply->mutex);
    bool last = --dir->refs == 0 && !dir->cached;
    os_mutex_unlock(&apply->mutex);
    if (last)
        dir_free(dir);
}

void apply_dirs_close(struct apply *apply) {
    for (size_t i = 0; i < APPLY_OPEN_DIRS_MAX; i++)
        if (apply->dirs[i] != NULL) {
            INVARIANT(apply->dirs[i]->refs == 0);
            dir_free(apply->dirs[i]);
            apply->dirs[i] = NULL;
        }
}

/* ---- opening ---- */

/* Takes the descriptor over, also when it fails. */
static int dir_new(int fd, struct span path, bool may_have_acl, struct apply_dir **out) {
    OS_FD_AUTO int own = fd;
    struct os_meta meta;
    int sys = os_fs_meta(own, "", &meta);
    if (sys != 0)
        return sys;
    struct buf acl = {0};
    struct apply_dir *dir = mem_new(sizeof *dir + path.n + 1);
    *dir = (struct apply_dir){
        .fd = own,
        .refs = 1,
        .default_acl = may_have_acl && os_fs_xattr_get(own, "", ACL_DEFAULT, &acl) == 0,
        .dev = meta.dev,
        .ino = meta.ino,
        .uid = meta.uid,
        .gid = meta.gid,
        .mode = meta.mode,
        .hash = apply_hash(path),
        .path_n = path.n,
    };
    if (path.n > 0)
        memcpy(dir->path, path.p, path.n);
    buf_done(&acl);
    own = OS_FD_NONE;
    *out = dir;
    return 0;
}

/* Missing folders of `path` (its text is cut at each slash and mended). */
static int make_implied(struct apply *apply, char *path) {
    for (char *end = path;; end++) {
        if (*end != '/' && *end != 0)
            continue;
        char kept = *end;
        *end = 0;
        OS_FD_AUTO int fd = OS_FD_NONE;
        int sys = os_fs_open_dir(apply->root_fd, path, OS_FS_ONE_MOUNT | OS_FS_PATH_ONLY, &fd);
        if (sys == ENOENT) {
            char *slash = strrchr(path, '/');
            OS_FD_AUTO int parent = OS_FD_NONE;
            if (slash != NULL)
                *slash = 0;
            sys = os_fs_open_dir(apply->root_fd, slash != NULL ? path : "",
                                 OS_FS_ONE_MOUNT | OS_FS_PATH_ONLY, &parent);
            if (slash != NULL)
                *slash = '/';
            if (sys == 0)
                sys = os_fs_make_dir(parent, slash != NULL ? slash + 1 : path, MODE_IMPLIED);
            sys = sys == EEXIST ? 0 : sys; /* another thread needs it too */
        }
        *end = kept;
        if (sys != 0 || kept == 0)
            return sys;
    }
}

static int open_below(struct apply *apply, struct span path, int *fd) {
    MEM_AUTO char *text = mem_new(path.n + 1);
    if (path.n > 0)
        memcpy(text, path.p, path.n);
    int sys = os_fs_open_dir(apply->root_fd, text, OS_FS_ONE_MOUNT, fd);
    if (sys == ENOENT)
        sys = make_implied(apply, text);
    else
        return sys;
    return sys != 0 ? sys : os_fs_open_dir(apply->root_fd, text, OS_FS_ONE_MOUNT, fd);
}

static struct apply_dir *find_used(struct apply *apply, uint64_t hash, struct span path) {
    struct apply_dir *dir = find(apply, hash, path);
    if (dir != NULL) {
        dir->refs++;
        dir->used = ++apply->tick;
    }
    return dir;
}

int apply_dir_get(struct apply *apply, struct span path, struct apply_dir **out) {
    uint64_t hash = apply_hash(path);
    os_mutex_lock(&apply->mutex);
    *out = find_used(apply, hash, path);
    os_mutex_unlock(&apply->mutex);
    if (*out != NULL)
        return 0;
    int fd;
    struct apply_dir *opened = NULL;
    int sys = open_below(apply, path, &fd);
    if (sys == 0)
        sys = dir_new(fd, path, true, &opened);
    if (sys != 0)
        return sys;
    os_mutex_lock(&apply->mutex);
    *out = find_used(apply, hash, path); /* another thread may have been faster */
    if (*out == NULL) {
        opened->used = ++apply->tick;
        keep(apply, opened);
        *out = TAKE(opened);
    }
    os_mutex_unlock(&apply->mutex);
    if (opened != NULL)
        dir_free(opened);
    return 0;
}

/* ---- folders of the point ---- */

static void wait_for_finish(struct apply *apply, const struct entry *entry,
                            const struct apply_dir *dir, bool set_times_only) {
    struct apply_pending pending = {
        .dev = dir->dev,
        .ino = dir->ino,
        .uid = entry->uid,
        .gid = entry->gid,
        .mtime_ns = entry->mtime_ns,
        .mode = entry->mode,
        .set_times_only = set_times_only,
        .path = mem_new(entry->path.n + 1 + entry->xattrs.n),
        .path_n = entry->path.n,
    };
    if (entry->path.n > 0)
        memcpy(pending.path, entry->path.p, entry->path.n);
    if (entry->xattrs.n > 0) {
        char *xattrs = pending.path + entry->path.n + 1;
        memcpy(xattrs, entry->xattrs.p, entry->xattrs.n);
        pending.xattrs = span_of(xattrs, entry->xattrs.n);
    }
    *vec_push(&apply->pending) = pending;
}

/* A folder that takes after the one around it does so at once: what lands in it looks at it. */
static int take_after(struct apply_dir *dir, const struct apply_dir *parent) {
    int sys = 0;
    if (dir->uid != parent->uid || dir->gid != parent->gid)
        sys = os_fs_set_owner(dir->fd, parent->uid, parent->gid);
    uint16_t mode = parent->mode | MODE_MAKING;
    if (sys == 0 && !parent->default_acl)
        sys = os_fs_set_mode(dir->fd, mode);
    dir->uid = parent->uid;
    dir->gid = parent->gid;
    dir->mode = parent->default_acl ? dir->mode : mode;
    return sys;
}

/* Open the folder just made, or the one that was there. */
static int open_child(struct apply *apply, const struct apply_dir *parent, const char *name,
                      struct span path, bool made, struct apply_dir **out) {
    int fd;
    int sys = os_fs_open_dir(parent->fd, name, OS_FS_ONE_MOUNT, &fd);
    if (sys == 0)
        sys = dir_new(fd, path, !made || parent->default_acl, out);
    if (sys == 0 && made && apply->opts.security == APPLY_INHERIT) {
        (void)take_after(*out, parent); /* an unprivileged restore keeps its own user */
    } else if (sys == 0 && (*out)->default_acl && made) {
        (void)os_fs_remove_xattr((*out)->fd, ACL_DEFAULT); /* else children would inherit it */
        (*out)->default_acl = false;
    }
    return sys;
}

static enum apply_result root_entry(struct apply *apply, const struct entry *entry,
                                    struct err *why) {
    if (!apply->root_is_fresh && apply->opts.existing != APPLY_OVERWRITE)
        return APPLY_DONE;
    struct apply_dir *dir;
    int sys = apply_dir_get(apply, entry->path, &dir);
    if (sys != 0)
        return apply_trouble(why, entry->path, sys, "open folder");
    wait_for_finish(apply, entry, dir, apply->opts.security == APPLY_INHERIT);
    apply_dir_put(apply, dir);
    return APPLY_DONE;
}

static enum apply_result make_or_merge(struct apply *apply, const struct apply_dir *parent,
                                       const struct entry *entry, const char *name,
                                       struct err *why) {
    unsigned mode =
        apply->opts.security == APPLY_INHERIT && parent->default_acl ? 0777 : MODE_MAKING;
    int sys = os_fs_make_dir(parent->fd, name, mode);
    bool made = sys == 0;
    if (sys != 0 && sys != EEXIST)
        return apply_trouble(why, entry->path, sys, "make folder");
    struct apply_dir *dir;
    sys = open_child(apply, parent, name, entry->path, made, &dir);
    if (sys != 0)
        return apply_trouble(why, entry->path, sys, "open folder");
    if (!made)
        (void)apply_clean(apply, dir->fd, &(size_t){0});
    if (made || apply->opts.existing == APPLY_OVERWRITE)
        wait_for_finish(apply, entry, dir, apply->opts.security == APPLY_INHERIT);
    os_mutex_lock(&apply->mutex);
    if (find(apply, dir->hash, entry->path) == NULL) {
        dir->used = ++apply->tick;
        keep(apply, dir);
    }
    os_mutex_unlock(&apply->mutex);
    apply_dir_put(apply, dir);
    return APPLY_DONE;
}

enum apply_result apply_dir_entry(struct apply *apply, const struct entry *entry,
                                  const struct apply_place *place, struct err *why) {
    if (entry->path.n == 0)
        return root_entry(apply, entry, why);
    struct apply_dir *parent;
    int sys = apply_dir_get(apply, place->parent, &parent);
    if (sys != 0)
        return apply_trouble(why, entry->path, sys, "open the folder of");
    enum apply_result result = make_or_merge(apply, parent, entry, place->name, why);
    apply_dir_put(apply, parent);
    return result;
}

/* ---- what interrupted restores left ---- */

/* Everybody who restores into this target holds its lock shared: alone means that foreign temp
 * names belong to nobody any more.  (Others who restore into a folder inside would see their
 * rename fail, and say so.) */
static bool nobody_else_restores(const struct apply *apply) {
    bool alone = os_fs_lock_alone(apply->root_fd) == 0;
    (void)os_fs_lock_shared(apply->root_fd);
    return alone;
}

int apply_clean(struct apply *apply, int fd, size_t *left) {
    *left = 0;
    OS_FD_AUTO int list_fd = OS_FD_NONE; /* its own position */
    int sys = os_fs_open_dir(fd, "", 0, &list_fd);
    if (sys != 0)
        return sys;
    MEM_AUTO uint8_t *block = mem_new(BLOCK_BYTES);
    size_t n;
    bool asked = false, alone = false;
    while ((sys = os_fs_read_dir(list_fd, block, BLOCK_BYTES, &n)) == 0 && n > 0) {
        struct os_dirent found;
        for (size_t pos = 0; os_fs_next_name(block, n, &pos, &found);) {
            bool foreign = apply_is_temp_of_others(apply, found.name);
            if (foreign && !asked) {
                alone = nobody_else_restores(apply);
                asked = true;
            }
            if (!foreign || !alone || os_fs_unlink(fd, found.name) != 0)
                ++*left;
        }
    }
    return sys;
}
