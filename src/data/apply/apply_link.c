#include <errno.h>

#include "base/base.h"
#include "base/text.h"
#include "data/apply/apply_int.h"

static struct apply_link *slot_of(const struct apply_links *links, uint64_t hash,
                                  struct span path) {
    for (size_t i = (size_t)hash & (links->cap - 1);; i = (i + 1) & (links->cap - 1)) {
        struct apply_link *at = &links->slots[i];
        if (at->path == NULL ||
            (at->hash == hash && span_equal(span_of(at->path, at->path_n), path)))
            return at;
    }
}

static void grow(struct apply_links *links) {
    struct apply_links wider = {.cap = links->cap > 0 ? links->cap * 2 : 256, .n = links->n};
    wider.slots = mem_new_array(wider.cap, sizeof *wider.slots);
    for (size_t i = 0; i < links->cap; i++) {
        const struct apply_link *link = &links->slots[i];
        if (link->path != NULL)
            *slot_of(&wider, link->hash, span_of(link->path, link->path_n)) = *link;
    }
    mem_free(links->slots);
    *links = wider;
}

void apply_links_add(struct apply *apply, struct span path, const char *as,
                     const struct os_meta *made) {
    uint64_t hash = apply_hash(path);
    os_mutex_lock(&apply->mutex);
    struct apply_links *links = &apply->links;
    if (links->n + links->n / 2 >= links->cap)
        grow(links);
    struct apply_link *link = slot_of(links, hash, path);
    if (link->path == NULL) {
        links->n++;
        link->path = mem_copy(path.p, path.n);
        link->path_n = path.n;
        link->hash = hash;
    }
    mem_free(link->name);
    link->name = mem_text(as);
    link->dev = made->dev;
    link->ino = made->ino;
    os_mutex_unlock(&apply->mutex);
}

void apply_links_done(struct apply_links *links) {
    for (size_t i = 0; i < links->cap; i++) {
        mem_free(links->slots[i].path);
        mem_free(links->slots[i].name);
    }
    mem_free(links->slots);
    *links = (struct apply_links){0};
}

/* What was restored under `path`; the name is copied, the table may grow. */
static bool known(struct apply *apply, struct span path, char name[static OS_NAME_MAX + 1],
                  uint64_t *dev, uint64_t *ino) {
    os_mutex_lock(&apply->mutex);
    const struct apply_link *link =
        apply->links.cap > 0 ? slot_of(&apply->links, apply_hash(path), path) : NULL;
    bool found = link != NULL && link->path != NULL;
    if (found) {
        (void)text_copy(name, OS_NAME_MAX + 1, link->name);
        *dev = link->dev;
        *ino = link->ino;
    }
    os_mutex_unlock(&apply->mutex);
    return found;
}

/* Link under a temp name and look at what was linked: only what we restored may get another
 * name. */
static int link_temp(struct apply *apply, struct span first, const struct apply_dir *dir,
                     const char *temp) {
    char name[OS_NAME_MAX + 1];
    uint64_t dev, ino;
    struct apply_place place;
    if (apply_place_of(first, &place, NULL) != 0 || !known(apply, first, name, &dev, &ino))
        return ENOENT;
    struct apply_dir *from;
    int sys = apply_dir_get(apply, place.parent, &from);
    if (sys != 0)
        return sys;
    sys = os_fs_link(from->fd, name, dir->fd, temp);
    apply_dir_put(apply, from);
    struct os_meta meta;
    if (sys == 0)
        sys = os_fs_meta(dir->fd, temp, &meta);
    if (sys == 0 && (meta.dev != dev || meta.ino != ino)) {
        (void)os_fs_unlink(dir->fd, temp);
        sys = ESTALE;
    }
    return sys;
}

static enum apply_result link_into(struct apply *apply, const struct apply_dir *dir,
                                   const struct entry *entry, const char *name, struct err *why) {
    enum apply_result result = apply_may_begin(apply, dir, name, entry->path, why);
    if (result != APPLY_DONE)
        return result;
    char temp[APPLY_TEMP_NAME_MAX], as[OS_NAME_MAX + 1];
    apply_temp_name(apply, temp);
    int sys = link_temp(apply, entry->link, dir, temp);
    if (sys == ENOENT || sys == EMLINK || sys == EPERM) {
        struct apply_shown shown;
        (void)ERR(why, ERR_ENTRY_LINK, "%s: cannot be linked to the first path of its group",
                  apply_show(&shown, entry->path));
        return APPLY_FAILED;
    }
    if (sys != 0)
        return apply_trouble(why, entry->path, sys, "link");
    result = apply_rename(apply, dir, temp, name, entry->path, as, why);
    /* Renaming onto another name of the same inode does nothing, and says it went well. */
    (void)os_fs_unlink(dir->fd, temp);
    return result;
}

enum apply_result apply_link_entry(struct apply *apply, const struct entry *entry,
                                   const struct apply_place *place, struct err *why) {
    struct apply_dir *dir;
    int sys = apply_dir_get(apply, place->parent, &dir);
    if (sys != 0)
        return apply_trouble(why, entry->path, sys, "open the folder of");
    enum apply_result result = link_into(apply, dir, entry, place->name, why);
    apply_dir_put(apply, dir);
    return result;
}
