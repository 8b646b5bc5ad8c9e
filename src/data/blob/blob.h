#pragma once
/* data/blob -- objects that are written once and then only read, given up or removed.
 * Owns: where objects lie (packs/, tmp/, trash/ of a folder), the order that makes them durable.
 * Knows nothing of: what objects hold, keys, the index.
 * Threads: struct blob by many; a temp or an object by many, except seal, drop and close.
 * Lifetime: temps and objects before their blob.
 * Limits: BLOB_NAME_DIGITS.
 *
 * A driver is a table of functions; the POSIX one is here, an object store is another. */
#include "base/base.h"

#define BLOB_NAME_DIGITS 32 /* every object is named by that many lower-case hex digits */

struct blob;
struct blob_temp;   /* an object being written: gone unless sealed */
struct blob_object; /* open for reading; stays readable while it is trashed or removed */

/* The folders below `dirfd` (which stays the caller's).  `make`: create them, durable. */
[[nodiscard]] int blob_posix_open(int dirfd, bool make, struct blob **out, struct err *err);
void blob_close(struct blob *blob);
static inline void blob_auto(struct blob **p) {
    blob_close(*p);
}

/* ---- write ---- */
[[nodiscard]] int blob_temp_new(struct blob *blob, const char *name, struct blob_temp **out,
                                struct err *err);
/* Any offset, any thread.  ERR_SPACE, ERR_IO: drop the temp. */
[[nodiscard]] int blob_temp_write(struct blob_temp *temp, uint64_t offset, struct span bytes,
                                  struct err *err);
/* A hint that the range is complete: start bringing it to the disk. */
void blob_temp_flush(struct blob_temp *temp, uint64_t offset, uint64_t n);
/* Durable under its name, or not there (ERR_EXISTS: the name was used before).  *temp is gone in
 * every case.  `point_*` are the commit points before and after the name appears. */
[[nodiscard]] int blob_temp_seal(struct blob_temp **temp, const char *point_before,
                                 const char *point_after, struct err *err);
void blob_temp_drop(struct blob_temp **temp);
/* Remove what a crash left unsealed.  Before the first blob_temp_new. */
[[nodiscard]] int blob_clean(struct blob *blob, struct err *err);

/* ---- read ---- */
/* ERR_NOT_FOUND. */
[[nodiscard]] int blob_open(struct blob *blob, const char *name, struct blob_object **out,
                            struct err *err);
void blob_object_close(struct blob_object *object);
uint64_t blob_object_bytes(const struct blob_object *object); /* when it was opened */
/* Exactly n bytes; an object that ends before is ERR_FORMAT. */
[[nodiscard]] int blob_read(struct blob_object *object, uint64_t offset, void *to, size_t n,
                            struct err *err);
/* The next reads shall come from the disk and not from a cache; a hint. */
void blob_object_uncache(struct blob_object *object);
/* Length of an object; absence is a value.  Any doubt is an error. */
[[nodiscard]] int blob_look(struct blob *blob, const char *name, bool *exists, uint64_t *bytes,
                            struct err *err);

struct blob_entry {
    char name[BLOB_NAME_DIGITS + 1];
    uint64_t bytes;
    int64_t trashed_s; /* in the trash: since when */
};
typedef VEC(struct blob_entry) blob_entries;
/* All sealed objects, or all in the trash; other files are passed over. */
[[nodiscard]] int blob_list(struct blob *blob, blob_entries *out, struct err *err);
[[nodiscard]] int blob_list_trash(struct blob *blob, blob_entries *out, struct err *err);

/* ---- delete ---- */
/* Out of sight, still there.  Durable after blob_trash_sync. */
[[nodiscard]] int blob_trash(struct blob *blob, const char *name, int64_t now_s, struct err *err);
/* Back among the objects, durable. */
[[nodiscard]] int blob_untrash(struct blob *blob, const struct blob_entry *entry, struct err *err);
/* For good; durable after blob_trash_sync. */
[[nodiscard]] int blob_trash_remove(struct blob *blob, const struct blob_entry *entry,
                                    struct err *err);
[[nodiscard]] int blob_trash_sync(struct blob *blob, struct err *err);
