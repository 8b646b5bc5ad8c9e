/* A disk that is really full: a small tmpfs, where the machine lets us mount one. */
#include <sched.h>
#include <sys/mount.h>

#include "store_fixture.h"

#define DISK "size=9m,mode=0700"

/* A mount that nobody else sees; false where that is not permitted. */
static bool disk_make(struct fixture *fixture) {
    (void)scratch_make(fixture->path);
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", fixture->path, "tmpfs", 0, DISK) == 0;
}

static void collect(struct fixture *fixture, uint64_t live_n) {
    struct store_collect_result result = {0};
    for (unsigned phase = 0; phase < 2; phase++) {
        struct store_mark *mark;
        OK(store_mark_begin(fixture->store, &mark, &err));
        for (uint64_t i = 0; i < live_n; i++) {
            struct digest name = name_of(i);
            OK(store_mark_live(mark, &name, &err));
        }
        OK(phase == 0 ? store_condemn(fixture->store, mark, &result, &err)
                      : store_sweep(fixture->store, mark, 0, &result, &err));
        store_mark_free(mark);
    }
    OK(store_empty_trash(fixture->store, 0, 0, &result, &err));
    assert_true(result.freed_packs > 0);
}

static void full_disk_is_told_and_deleting_makes_room(void **state) {
    (void)state;
    struct fixture fixture = {.key = fixture_key(1)};
    if (!disk_make(&fixture)) {
        secret_free(fixture.key);
        scratch_remove(fixture.path);
        skip();
    }
    fixture.opts = (struct store_opts){
        .pack_bytes = 512u << 10, .memtable_entries = 1u << 20, .reserve_bytes = 1};
    (void)text_format(fixture.dir, sizeof fixture.dir, "%s/store", fixture.path);
    OK(store_create(fixture.dir, fixture.key, &fixture_chunker, &err));
    fixture_open(&fixture);
    uint64_t sealed = 0, number = 0;
    struct err why = {0};
    while (why.code == ERR_NONE) {
        struct store_writer *writer = writer_open(&fixture, 1);
        for (unsigned i = 0; i < 100 && why.code == ERR_NONE; i++) {
            uint64_t numbers[8], stored;
            for (size_t k = 0; k < 8; k++)
                numbers[k] = number++;
            (void)put_numbers(writer, numbers, 8, &stored, &why);
        }
        if (why.code == ERR_NONE && store_writer_sync(writer, &why) == 0)
            sealed = number;
        store_writer_close(writer);
    }
    assert_int_equal(why.code, ERR_SPACE);
    assert_true(sealed > 1000);
    assert_int_equal(read_range(&fixture, 0, sealed), sealed);

    char path[OS_PATH_MAX]; /* not one block is left when the collection begins */
    struct err full = {0};
    OS_FD_AUTO int fd = OS_FD_NONE;
    uint8_t block[4096] = {1};
    (void)text_format(path, sizeof path, "%s/filler", fixture.path);
    OK(os_file_create(OS_FD_CWD, path, 0600, &fd, &err));
    for (uint64_t at = 0; os_write_at(fd, at, block, sizeof block, &full) == 0;)
        at += sizeof block;
    assert_int_equal(full.code, ERR_SPACE);
    collect(&fixture, 100);
    assert_int_equal(read_range(&fixture, 0, 100), 100);
    store_range(&fixture, 0, 500);
    fixture_reopen(&fixture);
    assert_int_equal(read_range(&fixture, 0, 500), 500);
    assert_int_equal(verify(&fixture, true).n, 0);
    store_close(fixture.store);
    secret_free(fixture.key);
    os_close(&fd);
    (void)umount(fixture.path);
    scratch_remove(fixture.path);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(full_disk_is_told_and_deleting_makes_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
