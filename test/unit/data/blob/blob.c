/* Covers src/data/blob/blob.c, src/data/blob/blob_posix.c: what every driver must do. */
#include <sys/stat.h>

#include "base/text.h"
#include "data/blob/blob.h"
#include "os/os.h"
#include "scratch.h"
#include "unit.h"

#define NAME_A "00112233445566778899aabbccddeeff"
#define NAME_B "ff112233445566778899aabbccddeeff"

struct place {
    char path[SCRATCH_PATH_MAX];
    int dirfd;
    struct blob *blob;
};

static int setup(void **state) {
    struct place *place = mem_new(sizeof *place);
    struct err err;

    assert_int_equal(os_dir_open(OS_FD_CWD, scratch_make(place->path), &place->dirfd, &err), 0);
    assert_int_equal(blob_posix_open(place->dirfd, true, &place->blob, &err), 0);
    *state = place;
    return 0;
}

static int teardown(void **state) {
    struct place *place = *state;
    blob_close(place->blob);
    os_close(&place->dirfd);
    scratch_remove(place->path);
    mem_free(place);
    return 0;
}

static void put(struct place *place, const char *name, const char *text) {
    struct blob_temp *temp;
    struct err err;
    assert_int_equal(blob_temp_new(place->blob, name, &temp, &err), 0);
    assert_int_equal(blob_temp_write(temp, 0, span_text(text), &err), 0);
    assert_int_equal(blob_temp_seal(&temp, "I1", "I2", &err), 0);
    assert_null(temp);
}

static size_t listed(struct place *place, bool trash) {
    blob_entries entries = {0};
    struct err err;
    assert_int_equal(trash ? blob_list_trash(place->blob, &entries, &err)
                           : blob_list(place->blob, &entries, &err),
                     0);
    size_t n = entries.n;
    vec_done(&entries);
    return n;
}

static void object_is_read_back_by_offset(void **state) {
    struct place *place = *state;
    struct blob_temp *temp;
    struct blob_object *object;
    struct err err = {0};
    char bytes[8] = "";
    assert_int_equal(blob_temp_new(place->blob, NAME_A, &temp, &err), 0);
    assert_int_equal(blob_temp_write(temp, 4, span_text("efgh"), &err), 0);
    assert_int_equal(blob_temp_write(temp, 0, span_text("abcd"), &err), 0);
    blob_temp_flush(temp, 0, 8);
    assert_int_equal(blob_temp_seal(&temp, NULL, NULL, &err), 0);
    assert_int_equal(blob_open(place->blob, NAME_A, &object, &err), 0);
    assert_int_equal(blob_object_bytes(object), 8);
    blob_object_uncache(object);
    assert_int_equal(blob_read(object, 2, bytes, 4, &err), 0);
    assert_memory_equal(bytes, "cdef", 4);
    assert_int_equal(blob_read(object, 6, bytes, 3, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    blob_object_close(object);
}

static void unsealed_object_is_nowhere(void **state) {
    struct place *place = *state;
    struct blob_temp *temp;
    struct blob_object *object;
    struct err err = {0};
    bool exists = true;
    uint64_t bytes;
    assert_int_equal(blob_temp_new(place->blob, NAME_A, &temp, &err), 0);
    assert_int_equal(blob_look(place->blob, NAME_A, &exists, &bytes, &err), 0);
    assert_false(exists);
    assert_int_equal(blob_open(place->blob, NAME_A, &object, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(listed(place, false), 0);
    blob_temp_drop(&temp);
    assert_null(temp);
}

static void name_is_never_used_twice(void **state) {
    struct place *place = *state;
    struct blob_temp *temp;
    struct err err = {0};
    put(place, NAME_A, "first");
    assert_int_equal(blob_temp_new(place->blob, NAME_A, &temp, &err), 0);
    assert_int_equal(blob_temp_seal(&temp, NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_null(temp);
    bool exists;
    uint64_t bytes;
    assert_int_equal(blob_look(place->blob, NAME_A, &exists, &bytes, &err), 0);
    assert_int_equal(bytes, 5);
}

static void sealed_object_is_write_protected(void **state) {
    struct place *place = *state;
    struct stat st;
    char path[OS_PATH_MAX];
    put(place, NAME_A, "x");
    (void)text_format(path, sizeof path, "%s/packs/00/" NAME_A ".pack", place->path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
}

static void clean_removes_what_a_crash_left(void **state) {
    struct place *place = *state;
    struct blob_temp *temp;
    struct err err;
    os_names names = {0};
    char path[OS_PATH_MAX];
    OS_FD_AUTO int tmp = OS_FD_NONE;
    put(place, NAME_A, "kept");
    assert_int_equal(blob_temp_new(place->blob, NAME_B, &temp, &err), 0);
    (void)text_format(path, sizeof path, "%s/tmp", place->path);
    assert_int_equal(os_dir_open(OS_FD_CWD, path, &tmp, &err), 0);
    assert_int_equal(blob_clean(place->blob, &err), 0);
    assert_int_equal(os_list(tmp, &names, &err), 0);
    assert_int_equal(names.n, 0);
    assert_int_equal(listed(place, false), 1);
    os_names_done(&names);
    blob_temp_drop(&temp);
}

static void open_object_outlives_its_name(void **state) {
    struct place *place = *state;
    struct blob_object *object;
    struct err err;
    char bytes[4];
    blob_entries trash = {0};
    put(place, NAME_A, "abcd");
    put(place, NAME_B, "efgh");
    assert_int_equal(blob_open(place->blob, NAME_A, &object, &err), 0);
    assert_int_equal(blob_trash(place->blob, NAME_A, 1234, &err), 0);
    assert_int_equal(listed(place, false), 1);
    assert_int_equal(blob_list_trash(place->blob, &trash, &err), 0);
    assert_int_equal(trash.n, 1);
    assert_string_equal(trash.p[0].name, NAME_A);
    assert_int_equal(trash.p[0].trashed_s, 1234);
    assert_int_equal(trash.p[0].bytes, 4);
    assert_int_equal(blob_trash_remove(place->blob, &trash.p[0], &err), 0);
    assert_int_equal(blob_trash_sync(place->blob, &err), 0);
    assert_int_equal(blob_read(object, 0, bytes, 4, &err), 0);
    assert_memory_equal(bytes, "abcd", 4);
    blob_object_close(object);
    vec_done(&trash);
}

static void trashed_object_comes_back(void **state) {
    struct place *place = *state;
    struct err err;
    blob_entries trash = {0};
    put(place, NAME_B, "abcd");
    assert_int_equal(blob_trash(place->blob, NAME_B, 7, &err), 0);
    assert_int_equal(blob_list_trash(place->blob, &trash, &err), 0);
    assert_int_equal(blob_untrash(place->blob, &trash.p[0], &err), 0);
    assert_int_equal(listed(place, true), 0);
    assert_int_equal(listed(place, false), 1);
    vec_done(&trash);
}

static void foreign_files_are_passed_over(void **state) {
    struct place *place = *state;
    struct err err;
    static const char *const names[] = {
        "packs/00/notes.txt",        "packs/00/" NAME_A,
        "packs/00/" NAME_A "x.pack", "packs/00/0011223344556677889_AABBCCDDEEFF.pack",
        "trash/" NAME_A ".pack",     "trash/" NAME_A "-.pack",
        "trash/" NAME_A "-12a.pack", "trash/" NAME_A "-99999999999999999999.pack"};
    for (size_t i = 0; i < ARRAY_N(names); i++) {
        OS_FD_AUTO int fd = OS_FD_NONE;
        assert_int_equal(os_file_create(place->dirfd, names[i], 0600, &fd, &err), 0);
    }
    assert_int_equal(listed(place, false), 0);
    assert_int_equal(listed(place, true), 0);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(object_is_read_back_by_offset),   CASE(unsealed_object_is_nowhere),
        CASE(name_is_never_used_twice),        CASE(sealed_object_is_write_protected),
        CASE(clean_removes_what_a_crash_left), CASE(open_object_outlives_its_name),
        CASE(trashed_object_comes_back),       CASE(foreign_files_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
