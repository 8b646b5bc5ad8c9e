/* seal_levels FILE... -- what each zstd level costs and gains on the given files, cut into segments
 * of 128 KiB: levels take turns on every segment, so that a noisy machine is noisy for all. */
#include <stdio.h>

#include "data/seal/seal.h"
#include "os/os.h"

static const int levels[] = {1, 2, 3, 4, 5, 6, 9};
#define LEVELS ARRAY_N(levels)
#define FILE_BYTES_MAX ((size_t)256 << 20)

struct tally {
    struct sealer *sealer;
    uint64_t ns, open_ns, out_bytes;
};

struct bench {
    struct tally tally[LEVELS];
    struct unsealer *unsealer;
    uint64_t in_bytes, raw_bytes, probe_ns;
    struct buf packed;
    uint8_t plain[SEGMENT_BYTES_MAX];
};

static void one(struct bench *bench, struct span plain, struct err *err) {
    uint64_t t = os_cpu_ns();
    bench->raw_bytes += sealer_incompressible(plain) ? plain.n : 0;
    bench->probe_ns += os_cpu_ns() - t;
    bench->in_bytes += plain.n;
    for (size_t i = 0; i < LEVELS; i++) {
        struct tally *tally = &bench->tally[i];
        buf_clear(&bench->packed);
        t = os_cpu_ns();
        enum segment_codec codec = sealer_pack(tally->sealer, plain, &bench->packed);
        tally->ns += os_cpu_ns() - t;
        tally->out_bytes += bench->packed.n;
        t = os_cpu_ns();
        INVARIANT(unsealer_unpack(bench->unsealer, codec, buf_span(&bench->packed), bench->plain,
                                  plain.n, err) == 0);
        tally->open_ns += os_cpu_ns() - t;
    }
}

int main(int argc, char **argv) {
    struct bench *bench = mem_new(sizeof *bench);
    struct err err = {0};
    bench->unsealer = unsealer_new();
    for (size_t i = 0; i < LEVELS; i++)
        bench->tally[i].sealer = sealer_new(levels[i]);
    for (int a = 1; a < argc; a++) {
        struct buf file = {0};
        if (os_load(OS_FD_CWD, argv[a], FILE_BYTES_MAX, &file, &err) != 0) {
            (void)fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        for (size_t off = 0; off < file.n; off += SEGMENT_BYTES_TARGET)
            one(bench, span_of(file.p + off, MIN(file.n - off, (size_t)SEGMENT_BYTES_TARGET)),
                &err);
        buf_done(&file);
    }
    double in = (double)bench->in_bytes;
    printf("%.1f MB, probe %.3f ns/B, found incompressible %.1f %%\n", in / 1e6,
           (double)bench->probe_ns / in, 100 * (double)bench->raw_bytes / in);
    printf("level   pack GB/s  unpack GB/s  ratio\n");
    for (size_t i = 0; i < LEVELS; i++) {
        const struct tally *tally = &bench->tally[i];
        printf("%5d   %9.3f  %11.3f  %5.3f\n", levels[i], in / (double)tally->ns,
               in / (double)tally->open_ns, in / (double)tally->out_bytes);
        sealer_free(tally->sealer);
    }
    unsealer_free(bench->unsealer);
    buf_done(&bench->packed);
    mem_free(bench);
    return 0;
}
