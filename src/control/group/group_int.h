#pragma once
/* control/group, inside. */
#include "control/group/group.h"
#include "os/os.h"

/* A whole group that could be stored as it is.  ERR_USAGE, ERR_LIMIT. */
[[nodiscard]] int group_check(const struct group *group, struct err *err);
/* A copy of the pattern behind the others.  ERR_USAGE, ERR_LIMIT. */
[[nodiscard]] int group_add_exclude(struct group *group, const char *pattern, struct err *err);
