#include "control/trust/policy.h"

#include "base/text.h"
#include "os/file.h"
#include "os/fs.h"
#include "os/proc.h"

#define LINE_MAX_BYTES OS_PATH_MAX
#define WRITABLE_BY_OTHERS 0022u

/* Folders with everything below them: absolute, no slash at the end, so "/" is "". */
struct roots {
    char *p[POLICY_ROOTS_MAX];
    size_t n;
};

enum policy_switch { SWITCH_ORIGINAL = 1, SWITCH_DEVICES = 2, SWITCH_SET_ID = 4 };

struct policy {
    struct roots readable;
    struct roots restorable;
    bool original;
    bool devices;
    bool set_id;
    unsigned seen; /* enum policy_switch bits that the file has said */
};

static void roots_done(struct roots *roots) {
    for (size_t i = 0; i < roots->n; i++)
        mem_free(roots->p[i]);
}

void policy_free(struct policy *policy) {
    if (policy == NULL)
        return;
    roots_done(&policy->readable);
    roots_done(&policy->restorable);
    mem_free(policy);
}

/* Absolute, and every component a plain name. */
static bool is_plain(const char *path) {
    if (path[0] != '/')
        return false;
    if (path[1] == 0)
        return true;
    for (const char *p = path; *p != 0;) {
        const char *name = p + 1, *end = strchrnul(name, '/');
        size_t n = (size_t)(end - name);
        if (n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
            return false;
        p = end;
    }
    return true;
}

static bool beneath(const struct roots *roots, const char *path) {
    if (!is_plain(path))
        return false;
    for (size_t i = 0; i < roots->n; i++) {
        size_t n = strlen(roots->p[i]);
        if (strncmp(path, roots->p[i], n) == 0 && (path[n] == 0 || path[n] == '/'))
            return true;
    }
    return false;
}

static int add_root(struct roots *roots, char *value, struct err *err) {
    size_t n = strlen(value);
    if (n > 1 && value[n - 1] == '/')
        value[--n] = 0; /* a habit, and harmless */
    if (!is_plain(value))
        return ERR(err, ERR_POLICY, "\"%.200s\" is not an absolute path of plain names", value);
    if (roots->n == ARRAY_N(roots->p))
        return ERR(err, ERR_POLICY, "more than %d folders", POLICY_ROOTS_MAX);
    roots->p[roots->n++] = mem_text(n == 1 ? "" : value);
    return 0;
}

static int set_switch(struct policy *policy, enum policy_switch which, bool *to, const char *value,
                      struct err *err) {
    if ((policy->seen & which) != 0)
        return ERR(err, ERR_POLICY, "said twice");
    policy->seen |= which;
    if (!text_equal(value, "yes") && !text_equal(value, "no"))
        return ERR(err, ERR_POLICY, "\"%.80s\" is neither yes nor no", value);
    *to = text_equal(value, "yes");
    return 0;
}

static int take_key(struct policy *policy, const char *key, char *value, struct err *err) {
    if (text_equal(key, "read"))
        return add_root(&policy->readable, value, err);
    if (text_equal(key, "restore"))
        return add_root(&policy->restorable, value, err);
    if (text_equal(key, "original"))
        return set_switch(policy, SWITCH_ORIGINAL, &policy->original, value, err);
    if (text_equal(key, "devices"))
        return set_switch(policy, SWITCH_DEVICES, &policy->devices, value, err);
    if (text_equal(key, "set-id"))
        return set_switch(policy, SWITCH_SET_ID, &policy->set_id, value, err);
    return ERR(err, ERR_POLICY,
               "unknown key \"%.80s\"; known are read, restore, original, devices, set-id", key);
}

static char *trim(char *text) {
    text += strspn(text, " \t\r");
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r", text[n - 1]) != NULL)
        text[--n] = 0;
    return text;
}

static int unquote(char **value, struct err *err) {
    size_t n = strlen(*value);
    if ((*value)[0] != '"')
        return 0;
    if (n < 2 || (*value)[n - 1] != '"')
        return ERR(err, ERR_POLICY, "the closing quote is missing");
    (*value)[n - 1] = 0;
    (*value)++;
    return 0;
}

static int take_line(struct policy *policy, char *line, struct err *err) {
    char *key = trim(line);
    if (key[0] == 0 || key[0] == '#')
        return 0;
    char *value = strchr(key, '=');
    if (value == NULL)
        return ERR(err, ERR_POLICY, "expected key = value");
    *value++ = 0;
    value = trim(value);
    if (unquote(&value, err) != 0)
        return -1;
    return take_key(policy, trim(key), value, err);
}

int policy_parse(const char *file, struct span text, struct policy **out, struct err *err) {
    AUTO(policy) *policy = mem_new(sizeof *policy);
    char line[LINE_MAX_BYTES];
    unsigned number = 1;
    for (size_t at = 0; at < text.n; number++) {
        const uint8_t *end = memchr(text.p + at, '\n', text.n - at);
        size_t n = end != NULL ? (size_t)(end - text.p) - at : text.n - at;
        if (n >= sizeof line || memchr(text.p + at, 0, n) != NULL)
            return ERR(err, ERR_POLICY, "%s:%u: the line is too long or not text", file, number);
        memcpy(line, text.p + at, n);
        line[n] = 0;
        if (take_line(policy, line, err) != 0)
            return ERR_NOTE(err, "%s:%u", file, number);
        at += n + 1;
    }
    *out = TAKE(policy);
    return 0;
}

/* Whoever may write it decides what a server may do here. */
static int check_owner(int fd, const char *file, struct err *err) {
    struct os_meta meta;
    int sys = os_fs_meta(fd, "", &meta);
    if (sys != 0)
        return ERR_SYS(err, os_error_code(sys), sys, "cannot look at %s", file);
    if (meta.kind != OS_KIND_FILE)
        return ERR(err, ERR_POLICY, "%s is not a file", file);
    if (meta.uid != 0 && meta.uid != os_uid())
        return ERR(err, ERR_POLICY, "%s belongs to user %u, not to root", file, meta.uid);
    if ((meta.mode & WRITABLE_BY_OTHERS) != 0)
        return ERR(err, ERR_POLICY, "%s may be written by others (mode %04o)", file,
                   (unsigned)meta.mode);
    return 0;
}

/* The open file is the one that was looked at, whatever takes its name meanwhile. */
static int load_open(int fd, const char *file, struct policy **out, struct err *err) {
    struct buf text = {0};
    size_t got = 0;
    if (check_owner(fd, file, err) != 0)
        return -1;
    uint8_t *to = buf_extend(&text, POLICY_BYTES_MAX + 1);
    int rc = os_read_at(fd, 0, to, POLICY_BYTES_MAX + 1, &got, err);
    if (rc == 0 && got > POLICY_BYTES_MAX)
        rc = ERR(err, ERR_POLICY, "%s is longer than %u bytes", file, POLICY_BYTES_MAX);
    if (rc == 0)
        rc = policy_parse(file, span_of(text.p, got), out, err);
    buf_done(&text);
    return rc;
}

int policy_load(const char *file, struct policy **out, struct err *err) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    bool exists;
    struct span nothing = {0};
    if (os_exists(OS_FD_CWD, file, &exists, err) != 0)
        return -1;
    if (!exists)
        return policy_parse(file, nothing, out, err);
    if (os_file_open_read(OS_FD_CWD, file, &fd, err) != 0)
        return -1;
    return load_open(fd, file, out, err);
}

bool policy_allows_read(const struct policy *policy, const char *path) {
    return beneath(&policy->readable, path);
}

bool policy_allows_restore(const struct policy *policy, const char *path) {
    return beneath(&policy->restorable, path);
}

bool policy_allows_original(const struct policy *policy, const char *path) {
    return policy_allows_restore(policy, path) ||
           (policy->original && policy_allows_read(policy, path));
}

bool policy_allows_devices(const struct policy *policy) {
    return policy->devices;
}

bool policy_allows_set_id(const struct policy *policy) {
    return policy->set_id;
}
