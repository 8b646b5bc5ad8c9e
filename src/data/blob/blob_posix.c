/* Objects as files: packs/HH/NAME.pack, tmp/NAME.part, trash/NAME-SECONDS.pack. */
#include "base/text.h"
#include "data/blob/blob_int.h"
#include "os/os.h"

#define MODE_DIR 0700u
#define MODE_OBJECT 0400u /* for the next who opens it: the writer's own descriptor can write */
#define SHELVES 256u

struct posix {
    struct blob blob;
    int packs, tmp, trash; /* directory descriptors */
};

struct temp {
    struct blob_temp temp;
    int fd;
};

struct object {
    struct blob_object object;
    int fd;
};

static struct posix *posix_of(struct blob *blob) {
    return (struct posix *)blob;
}

static void part_name(char to[static OS_NAME_MAX], const char *name) {
    (void)text_format(to, OS_NAME_MAX, "%s.part", name);
}

static void pack_path(char to[static OS_NAME_MAX], const char *name) {
    (void)text_format(to, OS_NAME_MAX, "%.2s/%s.pack", name, name);
}

static void trash_name(char to[static OS_NAME_MAX], const char *name, int64_t since_s) {
    (void)text_format(to, OS_NAME_MAX, "%s-%lld.pack", name, (long long)since_s);
}

static void posix_close(struct blob *blob) {
    struct posix *posix = posix_of(blob);
    os_close(&posix->packs);
    os_close(&posix->tmp);
    os_close(&posix->trash);
    mem_free(posix);
}

static int posix_clean(struct blob *blob, struct err *err) {
    struct posix *posix = posix_of(blob);
    os_names names = {0};
    int rc = os_list(posix->tmp, &names, err);
    for (size_t i = 0; i < names.n && rc == 0; i++)
        rc = os_unlink(posix->tmp, names.p[i], err);
    os_names_done(&names);
    return rc;
}

static int posix_temp_new(struct blob *blob, const char *name, struct blob_temp **out,
                          struct err *err) {
    char part[OS_NAME_MAX];
    int fd;
    part_name(part, name);
    if (os_file_create(posix_of(blob)->tmp, part, MODE_OBJECT, &fd, err) != 0)
        return -1;
    struct temp *temp = mem_new(sizeof *temp);
    temp->temp.blob = blob;
    (void)text_copy(temp->temp.name, sizeof temp->temp.name, name);
    temp->fd = fd;
    *out = &temp->temp;
    return 0;
}

static int posix_temp_write(struct blob_temp *base, uint64_t offset, struct span bytes,
                            struct err *err) {
    if (os_write_at(((struct temp *)base)->fd, offset, bytes.p, bytes.n, err) != 0)
        return ERR_NOTE(err, "pack %s", base->name);
    return 0;
}

static void posix_temp_flush(struct blob_temp *base, uint64_t offset, uint64_t n) {
    os_file_flush_hint(((struct temp *)base)->fd, offset, n);
}

static int posix_temp_seal(struct blob_temp *base, const char *point_before,
                           const char *point_after, struct err *err) {
    struct temp *temp = (struct temp *)base;
    struct posix *posix = posix_of(base->blob);
    char part[OS_NAME_MAX], to[OS_NAME_MAX], shelf[3];
    OS_FD_AUTO int dirfd = OS_FD_NONE;
    (void)text_format(shelf, sizeof shelf, "%.2s", base->name);
    (void)text_format(to, sizeof to, "%s.pack", base->name);
    part_name(part, base->name);
    int rc = os_dir_open(posix->packs, shelf, &dirfd, err);
    if (rc != 0)
        (void)os_unlink(posix->tmp, part, NULL);
    else
        rc = durable_seal(&temp->fd, posix->tmp, part, dirfd, to, point_before, point_after, err);
    os_close(&temp->fd);
    mem_free(temp);
    return rc;
}

static void posix_temp_drop(struct blob_temp *base) {
    struct temp *temp = (struct temp *)base;
    char part[OS_NAME_MAX];
    part_name(part, base->name);
    os_close(&temp->fd);
    (void)os_unlink(posix_of(base->blob)->tmp, part, NULL); /* start-up removes what stays */
    mem_free(temp);
}

static int posix_open(struct blob *blob, const char *name, struct blob_object **out,
                      struct err *err) {
    char path[OS_NAME_MAX];
    OS_FD_AUTO int fd = OS_FD_NONE;
    uint64_t bytes;
    pack_path(path, name);
    if (os_file_open_read(posix_of(blob)->packs, path, &fd, err) != 0 ||
        os_file_size(fd, &bytes, err) != 0)
        return -1;
    struct object *object = mem_new(sizeof *object);
    *object = (struct object){.object = {.blob = blob, .bytes = bytes}, .fd = fd};
    fd = OS_FD_NONE;
    *out = &object->object;
    return 0;
}

static void posix_object_close(struct blob_object *base) {
    struct object *object = (struct object *)base;
    os_close(&object->fd);
    mem_free(object);
}

static int posix_read(struct blob_object *base, uint64_t offset, void *to, size_t n,
                      struct err *err) {
    return os_read_exact_at(((struct object *)base)->fd, offset, to, n, err);
}

static void posix_uncache(struct blob_object *base) {
    os_file_drop_cache(((struct object *)base)->fd);
}

static int posix_look(struct blob *blob, const char *name, bool *exists, uint64_t *bytes,
                      struct err *err) {
    char path[OS_NAME_MAX];
    struct err why = {0};
    pack_path(path, name);
    *bytes = 0;
    *exists = os_size_of(posix_of(blob)->packs, path, bytes, &why) == 0;
    if (!*exists && why.code != ERR_NOT_FOUND) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    return 0;
}

/* "NAME.pack", or with `dated` "NAME-SECONDS.pack". */
static bool entry_of(const char *file, bool dated, struct blob_entry *entry) {
    *entry = (struct blob_entry){.bytes = 0};
    if (strlen(file) <= BLOB_NAME_DIGITS || !text_ends(file, ".pack"))
        return false;
    memcpy(entry->name, file, BLOB_NAME_DIGITS);
    const char *rest = file + BLOB_NAME_DIGITS;
    if (!blob_name_valid(entry->name))
        return false;
    if (!dated)
        return text_equal(rest, ".pack");
    char digits[24];
    uint64_t since;
    if (*rest != '-' || !text_copy(digits, sizeof digits, rest + 1))
        return false;
    digits[strlen(digits) - strlen(".pack")] = 0;
    if (!text_to_u64(digits, INT64_MAX, &since))
        return false;
    entry->trashed_s = (int64_t)since;
    return true;
}

static int list_dir(int dirfd, bool dated, blob_entries *out, struct err *err) {
    os_names names = {0};
    int rc = os_list(dirfd, &names, err);
    for (size_t i = 0; i < names.n && rc == 0; i++) {
        struct blob_entry entry;
        if (!entry_of(names.p[i], dated, &entry))
            continue;
        rc = os_size_of(dirfd, names.p[i], &entry.bytes, err);
        if (rc == 0)
            *vec_push(out) = entry;
    }
    os_names_done(&names);
    return rc;
}

static int posix_list(struct blob *blob, blob_entries *out, struct err *err) {
    for (unsigned i = 0; i < SHELVES; i++) {
        char shelf[3];
        OS_FD_AUTO int dirfd = OS_FD_NONE;
        (void)text_format(shelf, sizeof shelf, "%02x", i);
        if (os_dir_open(posix_of(blob)->packs, shelf, &dirfd, err) != 0 ||
            list_dir(dirfd, false, out, err) != 0)
            return ERR_NOTE(err, "packs/%s", shelf);
    }
    return 0;
}

static int posix_list_trash(struct blob *blob, blob_entries *out, struct err *err) {
    return list_dir(posix_of(blob)->trash, true, out, err);
}

static int posix_trash(struct blob *blob, const char *name, int64_t now_s, struct err *err) {
    char from[OS_NAME_MAX], to[OS_NAME_MAX];
    pack_path(from, name);
    trash_name(to, name, now_s);
    return os_rename(posix_of(blob)->packs, from, posix_of(blob)->trash, to, false, err);
}

static int posix_untrash(struct blob *blob, const struct blob_entry *entry, struct err *err) {
    char from[OS_NAME_MAX], to[OS_NAME_MAX], shelf[3];
    OS_FD_AUTO int dirfd = OS_FD_NONE;
    (void)text_format(shelf, sizeof shelf, "%.2s", entry->name);
    (void)text_format(to, sizeof to, "%s.pack", entry->name);
    trash_name(from, entry->name, entry->trashed_s);
    if (os_dir_open(posix_of(blob)->packs, shelf, &dirfd, err) != 0)
        return -1;
    return durable_move(posix_of(blob)->trash, from, dirfd, to, err);
}

static int posix_trash_remove(struct blob *blob, const struct blob_entry *entry, struct err *err) {
    char name[OS_NAME_MAX];
    trash_name(name, entry->name, entry->trashed_s);
    return os_unlink(posix_of(blob)->trash, name, err);
}

static int posix_trash_sync(struct blob *blob, struct err *err) {
    return os_fsync(posix_of(blob)->trash, err);
}

static const struct blob_ops posix_ops = {
    .close = posix_close,
    .clean = posix_clean,
    .temp_new = posix_temp_new,
    .temp_write = posix_temp_write,
    .temp_flush = posix_temp_flush,
    .temp_seal = posix_temp_seal,
    .temp_drop = posix_temp_drop,
    .open = posix_open,
    .object_close = posix_object_close,
    .read = posix_read,
    .uncache = posix_uncache,
    .look = posix_look,
    .list = posix_list,
    .list_trash = posix_list_trash,
    .trash = posix_trash,
    .untrash = posix_untrash,
    .trash_remove = posix_trash_remove,
    .trash_sync = posix_trash_sync,
};

static int make_folders(int dirfd, struct err *err) {
    static const char *const folders[] = {"packs", "tmp", "trash"};
    for (size_t i = 0; i < ARRAY_N(folders); i++)
        if (os_mkdir(dirfd, folders[i], MODE_DIR, true, err) != 0)
            return -1;
    OS_FD_AUTO int packs = OS_FD_NONE;
    if (os_dir_open(dirfd, "packs", &packs, err) != 0)
        return -1;
    for (unsigned i = 0; i < SHELVES; i++) {
        char shelf[3];
        (void)text_format(shelf, sizeof shelf, "%02x", i);
        if (os_mkdir(packs, shelf, MODE_DIR, true, err) != 0)
            return -1;
    }
    return os_fsync(packs, err) != 0 || os_fsync(dirfd, err) != 0 ? -1 : 0;
}

int blob_posix_open(int dirfd, bool make, struct blob **out, struct err *err) {
    if (make && make_folders(dirfd, err) != 0)
        return -1;
    struct posix *posix = mem_new(sizeof *posix);
    *posix = (struct posix){
        .blob = {.ops = &posix_ops}, .packs = OS_FD_NONE, .tmp = OS_FD_NONE, .trash = OS_FD_NONE};
    if (os_dir_open(dirfd, "packs", &posix->packs, err) != 0 ||
        os_dir_open(dirfd, "tmp", &posix->tmp, err) != 0 ||
        os_dir_open(dirfd, "trash", &posix->trash, err) != 0) {
        posix_close(&posix->blob);
        return -1;
    }
    *out = &posix->blob;
    return 0;
}
