#pragma once
/* What a driver is to blob.c: structs that begin with these, and a table of functions. */
#include "data/blob/blob.h"

struct blob_ops {
    void (*close)(struct blob *blob);
    int (*clean)(struct blob *blob, struct err *err);
    int (*temp_new)(struct blob *blob, const char *name, struct blob_temp **out, struct err *err);
    int (*temp_write)(struct blob_temp *temp, uint64_t offset, struct span bytes, struct err *err);
    void (*temp_flush)(struct blob_temp *temp, uint64_t offset, uint64_t n);
    int (*temp_seal)(struct blob_temp *temp, const char *point_before, const char *point_after,
                     struct err *err);
    void (*temp_drop)(struct blob_temp *temp);
    int (*open)(struct blob *blob, const char *name, struct blob_object **out, struct err *err);
    void (*object_close)(struct blob_object *object);
    int (*read)(struct blob_object *object, uint64_t offset, void *to, size_t n, struct err *err);
    void (*uncache)(struct blob_object *object);
    int (*look)(struct blob *blob, const char *name, bool *exists, uint64_t *bytes,
                struct err *err);
    int (*list)(struct blob *blob, blob_entries *out, struct err *err);
    int (*list_trash)(struct blob *blob, blob_entries *out, struct err *err);
    int (*trash)(struct blob *blob, const char *name, int64_t now_s, struct err *err);
    int (*untrash)(struct blob *blob, const struct blob_entry *entry, struct err *err);
    int (*trash_remove)(struct blob *blob, const struct blob_entry *entry, struct err *err);
    int (*trash_sync)(struct blob *blob, struct err *err);
};

struct blob {
    const struct blob_ops *ops;
};
struct blob_temp {
    struct blob *blob;
    char name[BLOB_NAME_DIGITS + 1];
};
struct blob_object {
    struct blob *blob;
    uint64_t bytes;
};

/* Exactly BLOB_NAME_DIGITS lower-case hex digits. */
bool blob_name_valid(const char *name);
