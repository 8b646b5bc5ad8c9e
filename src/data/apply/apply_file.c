#include <errno.h>

#include "base/base.h"
#include "data/apply/apply_int.h"

#define RESERVE_BYTES_MIN (1u << 20) /* larger files get their blocks at once */
#define FILE_BYTES_MAX INT64_MAX

struct apply_file {
    struct apply *apply;
    struct apply_dir *dir;
    struct entry entry; /* path and xattrs behind this struct; nothing else borrowed */
    char name[OS_NAME_MAX + 1];
    char temp[APPLY_TEMP_NAME_MAX];
    int fd;
    uint64_t data_bytes;           /* to be written: size without holes */
    atomic_uint_least64_t written; /* bytes, all writes */
    atomic_uint_least64_t end;     /* furthest byte written */
};

static void file_free(struct apply_file *file) {
    os_close(&file->fd);
    apply_dir_put(file->apply, file->dir);
    mem_free(file);
}

/* Bytes outside holes; false when the extents are not ascending, not disjoint or not inside the
 * file: arithmetic that a sound point never shows. */
static bool data_bytes_of(const struct entry *entry, uint64_t *bytes) {
    *bytes = entry->size;
    if (entry->size > FILE_BYTES_MAX)
        return false;
    if ((entry->flags & ENTRY_SPARSE) == 0)
        return true;
    *bytes = 0;
    uint64_t at = 0;
    for (uint32_t i = 0; i < entry->extent_n; i++) {
        const struct extent *extent = &entry->extents[i];
        uint64_t end;
        if (extent->offset < at || __builtin_add_overflow(extent->offset, extent->length, &end) ||
            end > entry->size)
            return false;
        *bytes += extent->length;
        at = end;
    }
    return true;
}

static struct apply_file *file_new(struct apply *apply, const struct entry *entry, const char *name,
                                   uint64_t data_bytes) {
    struct apply_file *file = mem_new(sizeof *file + entry->path.n + entry->xattrs.n);
    uint8_t *text = (uint8_t *)(file + 1);
    file->apply = apply;
    file->fd = OS_FD_NONE;
    file->data_bytes = data_bytes;
    file->entry = (struct entry){
        .path = span_of(text, entry->path.n),
        .kind = entry->kind,
        .flags = entry->flags,
        .mode = entry->mode,
        .uid = entry->uid,
        .gid = entry->gid,
        .size = entry->size,
        .mtime_ns = entry->mtime_ns,
        .nlink = entry->nlink,
        .xattrs = span_of(text + entry->path.n, entry->xattrs.n),
    };
    memcpy(text, entry->path.p, entry->path.n);
    if (entry->xattrs.n > 0)
        memcpy(text + entry->path.n, entry->xattrs.p, entry->xattrs.n);
    memcpy(file->name, name, strlen(name) + 1);
    return file;
}

/* The final permission bits at once save a call; not when something must still be set that they
 * might forbid, and never set-id bits. */
static unsigned first_mode(const struct apply *apply, const struct entry *entry) {
    bool simple = apply->opts.security == APPLY_RESTORE && entry->xattrs.n == 0;
    return simple ? entry->mode & 0777u : 0600u;
}

static int open_temp(struct apply_file *file) {
    struct apply *apply = file->apply;
    int sys;
    do {
        apply_temp_name(apply, file->temp);
        sys =
            os_fs_make_file(file->dir->fd, file->temp, first_mode(apply, &file->entry), &file->fd);
    } while (sys == EEXIST);
    return sys;
}

static enum apply_result begin(struct apply *apply, const struct entry *entry,
                               struct apply_file **out, struct err *why) {
    struct apply_place place;
    uint64_t data_bytes;
    if (apply_place_of(entry->path, &place, why) != 0)
        return APPLY_REFUSED;
    if (entry->kind != ENTRY_FILE || entry->path.n == 0 || !data_bytes_of(entry, &data_bytes)) {
        struct apply_shown shown;
        (void)ERR(why, ERR_ENTRY_REFUSED, "%s: not a sound description of a file",
                  apply_show(&shown, entry->path));
        return APPLY_REFUSED;
    }
    struct apply_file *file = file_new(apply, entry, place.name, data_bytes);
    enum apply_result result = APPLY_DONE;
    int sys = apply_dir_get(apply, place.parent, &file->dir);
    if (sys != 0)
        result = apply_trouble(why, entry->path, sys, "open the folder of");
    if (result == APPLY_DONE)
        result = apply_may_begin(apply, file->dir, file->name, entry->path, why);
    if (result == APPLY_DONE && (sys = open_temp(file)) != 0)
        result = apply_trouble(why, entry->path, sys, "make");
    if (result == APPLY_DONE && (entry->flags & ENTRY_SPARSE) == 0 &&
        entry->size >= RESERVE_BYTES_MIN && os_file_reserve(file->fd, entry->size, why) != 0) {
        (void)os_fs_unlink(file->dir->fd, file->temp);
        result = APPLY_FAILED;
    }
    if (result != APPLY_DONE) {
        file_free(file);
        return result;
    }
    *out = file;
    return APPLY_DONE;
}

enum apply_result apply_file_begin(struct apply *apply, const struct entry *entry,
                                   struct apply_file **out, struct err *why) {
    *out = NULL;
    enum apply_result result = begin(apply, entry, out, why);
    return result == APPLY_DONE ? result : apply_count(apply, result);
}

static void note_end(struct apply_file *file, uint64_t end) {
    uint64_t seen = atomic_load(&file->end);
    while (seen < end && !atomic_compare_exchange_weak(&file->end, &seen, end))
        ;
}

int apply_file_write(struct apply_file *file, uint64_t offset, struct span bytes, struct err *err) {
    uint64_t end;
    struct apply_shown shown;
    bool fits = !__builtin_add_overflow(offset, bytes.n, &end) && end <= file->entry.size;
    if (!fits || atomic_fetch_add(&file->written, bytes.n) + bytes.n > file->data_bytes)
        return ERR(err, ERR_ENTRY_REFUSED, "%s: more content than its size says",
                   apply_show(&shown, file->entry.path));
    if (os_write_at(file->fd, offset, bytes.p, bytes.n, err) != 0)
        return ERR_NOTE(err, "%s", apply_show(&shown, file->entry.path));
    note_end(file, end);
    return 0;
}

/* Length, then metadata; *made is what the final name will stand for. */
static int complete(struct apply_file *file, struct os_meta *made, unsigned *lost,
                    struct err *why) {
    struct apply_shown shown;
    uint64_t written = atomic_load(&file->written);
    if (written != file->data_bytes)
        return ERR(why, ERR_FORMAT, "%s: %llu of %llu bytes came",
                   apply_show(&shown, file->entry.path), (unsigned long long)written,
                   (unsigned long long)file->data_bytes);
    if (atomic_load(&file->end) < file->entry.size &&
        os_file_truncate(file->fd, file->entry.size, why) != 0)
        return ERR_NOTE(why, "%s", apply_show(&shown, file->entry.path));
    int sys = os_fs_meta(file->fd, "", made);
    if (sys != 0)
        return ERR_SYS(why, os_error_code(sys), sys, "cannot look at %s",
                       apply_show(&shown, file->entry.path));
    *lost = apply_meta(file->apply, file->fd, made, &file->entry, file->dir);
    return 0;
}

static enum apply_result commit(struct apply_file *file, struct err *why) {
    struct apply *apply = file->apply;
    struct os_meta made;
    unsigned lost = 0;
    if (complete(file, &made, &lost, why) != 0) {
        (void)os_fs_unlink(file->dir->fd, file->temp);
        return APPLY_FAILED;
    }
    char as[OS_NAME_MAX + 1];
    enum apply_result result =
        apply_rename(apply, file->dir, file->temp, file->name, file->entry.path, as, why);
    if (result != APPLY_DONE)
        return result;
    uint64_t before =
        atomic_fetch_add_explicit(&apply->bytes, file->data_bytes, memory_order_relaxed);
    apply_flush_note(apply, before + file->data_bytes);
    apply_tell_lost(apply, file->entry.path, lost);
    if (file->entry.nlink > 1)
        apply_links_add(apply, file->entry.path, as, &made);
    return APPLY_DONE;
}

enum apply_result apply_file_commit(struct apply_file *file, struct err *why) {
    enum apply_result result = apply_count(file->apply, commit(file, why));
    file_free(file);
    return result;
}

void apply_file_abort(struct apply_file *file) {
    if (file == NULL)
        return;
    (void)os_fs_unlink(file->dir->fd, file->temp);
    (void)apply_count(file->apply, APPLY_FAILED);
    file_free(file);
}
