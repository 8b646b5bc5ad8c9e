/* What is valid. */
#include "base/text.h"
#include "control/group/group_int.h"

static bool is_letter(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_name_byte(char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == ' ';
}

int group_check_name(const char *name, struct err *err) {
    size_t n = strlen(name);
    bool letter = false, valid = n > 0 && name[0] != ' ' && name[n - 1] != ' ';
    if (n > GROUP_NAME_MAX)
        return ERR(err, ERR_LIMIT, "the name of a group has %u bytes at most, not %zu",
                   GROUP_NAME_MAX, n);
    for (size_t i = 0; i < n; i++) {
        letter = letter || is_letter(name[i]);
        valid = valid && is_name_byte(name[i]);
    }
    if (valid && letter)
        return 0;
    return ERR(err, ERR_USAGE,
               "the name of a group has letters, digits, spaces, - and _, at least one letter, and"
               " no space at its ends");
}

int group_clean_path(const char *path, char clean[static CATALOG_PATH_MAX], struct err *err) {
    size_t n = 0;
    if (path[0] != '/')
        return ERR(err, ERR_USAGE, "the path of a folder begins with /");
    if (strlen(path) >= CATALOG_PATH_MAX)
        return ERR(err, ERR_LIMIT, "the path of a folder has %u bytes at most",
                   CATALOG_PATH_MAX - 1);
    for (const char *p = path; *p != 0;) {
        p += strspn(p, "/");
        size_t part = strcspn(p, "/");
        if (part == 2 && memcmp(p, "..", 2) == 0)
            return ERR(err, ERR_USAGE, "%s: .. is not taken in the path of a folder", path);
        if (part > 0 && !(part == 1 && p[0] == '.')) {
            clean[n++] = '/';
            memcpy(clean + n, p, part);
            n += part;
        }
        p += part;
    }
    if (n == 0)
        clean[n++] = '/';
    clean[n] = 0;
    return 0;
}

int group_parse_member(const char *text, struct group_member *member, struct err *err) {
    const char *colon = strchr(text, ':');
    if (colon == NULL || colon == text)
        return ERR(err, ERR_USAGE, "%s is not COMPUTER:/PATH", text);
    size_t n = (size_t)(colon - text);
    if (n >= sizeof member->computer)
        return ERR(err, ERR_LIMIT, "the name of a computer has %u bytes at most",
                   CATALOG_NAME_MAX - 1);
    memcpy(member->computer, text, n);
    member->computer[n] = 0;
    return group_clean_path(colon + 1, member->path, err);
}

int group_check_exclude(const char *pattern, struct err *err) {
    size_t n = strlen(pattern);
    if (n > GROUP_EXCLUDE_BYTES_MAX)
        return ERR(err, ERR_LIMIT, "an exclude pattern has %u bytes at most, not %zu",
                   GROUP_EXCLUDE_BYTES_MAX, n);
    if (n == 0 || strchr(pattern, '\n') != NULL)
        return ERR(err, ERR_USAGE, "an exclude pattern is empty or has a line end");
    return 0;
}

int group_check_whole(const struct group *group, struct err *err) {
    if (group->level > GROUP_LEVEL_MAX)
        return ERR(err, ERR_USAGE, "the compression level is at most %u, not %u", GROUP_LEVEL_MAX,
                   group->level);
    if (group->excludes.n > GROUP_EXCLUDES_MAX)
        return ERR(err, ERR_LIMIT, "group %s: %u exclude patterns at most", group->name,
                   GROUP_EXCLUDES_MAX);
    return 0;
}
