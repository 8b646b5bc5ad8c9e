/* Any bytes: refused, or the only encoding of the commit they decode to. */
#include "format/commit/commit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct commit commit, part;
    struct err err = {0};
    if (commit_agent_part_get(span_of(data, size), &part, &err) != 0)
        INVARIANT(err.code == ERR_FORMAT || err.code == ERR_FORMAT_VERSION);
    if (commit_get(span_of(data, size), &commit, &err) != 0) {
        INVARIANT(err.code == ERR_FORMAT || err.code == ERR_FORMAT_VERSION);
        return 0;
    }
    struct buf again = {0};
    commit_put(&again, &commit);
    INVARIANT(span_equal(buf_span(&again), span_of(data, size)));
    buf_clear(&again);
    commit_agent_part(&again, &commit);
    INVARIANT(commit_agent_part_get(buf_span(&again), &part, &err) == 0);
    buf_done(&again);
    return 0;
}
