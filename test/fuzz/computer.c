/* Any bytes as the catalog's record of a computer: refused, or decoded to one that encodes to them.
 */
#include "control/trust/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct trust_computer computer;
    struct err err = {0};
    if (trust_computer_get(span_of(data, size), &computer, &err) != 0) {
        INVARIANT(err.code == ERR_FORMAT || err.code == ERR_FORMAT_VERSION);
        return 0;
    }
    struct buf again = {0};
    trust_computer_put(&again, &computer);
    INVARIANT(span_equal(buf_span(&again), span_of(data, size)));
    buf_done(&again);
    return 0;
}
