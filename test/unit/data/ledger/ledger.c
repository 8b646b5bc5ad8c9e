/* Covers src/data/ledger/ledger.c */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "must.h"

#include "base/text.h"
#include "data/ledger/ledger.h"
#include "died.h"
#include "os/os.h"
#include "scratch.h"

struct fixture {
    char path[SCRATCH_PATH_MAX];
    int fd;
    struct ledger *ledger;
    struct digest last[3]; /* by source */
};

static void fixture_open(struct fixture *f) {
    OK(os_dir_open(OS_FD_CWD, f->path, &f->fd, &err));
    OK(ledger_open(f->fd, &f->ledger, &err));
}

static void fixture_reopen(struct fixture *f) {
    ledger_close(TAKE(f->ledger));
    os_close(&f->fd);
    fixture_open(f);
}

static int setup(void **state) {
    struct fixture *f = mem_new(sizeof *f);
    (void)scratch_make(f->path);
    fixture_open(f);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    ledger_close(f->ledger);
    os_close(&f->fd);
    scratch_remove(f->path);
    mem_free(f);
    return 0;
}

static struct commit commit_of(uint8_t source, uint64_t sequence, const struct digest *previous) {
    struct commit commit = {.sequence = sequence,
                            .state = COMMIT_COMPLETE,
                            .entries = 1,
                            .dirs = 1,
                            .computer = "agent.example",
                            .root_path = "/srv",
                            .started_s = 1795000000,
                            .finished_s = 1795000100};
    memset(commit.source, source, sizeof commit.source);
    memset(commit.manifest.b, (int)sequence, sizeof commit.manifest.b);
    if (previous != NULL)
        commit.previous = *previous;
    return commit;
}

static const uint8_t *id_of(uint8_t source) {
    static uint8_t id[16];
    memset(id, source, sizeof id);
    return id;
}

static void append(struct fixture *f, uint8_t source, uint64_t sequence) {
    struct commit commit = commit_of(source, sequence, &f->last[source]);
    OK(ledger_append(f->ledger, &commit, &f->last[source], &err));
}

static uint64_t newest(struct fixture *f, uint8_t source) {
    uint64_t sequence = 99;
    struct buf file = {0};
    OK(ledger_newest(f->ledger, id_of(source), &sequence, &file, &err));
    assert_int_equal(sequence == 0, file.n == 0);
    if (sequence > 0) {
        struct commit commit;
        OK(commit_get(buf_span(&file), &commit, &err));
        assert_int_equal(commit.sequence, sequence);
        assert_memory_equal(commit.source, id_of(source), 16);
    }
    buf_done(&file);
    return sequence;
}

static enum ledger_state state_of(struct fixture *f, uint8_t source, uint64_t sequence) {
    enum ledger_state state = 0;
    struct buf file = {0};
    OK(ledger_read(f->ledger, id_of(source), sequence, &state, &file, &err));
    buf_done(&file);
    return state;
}

static void file_path(const struct fixture *f, char to[static 512], uint8_t source,
                      const char *name) {
    char hex[33];
    text_hex(hex, id_of(source), 16);
    (void)text_format(to, 512, "%s/commits/%s/%s", f->path, hex, name);
}

static void an_appended_commit_is_the_newest_and_reads_back(void **state) {
    struct fixture *f = *state;
    struct buf file = {0};
    struct digest hash;
    enum ledger_state where;
    assert_int_equal(newest(f, 1), 0);
    append(f, 1, 1);
    append(f, 1, 2);
    assert_int_equal(newest(f, 1), 2);
    OK(ledger_read(f->ledger, id_of(1), 2, &where, &file, &err));
    commit_hash(buf_span(&file), &hash);
    assert_true(digest_equal(&hash, &f->last[1]));
    assert_int_equal(where, LEDGER_LIVE);
    buf_done(&file);
}

static void sources_have_chains_of_their_own(void **state) {
    struct fixture *f = *state;
    append(f, 1, 1);
    append(f, 2, 1);
    append(f, 1, 2);
    assert_int_equal(newest(f, 1), 2);
    assert_int_equal(newest(f, 2), 1);
}

static void a_commit_that_does_not_follow_is_refused(void **state) {
    struct fixture *f = *state;
    struct digest hash;
    append(f, 1, 1);
    append(f, 1, 2);
    struct commit gap = commit_of(1, 4, &f->last[1]);
    struct commit again = commit_of(1, 2, &f->last[1]);
    struct commit stranger = commit_of(1, 3, &(struct digest){{7}});
    struct commit orphan = commit_of(1, 3, NULL);
    FAILS(ERR_CHAIN, ledger_append(f->ledger, &gap, &hash, &err));
    FAILS(ERR_CHAIN, ledger_append(f->ledger, &again, &hash, &err));
    FAILS(ERR_CHAIN, ledger_append(f->ledger, &stranger, &hash, &err));
    FAILS(ERR_CHAIN, ledger_append(f->ledger, &orphan, &hash, &err));
    assert_int_equal(newest(f, 1), 2);
    append(f, 1, 3);
}

static void the_first_commit_of_a_source_is_number_one_without_predecessor(void **state) {
    struct fixture *f = *state;
    struct digest hash;
    struct commit second = commit_of(1, 2, NULL);
    struct commit follower = commit_of(1, 1, &(struct digest){{7}});
    FAILS(ERR_CHAIN, ledger_append(f->ledger, &second, &hash, &err));
    FAILS(ERR_CHAIN, ledger_append(f->ledger, &follower, &hash, &err));
    assert_int_equal(newest(f, 1), 0);
}

static void a_point_goes_by_stages_and_comes_back_from_the_first(void **state) {
    struct fixture *f = *state;
    append(f, 1, 1);
    OK(ledger_move(f->ledger, id_of(1), 1, LEDGER_LIVE, LEDGER_DELETED, &err));
    assert_int_equal(state_of(f, 1, 1), LEDGER_DELETED);
    OK(ledger_move(f->ledger, id_of(1), 1, LEDGER_DELETED, LEDGER_LIVE, &err));
    assert_int_equal(state_of(f, 1, 1), LEDGER_LIVE);
    OK(ledger_move(f->ledger, id_of(1), 1, LEDGER_LIVE, LEDGER_DELETED, &err));
    OK(ledger_move(f->ledger, id_of(1), 1, LEDGER_DELETED, LEDGER_PURGED, &err));
    assert_int_equal(state_of(f, 1, 1), LEDGER_PURGED);
    FAILS(ERR_NOT_FOUND, ledger_move(f->ledger, id_of(1), 1, LEDGER_LIVE, LEDGER_DELETED, &err));
}

static void a_point_that_went_is_still_followed(void **state) {
    struct fixture *f = *state;
    append(f, 1, 1);
    append(f, 1, 2);
    OK(ledger_move(f->ledger, id_of(1), 2, LEDGER_LIVE, LEDGER_DELETED, &err));
    OK(ledger_move(f->ledger, id_of(1), 2, LEDGER_DELETED, LEDGER_PURGED, &err));
    assert_int_equal(newest(f, 1), 2);
    append(f, 1, 3);
    assert_int_equal(newest(f, 1), 3);
}

static void what_does_not_exist_is_not_found(void **state) {
    struct fixture *f = *state;
    struct buf file = {0};
    enum ledger_state where;
    FAILS(ERR_NOT_FOUND, ledger_read(f->ledger, id_of(1), 1, &where, &file, &err));
    FAILS(ERR_NOT_FOUND, ledger_move(f->ledger, id_of(1), 1, LEDGER_LIVE, LEDGER_DELETED, &err));
    append(f, 1, 1);
    FAILS(ERR_NOT_FOUND, ledger_read(f->ledger, id_of(1), 2, &where, &file, &err));
    FAILS(ERR_NOT_FOUND, ledger_move(f->ledger, id_of(1), 2, LEDGER_LIVE, LEDGER_DELETED, &err));
    buf_done(&file);
}

static void another_ledger_over_the_same_folder_goes_on(void **state) {
    struct fixture *f = *state;
    append(f, 1, 1);
    append(f, 1, 2);
    fixture_reopen(f);
    assert_int_equal(newest(f, 1), 2);
    append(f, 1, 3);
    assert_int_equal(newest(f, 1), 3);
}

/* ---- walk ---- */

struct walked {
    size_t n, damaged;
    char names[16][80];
    struct digest hashes[16];
    size_t stop_at; /* 0 = never */
};

static int note(void *ctx, const char *name, const struct commit *commit, const struct digest *hash,
                enum ledger_state state, struct err *err) {
    struct walked *walked = ctx;
    assert_in_range(state, LEDGER_LIVE, LEDGER_PURGED);
    (void)text_copy(walked->names[walked->n], sizeof walked->names[0], name);
    walked->hashes[walked->n] = *hash;
    walked->damaged += commit == NULL;
    walked->n++;
    return walked->n == walked->stop_at ? ERR(err, ERR_INTERRUPTED, "enough") : 0;
}

static void a_walk_comes_by_source_and_sequence(void **state) {
    struct fixture *f = *state;
    struct walked walked = {0};
    append(f, 2, 1);
    for (uint64_t s = 1; s <= 11; s++)
        append(f, 1, s);
    OK(ledger_move(f->ledger, id_of(1), 3, LEDGER_LIVE, LEDGER_DELETED, &err));
    OK(ledger_walk(f->ledger, note, &walked, &err));
    assert_int_equal(walked.n, 12);
    assert_int_equal(walked.damaged, 0);
    for (size_t i = 1; i < walked.n; i++)
        assert_true(strcmp(walked.names[i - 1], walked.names[i]) < 0);
    assert_true(text_ends(walked.names[2], "/0000000000000003.del"));
    assert_true(digest_equal(&walked.hashes[10], &f->last[1]));
    assert_true(digest_equal(&walked.hashes[11], &f->last[2]));
}

static void a_walk_ends_where_its_callback_says(void **state) {
    struct fixture *f = *state;
    struct walked walked = {.stop_at = 2};
    for (uint64_t s = 1; s <= 4; s++)
        append(f, 1, s);
    FAILS(ERR_INTERRUPTED, ledger_walk(f->ledger, note, &walked, &err));
    assert_int_equal(walked.n, 2);
}

static void put_file(const char *path, const char *mode, const char *bytes) {
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    (void)fputs(bytes, file);
    assert_int_equal(fclose(file), 0);
}

static void a_damaged_file_is_told_by_name_and_the_walk_goes_on(void **state) {
    struct fixture *f = *state;
    struct walked walked = {0};
    char path[512];
    for (uint64_t s = 1; s <= 3; s++)
        append(f, 1, s);
    file_path(f, path, 1, "0000000000000002.cmt");
    assert_int_equal(chmod(path, 0600), 0);
    put_file(path, "wb", "torn");
    OK(ledger_walk(f->ledger, note, &walked, &err));
    assert_int_equal(walked.n, 3);
    assert_int_equal(walked.damaged, 1);
}

static void a_commit_under_another_number_is_damage(void **state) {
    struct fixture *f = *state;
    struct walked walked = {0};
    char from[512], to[512];
    append(f, 1, 1);
    file_path(f, from, 1, "0000000000000001.cmt");
    file_path(f, to, 1, "0000000000000009.cmt");
    assert_int_equal(rename(from, to), 0);
    OK(ledger_walk(f->ledger, note, &walked, &err));
    assert_int_equal(walked.damaged, 1);
}

/* What an append that was cut short, or an administrator, may leave. */
static void what_is_no_commit_is_passed_over(void **state) {
    static const char *const names[] = {".tmp-0123456789abcdef", "0000000000000007.tmp",
                                        "000000000000000G.cmt", "0000000000000007.cmt~",
                                        "00000000000007.cmt"};
    struct fixture *f = *state;
    struct walked walked = {0};
    char path[512];
    append(f, 1, 1);
    for (size_t i = 0; i < ARRAY_N(names); i++) {
        file_path(f, path, 1, names[i]);
        put_file(path, "wb", "left over");
    }
    (void)text_format(path, sizeof path, "%s/commits/lost+found", f->path);
    assert_int_equal(mkdir(path, 0700), 0);
    OK(ledger_walk(f->ledger, note, &walked, &err));
    assert_int_equal(walked.n, 1);
    assert_int_equal(walked.damaged, 0);
    assert_int_equal(newest(f, 1), 1);
    append(f, 1, 2);
}

/* ---- faults ---- */

#define EXIT_SETUP 99

/* In a child: open the ledger at `path` and append commit 2 of source 1. */
static int child_append(const char *path) {
    struct err err;
    int fd;
    uint64_t sequence;
    struct ledger *ledger;
    struct buf file = {0};
    struct digest hash;
    if (os_dir_open(OS_FD_CWD, path, &fd, &err) != 0 || ledger_open(fd, &ledger, &err) != 0 ||
        ledger_newest(ledger, id_of(1), &sequence, &file, &err) != 0 || sequence != 1)
        return EXIT_SETUP;
    commit_hash(buf_span(&file), &hash);
    struct commit commit = commit_of(1, 2, &hash);
    int rc = ledger_append(ledger, &commit, &hash, &err);
    ledger_close(ledger);
    os_close(&fd);
    buf_done(&file);
    return rc == 0 ? 0 : 1;
}

static void need_faults(void) {
#ifndef CASEMATE_FAULTS
    skip();
#endif
}

static void a_death_before_the_commit_leaves_no_point(void **state) {
    struct fixture *f = *state;
    need_faults();
    append(f, 1, 1);
    assert_true(WIFSIGNALED(died_exec("append", f->path, "I5:1:kill")));
    fixture_reopen(f);
    assert_int_equal(newest(f, 1), 1);
    append(f, 1, 2);
}

static void a_death_behind_the_commit_leaves_the_point(void **state) {
    struct fixture *f = *state;
    need_faults();
    append(f, 1, 1);
    assert_true(WIFSIGNALED(died_exec("append", f->path, "I6:1:kill")));
    fixture_reopen(f);
    assert_int_equal(newest(f, 1), 2);
}

static void a_disk_that_refuses_leaves_the_ledger_as_it_was(void **state) {
    static const char *const faults[] = {"write:1:enospc", "fsync:2:eio", "rename:1:eio"};
    struct fixture *f = *state;
    need_faults();
    append(f, 1, 1);
    for (size_t i = 0; i < ARRAY_N(faults); i++) {
        int status = died_exec("append", f->path, faults[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 1);
        struct walked walked = {0};
        OK(ledger_walk(f->ledger, note, &walked, &err));
        assert_int_equal(walked.n, 1);
    }
    append(f, 1, 2);
}

int main(int argc, char **argv) {
    if (argc == 3)
        return child_append(argv[2]);
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(an_appended_commit_is_the_newest_and_reads_back),
        TEST(sources_have_chains_of_their_own),
        TEST(a_commit_that_does_not_follow_is_refused),
        TEST(the_first_commit_of_a_source_is_number_one_without_predecessor),
        TEST(a_point_goes_by_stages_and_comes_back_from_the_first),
        TEST(a_point_that_went_is_still_followed),
        TEST(what_does_not_exist_is_not_found),
        TEST(another_ledger_over_the_same_folder_goes_on),
        TEST(a_walk_comes_by_source_and_sequence),
        TEST(a_walk_ends_where_its_callback_says),
        TEST(a_damaged_file_is_told_by_name_and_the_walk_goes_on),
        TEST(a_commit_under_another_number_is_damage),
        TEST(what_is_no_commit_is_passed_over),
        TEST(a_death_before_the_commit_leaves_no_point),
        TEST(a_death_behind_the_commit_leaves_the_point),
        TEST(a_disk_that_refuses_leaves_the_ledger_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
