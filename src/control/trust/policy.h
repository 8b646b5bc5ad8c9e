#pragma once
/* control/trust/policy -- what the owner of a protected computer permits, whatever a server asks.
 *
 * A file of lines `key = value`, `#` begins a comment line, a value may stand in double quotes:
 *   read = DIR         may be read, with everything below; many
 *   restore = DIR      may be restored to, with everything below; many
 *   original = yes|no  what may be read may also be restored to its own place
 *   devices = yes|no   device nodes may be restored
 *   set-id = yes|no    set-uid, set-gid and capabilities may be restored; a switch is said once
 * What is not named is denied; so is everything when there is no file.  The file belongs to root
 * (or to the user the agent runs as) and nobody else may write it.  Threads: read-only once loaded.
 * Errors: ERR_POLICY with file and line. */
#include "base/base.h"

#define POLICY_BYTES_MAX (64u * 1024)
#define POLICY_ROOTS_MAX 256

struct policy;
/* A file that does not exist gives a policy that denies all. */
[[nodiscard]] int policy_load(const char *file, struct policy **out, struct err *err);
/* The text of a policy; `file` is for messages. */
[[nodiscard]] int policy_parse(const char *file, struct span text, struct policy **out,
                               struct err *err);
void policy_free(struct policy *policy);
static inline void policy_auto(struct policy **p) {
    policy_free(*p);
}
/* `path` is absolute.  It is judged by its components; one with an empty, "." or ".." component is
 * denied.  Whoever opens it follows no symbolic link on the way (os_fs_open_root), so that the
 * path means what it says. */
bool policy_allows_read(const struct policy *policy, const char *path);
bool policy_allows_restore(const struct policy *policy, const char *path);
/* For what was read at this very path, and goes back there. */
bool policy_allows_original(const struct policy *policy, const char *path);
bool policy_allows_devices(const struct policy *policy);
bool policy_allows_set_id(const struct policy *policy);
