/* Any bytes: refused, or decoded to a metadata file whose encoding is those very bytes. */
#include "format/cred/cred.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cred_file file;
    struct err err = {0};
    if (cred_get(span_of(data, size), &file, &err) != 0) {
        INVARIANT(err.code == ERR_FORMAT || err.code == ERR_FORMAT_VERSION ||
                  err.code == ERR_LIMIT);
        return 0;
    }
    char name[CRED_FILE_NAME_MAX];
    cred_file_name(name, file.cred.name);
    struct buf again = {0};
    cred_put(&again, &file.cred);
    INVARIANT(span_equal(buf_span(&again), file.unsigned_file));
    cred_put_signature(&again, file.signature);
    INVARIANT(span_equal(buf_span(&again), span_of(data, size)));
    buf_done(&again);
    return 0;
}
