/* The first byte chooses: the body of config or state, or the header of a run with its hash made
 * right, so that the fuzzer comes to what lies behind it. */
#include "data/store/store_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void config(struct span in) {
    struct store_id id;
    struct chunker_params chunker;
    struct buf again = {0};
    if (store_config_get(in, &id, &chunker, NULL) == 0) {
        store_config_put(&again, &id, &chunker);
        INVARIANT(span_equal(buf_span(&again), in));
    }
    buf_done(&again);
}

static void state(struct span in) {
    struct store_state state;
    struct buf again = {0};
    if (store_state_get(in, &state, NULL) == 0) {
        store_state_put(&again, &state);
        INVARIANT(span_equal(buf_span(&again), in));
    }
    store_state_done(&state);
    buf_done(&again);
}

static void run_head(struct span in) {
    static const uint8_t zero[32] = {0};
    struct secret *key = secret_of(span_of(zero, sizeof zero));
    uint8_t page[STORE_PAGE_BYTES] = {0}, again[STORE_PAGE_BYTES];
    struct store_run_head head;
    struct digest mac;
    memcpy(page, in.p, MIN(in.n, sizeof page));
    hash_keyed(zero, span_of(page, 120), &mac);
    memcpy(page + 120, mac.b, sizeof mac.b);
    if (store_run_head_get(page, key, &head, NULL) == 0) {
        store_run_head_put(again, &head, key);
        INVARIANT(memcmp(page, again, sizeof page) == 0);
    }
    secret_free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct span in = span_of(data + 1, size - 1);
    if (data[0] % 3 == 0)
        config(in);
    else if (data[0] % 3 == 1)
        state(in);
    else
        run_head(in);
    return 0;
}
