#include "base/text.h"
#include "format/manifest/manifest_int.h"

size_t manifest_path_shared(struct span a, struct span b) {
    size_t n = MIN(a.n, b.n), i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t differ = be64_get(a.p + i) ^ be64_get(b.p + i);
        if (differ != 0)
            return i + (unsigned)__builtin_clzll(differ) / 8;
    }
    while (i < n && a.p[i] == b.p[i])
        i++;
    return i;
}

int manifest_path_compare(struct span a, struct span b) {
    size_t i = manifest_path_shared(a, b);
    if (i == a.n || i == b.n)
        return (a.n > b.n) - (a.n < b.n);
    return path_byte_less(a.p[i], b.p[i]) ? -1 : 1;
}

static bool component_valid(const uint8_t *p, size_t n) {
    return n > 2 || (n > 0 && (p[0] != '.' || (n == 2 && p[1] != '.')));
}

/* Every entry but the root stands in a folder that was listed: the path before, or a folder above
 * it.  What the first of them is, an earlier page knows. */
static bool parent_listed(const struct path_walk *walk, size_t start, size_t shared) {
    if (!walk->any)
        return true;
    size_t parent_n = start > 0 ? start - 1 : 0;
    if (parent_n < shared)
        return true;
    if (parent_n > shared)
        return false;
    return walk->n == shared ? walk->kind == ENTRY_DIR : start == 0;
}

const char *manifest_path_step(struct path_walk *walk, const uint8_t *path, size_t n, size_t shared,
                               uint8_t kind) {
    size_t start = shared;
    if (walk->any && walk->start <= shared)
        start = walk->start;
    else
        while (start > 0 && path[start - 1] != '/')
            start--;
    for (size_t i = shared; i < n; i++) {
        if (path[i] == 0)
            return "a zero byte";
        if (path[i] != '/')
            continue;
        if (!component_valid(path + start, i - start))
            return "a component that is empty, . or ..";
        start = i + 1;
    }
    if (n > 0 && !component_valid(path + start, n - start))
        return "a component that is empty, . or ..";
    if (!parent_listed(walk, start, shared))
        return "no listed parent folder";
    *walk = (struct path_walk){.n = n, .start = start, .kind = kind, .any = true};
    return NULL;
}

bool manifest_path_valid(struct span path) {
    struct path_walk walk = {.any = false};
    return path.n <= MANIFEST_PATH_MAX &&
           manifest_path_step(&walk, path.p, path.n, 0, ENTRY_FILE) == NULL;
}

/* Decides where pages end.  Only the writer needs it; docs/format/manifest.md has it in words. */
uint64_t manifest_path_hash(struct span path) {
    const uint64_t odd = 0x9e3779b97f4a7c15;
    uint64_t h = path.n * odd;
    size_t i = 0;
    for (; i + 8 <= path.n; i += 8)
        h = ((h << 29 | h >> 35) ^ be64_get(path.p + i)) * odd;
    uint64_t tail = 0;
    for (; i < path.n; i++)
        tail = tail << 8 | path.p[i];
    h = ((h << 29 | h >> 35) ^ tail) * odd;
    h = (h ^ h >> 32) * odd;
    return h ^ h >> 29;
}

int manifest_refuse(struct err *err, enum err_code code, struct span path, const char *problem) {
    SCOPED(buf) text = {0};
    text_escape(&text, span_of(path.p, MIN(path.n, (size_t)PATH_TEXT_BYTES)));
    return ERR(err, code, "entry %s%s has %s", buf_text(&text),
               path.n > PATH_TEXT_BYTES ? "..." : "", problem);
}
