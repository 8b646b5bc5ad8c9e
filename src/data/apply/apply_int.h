#pragma once
/* The restore engine, for the files of the room.
 *
 * Nothing is reached by path from the outside: parents are opened beneath the target's descriptor
 * without following links, names are single components below such a descriptor, and what was made
 * is changed through its own descriptor only.  Whoever exchanges a name meanwhile gets that name,
 * never a write elsewhere. */
#include <stdatomic.h>

#include "base/text.h"
#include "base/vec.h"
#include "data/apply/apply.h"
#include "os/fs.h"
#include "os/os.h"

#define APPLY_TEMP_NAME_MAX 48u
#define APPLY_COPIES_MAX 1000u /* unique names tried for one entry */

/* A folder beneath the target, open. */
struct apply_dir {
    int fd;
    unsigned refs; /* users; under apply.mutex */
    bool cached;   /* in apply.dirs: closed by the cache, else by the last user */
    bool default_acl;
    uint64_t dev, ino;
    uint32_t uid, gid;
    uint16_t mode;
    uint64_t hash, used; /* used: apply.tick of the last use */
    size_t path_n;
    char path[];
};

/* A folder whose metadata waits for apply_finish. */
struct apply_pending {
    uint64_t dev, ino;
    uint32_t uid, gid;
    int64_t mtime_ns;
    uint16_t mode;
    bool set_times_only; /* security: inherit */
    char *path;
    struct span xattrs; /* behind the path */
    size_t path_n;
};

/* A restored entry with more than one name. */
struct apply_link {
    uint64_t hash, dev, ino;
    char *path; /* in the point */
    char *name; /* last component as restored */
    size_t path_n;
};

struct apply_links {
    struct apply_link *slots; /* open addressing, a power of two */
    size_t n, cap;
};

struct apply {
    struct apply_opts opts;
    int root_fd;
    bool root_is_fresh; /* made by us, or empty: the point's root describes it */
    uint8_t session[8];
    char stamp[TEXT_SIZE_MAX]; /* "2026-11-21 12.30.05", for copies */
    atomic_uint temp_n;
    atomic_uint_least64_t done, skipped, refused, failed, reduced, bytes;
    struct os_mutex mutex;
    struct apply_dir *dirs[APPLY_OPEN_DIRS_MAX];
    uint64_t tick;
    struct apply_links links;
    VEC(struct apply_pending) pending; /* in pre-order; apply_entry's thread only */

    struct os_thread flusher;
    struct os_cond flush_due;
    uint64_t flushed_at; /* apply.bytes when the flusher began last; under the mutex */
    bool flush_asked, flush_stop;
    int flush_sys; /* errno of the first sync that failed */
};

/* ---- apply_path.c ---- */
struct apply_place {
    struct span parent;
    char name[OS_NAME_MAX + 1]; /* "" for the target itself */
};
/* Split a path from outside; ERR_ENTRY_REFUSED: absolute, "..", empty or overlong components. */
[[nodiscard]] int apply_place_of(struct span path, struct apply_place *place, struct err *why);
/* A path for messages. */
struct apply_shown {
    char text[200];
};
const char *apply_show(struct apply_shown *to, struct span path);
uint64_t apply_hash(struct span path);
/* REFUSED or FAILED with the reason behind `sys`. */
[[nodiscard]] enum apply_result apply_trouble(struct err *why, struct span path, int sys,
                                              const char *doing);
enum apply_result apply_count(struct apply *apply, enum apply_result result);

/* ---- apply_flush.c: the disk is busy while the rest is restored, instead of at the end ---- */
[[nodiscard]] int apply_flush_start(struct apply *apply, struct err *err);
/* `bytes` of files are complete by now. */
void apply_flush_note(struct apply *apply, uint64_t bytes);
void apply_flush_stop(struct apply *apply); /* again is fine */

/* ---- apply_dir.c ---- */
/* The folder at `path`, open; missing ones on the way are made.  Give it back with apply_dir_put.
 * 0 or errno. */
int apply_dir_get(struct apply *apply, struct span path, struct apply_dir **out);
void apply_dir_put(struct apply *apply, struct apply_dir *dir);
void apply_dirs_close(struct apply *apply);
[[nodiscard]] enum apply_result apply_dir_entry(struct apply *apply, const struct entry *entry,
                                                const struct apply_place *place, struct err *why);
/* Remove what interrupted restores left in the open directory; *left = entries that stay. */
int apply_clean(struct apply *apply, int fd, size_t *left);

/* ---- apply_meta.c ---- */
enum apply_lost {
    LOST_OWNER = 1,
    LOST_SET_ID = 2,
    LOST_CAPABILITY = 4,
    LOST_ACL = 8,
    LOST_XATTR = 16,
    LOST_MODE = 32,
    LOST_TIME = 64
};
/* Owner, attributes, mode, time of what was made in `dir`, through fd; returns enum apply_lost
 * bits. */
unsigned apply_meta(const struct apply *apply, int fd, const struct os_meta *now,
                    const struct entry *entry, const struct apply_dir *dir);
/* The same for a folder at the end. */
unsigned apply_meta_dir(const struct apply *apply, int fd, const struct os_meta *now,
                        const struct apply_pending *pending);
/* Tell the caller of the room what was lost, if anything. */
void apply_tell_lost(struct apply *apply, struct span path, unsigned lost);

/* ---- apply_name.c ---- */
void apply_temp_name(struct apply *apply, char to[static APPLY_TEMP_NAME_MAX]);
bool apply_is_temp_of_others(const struct apply *apply, const char *name);
/* From the temp name to the final one by policy; the temp name is gone afterwards in any case.
 * `as` receives the final name. */
[[nodiscard]] enum apply_result apply_rename(struct apply *apply, const struct apply_dir *dir,
                                             const char *temp, const char *name, struct span path,
                                             char as[static OS_NAME_MAX + 1], struct err *why);
/* SKIPPED or REFUSED already known before anything is written; else DONE. */
[[nodiscard]] enum apply_result apply_may_begin(const struct apply *apply,
                                                const struct apply_dir *dir, const char *name,
                                                struct span path, struct err *why);

/* ---- apply_link.c ---- */
void apply_links_add(struct apply *apply, struct span path, const char *as,
                     const struct os_meta *made);
void apply_links_done(struct apply_links *links);
[[nodiscard]] enum apply_result apply_link_entry(struct apply *apply, const struct entry *entry,
                                                 const struct apply_place *place, struct err *why);
