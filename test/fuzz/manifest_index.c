/* Any bytes: refused, or the only encoding of what they decode to. */
#include "format/manifest/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    MEM_AUTO struct chunk_ref *refs = mem_new_array(MANIFEST_INDEX_REFS, sizeof *refs);
    MEM_AUTO struct digest *names = mem_new_array(MANIFEST_INDEX_REFS, sizeof *names);
    struct span page = span_of(data, size);
    struct err err = {0};
    size_t ref_n, name_n;
    uint8_t level;
    bool listed = manifest_index_names(page, names, &name_n, &level, &err) == 0;
    bool read = manifest_index_get(page, refs, MANIFEST_INDEX_REFS, &ref_n, &err) == 0;
    INVARIANT(read == (listed && level == 0));
    if (!read) {
        INVARIANT(listed || err.code == ERR_FORMAT || err.code == ERR_FORMAT_VERSION);
        return 0;
    }
    struct buf again = {0};
    manifest_index_put(&again, refs, ref_n);
    INVARIANT(span_equal(buf_span(&again), page));
    INVARIANT(ref_n == name_n && digest_equal(&names[ref_n - 1], &refs[ref_n - 1].name));
    buf_done(&again);
    return 0;
}
