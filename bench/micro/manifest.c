/* manifest [ENTRIES] -- what the manifest codec costs per entry: build, walk, page decode, seek,
 * diff; and the bytes.  The tree is synthetic: 24 small files to a folder, four levels deep. */
#include <stdio.h>

#include "base/text.h"
#include "base/vec.h"
#include "format/manifest/manifest.h"
#include "os/os.h"

#define ENTRIES 300000u
#define PASSES 7
#define FILES_IN_FOLDER 24u

/* ---- pages, in the order of their making; found by a table ---- */
struct stored {
    struct digest name;
    struct buf bytes;
};
#define SLOTS 65536u
struct pages {
    VEC(struct stored) all;
    uint32_t slots[SLOTS];
    uint64_t bytes;
};

static uint32_t *slot_of(struct pages *pages, const struct digest *name) {
    uint32_t slot = be32_get(name->b) % SLOTS;
    while (pages->slots[slot] != 0 &&
           !digest_equal(&pages->all.p[pages->slots[slot] - 1].name, name))
        slot = (slot + 1) % SLOTS;
    return &pages->slots[slot];
}

static int emit(void *ctx, enum chunk_type, const struct digest *name, struct span bytes,
                struct err *) {
    struct pages *pages = ctx;
    uint32_t *slot = slot_of(pages, name);
    if (*slot != 0)
        return 0;
    struct stored *stored = vec_push(&pages->all);
    *stored = (struct stored){.name = *name};
    buf_put_span(&stored->bytes, bytes);
    pages->bytes += bytes.n;
    *slot = (uint32_t)pages->all.n;
    return 0;
}

static int load(void *ctx, enum chunk_type, const struct digest *name, struct span *bytes,
                struct err *err) {
    struct pages *pages = ctx;
    uint32_t i = *slot_of(pages, name);
    if (i == 0)
        return ERR(err, ERR_NOT_FOUND, "page");
    *bytes = buf_span(&pages->all.p[i - 1].bytes);
    return 0;
}

static void pages_clear(struct pages *pages) {
    for (size_t i = 0; i < pages->all.n; i++)
        buf_done(&pages->all.p[i].bytes);
    pages->all.n = 0;
    pages->bytes = 0;
    memset(pages->slots, 0, sizeof pages->slots);
}

/* ---- entries ---- */
struct list {
    VEC(struct entry) entries;
    VEC(struct chunk_ref) refs;
};

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void fill(struct entry *entry, struct chunk_ref *ref, uint64_t *state, size_t i) {
    static const uint8_t label[] = "\x10security.selinux\x1bsystem_u:object_r:usr_t:s0\0";
    uint64_t r = splitmix(state);
    *entry = (struct entry){.path = entry->path, .kind = entry->kind};
    entry->mode = entry->kind == ENTRY_DIR ? 0755 : 0644;
    entry->uid = entry->gid = 1000;
    entry->dev = 2049;
    entry->ino = 1000000 + i;
    entry->nlink = entry->kind == ENTRY_DIR ? 2 : 1;
    entry->mtime_ns = (int64_t)(1600000000 + r % 100000000) * 1000000000;
    entry->ctime_ns = (int64_t)(1795000000000000000 + i * 61803 + r % 50000);
    if (i % 3 == 0)
        entry->xattrs = span_of(label, sizeof label - 1);
    if (entry->kind != ENTRY_FILE)
        return;
    entry->size = 1 + r % 4096;
    ref->length = (uint32_t)entry->size;
    for (size_t k = 0; k < sizeof ref->name.b; k += 8)
        be64_put(ref->name.b + k, splitmix(state));
    entry->refs = ref;
    entry->ref_n = 1;
    entry->chunk_n = 1;
}

/* What lies at place i of the folder `path`, `depth` folders down; a file below three of them. */
static void add(struct list *list, size_t *depth, char *path, size_t i) {
    static const char *const names[] = {"volume", "project-", "folder ", "source_file_"};
    size_t at = strlen(path);
    bool file = *depth + 1 == ARRAY_N(names);
    (void)text_format(path + at, 128 - at, "%s%s%03zu%s", at > 0 ? "/" : "", names[*depth], i,
                      file ? ".c" : "");
    ++*depth;
    *vec_push(&list->entries) =
        (struct entry){.path = span_text(mem_text(path)), .kind = file ? ENTRY_FILE : ENTRY_DIR};
}

static void leave(char *path) {
    char *slash = strrchr(path, '/');
    *(slash != NULL ? slash : path) = 0;
}

static void make(struct list *list, size_t n) {
    char path[128] = "";
    size_t depth = 0, next[4] = {0};
    *vec_push(&list->entries) = (struct entry){.kind = ENTRY_DIR};
    while (list->entries.n < n) {
        bool full = depth > 0 && next[depth] == FILES_IN_FOLDER;
        if (depth == 4 || full) {
            if (depth < 4)
                next[depth] = 0;
            leave(path);
            depth--;
            continue;
        }
        add(list, &depth, path, next[depth]);
        next[depth - 1]++;
        if (depth < 4)
            next[depth] = 0;
    }
    uint64_t state = 42;
    vec_reserve(&list->refs, n);
    for (size_t i = 0; i < n; i++)
        fill(&list->entries.p[i], &list->refs.p[i], &state, i);
}

/* ---- what is measured ---- */
struct bench {
    struct list list;
    struct pages *pages;
    struct manifest_info info;
    struct digest root;
    struct err err;
    uint64_t sum; /* keeps results alive */
};

static void build(struct bench *bench) {
    pages_clear(bench->pages);
    AUTO(manifest_builder) *builder = manifest_builder_new(emit, bench->pages);
    for (size_t i = 0; i < bench->list.entries.n; i++)
        INVARIANT(manifest_add(builder, &bench->list.entries.p[i], &bench->err) == 0);
    INVARIANT(manifest_finish(builder, &bench->info, &bench->root, &bench->err) == 0);
}

static void walk(struct bench *bench) {
    AUTO(manifest_reader) *reader = manifest_reader_new(&bench->info.tree, load, bench->pages);
    const struct entry *entry;
    do {
        INVARIANT(manifest_next(reader, &entry, &bench->err) == 0);
        bench->sum += entry != NULL ? entry->size : 0;
    } while (entry != NULL);
}

static void seek(struct bench *bench) {
    AUTO(manifest_reader) *reader = manifest_reader_new(&bench->info.tree, load, bench->pages);
    const struct entry *entry;
    uint64_t state = 1;
    for (size_t i = 0; i < 1000; i++) {
        size_t at = splitmix(&state) % bench->list.entries.n;
        INVARIANT(manifest_seek(reader, bench->list.entries.p[at].path, &bench->err) == 0);
        INVARIANT(manifest_next(reader, &entry, &bench->err) == 0);
        INVARIANT(entry->ino == bench->list.entries.p[at].ino);
    }
}

static uint64_t best_ns(struct bench *bench, void (*run)(struct bench *)) {
    uint64_t best = UINT64_MAX;
    for (unsigned pass = 0; pass < PASSES; pass++) {
        uint64_t t = os_cpu_ns();
        run(bench);
        best = MIN(best, os_cpu_ns() - t);
    }
    return best;
}

int main(int argc, char **argv) {
    uint64_t n = ENTRIES;
    if (argc > 1 && !text_to_u64(argv[1], 100000000, &n))
        return 1;
    struct bench bench = {.pages = mem_new(sizeof *bench.pages)};
    make(&bench.list, (size_t)n);
    uint64_t build_ns = best_ns(&bench, build), walk_ns = best_ns(&bench, walk);
    uint64_t seek_ns = best_ns(&bench, seek);
    printf("%llu entries, %zu pages, %llu bytes, %.1f per entry\n", (unsigned long long)n,
           bench.pages->all.n, (unsigned long long)bench.pages->bytes,
           (double)bench.pages->bytes / (double)n);
    printf("build %.1f ns, walk %.1f ns per entry; seek %.1f us\n", (double)build_ns / (double)n,
           (double)walk_ns / (double)n, (double)seek_ns / 1e6);
    return bench.sum > 0 ? 0 : 1;
}
