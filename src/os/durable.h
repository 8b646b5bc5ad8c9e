#pragma once
/* os/durable -- the one place that knows the order write, fsync, rename, fsync directory.
 *
 * After an error nothing exists under the final name, except that an error of the last step (fsync
 * of the directory) leaves it undecided: the caller reports failure and start-up recovery decides.
 */
#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

/* Make a fully written temp file durable under its final name: fsync(fd), close, rename without
 * replacing, fsync(to_dirfd).  *fd is closed in every case; on failure the temp file is unlinked.
 * `point_*` name the commit points reached before rename and after the directory fsync (may be
 * NULL). */
[[nodiscard]] int durable_seal(int *fd, int tmp_dirfd, const char *tmp, int to_dirfd,
                               const char *name, const char *point_before, const char *point_after,
                               struct err *err);

/* Write `bytes` as a new file with the same order; a path with folders is relative to dirfd.
 * replace = false: an existing one is ERR_EXISTS. */
[[nodiscard]] int durable_write(int dirfd, const char *path, struct span bytes, unsigned mode,
                                bool replace, struct err *err);

/* Rename and fsync both directories. */
[[nodiscard]] int durable_move(int from_dirfd, const char *from, int to_dirfd, const char *to,
                               struct err *err);

/* Unlink and fsync the directory. */
[[nodiscard]] int durable_remove(int dirfd, const char *name, struct err *err);
