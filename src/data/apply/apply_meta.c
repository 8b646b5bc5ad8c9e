#include <errno.h>

#include "base/base.h"
#include "base/text.h"
#include "data/apply/apply_int.h"

#define SET_ID 06000u
#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

static bool name_starts(struct span name, const char *prefix) {
    size_t n = strlen(prefix);
    return name.n > n && memcmp(name.p, prefix, n) == 0;
}

/* What kind of loss leaving this attribute out is; 0: it is not for this restore at all. */
static unsigned loss_of(const struct apply *apply, struct span name) {
    bool inherit = apply->opts.security == APPLY_INHERIT;
    if (name_starts(name, "user."))
        return LOST_XATTR;
    if (inherit)
        return 0;
    if (name_starts(name, "security."))
        return LOST_CAPABILITY;
    if (span_equal(name, span_text(ACL_ACCESS)) || span_equal(name, span_text(ACL_DEFAULT)))
        return LOST_ACL;
    return LOST_XATTR;
}

/* Only the name spaces that a scan records: a manifest cannot ask for others. */
static bool is_known(struct span name) {
    return name_starts(name, "user.") || name_starts(name, "trusted.") ||
           name_starts(name, "security.") || span_equal(name, span_text(ACL_ACCESS)) ||
           span_equal(name, span_text(ACL_DEFAULT));
}

static unsigned set_xattr(const struct apply *apply, int fd, struct span name, struct span value) {
    unsigned loss = loss_of(apply, name);
    if (loss == 0)
        return 0;
    char key[OS_NAME_MAX + 1];
    if (!is_known(name) || name.n >= sizeof key || memchr(name.p, 0, name.n) != NULL)
        return LOST_XATTR;
    if (loss == LOST_CAPABILITY && !apply->opts.allow_set_id)
        return loss;
    memcpy(key, name.p, name.n);
    key[name.n] = 0;
    return os_fs_set_xattr(fd, key, value) != 0 ? loss : 0;
}

static unsigned set_xattrs(const struct apply *apply, int fd, struct span xattrs) {
    unsigned lost = 0;
    struct cursor c = cursor_of(xattrs);
    struct span name, value;
    while (entry_xattr_next(&c, &name, &value))
        lost |= set_xattr(apply, fd, name, value);
    return lost | (c.bad ? LOST_XATTR : 0);
}

/* Set-id bits need the switch, and the owner they were meant for. */
static uint16_t allowed_mode(const struct apply *apply, uint16_t mode, unsigned *lost) {
    bool allowed = apply->opts.allow_set_id && (*lost & LOST_OWNER) == 0;
    if ((mode & SET_ID) != 0 && !allowed)
        *lost |= LOST_SET_ID;
    return allowed ? mode : (uint16_t)(mode & ~SET_ID);
}

static unsigned set_owner(int fd, const struct os_meta *now, uint32_t uid, uint32_t gid) {
    if (now->uid == uid && now->gid == gid)
        return 0;
    return os_fs_set_owner(fd, uid, gid) != 0 ? LOST_OWNER : 0;
}

static unsigned set_mode(int fd, const struct os_meta *now, uint16_t mode, bool anyway) {
    if (now->mode == mode && !anyway)
        return 0;
    return os_fs_set_mode(fd, mode) != 0 ? LOST_MODE : 0;
}

/* ACLs that came from the folder around it; the point's own are set afterwards. */
static unsigned drop_acls(int fd, const struct entry *entry, const struct apply_dir *dir) {
    if (entry->kind == ENTRY_SYMLINK || (dir != NULL && !dir->default_acl))
        return 0;
    int sys = os_fs_remove_xattr(fd, ACL_ACCESS);
    if (sys == 0 && entry->kind == ENTRY_DIR)
        sys = os_fs_remove_xattr(fd, ACL_DEFAULT);
    return sys != 0 ? LOST_ACL : 0;
}

/* Owner first (the kernel takes set-id bits and capabilities away with it), attributes before a
 * mode that might forbid them, the mode after the ACL that shares its bits. */
static unsigned restore_security(const struct apply *apply, int fd, const struct os_meta *now,
                                 const struct entry *entry, const struct apply_dir *dir) {
    unsigned lost = set_owner(fd, now, entry->uid, entry->gid);
    lost |= drop_acls(fd, entry, dir);
    lost |= set_xattrs(apply, fd, entry->xattrs);
    if (entry->kind != ENTRY_SYMLINK) {
        uint16_t mode = allowed_mode(apply, entry->mode, &lost);
        lost |= set_mode(fd, now, mode, entry->xattrs.n > 0);
    }
    return lost;
}

static unsigned inherit_security(const struct apply *apply, int fd, const struct os_meta *now,
                                 const struct entry *entry, const struct apply_dir *dir) {
    unsigned lost = set_owner(fd, now, dir->uid, dir->gid);
    lost |= set_xattrs(apply, fd, entry->xattrs);
    if (entry->kind == ENTRY_SYMLINK || dir->default_acl) /* the kernel did it by the ACL */
        return lost;
    uint16_t mode = dir->mode & (uint16_t)(0666 | (entry->mode & 0111));
    return lost | set_mode(fd, now, mode, false);
}

unsigned apply_meta(const struct apply *apply, int fd, const struct os_meta *now,
                    const struct entry *entry, const struct apply_dir *dir) {
    unsigned lost = apply->opts.security == APPLY_INHERIT
                        ? inherit_security(apply, fd, now, entry, dir)
                        : restore_security(apply, fd, now, entry, dir);
    return lost | (os_fs_set_mtime(fd, entry->mtime_ns) != 0 ? LOST_TIME : 0);
}

unsigned apply_meta_dir(const struct apply *apply, int fd, const struct os_meta *now,
                        const struct apply_pending *pending) {
    unsigned lost = 0;
    if (pending->set_times_only) {
        lost = set_xattrs(apply, fd, pending->xattrs);
    } else {
        const struct entry entry = {.kind = ENTRY_DIR,
                                    .mode = pending->mode,
                                    .uid = pending->uid,
                                    .gid = pending->gid,
                                    .xattrs = pending->xattrs};
        lost = restore_security(apply, fd, now, &entry, NULL);
    }
    return lost | (os_fs_set_mtime(fd, pending->mtime_ns) != 0 ? LOST_TIME : 0);
}

void apply_tell_lost(struct apply *apply, struct span path, unsigned lost) {
    static const char *const words[] = {
        "owner", "set-id bits",       "security attributes", "ACL", "extended attributes",
        "mode",  "modification time",
    };
    if (lost == 0)
        return;
    (void)atomic_fetch_add_explicit(&apply->reduced, 1, memory_order_relaxed);
    if (apply->opts.note == NULL)
        return;
    struct buf list = {0};
    for (size_t i = 0; i < ARRAY_N(words); i++)
        if ((lost & 1u << i) != 0)
            buf_printf(&list, "%s%s", list.n > 0 ? ", " : "", words[i]);
    struct apply_shown shown;
    struct err what = {0};
    (void)ERR(&what, ERR_ENTRY_REDUCED, "%s: restored without %s", apply_show(&shown, path),
              buf_text(&list));
    apply->opts.note(apply->opts.note_ctx, path, &what);
    buf_done(&list);
}
