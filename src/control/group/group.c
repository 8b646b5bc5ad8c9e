/* What a valid group is, and its patterns as bytes. */
#include "control/group/group.h"

#include "base/text.h"
#include "control/group/group_int.h"

void group_done(struct group *group) {
    for (size_t i = 0; i < group->excludes.n; i++)
        mem_free(group->excludes.p[i]);
    vec_done(&group->excludes);
    vec_done(&group->sources);
}

/* ---- what is valid ---- */

static bool is_letter(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_name_byte(char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == ' ';
}

int group_check_name(const char *name, struct err *err) {
    size_t n = strlen(name), letters = 0;
    if (n == 0 || n > GROUP_NAME_MAX)
        return ERR(err, ERR_USAGE, "the name of a group has 1 to %u characters, not %zu",
                   GROUP_NAME_MAX, n);
    for (size_t i = 0; i < n; i++) {
        letters += is_letter(name[i]);
        if (!is_name_byte(name[i]))
            return ERR(err, ERR_USAGE,
                       "the name of a group has letters, digits, '_', '-' and blanks only");
    }
    if (name[0] == ' ' || name[n - 1] == ' ' || letters == 0)
        return ERR(err, ERR_USAGE, "the name of a group has a letter, and no blanks at its ends");
    return 0;
}

static int check_computer(const char *name, struct err *err) {
    size_t n = strlen(name);
    if (n == 0 || n >= CATALOG_NAME_MAX)
        return ERR(err, ERR_USAGE, "the name of a computer has 1 to %u characters",
                   CATALOG_NAME_MAX - 1);
    return 0;
}

/* One component of `path` onto clean[*n]; a `.` vanishes. */
static int put_component(char clean[CATALOG_PATH_MAX], size_t *n, const char *p, size_t length,
                         struct err *err) {
    if (length == 0 || (length == 1 && p[0] == '.'))
        return 0;
    if (length == 2 && p[0] == '.' && p[1] == '.')
        return ERR(err, ERR_USAGE, "a protected path may not contain '..'");
    if (*n + 1 + length >= CATALOG_PATH_MAX)
        return ERR(err, ERR_LIMIT, "a protected path has at most %u bytes", CATALOG_PATH_MAX - 1);
    clean[(*n)++] = '/';
    memcpy(clean + *n, p, length);
    *n += length;
    return 0;
}

int group_clean_path(const char *path, char clean[static CATALOG_PATH_MAX], struct err *err) {
    size_t n = 0;
    if (path[0] != '/')
        return ERR(err, ERR_USAGE, "a protected path begins with '/': %.200s", path);
    for (const char *p = path; *p != 0;) {
        size_t length = strcspn(p, "/");
        if (put_component(clean, &n, p, length, err) != 0)
            return ERR_NOTE(err, "%.200s", path);
        p += length + (p[length] == '/');
    }
    if (n == 0)
        clean[n++] = '/';
    clean[n] = 0;
    return 0;
}

int group_parse_member(const char *text, struct group_member *member, struct err *err) {
    const char *colon = strchr(text, ':');
    if (colon == NULL || colon[1] != '/')
        return ERR(err, ERR_USAGE, "a member is COMPUTER:/PATH, not %.200s", text);
    size_t n = (size_t)(colon - text);
    if (n == 0 || n >= sizeof member->computer)
        return ERR(err, ERR_USAGE, "a member begins with the name of a computer: %.200s", text);
    memcpy(member->computer, text, n);
    member->computer[n] = 0;
    return group_clean_path(colon + 1, member->path, err);
}

int group_check_exclude(const char *pattern, struct err *err) {
    size_t n = strlen(pattern);
    if (n == 0)
        return ERR(err, ERR_USAGE, "an exclude pattern is empty");
    if (n > GROUP_EXCLUDE_BYTES_MAX)
        return ERR(err, ERR_LIMIT, "an exclude pattern has at most %u bytes, not %zu",
                   GROUP_EXCLUDE_BYTES_MAX, n);
    if (strpbrk(pattern, "\r\n") != NULL)
        return ERR(err, ERR_USAGE, "an exclude pattern is one line");
    return 0;
}

int group_add_exclude(struct group *group, const char *pattern, struct err *err) {
    if (group_check_exclude(pattern, err) != 0)
        return -1;
    if (group->excludes.n >= GROUP_EXCLUDES_MAX)
        return ERR(err, ERR_LIMIT, "a group has at most %u exclude patterns", GROUP_EXCLUDES_MAX);
    *vec_push(&group->excludes) = mem_text(pattern);
    return 0;
}

int group_check(const struct group *group, struct err *err) {
    SCOPED(buf) encoded = {0};
    group_put_excludes(group, &encoded);
    if (group_check_name(group->name, err) != 0)
        return -1;
    if (group->level > GROUP_LEVEL_MAX)
        return ERR(err, ERR_USAGE, "a compression level is at most %u, not %u", GROUP_LEVEL_MAX,
                   (unsigned)group->level);
    if (encoded.n > GROUP_EXCLUDES_BYTES_MAX)
        return ERR(err, ERR_LIMIT, "the exclude patterns of a group have at most %u bytes together",
                   GROUP_EXCLUDES_BYTES_MAX);
    if (group->sources.n == 0)
        return ERR(err, ERR_USAGE, "group %s would have no member", group->name);
    if (group->sources.n > GROUP_MEMBERS_MAX)
        return ERR(err, ERR_LIMIT, "a group has at most %u members", GROUP_MEMBERS_MAX);
    for (size_t i = 0; i < group->sources.n; i++)
        if (check_computer(group->sources.p[i].computer, err) != 0)
            return -1;
    return 0;
}

/* ---- as bytes ---- */

void group_put_excludes(const struct group *group, struct buf *encoded) {
    for (size_t i = 0; i < group->excludes.n; i++)
        buf_put_lstr(encoded, span_text(group->excludes.p[i]));
}
