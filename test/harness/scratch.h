#pragma once
/* A folder for one test, below $TMPDIR. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRATCH_PATH_MAX 256

/* Makes the folder; `to` receives its path, which is also returned. */
static inline const char *scratch_make(char to[static SCRATCH_PATH_MAX]) {
    const char *base = getenv("TMPDIR");
    int n = snprintf(to, SCRATCH_PATH_MAX, "%s/casemate-XXXXXX", base != NULL ? base : "/tmp");
    if (n < 0 || n >= SCRATCH_PATH_MAX || mkdtemp(to) == NULL)
        abort();
    return to;
}

static inline int scratch_remove_one(const char *path, const struct stat *, int, struct FTW *) {
    return remove(path);
}

static inline void scratch_remove(const char *path) {
    (void)nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
