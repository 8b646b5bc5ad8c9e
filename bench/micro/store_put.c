/* store_put [FOLDER] -- how fast a store takes and gives segments, without waiting for the disk to
 * flush, and how fast its index takes and finds rows.  Writes about 1.3 GB below FOLDER (/tmp). */
#include <stdio.h>
#include <stdlib.h>

#include "data/store/store_int.h"
#include "os/random.h"

#define SEGMENTS 8192u
#define SEGMENT (128u << 10)
#define ROWS (4u << 20)
#define PACK_ROWS 875u
#define LOOKUPS 400000u

static const struct chunker_params chunker = {.method = CHUNKER_GEAR_NC2};

static void need(int rc, const struct err *err) {
    if (rc == 0)
        return;
    (void)fprintf(stderr, "store_put: %s\n", err->text);
    exit(1);
}

/* Incompressible, and different for every i. */
static void fill(uint8_t *plain, uint64_t i) {
    be64_put(plain, i);
    be64_put(plain + SEGMENT / 2, ~i);
}

static double gb_s(uint64_t bytes, uint64_t ns) {
    return (double)bytes / (double)ns;
}

static void put_all(struct store *store, uint8_t *plain, struct digest *names) {
    struct store_session session = {.job = {1}, .source = {1}};
    struct store_writer *writer;
    struct err err;
    uint64_t put_ns = 0, name_ns = 0;
    need(store_writer_open(store, &session, &writer, &err), &err);
    uint64_t cpu = os_cpu_ns(), start = os_mono_ns();
    for (uint64_t i = 0; i < SEGMENTS; i++) {
        struct segment_chunk list[] = {{CHUNK_DATA, SEGMENT / 2}, {CHUNK_DATA, SEGMENT / 2}};
        struct segment segment = {.plain_bytes = SEGMENT, .chunk_n = 2, .chunks = list};
        uint64_t stored, t = os_cpu_ns();
        fill(plain, i);
        segment.payload = span_of(plain, SEGMENT);
        for (size_t k = 0; k < 2; k++)
            hash_typed(CHUNK_DATA, span_of(plain + k * SEGMENT / 2, SEGMENT / 2),
                       &names[i * 2 + k]);
        name_ns += os_cpu_ns() - t;
        t = os_mono_ns();
        need(store_put(writer, &segment, segment.payload, &names[i * 2], &stored, &err), &err);
        put_ns += os_mono_ns() - t;
    }
    uint64_t wall = os_mono_ns() - start;
    cpu = os_cpu_ns() - cpu - name_ns;
    need(store_writer_sync(writer, &err), &err);
    uint64_t all = os_mono_ns() - start;
    store_writer_close(writer);
    uint64_t bytes = (uint64_t)SEGMENTS * SEGMENT;
    printf("put: %.2f GB/s in store_put, %.2f GB/s by CPU of the process, %.2f GB/s until the last "
           "put, %.2f GB/s on disk\n",
           gb_s(bytes, put_ns), gb_s(bytes, cpu), gb_s(bytes, wall), gb_s(bytes, all));
}

static void read_all(struct store *store, const struct digest *names) {
    struct store_reader *reader = store_reader_new(store);
    struct span bytes;
    struct err err;
    uint64_t t = os_mono_ns();
    for (uint64_t i = 0; i < SEGMENTS * 2; i++)
        need(store_read(reader, CHUNK_DATA, &names[i], &bytes, &err), &err);
    printf("read in order: %.2f GB/s\n", gb_s((uint64_t)SEGMENTS * SEGMENT, os_mono_ns() - t));
    store_reader_free(reader);
}

static struct digest keyed_of(uint64_t i) {
    struct digest digest;
    uint8_t bytes[8];
    be64_put(bytes, i);
    hash_bytes(span_of(bytes, sizeof bytes), &digest);
    return digest;
}

static void per_second(const char *what, uint64_t n, uint64_t ns) {
    printf("%s: %.2f million a second, %.0f ns each\n", what, (double)n * 1e3 / (double)ns,
           (double)ns / (double)n);
}

static void index_fill(struct store *store) {
    uint64_t insert_ns = 0, flush_ns = 0;
    struct store_pack pack = {.bytes = 64u << 20, .state = STORE_PACK_SEALED, .indexed = true};
    struct err err;
    MEM_AUTO struct store_row *rows = mem_new_array(PACK_ROWS, sizeof *rows);
    for (uint64_t i = 0; i < ROWS;) {
        os_random(pack.id, sizeof pack.id);
        os_mutex_lock(&store->mutex);
        uint32_t ordinal = store_table_add(&store->table, &pack);
        os_mutex_unlock(&store->mutex);
        for (size_t k = 0; k < PACK_ROWS; k++) {
            struct digest name = keyed_of(i + k);
            rows[k] = (struct store_row){.pack = ordinal, .segment = 96, .length = 1};
            memcpy(rows[k].name, name.b, STORE_NAME_BYTES);
        }
        uint64_t t = os_mono_ns();
        os_mutex_lock(&store->mutex);
        for (size_t k = 0; k < PACK_ROWS; k++)
            store_memtable_put(&store->memtable, &rows[k]);
        os_mutex_unlock(&store->mutex);
        insert_ns += os_mono_ns() - t;
        i += PACK_ROWS;
        *vec_push(&store->fresh) = ordinal;
        t = os_mono_ns();
        if (store->memtable.n + PACK_ROWS > store->opts.memtable_entries) {
            os_mutex_lock(&store->insert);
            need(store_index_flush(store, &err), &err);
            os_mutex_unlock(&store->insert);
        }
        flush_ns += os_mono_ns() - t;
    }
    per_second("index insert", ROWS, insert_ns);
    per_second("index flush", ROWS, flush_ns);
}

static void index_find(struct store *store, const char *what, uint64_t first) {
    struct store_row row;
    struct err err;
    bool found;
    MEM_AUTO struct digest *names = mem_new_array(LOOKUPS, sizeof *names);
    for (uint64_t i = 0; i < LOOKUPS; i++)
        names[i] = keyed_of(first + i * 2654435761u % (ROWS - 1000));
    uint64_t t = os_mono_ns(), n = 0;
    for (uint64_t i = 0; i < LOOKUPS; i++) {
        need(store_index_find(store, &names[i], STORE_FIND_USE, &found, &row, &err), &err);
        n += found;
    }
    per_second(what, LOOKUPS, os_mono_ns() - t);
    printf("  %llu of %u found in %zu runs\n", (unsigned long long)n, LOOKUPS, store->view->run_n);
}

int main(int argc, char **argv) {
    const char *base = argc > 1 ? argv[1] : "/tmp";
    char dir[OS_PATH_MAX];
    struct secret *key = secret_new(32);
    struct store *store;
    struct store_stats stats;
    struct err err;
    (void)text_format(dir, sizeof dir, "%s/casemate-store-put-%llu", base,
                      (unsigned long long)os_mono_ns());
    need(store_create(dir, key, &chunker, &err), &err);
    need(store_open(dir, key, (struct store_opts){.pack_bytes = 0}, &store, &err), &err);
    uint8_t *plain = mem_new(SEGMENT);
    struct digest *names = mem_new_array(SEGMENTS * 2, sizeof *names);
    os_random(plain, SEGMENT);
    put_all(store, plain, names);
    read_all(store, names);
    index_fill(store);
    index_find(store, "look up, present", 0);
    index_find(store, "look up, absent", 1ull << 40);
    store_stats(store, &stats);
    printf("%llu chunks: %.2f MB of index memory, %s\n", (unsigned long long)stats.chunks,
           (double)stats.index_memory_bytes / 1e6, dir);
    store_close(store);
    secret_free(key);
    mem_free(names);
    mem_free(plain);
    return 0;
}
