#include <errno.h>

#include "base/base.h"
#include "data/apply/apply_int.h"

static enum os_kind os_kind_of(uint8_t kind) {
    switch ((enum entry_kind)kind) {
    case ENTRY_SYMLINK:
        return OS_KIND_SYMLINK;
    case ENTRY_CHAR:
        return OS_KIND_CHAR;
    case ENTRY_BLOCK:
        return OS_KIND_BLOCK;
    case ENTRY_FIFO:
        return OS_KIND_FIFO;
    case ENTRY_SOCKET:
        return OS_KIND_SOCKET;
    case ENTRY_FILE:
    case ENTRY_DIR:
    case ENTRY_HARDLINK:
        break;
    }
    return OS_KIND_UNKNOWN;
}

static int make_temp(const struct apply_dir *dir, const char *temp, const struct entry *entry) {
    enum os_kind kind = os_kind_of(entry->kind);
    if (kind != OS_KIND_SYMLINK)
        return os_fs_make_node(dir->fd, temp, kind, entry->mode & 0777, entry->rdev_major,
                               entry->rdev_minor);
    char target[OS_PATH_MAX];
    if (entry->link.n == 0 || entry->link.n >= sizeof target ||
        memchr(entry->link.p, 0, entry->link.n) != NULL)
        return EINVAL;
    memcpy(target, entry->link.p, entry->link.n);
    target[entry->link.n] = 0;
    return os_fs_make_symlink(dir->fd, temp, target);
}

/* A handle on what we made a moment ago, and not on what somebody put in its place: another name
 * of something older shows in its link count, the rest in its kind. */
static int open_made(const struct apply_dir *dir, const char *temp, const struct entry *entry,
                     int *fd, struct os_meta *made) {
    int sys = os_fs_open_handle(dir->fd, temp, fd);
    if (sys == 0)
        sys = os_fs_meta(*fd, "", made);
    if (sys != 0)
        return sys;
    bool device = entry->kind == ENTRY_CHAR || entry->kind == ENTRY_BLOCK;
    bool same = made->kind == os_kind_of(entry->kind) && made->nlink == 1 &&
                (!device ||
                 (made->rdev_major == entry->rdev_major && made->rdev_minor == entry->rdev_minor));
    return same ? 0 : ESTALE;
}

static enum apply_result make_into(struct apply *apply, const struct apply_dir *dir,
                                   const struct entry *entry, const char *name, struct err *why) {
    enum apply_result result = apply_may_begin(apply, dir, name, entry->path, why);
    if (result != APPLY_DONE)
        return result;
    char temp[APPLY_TEMP_NAME_MAX], as[OS_NAME_MAX + 1];
    apply_temp_name(apply, temp);
    int sys = make_temp(dir, temp, entry);
    if (sys != 0)
        return apply_trouble(why, entry->path, sys, "make");
    OS_FD_AUTO int fd = OS_FD_NONE;
    struct os_meta made;
    sys = open_made(dir, temp, entry, &fd, &made);
    if (sys != 0) {
        (void)os_fs_unlink(dir->fd, temp);
        return apply_trouble(why, entry->path, sys, "open");
    }
    unsigned lost = apply_meta(apply, fd, &made, entry, dir);
    result = apply_rename(apply, dir, temp, name, entry->path, as, why);
    if (result != APPLY_DONE)
        return result;
    apply_tell_lost(apply, entry->path, lost);
    if (entry->nlink > 1)
        apply_links_add(apply, entry->path, as, &made);
    return APPLY_DONE;
}

static enum apply_result special_entry(struct apply *apply, const struct entry *entry,
                                       const struct apply_place *place, struct err *why) {
    bool powerful =
        entry->kind == ENTRY_CHAR || entry->kind == ENTRY_BLOCK || entry->kind == ENTRY_SOCKET;
    if (powerful && !apply->opts.allow_devices) {
        struct apply_shown shown;
        (void)ERR(why, ERR_ENTRY_REFUSED, "%s: devices and sockets are not restored here",
                  apply_show(&shown, entry->path));
        return APPLY_REFUSED;
    }
    struct apply_dir *dir;
    int sys = apply_dir_get(apply, place->parent, &dir);
    if (sys != 0)
        return apply_trouble(why, entry->path, sys, "open the folder of");
    enum apply_result result = make_into(apply, dir, entry, place->name, why);
    apply_dir_put(apply, dir);
    return result;
}

static enum apply_result entry_by_kind(struct apply *apply, const struct entry *entry,
                                       const struct apply_place *place, struct err *why) {
    struct apply_shown shown;
    if (entry->kind == ENTRY_DIR)
        return apply_dir_entry(apply, entry, place, why);
    if (entry->path.n == 0) {
        (void)ERR(why, ERR_ENTRY_REFUSED, "the target itself is a folder");
        return APPLY_REFUSED;
    }
    switch ((enum entry_kind)entry->kind) {
    case ENTRY_SYMLINK:
    case ENTRY_CHAR:
    case ENTRY_BLOCK:
    case ENTRY_FIFO:
    case ENTRY_SOCKET:
        return special_entry(apply, entry, place, why);
    case ENTRY_HARDLINK:
        return apply_link_entry(apply, entry, place, why);
    case ENTRY_DIR:
    case ENTRY_FILE: /* apply_file_begin */
        break;
    }
    (void)ERR(why, ERR_ENTRY_REFUSED, "%s: of a kind that is not known here",
              apply_show(&shown, entry->path));
    return APPLY_REFUSED;
}

enum apply_result apply_entry(struct apply *apply, const struct entry *entry, struct err *why) {
    struct apply_place place;
    if (apply_place_of(entry->path, &place, why) != 0)
        return apply_count(apply, APPLY_REFUSED);
    return apply_count(apply, entry_by_kind(apply, entry, &place, why));
}
