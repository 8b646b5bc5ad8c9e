#pragma once
/* A catalog in a folder of its own, and commits to fill it with. */
#include "unit.h"

#include "base/base.h"
#include "base/text.h"
#include "data/catalog/catalog.h"
#include "os/os.h"
#include "scratch.h"

struct fixture {
    char dir[SCRATCH_PATH_MAX];
    struct catalog *catalog;
    struct err err;
};

static inline void fixture_open(struct fixture *f) {
    if (catalog_open(f->dir, &f->catalog, &f->err) != 0)
        fail_msg("%s", f->err.text);
}

static inline void fixture_reopen(struct fixture *f) {
    catalog_close(f->catalog);
    f->catalog = NULL;
    fixture_open(f);
}

static inline int fixture_setup(void **state) {
    struct fixture *f = mem_new(sizeof *f);
    (void)scratch_make(f->dir);
    fixture_open(f);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state) {
    struct fixture *f = *state;
    catalog_close(f->catalog);
    scratch_remove(f->dir);
    mem_free(f);
    return 0;
}

/* Says what went wrong. */
#define OK(f, call)                                                                                \
    do {                                                                                           \
        (f)->err = (struct err){0};                                                                \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, (f)->err.text);                                              \
    } while (0)
#define FAILS(f, wanted, call)                                                                     \
    do {                                                                                           \
        (f)->err = (struct err){0};                                                                \
        assert_int_equal((call), -1);                                                              \
        if ((f)->err.code != (wanted))                                                             \
            fail_msg("%s: %s, not %s", #call, (f)->err.text, #wanted);                             \
    } while (0)

/* Commit `sequence` of source number `source` on host-`source`:/data, made by its own job. */
static inline struct commit fixture_commit(uint8_t source, uint64_t sequence) {
    struct commit commit = {.sequence = sequence, .state = COMMIT_COMPLETE};
    memset(commit.source, source, sizeof commit.source);
    memset(commit.store, 7, sizeof commit.store);
    commit.job[0] = source;
    be64_put(commit.job + 8, sequence);
    commit.manifest.b[0] = source;
    commit.entries = 10 * sequence;
    commit.files = 8 * sequence;
    commit.dirs = 2 * sequence;
    commit.bytes = 1000 * sequence;
    commit.read_bytes = 500;
    commit.sent_bytes = 200;
    commit.stored_bytes = 150;
    commit.started_s = 1'000'000 + (int64_t)sequence * 100;
    commit.finished_s = commit.started_s + 50;
    (void)text_format(commit.computer, sizeof commit.computer, "host-%u", (unsigned)source);
    (void)text_copy(commit.root_path, sizeof commit.root_path, "/data");
    return commit;
}

static inline struct digest fixture_hash(const struct commit *commit) {
    SCOPED(buf) file = {0};
    struct digest hash;
    commit_put(&file, commit);
    commit_hash(buf_span(&file), &hash);
    return hash;
}

static inline struct digest fixture_add(struct fixture *f, uint8_t source, uint64_t sequence) {
    struct commit commit = fixture_commit(source, sequence);
    struct digest hash = fixture_hash(&commit);
    OK(f, catalog_point_add(f->catalog, &commit, &hash, 0, &f->err));
    return hash;
}

static inline uint64_t fixture_count(struct fixture *f, struct catalog_point_filter filter) {
    uint64_t n = 0;
    OK(f, catalog_point_count(f->catalog, &filter, &n, &f->err));
    return n;
}
