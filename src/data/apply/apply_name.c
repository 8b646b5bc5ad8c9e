#include <errno.h>

#include "base/base.h"
#include "base/text.h"
#include "data/apply/apply_int.h"

#define PREFIX_N (sizeof APPLY_TEMP_PREFIX - 1)
#define SESSION_DIGITS 16u

static_assert(PREFIX_N + SESSION_DIGITS + 8 + 1 <= APPLY_TEMP_NAME_MAX);

void apply_temp_name(struct apply *apply, char to[static APPLY_TEMP_NAME_MAX]) {
    uint8_t number[4];
    be32_put(number, atomic_fetch_add_explicit(&apply->temp_n, 1, memory_order_relaxed));
    memcpy(to, APPLY_TEMP_PREFIX, PREFIX_N);
    text_hex(to + PREFIX_N, apply->session, sizeof apply->session);
    text_hex(to + PREFIX_N + SESSION_DIGITS, number, sizeof number);
}

bool apply_is_temp_of_others(const struct apply *apply, const char *name) {
    char session[SESSION_DIGITS + 1];
    text_hex(session, apply->session, sizeof apply->session);
    return text_starts(name, APPLY_TEMP_PREFIX) && !text_starts(name + PREFIX_N, session);
}

enum apply_result apply_may_begin(const struct apply *apply, const struct apply_dir *dir,
                                  const char *name, struct span path, struct err *why) {
    struct os_meta meta;
    if (apply->opts.existing != APPLY_SKIP || os_fs_meta(dir->fd, name, &meta) != 0)
        return APPLY_DONE;
    if (meta.kind == OS_KIND_DIR)
        return apply_trouble(why, path, EISDIR, "restore");
    return APPLY_SKIPPED;
}

/* "name (restored 2026-11-21 12.30.05)", then "... 2)"; a long name loses its end. */
static void copy_name(const struct apply *apply, const char *name, unsigned i,
                      char to[static OS_NAME_MAX + 1]) {
    char suffix[64], number[16] = "";
    if (i > 1)
        (void)text_format(number, sizeof number, " %u", i);
    (void)text_format(suffix, sizeof suffix, " (restored %s%s)", apply->stamp, number);
    size_t keep = MIN(strlen(name), OS_NAME_MAX - strlen(suffix));
    memcpy(to, name, keep);
    (void)text_copy(to + keep, OS_NAME_MAX + 1 - keep, suffix);
}

static int rename_by_policy(const struct apply *apply, const struct apply_dir *dir,
                            const char *temp, const char *name, char as[static OS_NAME_MAX + 1]) {
    bool replace = apply->opts.existing == APPLY_OVERWRITE;
    (void)text_copy(as, OS_NAME_MAX + 1, name);
    int sys = os_fs_rename(dir->fd, temp, name, replace);
    if (sys != EEXIST)
        return sys;
    struct os_meta meta;
    if (os_fs_meta(dir->fd, name, &meta) == 0 && meta.kind == OS_KIND_DIR)
        return EISDIR;
    for (unsigned i = 1;
         sys == EEXIST && i <= APPLY_COPIES_MAX && apply->opts.existing == APPLY_COPY; i++) {
        copy_name(apply, name, i, as);
        sys = os_fs_rename(dir->fd, temp, as, false);
    }
    return sys;
}

enum apply_result apply_rename(struct apply *apply, const struct apply_dir *dir, const char *temp,
                               const char *name, struct span path, char as[static OS_NAME_MAX + 1],
                               struct err *why) {
    int sys = rename_by_policy(apply, dir, temp, name, as);
    if (sys == 0)
        return APPLY_DONE;
    (void)os_fs_unlink(dir->fd, temp);
    if (sys == EEXIST && apply->opts.existing == APPLY_SKIP)
        return APPLY_SKIPPED;
    return apply_trouble(why, path, sys, "name");
}
