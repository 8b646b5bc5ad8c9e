/* chunker [FILE...] -- speed of every engine of the chunker on random bytes and on the given
 * files, the sizes it makes, and what deduplication between the files saves (against fixed
 * blocks of 64 KiB). */
#include <math.h>
#include <stdio.h>

#include "base/vec.h"
#include "data/chunker/chunker_int.h"
#include "os/os.h"

#define FILE_BYTES_MAX ((size_t)1 << 30)
#define PASSES 9

static const char *const engine_names[] = {"scalar", "avx2", "avx512"};

static uint64_t cut_all(const struct chunker *chunker, struct span bytes) {
    uint64_t chunks = 0;
    for (size_t at = 0; at < bytes.n; chunks++)
        at += chunker_next(chunker, span_of(bytes.p + at, bytes.n - at), true);
    return chunks;
}

static void speed(struct chunker *chunker, const char *what, struct span bytes) {
    for (int engine = 0; engine < CHUNKER_ENGINES; engine++) {
        if (!chunker_engine_use(chunker, (enum chunker_engine)engine))
            continue;
        uint64_t best = UINT64_MAX, chunks = 0;
        for (unsigned pass = 0; pass < PASSES; pass++) {
            uint64_t t = os_cpu_ns();
            chunks = cut_all(chunker, bytes);
            best = MIN(best, os_cpu_ns() - t);
        }
        printf("%-24s %-7s %6.2f GB/s  %llu chunks\n", what, engine_names[engine],
               (double)bytes.n / (double)best, (unsigned long long)chunks);
    }
}

static void sizes(const struct chunker *chunker, const char *what, struct span bytes) {
    double n = 0, sum = 0, squares = 0;
    for (size_t at = 0; at < bytes.n;) {
        size_t length = chunker_next(chunker, span_of(bytes.p + at, bytes.n - at), true);
        n += 1;
        sum += (double)length;
        squares += (double)length * (double)length;
        at += length;
    }
    double mean = sum / n, deviation = sqrt(MAX(squares / n - mean * mean, 0.0));
    printf("%-24s mean %.0f bytes, cv %.3f\n", what, mean, deviation / mean);
}

struct names {
    VEC(struct digest) all;
    uint64_t total;
};

static int by_bytes(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct digest));
}

static void name_all(const struct chunker *chunker, struct span bytes, struct names *names) {
    for (size_t at = 0; at < bytes.n;) {
        struct span rest = span_of(bytes.p + at, bytes.n - at);
        size_t n =
            chunker != NULL ? chunker_next(chunker, rest, true) : MIN(rest.n, (size_t)64 * 1024);
        struct digest *name = vec_push(&names->all);
        hash_typed(CHUNK_DATA, span_of(rest.p, n), name);
        be32_put(name->b + 28, (uint32_t)n); /* 28 bytes are name enough here */
        names->total += n;
        at += n;
    }
}

static void saved(struct names *names, const char *what) {
    uint64_t unique = 0;
    qsort(names->all.p, names->all.n, sizeof *names->all.p, by_bytes);
    for (size_t i = 0; i < names->all.n; i++)
        if (i == 0 || !digest_equal(&names->all.p[i - 1], &names->all.p[i]))
            unique += be32_get(names->all.p[i].b + 28);
    printf("%-24s saved %.2f %% of %llu MB\n", what,
           100.0 * (1.0 - (double)unique / (double)names->total),
           (unsigned long long)(names->total / 1000000));
}

int main(int argc, char **argv) {
    struct chunker *chunker = chunker_new(&chunker_defaults);
    struct buf bytes = {0};
    size_t n = 1 << 20;
    os_random(buf_extend(&bytes, 64 * n), 64 * n);
    speed(chunker, "random, 1 MiB in cache", span_of(bytes.p, n));
    speed(chunker, "random, 64 MiB", buf_span(&bytes));
    sizes(chunker, "random", buf_span(&bytes));
    struct names cut = {0}, fixed = {0};
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            return 1;
        }
        buf_clear(&bytes);
        buf_reserve(&bytes, FILE_BYTES_MAX);
        bytes.n = fread(bytes.p, 1, FILE_BYTES_MAX, file);
        (void)fclose(file);
        speed(chunker, argv[i], buf_span(&bytes));
        sizes(chunker, argv[i], buf_span(&bytes));
        name_all(chunker, buf_span(&bytes), &cut);
        name_all(NULL, buf_span(&bytes), &fixed);
    }
    if (argc > 1) {
        saved(&cut, "cut");
        saved(&fixed, "fixed 64 KiB");
    }
    return 0;
}
