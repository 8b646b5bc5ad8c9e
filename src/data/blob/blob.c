/* The one way to a driver: arguments are checked here, once for all drivers. */
#include "data/blob/blob_int.h"

bool blob_name_valid(const char *name) {
    size_t n = 0;
    while ((name[n] >= '0' && name[n] <= '9') || (name[n] >= 'a' && name[n] <= 'f'))
        n++;
    return n == BLOB_NAME_DIGITS && name[n] == 0;
}

void blob_close(struct blob *blob) {
    if (blob != NULL)
        blob->ops->close(blob);
}

int blob_clean(struct blob *blob, struct err *err) {
    return blob->ops->clean(blob, err);
}

int blob_temp_new(struct blob *blob, const char *name, struct blob_temp **out, struct err *err) {
    INVARIANT(blob_name_valid(name));
    return blob->ops->temp_new(blob, name, out, err);
}

int blob_temp_write(struct blob_temp *temp, uint64_t offset, struct span bytes, struct err *err) {
    return temp->blob->ops->temp_write(temp, offset, bytes, err);
}

void blob_temp_flush(struct blob_temp *temp, uint64_t offset, uint64_t n) {
    temp->blob->ops->temp_flush(temp, offset, n);
}

int blob_temp_seal(struct blob_temp **temp, const char *point_before, const char *point_after,
                   struct err *err) {
    struct blob_temp *taken = TAKE(*temp);
    return taken->blob->ops->temp_seal(taken, point_before, point_after, err);
}

void blob_temp_drop(struct blob_temp **temp) {
    struct blob_temp *taken = TAKE(*temp);
    if (taken != NULL)
        taken->blob->ops->temp_drop(taken);
}

int blob_open(struct blob *blob, const char *name, struct blob_object **out, struct err *err) {
    INVARIANT(blob_name_valid(name));
    return blob->ops->open(blob, name, out, err);
}

void blob_object_close(struct blob_object *object) {
    if (object != NULL)
        object->blob->ops->object_close(object);
}

uint64_t blob_object_bytes(const struct blob_object *object) {
    return object->bytes;
}

int blob_read(struct blob_object *object, uint64_t offset, void *to, size_t n, struct err *err) {
    return object->blob->ops->read(object, offset, to, n, err);
}

void blob_object_uncache(struct blob_object *object) {
    object->blob->ops->uncache(object);
}

int blob_look(struct blob *blob, const char *name, bool *exists, uint64_t *bytes, struct err *err) {
    INVARIANT(blob_name_valid(name));
    return blob->ops->look(blob, name, exists, bytes, err);
}

int blob_list(struct blob *blob, blob_entries *out, struct err *err) {
    return blob->ops->list(blob, out, err);
}

int blob_list_trash(struct blob *blob, blob_entries *out, struct err *err) {
    return blob->ops->list_trash(blob, out, err);
}

int blob_trash(struct blob *blob, const char *name, int64_t now_s, struct err *err) {
    INVARIANT(blob_name_valid(name) && now_s >= 0);
    return blob->ops->trash(blob, name, now_s, err);
}

int blob_untrash(struct blob *blob, const struct blob_entry *entry, struct err *err) {
    INVARIANT(blob_name_valid(entry->name));
    return blob->ops->untrash(blob, entry, err);
}

int blob_trash_remove(struct blob *blob, const struct blob_entry *entry, struct err *err) {
    INVARIANT(blob_name_valid(entry->name));
    return blob->ops->trash_remove(blob, entry, err);
}

int blob_trash_sync(struct blob *blob, struct err *err) {
    return blob->ops->trash_sync(blob, err);
}
