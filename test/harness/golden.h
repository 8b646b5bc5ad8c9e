#pragma once
/* Golden files: bytes that were written once and are read for ever.  They lie in test/golden; the
 * folder above it comes in CASEMATE_TESTS.  With CASEMATE_GOLDEN_WRITE=1 a missing file is written;
 * an existing one is never changed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "unit.h"

#define GOLDEN_BYTES_MAX (4u << 20)

static inline void golden_path(char to[static 4096], const char *name) {
    const char *tests = getenv("CASEMATE_TESTS");
    int n = snprintf(to, 4096, "%s/golden/%s", tests != NULL ? tests : "test", name);
    assert_in_range(n, 1, 4095);
}

/* The file test/golden/NAME; false when it is not there. */
static inline bool golden_try(const char *name, struct buf *out) {
    char path[4096];
    golden_path(path, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        assert_int_equal(errno, ENOENT);
        return false;
    }
    buf_clear(out);
    buf_reserve(out, GOLDEN_BYTES_MAX);
    out->n = fread(out->p, 1, GOLDEN_BYTES_MAX, file);
    assert_true(feof(file) != 0);
    (void)fclose(file);
    return true;
}

static inline void golden_read(const char *name, struct buf *out) {
    if (!golden_try(name, out))
        fail_msg("test/golden/%s is missing", name);
}

/* These bytes are what test/golden/NAME holds. */
static inline void golden_equal(const char *name, struct span bytes) {
    struct buf kept = {0};
    if (!golden_try(name, &kept)) {
        char path[4096];
        golden_path(path, name);
        if (getenv("CASEMATE_GOLDEN_WRITE") == NULL)
            fail_msg("%s is missing", path);
        FILE *file = fopen(path, "wbx");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes.p, 1, bytes.n, file), bytes.n);
        assert_int_equal(fclose(file), 0);
        buf_put_span(&kept, bytes);
    }
    if (!span_equal(buf_span(&kept), bytes))
        fail_msg("test/golden/%s: %zu bytes there, %zu here, and they differ", name, kept.n,
                 bytes.n);
    buf_done(&kept);
}
