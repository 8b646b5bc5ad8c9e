#pragma once
/* The walk, for the files of the room.
 *
 * The plan is a list of steps in the order of the manifest:
 *
 *     READY a..c | LIST d | READY e..k | LIST m | STAT (rest of this directory) | READY n ..
 *
 * The consumer takes READY steps off its front.  A worker takes the first LIST or STAT that nobody
 * works on, and puts what comes out of it in its place; so what comes next is read first, and
 * nothing ever waits for a place in a queue.  When the front is not ready, the consumer works
 * itself; it sleeps only while every step is in somebody's hands.  Workers pause while
 * SCAN_AHEAD_ENTRIES entries are ready; the front is exempt, which is why this cannot deadlock.
 *
 * Locks: scan.mutex only.  Steps in somebody's hands (`busy`) belong to that thread. */
#include <stdatomic.h>

#include "base/vec.h"
#include "data/scan/scan.h"
#include "data/scan/scan_exclude.h"
#include "os/fs.h"
#include "os/os.h"

#define SCAN_BATCH_ENTRIES 256u
#define SCAN_OPEN_DIRS_MAX 256u /* kept open for the items of live entries */
#define SCAN_THREADS_MAX 16u
#define SCAN_BLOCK_BYTES 65536u

/* A name of a listed directory.  Sorting looks at `head` first. */
struct scan_name {
    uint64_t head; /* first eight bytes, big-endian */
    uint32_t text_off;
    uint16_t length;
    uint8_t kind; /* enum os_kind */
};

struct scan_listing {
    int fd;
    VEC(struct scan_name) names;
    struct buf text;
    struct scan_dir *dir;
    size_t left; /* names not looked at yet; the last one frees a shared listing */
};

struct scan_dir {
    struct scan *scan;
    uint64_t dev, ino;
    atomic_uint refs; /* batches and listings */
    atomic_int fd;    /* OS_FD_NONE until an item of it is opened */
    size_t path_n;
    char path[]; /* relative to the root */
};

/* Entries of one directory, one allocation; gone when the last entry is. */
struct scan_batch {
    struct scan_dir *dir;
    atomic_uint live;
    uint32_t n;
    struct scan_entry entries[]; /* then their paths */
};

enum scan_step_kind { STEP_READY, STEP_LIST, STEP_STAT };

struct scan_step {
    struct scan_step *prev, *next;           /* the plan */
    struct scan_step *todo_prev, *todo_next; /* LIST and STAT steps of it */
    enum scan_step_kind kind;
    bool busy;
    struct scan_batch *batch;     /* READY, and LIST: the directory's own entry is `from` */
    struct scan_listing *listing; /* STAT */
    uint32_t from, to;
};

/* What one thread needs to work. */
struct scan_hand {
    struct scan *scan;
    struct scan_listing listing; /* of a directory that fits one batch */
    struct buf path;
    uint8_t *block; /* SCAN_BLOCK_BYTES */
    struct os_thread thread;
};

/* First paths of hard-link groups. */
struct scan_link {
    uint64_t dev, ino;
    int64_t btime_ns;
    char *path;
};
struct scan_links {
    struct scan_link *slots; /* open addressing, a power of two */
    size_t n, cap;
};

struct scan {
    int root_fd;
    uint64_t root_dev;
    struct scan_opts opts; /* excludes not kept */
    struct scan_exclude *exclude;
    atomic_uint_least64_t found, found_bytes;
    atomic_uint open_n; /* directories kept open for items */
    /* the consumer's */
    struct scan_batch *batch;
    uint32_t at, to;
    struct scan_links links;
    struct scan_hand self;
    /* everybody's */
    struct os_mutex mutex;
    struct os_cond work;     /* a step became free, or room ahead */
    struct os_cond progress; /* a step was finished while the consumer slept */
    struct scan_step ends;   /* sentinel of both lists */
    size_t ahead;            /* entries ready and not taken */
    unsigned idle_n;
    bool consumer_sleeps, stop;
    unsigned hand_n;
    struct scan_hand *hands;
};

/* ---- scan_list.c: one directory, one batch ---- */
/* Names of the directory into hand->listing, sorted, rules applied; errno or 0. */
int scan_list_dir(struct scan_hand *hand, struct scan_dir *dir, int fd);
struct scan_batch *scan_stat_batch(struct scan *scan, const struct scan_listing *listing,
                                   uint32_t from, uint32_t to);
void scan_entry_fill(struct scan_entry *entry, const struct os_meta *from);
void scan_listing_done(struct scan_listing *listing); /* closes and frees what it holds */

struct scan_dir *scan_dir_new(struct scan *scan, struct span path, uint64_t dev, uint64_t ino);
void scan_dir_drop(struct scan_dir *dir); /* one reference */
struct scan_batch *scan_batch_new(struct scan_dir *dir, uint32_t n, size_t text_bytes);
void scan_batch_drop(struct scan_batch *batch, uint32_t n); /* n of its entries are done with */

/* ---- scan_step.c: the plan ---- */
void scan_work(void *hand);           /* thread: until the scan stops */
bool scan_advance(struct scan *scan); /* consumer: next READY range; false at the end */
/* The first steps: the root's own entry, and what was listed in scan.self. */
void scan_plan_start(struct scan *scan, struct scan_batch *root);
void scan_plan_done(struct scan *scan);
/* ---- scan_links.c ---- */
/* Turn the entry into a HARDLINK when its group was seen before. */
void scan_links_mark(struct scan_links *links, struct scan_entry *entry);
void scan_links_done(struct scan_links *links);
