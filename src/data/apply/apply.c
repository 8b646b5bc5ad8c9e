#include "data/apply/apply.h"

#include <errno.h>

#include "base/base.h"
#include "base/text.h"
#include "data/apply/apply_int.h"
#include "os/random.h"

#define MODE_TARGET 0755u

/* ---- the target ---- */

/* The folders missing at the end of the path, one below the other. */
static int make_below(int parent, const char *rest, int *fd) {
    OS_FD_AUTO int at = OS_FD_NONE;
    int from = parent;
    while (*rest != 0) {
        size_t n = strcspn(rest, "/");
        char name[OS_NAME_MAX + 1];
        if (n > OS_NAME_MAX)
            return ENAMETOOLONG;
        memcpy(name, rest, n);
        name[n] = 0;
        rest += n + strspn(rest + n, "/");
        int sys = os_fs_make_dir(from, name, MODE_TARGET);
        int next = OS_FD_NONE;
        if (sys == 0 || sys == EEXIST)
            sys = os_fs_open_dir(from, name, 0, &next);
        if (sys != 0)
            return sys;
        os_close(&at);
        from = at = next;
    }
    *fd = at;
    at = OS_FD_NONE;
    return 0;
}

/* Cut `path` before its last component, and say where that begins. */
static char *cut_last(char *path, size_t *n) {
    while (*n > 0 && path[*n - 1] != '/')
        --*n;
    char *last = path + *n;
    while (*n > 1 && path[*n - 1] == '/')
        --*n;
    return last;
}

/* The nearest folder above that exists, and from there down. */
static int make_target(const char *target, int *fd) {
    char path[OS_PATH_MAX], parent[OS_PATH_MAX];
    if (!text_copy(path, sizeof path, target))
        return ENAMETOOLONG;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        path[--n] = 0;
    for (;;) {
        const char *rest = cut_last(path, &n);
        memcpy(parent, path, n);
        parent[n] = 0;
        OS_FD_AUTO int at = OS_FD_NONE;
        int sys = os_fs_open_root(parent, &at);
        if (sys == 0)
            return make_below(at, rest, fd);
        if (sys != ENOENT || n <= 1)
            return sys;
    }
}

static int open_target(struct apply *apply, const char *target, struct err *err) {
    bool made = false;
    int sys = os_fs_open_root(target, &apply->root_fd);
    if (sys == ENOENT && *target != 0) {
        sys = make_target(target, &apply->root_fd);
        made = true;
    }
    if (sys == ELOOP)
        return ERR(err, ERR_TARGET,
                   "%s is a symbolic link, or lies behind one: name the real folder", target);
    if (sys == ENOTDIR)
        return ERR(err, ERR_TARGET, "%s is not a folder", target);
    if (sys != 0)
        return ERR_SYS(err, os_error_code(sys) == ERR_PERMISSION ? ERR_PERMISSION : ERR_TARGET, sys,
                       "cannot restore into %s", target);
    if (os_fs_is_pseudo(apply->root_fd))
        return ERR(err, ERR_TARGET, "%s is not a place for files", target);
    (void)os_fs_lock_shared(apply->root_fd); /* a file system without locks: nothing is cleaned */
    size_t left;
    sys = apply_clean(apply, apply->root_fd, &left);
    if (sys != 0)
        return ERR_SYS(err, os_error_code(sys), sys, "cannot list %s", target);
    apply->root_is_fresh = made || left == 0;
    return 0;
}

/* "2026-11-21 12.30.05": sorts, and is a file name everywhere. */
static void stamp(char to[static TEXT_SIZE_MAX]) {
    (void)text_time(to, os_wall_s());
    for (char *p = to; *p != 0; p++) {
        if (*p == 'T')
            *p = ' ';
        if (*p == ':')
            *p = '.';
    }
    to[strcspn(to, "Z")] = 0;
}

int apply_open(const char *target, struct apply_opts opts, struct apply **out, struct err *err) {
    AUTO(apply) *apply = mem_new(sizeof *apply);
    apply->opts = opts;
    apply->root_fd = OS_FD_NONE;
    os_mutex_init(&apply->mutex);
    os_cond_init(&apply->flush_due);
    os_random(apply->session, sizeof apply->session);
    stamp(apply->stamp);
    if (open_target(apply, target, err) != 0 || apply_flush_start(apply, err) != 0)
        return -1;
    *out = TAKE(apply);
    return 0;
}

void apply_close(struct apply *apply) {
    if (apply == NULL)
        return;
    apply_flush_stop(apply);
    apply_dirs_close(apply);
    for (size_t i = 0; i < apply->pending.n; i++)
        mem_free(apply->pending.p[i].path);
    vec_done(&apply->pending);
    apply_links_done(&apply->links);
    os_close(&apply->root_fd);
    os_cond_done(&apply->flush_due);
    os_mutex_done(&apply->mutex);
    mem_free(apply);
}

/* ---- the end ---- */

static void finish_dir(struct apply *apply, const struct apply_pending *pending) {
    struct span path = span_of(pending->path, pending->path_n);
    OS_FD_AUTO int fd = OS_FD_NONE;
    struct os_meta now;
    int sys = os_fs_open_dir(apply->root_fd, pending->path, OS_FS_ONE_MOUNT, &fd);
    if (sys == 0)
        sys = os_fs_meta(fd, "", &now);
    if (sys == 0 && (now.dev != pending->dev || now.ino != pending->ino))
        sys = ESTALE;
    if (sys == 0) {
        apply_tell_lost(apply, path, apply_meta_dir(apply, fd, &now, pending));
        return;
    }
    (void)atomic_fetch_sub(&apply->done, 1);
    struct err what = {0};
    (void)apply_count(apply, apply_trouble(&what, path, sys, "open folder"));
    if (apply->opts.note != NULL)
        apply->opts.note(apply->opts.note_ctx, path, &what);
}

int apply_finish(struct apply *apply, struct apply_totals *totals, struct err *err) {
    apply_dirs_close(apply);
    for (size_t i = apply->pending.n; i-- > 0;) { /* what lies deeper comes later */
        finish_dir(apply, &apply->pending.p[i]);
        mem_free(apply->pending.p[i].path);
    }
    apply->pending.n = 0;
    *totals = (struct apply_totals){
        .done = atomic_load(&apply->done),
        .skipped = atomic_load(&apply->skipped),
        .refused = atomic_load(&apply->refused),
        .failed = atomic_load(&apply->failed),
        .reduced = atomic_load(&apply->reduced),
        .bytes = atomic_load(&apply->bytes),
    };
    apply_flush_stop(apply);
    int sys = os_fs_sync(apply->root_fd);
    if (apply->flush_sys != 0)
        sys = apply->flush_sys;
    return sys != 0 ? ERR_SYS(err, os_error_code(sys), sys, "cannot sync the target") : 0;
}
