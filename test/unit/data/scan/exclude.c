/* Covers src/data/scan/scan_exclude.c. */
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "data/scan/scan_exclude.h"
#include "scratch.h"
#include "seed.h"

/* Asked as a walk asks: from the top, and nothing below what is left out. */
static bool is_left_out(const struct scan_exclude *exclude, const char *path, bool is_dir) {
    size_t n = strlen(path), name_at = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && path[i] != '/')
            continue;
        if (scan_exclude_match(exclude, span_of(path, i), name_at, i < n || is_dir))
            return true;
        name_at = i + 1;
    }
    return false;
}

/* Rules separated by newlines; a path with a trailing slash is a folder. */
struct row {
    const char *rules;
    const char *path;
    bool out;
};

static struct scan_exclude *compile(const char *text, char **lines_out) {
    char *copy = mem_text(text);
    const char *lines[64];
    size_t n = 0;
    for (char *at = copy; at != NULL && n < ARRAY_N(lines);) {
        char *end = strchr(at, '\n');
        if (end != NULL)
            *end = 0;
        lines[n++] = at;
        at = end != NULL ? end + 1 : NULL;
    }
    *lines_out = copy;
    return scan_exclude_new(lines, n);
}

static bool answer(const char *rules, const char *path) {
    MEM_AUTO char *lines = NULL;
    AUTO(scan_exclude) *exclude = compile(rules, &lines);
    MEM_AUTO char *name = mem_text(path);
    size_t n = strlen(name);
    bool is_dir = n > 0 && name[n - 1] == '/';
    if (is_dir)
        name[n - 1] = 0;
    return is_left_out(exclude, name, is_dir);
}

static const struct row rows[] = {
    /* a name at any depth, an anchored one, one in the middle */
    {"foo", "foo", true},
    {"foo", "a/foo", true},
    {"foo", "foo/a", true},
    {"foo", "foox", false},
    {"/foo", "foo", true},
    {"/foo", "a/foo", false},
    {"a/foo", "a/foo", true},
    {"a/foo", "b/a/foo", false},
    /* folders only */
    {"foo/", "foo", false},
    {"foo/", "foo/", true},
    {"foo/", "foo/x", true},
    {"foo/", "a/foo/", true},
    {"/foo/", "a/foo/", false},
    {"a/b/", "a/b/", true},
    /* stars do not cross a slash */
    {"*.o", "x.o", true},
    {"*.o", "a/b/x.o", true},
    {"*.o", "x.oo", false},
    {"*.o", ".o", true},
    {"a/*", "a/b", true},
    {"a/*", "a/b/c", true},
    {"a/*.c", "a/b/x.c", false},
    {"a*c", "abc", true},
    {"a*c", "ac", true},
    {"a*b*c", "axbxbxc", true},
    {"a*b*c", "axbxbx", false},
    {"*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    {"/*", "x", true},
    {"*", "a/b", true},
    {"f?o", "foo", true},
    {"f?o", "fo", false},
    /* any depth */
    {"**/foo", "foo", true},
    {"**/foo", "a/b/foo", true},
    {"**/foo/bar", "x/foo/bar", true},
    {"foo/**", "foo/", false},
    {"foo/**", "foo/a", true},
    {"foo/**", "a/foo/b", false},
    {"a/**/b", "a/b", true},
    {"a/**/b", "a/x/y/b", true},
    {"a/**/b", "a/xb", false},
    {"a/**/b/**/c", "a/b/x/b/y/c", true},
    {"a/**/*.c", "a/x/y.c", true},
    {"**", "x", true},
    {"/**", "x/y", true},
    {"**/", "x", false},
    {"**/", "x/", true},
    {"a**b", "axxb", true},
    {"x/a**b", "x/a/b", false},
    {"**a/b", "xa/b", true},
    {"**a/b", "x/a/b", false},
    /* classes */
    {"[abc]", "b", true},
    {"[!abc]", "b", false},
    {"[^abc]", "d", true},
    {"[a-c]x", "bx", true},
    {"[a-c]x", "dx", false},
    {"[]]", "]", true},
    {"[]-a]", "^", true},
    {"[a-]", "-", true},
    {"[!]a]", "]", false},
    {"[z-a]", "z", true},
    {"[z-a]", "m", false},
    {"[\\]]", "]", true},
    {"[[:digit:]]x", "7x", true},
    {"[[:digit:]a-f]x", "ex", true},
    {"[[:alpha:]][[:space:]]", "a ", true},
    {"[![:upper:]]", "A", false},
    {"[[:nonsense:]]", "n", false},
    {"[[:alpha", "a", false},
    {"[a", "[a", false},
    {"[a", "a", false},
    {"x[a/b]y", "xay", true},
    /* escapes */
    {"\\#x", "#x", true},
    {"#x", "#x", false},
    {"\\!x", "!x", true},
    {"a\\*b", "a*b", true},
    {"a\\*b", "axb", false},
    {"a\\", "a", false},
    {"a\\", "a\\", false},
    {"a\\\\", "a\\", true},
    {"a\\/b", "a/b", true},
    {"a\\\\/b", "a\\/b", true},
    /* spaces at the end */
    {"foo  ", "foo", true},
    {"foo\\ ", "foo ", true},
    {"foo\\  ", "foo ", true},
    {"f o", "f o", true},
    {"   ", "   ", false},
    /* again included; later rules win */
    {"*.c\n!keep.c", "a.c", true},
    {"*.c\n!keep.c", "keep.c", false},
    {"!keep.c\n*.c", "keep.c", true},
    {"dir/\n!dir/keep", "dir/keep", true},
    {"dir/*\n!dir/keep", "dir/keep", false},
    {"*\n!*/\n!*.txt", "a/b/c.txt", false},
    {"*\n!*/\n!*.txt", "a/b/c.bin", true},
    {"!", "!", false},
    {"!!a\n", "!a", false},
    /* nothing at all */
    {"", "x", false},
    {"/", "x", false},
    {"//", "x", false},
    {"//x", "x", false},
    {"a//b", "a/b", false},
    {"\xff*", "\xff\xfe", true},
};

static void rules_mean_what_gitignore_says(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_N(rows); i++)
        if (answer(rows[i].rules, rows[i].path) != rows[i].out)
            fail_msg("rules \"%s\", path \"%s\": expected %s", rows[i].rules, rows[i].path,
                     rows[i].out ? "out" : "in");
}

static void a_rule_of_stars_takes_linear_time(void **state) {
    (void)state;
    struct buf rule = {0}, path = {0};
    for (int i = 0; i < 2000; i++)
        buf_printf(&rule, "**/*a*/");
    buf_printf(&rule, "x");
    for (int i = 0; i < 8000; i++)
        buf_printf(&path, "aaa/");
    buf_printf(&path, "y");
    const char *line = buf_text(&rule);
    AUTO(scan_exclude) *exclude = scan_exclude_new(&line, 1);
    assert_false(scan_exclude_match(exclude, buf_span(&path), path.n - 1, false));
    buf_done(&rule);
    buf_done(&path);
}

/* ---- against git itself ---- */

static char folder[SCRATCH_PATH_MAX];

static int git(const char *const *argv, const char *in_path, const char *out_path) {
    pid_t child = fork();
    if (child == 0) {
        int in = open(in_path, O_RDONLY | O_CLOEXEC);
        int out = open(out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (chdir(folder) != 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0)
            _exit(126);
        (void)setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
        (void)setenv("HOME", folder, 1);
        (void)execvp("git", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

static void in_folder(char to[static 512], const char *name) {
    assert_true(text_format(to, 512, "%s/%s", folder, name));
}

static void write_file(const char *path, const struct buf *bytes) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes->p, bytes->n), (ssize_t)bytes->n);
    assert_int_equal(close(fd), 0);
}

static void random_piece(struct seed *seed, struct buf *out, const char *const *pieces, size_t n,
                         size_t max) {
    for (uint64_t i = 1 + seed_below(seed, max); i-- > 0;)
        buf_printf(out, "%s", pieces[seed_below(seed, n)]);
}

/* "a**": by git's manual two ordinary stars, by its code something else when only letters stand
 * before them. */
static bool has_stars_beside_letters(const char *rule) {
    for (const char *at = rule; (at = strstr(at, "**")) != NULL;) {
        const char *end = at + strspn(at, "*");
        bool whole = (at == rule || at[-1] == '/') && (*end == 0 || *end == '/');
        if (!whole)
            return true;
        at = end;
    }
    return false;
}

static void random_rule(struct seed *seed, struct buf *out) {
    static const char *const pieces[] = {
        "a",     "b",    "ab",   "c",     "*",    "*",    "?",     "**",          "/",
        "/",     "/**/", "**/",  "/**",   "[ab]", "[!a]", "[a-c]", "[[:alpha:]]", "\\a",
        "\\*",   "x.c",  "*.c",  " ",     "\\ ",  "[]a]", "[",     "[[:x:]]",     "[a\\]b]",
        "[a/b]", "[^c]", "[a-]", "[--c]", "!",    "#",    "\\/",   "[[:]b]",      "\\",
    };
    struct buf rule = {0};
    do {
        rule.n = 0;
        if (seed_one_in(seed, 5))
            buf_printf(&rule, "/");
        random_piece(seed, &rule, pieces, ARRAY_N(pieces), 5);
        if (seed_one_in(seed, 5))
            buf_printf(&rule, "/");
    } while (has_stars_beside_letters(buf_text(&rule)));
    buf_printf(out, "%s%s", seed_one_in(seed, 6) ? "!" : "", buf_text(&rule));
    buf_done(&rule);
}

static const char *const names[] = {"a",   "b", "ab", "c", "x.c", "abc", "a b", "aa",
                                    "b.c", "#", "!a", "*", "a ",  "-",   "]",   "["};

/* Folders and files below `prefix`, two levels deep, for real: git looks whether a path is a
 * folder. */
static void make_tree(struct buf *paths, const char *prefix, int depth) {
    for (size_t i = 0; i < ARRAY_N(names); i++) {
        char rel[256], path[512];
        (void)text_format(rel, sizeof rel, "%s%s", prefix, names[i]);
        in_folder(path, rel);
        bool is_dir = depth > 0 && i % 2 == 0;
        if (is_dir) {
            assert_int_equal(mkdir(path, 0700), 0);
        } else {
            int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            assert_int_equal(close(fd), 0);
        }
        buf_printf(paths, "%s%c", rel, 0);
        if (is_dir) {
            (void)text_format(rel, sizeof rel, "%s%s/", prefix, names[i]);
            make_tree(paths, rel, depth - 1);
        }
    }
}

/* The paths that git leaves out, as one NUL-separated list in the order asked. */
static void ask_git(const char *rules, const struct buf *paths, struct buf *out) {
    char ignore[512], in[512], answer_path[512];
    in_folder(ignore, ".git/info/exclude");
    in_folder(in, ".git/paths");
    in_folder(answer_path, ".git/answer");
    write_file(ignore, &(struct buf){.p = (uint8_t *)(uintptr_t)rules, .n = strlen(rules)});
    write_file(in, paths);
    static const char *const argv[] = {"git", "check-ignore", "--no-index", "-z", "--stdin", NULL};
    int status = git(argv, in, answer_path);
    assert_in_range(status, 0, 1);
    int fd = open(answer_path, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    out->n = 0;
    while ((n = read(fd, buf_extend(out, 65536), 65536)) > 0)
        out->n -= 65536 - (size_t)n;
    out->n -= 65536;
    assert_int_equal(close(fd), 0);
}

static void ask_ourselves(const char *rules, const struct buf *paths, struct buf *out) {
    MEM_AUTO char *lines = NULL;
    AUTO(scan_exclude) *exclude = compile(rules, &lines);
    out->n = 0;
    for (const char *at = (const char *)paths->p, *end = at + paths->n; at < end;
         at += strlen(at) + 1) {
        char path[512];
        in_folder(path, at);
        struct stat st;
        assert_int_equal(lstat(path, &st), 0);
        if (is_left_out(exclude, at, S_ISDIR(st.st_mode)))
            buf_put(out, at, strlen(at) + 1);
    }
}

static void compare(const char *rules, struct buf *theirs, struct buf *ours) {
    if (span_equal(buf_span(theirs), buf_span(ours)))
        return;
    const char *a = buf_text(theirs), *b = buf_text(ours);
    const char *a_end = a + theirs->n, *b_end = b + ours->n;
    while (a < a_end && b < b_end && strcmp(a, b) == 0) {
        a += strlen(a) + 1;
        b += strlen(b) + 1;
    }
    fail_msg("rules:\n%s\ngit leaves out \"%s\" where we leave out \"%s\"", rules,
             a < a_end ? a : "(end)", b < b_end ? b : "(end)");
}

static void random_rules_agree_with_git(void **state) {
    (void)state;
    (void)scratch_make(folder);
    static const char *const init[] = {"git", "init", "-q", NULL};
    char out_path[512];
    in_folder(out_path, "out");
    if (git(init, "/dev/null", out_path) != 0) {
        print_message("[  SKIPPED ] git is not installed\n");
        scratch_remove(folder);
        skip();
    }
    (void)unlink(out_path);
    struct buf paths = {0}, theirs = {0}, ours = {0}, rules = {0};
    make_tree(&paths, "", 2);
    struct seed seed = seed_start("random_rules_agree_with_git");
    for (int round = 0; round < 150; round++) {
        rules.n = 0;
        for (uint64_t i = 1 + seed_below(&seed, 3); i-- > 0;) {
            random_rule(&seed, &rules);
            buf_printf(&rules, "\n");
        }
        rules.n--;
        const char *text = buf_text(&rules);
        ask_git(text, &paths, &theirs);
        ask_ourselves(text, &paths, &ours);
        compare(text, &theirs, &ours);
    }
    buf_done(&paths);
    buf_done(&theirs);
    buf_done(&ours);
    buf_done(&rules);
    scratch_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_mean_what_gitignore_says),
        cmocka_unit_test(a_rule_of_stars_takes_linear_time),
        cmocka_unit_test(random_rules_agree_with_git),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
