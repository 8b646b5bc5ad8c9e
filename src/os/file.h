#pragma once
/* os/file -- descriptors, by directory descriptor and name.  Every error names the object.
 *
 * Errors of all: ERR_IO, ERR_NOT_FOUND, ERR_EXISTS, ERR_SPACE, ERR_PERMISSION (from errno by
 * os_error_code). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "base/vec.h"

#define OS_PATH_MAX 4096
#define OS_NAME_MAX 255
#define OS_FD_NONE (-1)
#define OS_FD_CWD (-100) /* names are relative to the working directory, or absolute */

/* The error code that tells `sys` (an errno) best. */
enum err_code os_error_code(int sys);
/* An errno in words. */
const char *os_error_text(int sys);

void os_close(int *fd); /* OS_FD_NONE is fine; leaves OS_FD_NONE */
void os_fd_done(int *fd);
#define OS_FD_AUTO __attribute__((cleanup(os_fd_done)))

[[nodiscard]] int os_dir_open(int dirfd, const char *path, int *fd, struct err *err);
[[nodiscard]] int os_file_open_read(int dirfd, const char *name, int *fd, struct err *err);
[[nodiscard]] int os_file_open_write(int dirfd, const char *name, int *fd,
                                     struct err *err); /* must exist */
/* New file, mode `mode`, read-write; fails when it exists. */
[[nodiscard]] int os_file_create(int dirfd, const char *name, unsigned mode, int *fd,
                                 struct err *err);
/* Up to n bytes at offset; fewer only at the end of the file. */
[[nodiscard]] int os_read_at(int fd, uint64_t offset, void *to, size_t n, size_t *got,
                             struct err *err);
/* Exactly n bytes; a shorter file is ERR_FORMAT. */
[[nodiscard]] int os_read_exact_at(int fd, uint64_t offset, void *to, size_t n, struct err *err);
[[nodiscard]] int os_write_at(int fd, uint64_t offset, const void *from, size_t n, struct err *err);
[[nodiscard]] int os_file_size(int fd, uint64_t *size, struct err *err);
/* Reserve disk blocks for [0, size) without changing the length; a file system that cannot is no
 * error. */
[[nodiscard]] int os_file_reserve(int fd, uint64_t size, struct err *err);
[[nodiscard]] int os_file_truncate(int fd, uint64_t size, struct err *err);
/* Start writing dirty pages of the range; a hint. */
void os_file_flush_hint(int fd, uint64_t offset, uint64_t n);
/* The cached pages of the whole file are not needed again; a hint. */
void os_file_drop_cache(int fd);
/* Once per descriptor and never again after an error: the caller throws the file away then. */
[[nodiscard]] int os_fsync(int fd, struct err *err);
[[nodiscard]] int os_rename(int from_dirfd, const char *from, int to_dirfd, const char *to,
                            bool replace, struct err *err);
[[nodiscard]] int os_unlink(int dirfd, const char *name,
                            struct err *err); /* absent is ERR_NOT_FOUND */
[[nodiscard]] int os_mkdir(int dirfd, const char *name, unsigned mode, bool may_exist,
                           struct err *err);
/* Every missing directory of the path, durable: each new entry's parent is fsynced. */
[[nodiscard]] int os_mkdirs(const char *path, unsigned mode, struct err *err);
[[nodiscard]] int os_exists(int dirfd, const char *name, bool *exists, struct err *err);
/* Size of the named regular file. */
[[nodiscard]] int os_size_of(int dirfd, const char *name, uint64_t *size, struct err *err);

/* Names in a directory except . and .., in byte order; strings are the caller's (os_names_done). */
typedef VEC(char *) os_names;
[[nodiscard]] int os_list(int dirfd, os_names *names, struct err *err);
void os_names_done(os_names *names);

/* The whole file into buf (appended); longer than max is ERR_LIMIT. */
[[nodiscard]] int os_load(int dirfd, const char *name, size_t max, struct buf *buf,
                          struct err *err);
/* Exclusive, not waiting: held by another process is ERR_LOCKED.  Freed with the descriptor. */
[[nodiscard]] int os_lock(int fd, struct err *err);
struct os_space {
    uint64_t total_bytes;
    uint64_t free_bytes; /* for an unprivileged user */
};
[[nodiscard]] int os_space_of(int fd, struct os_space *space, struct err *err);
