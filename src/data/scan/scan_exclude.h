#pragma once
/* Exclusion rules in gitignore syntax: compiled once, then asked from any thread. */
#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct scan_exclude;

/* Blank lines and comments are no rules.  A rule that git never matches (an open bracket, a lone
 * slash) never matches here either.  NULL when no rule is left. */
struct scan_exclude *scan_exclude_new(const char *const *lines, size_t n);
void scan_exclude_free(struct scan_exclude *exclude);
static inline void scan_exclude_auto(struct scan_exclude **p) {
    scan_exclude_free(*p);
}
/* Is the entry left out?  `path` is relative to the root, name_at where its last component
 * begins.  The caller asks from the root downwards and does not descend into what is left out. */
bool scan_exclude_match(const struct scan_exclude *exclude, struct span path, size_t name_at,
                        bool is_dir);
