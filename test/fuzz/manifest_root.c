/* Any bytes: refused, or a root record within its limits. */
#include "format/manifest/manifest_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct manifest_info info;
    struct err err = {0};
    if (manifest_info_get(span_of(data, size), &info, &err) != 0) {
        INVARIANT(err.code == ERR_FORMAT || err.code == ERR_FORMAT_VERSION);
        return 0;
    }
    struct buf again = {0};
    manifest_info_put(&again, &info);
    INVARIANT(span_equal(buf_span(&again), span_of(data, size)));
    buf_done(&again);
    return 0;
}
