#pragma once
/* A store in a folder of its own, and chunks to put into it. */
#include <unistd.h>

#include "base/text.h"
#include "data/seal/seal.h"
#include "data/store/store.h"
#include "os/os.h"
#include "scratch.h"
#include "seed.h"
#include "unit.h"

struct fixture {
    char path[SCRATCH_PATH_MAX];
    char dir[SCRATCH_PATH_MAX + 16];
    struct secret *key;
    struct store_opts opts;
    struct store *store;
};

static const struct chunker_params fixture_chunker = {.method = CHUNKER_GEAR_NC2,
                                                      .min_bytes = 16384,
                                                      .avg_bytes = 65536,
                                                      .max_bytes = 262144,
                                                      .fixed_bytes = 16384,
                                                      .seed = 7};

/* Succeeds, or shows why not. */
#define OK(call)                                                                                   \
    do {                                                                                           \
        struct err err = {0};                                                                      \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s (%s)", #call, err.text, err_info(err.code)->symbol);                  \
    } while (0)

/* Fails with that code. */
#define FAILS(want, call)                                                                          \
    do {                                                                                           \
        struct err err = {0};                                                                      \
        assert_int_equal((call), -1);                                                              \
        if (err.code != (want))                                                                    \
            fail_msg("%s: %s (%s)", #call, err.text, err_info(err.code)->symbol);                  \
    } while (0)

static inline struct secret *fixture_key(uint8_t first) {
    uint8_t key[32] = {first};
    return secret_of(span_of(key, sizeof key));
}

static inline void fixture_open(struct fixture *fixture) {
    OK(store_open(fixture->dir, fixture->key, fixture->opts, &fixture->store, &err));
}

static inline void fixture_reopen(struct fixture *fixture) {
    store_close(TAKE(fixture->store));
    fixture_open(fixture);
}

/* For tests that flush many hundred times and lose nothing by memory that is no disk. */
static inline void fixture_in_memory(void) {
    if (access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 0);
}

/* Small packs, a small memtable, no reserve to speak of. */
static inline int fixture_setup(void **state) {
    struct fixture *fixture = mem_new(sizeof *fixture);
    fixture->opts = (struct store_opts){
        .pack_bytes = 32u << 10, .memtable_entries = 64, .reserve_bytes = 1u << 20};
    fixture->key = fixture_key(1);
    (void)scratch_make(fixture->path);
    (void)text_format(fixture->dir, sizeof fixture->dir, "%s/store", fixture->path);
    OK(store_create(fixture->dir, fixture->key, &fixture_chunker, &err));
    fixture_open(fixture);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state) {
    struct fixture *fixture = *state;
    store_close(fixture->store);
    secret_free(fixture->key);
    scratch_remove(fixture->path);
    mem_free(fixture);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* ---- chunks: number n has content that depends on n alone ---- */

struct content {
    uint8_t bytes[2048];
    size_t n;
    struct digest name;
};

static inline void content_of(struct content *content, uint64_t number) {
    struct seed seed = {.state = number};
    content->n = 1 + seed_below(&seed, sizeof content->bytes);
    seed_fill(&seed, content->bytes, content->n / 2);
    memset(content->bytes + content->n / 2, (int)(number % 251), content->n - content->n / 2);
    hash_typed(CHUNK_DATA, span_of(content->bytes, content->n), &content->name);
}

static inline struct digest name_of(uint64_t number) {
    struct content content;
    content_of(&content, number);
    return content.name;
}

/* One segment with the chunks `numbers`. */
static inline int put_numbers(struct store_writer *writer, const uint64_t *numbers, size_t n,
                              uint64_t *stored, struct err *err) {
    struct segment_chunk *list = mem_new_array(n, sizeof *list);
    struct digest *names = mem_new_array(n, sizeof *names);
    struct buf plain = {0}, payload = {0};
    struct sealer *sealer = sealer_new(1);
    for (size_t i = 0; i < n; i++) {
        struct content content;
        content_of(&content, numbers[i]);
        list[i] = (struct segment_chunk){.type = CHUNK_DATA, .length = (uint32_t)content.n};
        names[i] = content.name;
        buf_put(&plain, content.bytes, content.n);
    }
    struct segment segment = {
        .plain_bytes = (uint32_t)plain.n, .chunk_n = (uint32_t)n, .chunks = list};
    segment.codec = sealer_pack(sealer, buf_span(&plain), &payload);
    segment.payload = buf_span(&payload);
    int rc = store_put(writer, &segment, buf_span(&plain), names, stored, err);
    sealer_free(sealer);
    buf_done(&plain);
    buf_done(&payload);
    mem_free(list);
    mem_free(names);
    return rc;
}

static inline void put_range(struct store_writer *writer, uint64_t from, uint64_t to) {
    for (uint64_t i = from; i < to;) {
        uint64_t numbers[8], stored;
        size_t n = 0;
        while (n < ARRAY_N(numbers) && i < to)
            numbers[n++] = i++;
        OK(put_numbers(writer, numbers, n, &stored, &err));
    }
}

static inline struct store_writer *writer_open(struct fixture *fixture, uint8_t source) {
    struct store_session session = {.job = {source, 1}, .source = {source}};
    struct store_writer *writer = NULL;
    OK(store_writer_open(fixture->store, &session, &writer, &err));
    return writer;
}

/* Chunks [from, to), sealed. */
static inline void store_range(struct fixture *fixture, uint64_t from, uint64_t to) {
    struct store_writer *writer = writer_open(fixture, 1);
    put_range(writer, from, to);
    OK(store_writer_sync(writer, &err));
    store_writer_close(writer);
}

static inline bool has_number(struct fixture *fixture, uint64_t number) {
    struct digest name = name_of(number);
    bool has = false;
    OK(store_has(fixture->store, &name, &has, &err));
    return has;
}

/* 0, or the error; wrong bytes fail the test. */
static inline int read_number(struct store_reader *reader, uint64_t number) {
    struct content content;
    struct span bytes;
    struct err err = {0};
    content_of(&content, number);
    if (store_read(reader, CHUNK_DATA, &content.name, &bytes, &err) != 0)
        return (int)err.code;
    assert_int_equal(bytes.n, content.n);
    assert_memory_equal(bytes.p, content.bytes, content.n);
    return 0;
}

/* How many of [from, to) can be read; the others must be missing or damaged. */
static inline uint64_t read_range(struct fixture *fixture, uint64_t from, uint64_t to) {
    struct store_reader *reader = store_reader_new(fixture->store);
    uint64_t good = 0;
    for (uint64_t i = from; i < to; i++) {
        int code = read_number(reader, i);
        if (code != 0 && code != ERR_CHUNK_MISSING && code != ERR_CHUNK_DAMAGED)
            fail_msg("chunk %llu: %s", (unsigned long long)i,
                     err_info((enum err_code)code)->symbol);
        good += code == 0;
    }
    store_reader_free(reader);
    return good;
}

/* Paths of the packs, in order. */
static inline void packs_list(struct fixture *fixture, os_names *out) {
    for (unsigned i = 0; i < 256; i++) {
        char shelf[OS_PATH_MAX];
        os_names names = {0};
        OS_FD_AUTO int fd = OS_FD_NONE;
        (void)text_format(shelf, sizeof shelf, "%s/packs/%02x", fixture->dir, i);
        OK(os_dir_open(OS_FD_CWD, shelf, &fd, &err));
        OK(os_list(fd, &names, &err));
        for (size_t k = 0; k < names.n; k++) {
            char path[OS_PATH_MAX];
            (void)text_format(path, sizeof path, "%s/%s", shelf, names.p[k]);
            *vec_push(out) = mem_text(path);
        }
        os_names_done(&names);
    }
}

/* A writable byte of a file. */
static inline void file_flip(const char *path, uint64_t offset, uint8_t mask) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    uint8_t byte;
    OK(os_file_open_write(OS_FD_CWD, path, &fd, &err));
    OK(os_read_exact_at(fd, offset, &byte, 1, &err));
    byte ^= mask;
    OK(os_write_at(fd, offset, &byte, 1, &err));
}

static inline uint64_t file_bytes(const char *path) {
    uint64_t size = 0;
    OK(os_size_of(OS_FD_CWD, path, &size, &err));
    return size;
}

struct verified {
    uint64_t n, chunks;
    char what[32]; /* of the last */
};

static inline void verified_one(void *ctx, const struct store_damage *damage) {
    struct verified *verified = ctx;
    verified->n++;
    (void)text_copy(verified->what, sizeof verified->what, damage->what);
}

static inline struct verified verify(struct fixture *fixture, bool read_data) {
    struct verified verified = {.n = 0};
    OK(store_verify(fixture->store,
                    (struct store_verify_opts){
                        .read_data = read_data, .damage = verified_one, .ctx = &verified},
                    &verified.chunks, &err));
    return verified;
}
