#include <errno.h>

#include "base/base.h"
#include "base/text.h"
#include "data/apply/apply_int.h"

const char *apply_show(struct apply_shown *to, struct span path) {
    struct buf escaped = {0};
    text_escape(&escaped, path);
    bool whole = text_copy(to->text, sizeof to->text, path.n > 0 ? buf_text(&escaped) : ".");
    if (!whole)
        memcpy(to->text + sizeof to->text - 4, "...", 4);
    buf_done(&escaped);
    return to->text;
}

uint64_t apply_hash(struct span path) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < path.n; i++)
        h = (h ^ path.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static bool component_is_sound(struct span name) {
    bool dots =
        (name.n == 1 && name.p[0] == '.') || (name.n == 2 && name.p[0] == '.' && name.p[1] == '.');
    return name.n > 0 && name.n <= OS_NAME_MAX && !dots && memchr(name.p, 0, name.n) == NULL;
}

int apply_place_of(struct span path, struct apply_place *place, struct err *why) {
    place->parent = span_of(path.p, 0);
    place->name[0] = 0;
    if (path.n == 0)
        return 0;
    size_t at = 0;
    struct span name = path;
    bool sound = path.n <= MANIFEST_PATH_MAX;
    while (sound && at <= path.n) {
        const uint8_t *from = path.p + at;
        const uint8_t *slash = at < path.n ? memchr(from, '/', path.n - at) : NULL;
        name = (struct span){.p = from, .n = slash != NULL ? (size_t)(slash - from) : path.n - at};
        sound = component_is_sound(name);
        at += name.n + 1;
    }
    if (!sound) {
        struct apply_shown shown;
        return ERR(why, ERR_ENTRY_REFUSED, "%s: not a path below the target",
                   apply_show(&shown, path));
    }
    memcpy(place->name, name.p, name.n);
    place->name[name.n] = 0;
    place->parent.n = path.n - name.n - (path.n > name.n ? 1 : 0);
    return 0;
}

enum apply_result apply_trouble(struct err *why, struct span path, int sys, const char *doing) {
    struct apply_shown shown;
    const char *name = apply_show(&shown, path);
    switch (sys) {
    case ELOOP:
        (void)ERR(why, ERR_ENTRY_REFUSED, "%s: a symbolic link is where a folder is needed", name);
        return APPLY_REFUSED;
    case ENOTDIR:
        (void)ERR(why, ERR_ENTRY_REFUSED, "%s: a file is where a folder is needed", name);
        return APPLY_REFUSED;
    case EISDIR:
        (void)ERR(why, ERR_ENTRY_REFUSED, "%s: a folder is in the way", name);
        return APPLY_REFUSED;
    case EXDEV:
        (void)ERR(why, ERR_ENTRY_REFUSED, "%s: another file system is mounted there", name);
        return APPLY_REFUSED;
    case EBUSY:
        (void)ERR(why, ERR_ENTRY_REFUSED, "%s: something is mounted there", name);
        return APPLY_REFUSED;
    case ESTALE:
        (void)ERR(why, ERR_ENTRY_REFUSED, "%s: exchanged by somebody while it was restored", name);
        return APPLY_REFUSED;
    default:
        (void)ERR_SYS(why, os_error_code(sys), sys, "cannot %s %s", doing, name);
        return APPLY_FAILED;
    }
}

enum apply_result apply_count(struct apply *apply, enum apply_result result) {
    switch (result) {
    case APPLY_DONE:
        (void)atomic_fetch_add_explicit(&apply->done, 1, memory_order_relaxed);
        break;
    case APPLY_SKIPPED:
        (void)atomic_fetch_add_explicit(&apply->skipped, 1, memory_order_relaxed);
        break;
    case APPLY_REFUSED:
        (void)atomic_fetch_add_explicit(&apply->refused, 1, memory_order_relaxed);
        break;
    case APPLY_FAILED:
        (void)atomic_fetch_add_explicit(&apply->failed, 1, memory_order_relaxed);
        break;
    }
    return result;
}
