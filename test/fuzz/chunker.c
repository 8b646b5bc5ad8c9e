/* Any bytes under any parameters: every engine cuts the same, within bounds, and the chunks are the
 * bytes. */
#include "data/chunker/chunker_int.h"

#define STRETCHED_BYTES (64u * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct chunker_params params_of(struct cursor *c) {
    uint8_t choice = cursor_u8(c);
    struct chunker_params params = chunker_defaults;
    params.avg_bytes = 4096u << (choice & 1);
    params.min_bytes = params.avg_bytes >> (choice >> 1 & 1);
    params.max_bytes = params.avg_bytes << (choice >> 2 & 3);
    params.seed = cursor_u64(c);
    return params;
}

/* The input again and again, a little different each time: a few bytes make enough for many cuts.
 */
static void stretch(struct span bytes, uint8_t *to, uint8_t step) {
    uint8_t add = 0;
    for (size_t i = 0; bytes.n > 0 && i < STRETCHED_BYTES; i++) {
        to[i] = (uint8_t)(bytes.p[i % bytes.n] + add);
        if ((i + 1) % bytes.n == 0)
            add = (uint8_t)(add + step);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cursor c = cursor_of(span_of(data, size));
    struct chunker_params params = params_of(&c);
    uint8_t step = cursor_u8(&c);
    MEM_AUTO uint8_t *bytes = mem_new(STRETCHED_BYTES);
    stretch(span_of(c.p, cursor_left(&c)), bytes, step);
    AUTO(chunker) *chunker = chunker_new(&params);
    for (size_t at = 0, cut; at < STRETCHED_BYTES; at += cut) {
        struct span rest = span_of(bytes + at, STRETCHED_BYTES - at);
        (void)chunker_engine_use(chunker, CHUNKER_SCALAR);
        cut = chunker_next(chunker, rest, true);
        INVARIANT(cut == rest.n || (cut >= params.min_bytes && cut <= params.max_bytes));
        INVARIANT(cut > 0 && cut <= rest.n);
        for (int engine = CHUNKER_AVX2; engine < CHUNKER_ENGINES; engine++)
            if (chunker_engine_use(chunker, (enum chunker_engine)engine))
                INVARIANT(chunker_next(chunker, rest, true) == cut);
    }
    return 0;
}
