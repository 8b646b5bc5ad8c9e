/* Covers src/control/group. */
#include "unit.h"

#include "base/base.h"
#include "base/text.h"
#include "control/group/group.h"
#include "os/os.h"
#include "scratch.h"

struct fixture {
    char dir[SCRATCH_PATH_MAX];
    struct catalog *catalog;
    struct err err;
};

#define OK(f, call)                                                                                \
    do {                                                                                           \
        (f)->err = (struct err){0};                                                                \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, (f)->err.text);                                              \
    } while (0)
#define FAILS(f, wanted, call)                                                                     \
    do {                                                                                           \
        (f)->err = (struct err){0};                                                                \
        assert_int_equal((call), -1);                                                              \
        if ((f)->err.code != (wanted))                                                             \
            fail_msg("%s: %s, not %s", #call, (f)->err.text, #wanted);                             \
    } while (0)

static void attach(struct fixture *f, const char *name) {
    struct catalog_computer computer = {.port = 135, .attached_s = 1};
    (void)text_copy(computer.name, sizeof computer.name, name);
    OK(f, catalog_computer_add(f->catalog, &computer, &f->err));
}

static int setup(void **state) {
    struct fixture *f = mem_new(sizeof *f);
    OK(f, catalog_open(scratch_make(f->dir), &f->catalog, &f->err));
    attach(f, "Alpha");
    attach(f, "beta");
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    catalog_close(f->catalog);
    scratch_remove(f->dir);
    mem_free(f);
    return 0;
}

/* ---- what is valid ---- */

static void a_group_name_is_plain(void **state) {
    struct fixture *f = *state;
    char longest[GROUP_NAME_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[GROUP_NAME_MAX + 1] = 0;
    const char *const bad[] = {"",    " a",       "a ",  ".",   "..", "a/b",
                               "a\n", "\xc3\xa9", "a:b", "x.y", "12", longest};
    const char *const good[] = {"a", "File servers", "x1_z-1", "7z", longest + 1};
    for (size_t i = 0; i < ARRAY_N(bad); i++)
        FAILS(f, ERR_USAGE, group_check_name(bad[i], &f->err));
    for (size_t i = 0; i < ARRAY_N(good); i++)
        OK(f, group_check_name(good[i], &f->err));
}

static void a_path_is_made_canonical_or_refused(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *path, *clean;
    } good[] = {{"/", "/"},
                {"//", "/"},
                {"/./", "/"},
                {"/a", "/a"},
                {"/a/", "/a"},
                {"//a///b/./c//", "/a/b/c"},
                {"/.../..a", "/.../..a"},
                {"/a b\xff", "/a b\xff"}};
    char clean[CATALOG_PATH_MAX];
    for (size_t i = 0; i < ARRAY_N(good); i++) {
        OK(f, group_clean_path(good[i].path, clean, &f->err));
        assert_string_equal(clean, good[i].clean);
    }
    const char *const bad[] = {"", "a", "./a", "/..", "/a/../b", "/a/.."};
    for (size_t i = 0; i < ARRAY_N(bad); i++)
        FAILS(f, ERR_USAGE, group_clean_path(bad[i], clean, &f->err));
}

static void a_path_at_its_limit_is_taken_and_one_past_it_not(void **state) {
    struct fixture *f = *state;
    char path[CATALOG_PATH_MAX + 1], clean[CATALOG_PATH_MAX];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[CATALOG_PATH_MAX] = 0;
    FAILS(f, ERR_LIMIT, group_clean_path(path, clean, &f->err));
    path[CATALOG_PATH_MAX - 1] = 0;
    OK(f, group_clean_path(path, clean, &f->err));
    assert_string_equal(clean, path);
}

static void a_member_is_computer_and_path(void **state) {
    struct fixture *f = *state;
    struct group_member member;
    char text[CATALOG_NAME_MAX + 8];
    OK(f, group_parse_member("host.example:/srv//x:y/", &member, &f->err));
    assert_string_equal(member.computer, "host.example");
    assert_string_equal(member.path, "/srv/x:y");
    const char *const bad[] = {"", "host", "host:", "host:srv", ":/srv", "host:/.."};
    for (size_t i = 0; i < ARRAY_N(bad); i++)
        FAILS(f, ERR_USAGE, group_parse_member(bad[i], &member, &f->err));
    memset(text, 'h', sizeof text);
    memcpy(text + CATALOG_NAME_MAX, ":/a", 4);
    FAILS(f, ERR_USAGE, group_parse_member(text, &member, &f->err));
    OK(f, group_parse_member(text + 1, &member, &f->err));
}

static void an_exclude_pattern_is_one_line(void **state) {
    struct fixture *f = *state;
    char longest[GROUP_EXCLUDE_BYTES_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[GROUP_EXCLUDE_BYTES_MAX + 1] = 0;
    FAILS(f, ERR_USAGE, group_check_exclude("", &f->err));
    FAILS(f, ERR_USAGE, group_check_exclude("a\nb", &f->err));
    FAILS(f, ERR_LIMIT, group_check_exclude(longest, &f->err));
    OK(f, group_check_exclude(longest + 1, &f->err));
    OK(f, group_check_exclude("!*.o", &f->err));
}

/* ---- create ---- */

static struct group_member member_of(const char *computer, const char *path) {
    struct group_member member;
    (void)text_copy(member.computer, sizeof member.computer, computer);
    (void)text_copy(member.path, sizeof member.path, path);
    return member;
}

static void make(struct fixture *f, const char *name, const char *computer, const char *path) {
    struct group_member member = member_of(computer, path);
    struct group_spec spec = {.name = name, .members = &member, .member_n = 1};
    OK(f, group_create(f->catalog, &spec, &f->err));
}

/* "NAME level flags [excludes] (members)" */
static void describe(const struct group *group, struct buf *text) {
    buf_printf(text, "%s %u%s%s [", group->name, (unsigned)group->level,
               group->one_file_system ? " one" : "", group->exclude_caches ? " caches" : "");
    for (size_t i = 0; i < group->excludes.n; i++)
        buf_printf(text, "%s%s", i > 0 ? "," : "", group->excludes.p[i]);
    buf_printf(text, "] (");
    for (size_t i = 0; i < group->sources.n; i++)
        buf_printf(text, "%s%s:%s", i > 0 ? " " : "", group->sources.p[i].computer,
                   group->sources.p[i].path);
    buf_printf(text, ")");
}

static void expect(struct fixture *f, const char *name, const char *wanted) {
    SCOPED(group) group = {0};
    SCOPED(buf) text = {0};
    OK(f, group_get(f->catalog, name, &group, &f->err));
    describe(&group, &text);
    assert_string_equal(buf_text(&text), wanted);
    assert_true(group.created_s > 0);
}

static void a_group_is_read_back_as_it_was_made(void **state) {
    struct fixture *f = *state;
    const struct group_member members[] = {member_of("beta", "/b/"), member_of("ALPHA", "//a")};
    const char *const excludes[] = {"*.tmp", "!keep.tmp", "caf\xe9"};
    struct group_spec spec = {.name = "one",
                              .one_file_system = true,
                              .exclude_caches = true,
                              .level = GROUP_LEVEL_MAX,
                              .excludes = excludes,
                              .exclude_n = 3,
                              .members = members,
                              .member_n = 2};
    OK(f, group_create(f->catalog, &spec, &f->err));
    expect(f, "ONE", "one 19 one caches [*.tmp,!keep.tmp,caf\xe9] (Alpha:/a beta:/b)");
    const struct group_member other = member_of("beta", "/other");
    spec.members = &other;
    spec.member_n = 1;
    spec.name = "One";
    FAILS(f, ERR_EXISTS, group_create(f->catalog, &spec, &f->err));
}

static void a_folder_belongs_to_one_group(void **state) {
    struct fixture *f = *state;
    const struct group_member twice[] = {member_of("beta", "/b"), member_of("BETA", "/b/")};
    struct group_spec spec = {.name = "two", .members = twice, .member_n = 2};
    FAILS(f, ERR_SOURCE_PROTECTED, group_create(f->catalog, &spec, &f->err));
    make(f, "one", "beta", "/b");
    spec.member_n = 1;
    FAILS(f, ERR_SOURCE_PROTECTED, group_create(f->catalog, &spec, &f->err));
    struct group group;
    FAILS(f, ERR_NOT_FOUND, group_get(f->catalog, "two", &group, &f->err));
    group_done(&group);
}

static void a_group_that_is_not_valid_is_not_made(void **state) {
    struct fixture *f = *state;
    const struct group_member good = member_of("beta", "/b"), unknown = member_of("gamma", "/b"),
                              relative = member_of("beta", "b");
    const char *const empty[] = {""};
    struct group_spec spec = {.name = "one", .members = &good, .member_n = 1};
    spec.name = "a/b";
    FAILS(f, ERR_USAGE, group_create(f->catalog, &spec, &f->err));
    spec.name = "one";
    spec.level = GROUP_LEVEL_MAX + 1;
    FAILS(f, ERR_USAGE, group_create(f->catalog, &spec, &f->err));
    spec.level = 0;
    spec.excludes = empty;
    spec.exclude_n = 1;
    FAILS(f, ERR_USAGE, group_create(f->catalog, &spec, &f->err));
    spec.exclude_n = 0;
    spec.member_n = 0;
    FAILS(f, ERR_USAGE, group_create(f->catalog, &spec, &f->err));
    spec.member_n = GROUP_MEMBERS_MAX + 1;
    FAILS(f, ERR_LIMIT, group_create(f->catalog, &spec, &f->err));
    spec.member_n = 1;
    spec.members = &unknown;
    FAILS(f, ERR_NOT_FOUND, group_create(f->catalog, &spec, &f->err));
    spec.members = &relative;
    FAILS(f, ERR_USAGE, group_create(f->catalog, &spec, &f->err));
    spec.members = &good;
    OK(f, group_create(f->catalog, &spec, &f->err));
}

static void exclude_patterns_are_limited_in_number_and_size(void **state) {
    struct fixture *f = *state;
    struct group_member member = member_of("beta", "/b");
    char pattern[GROUP_EXCLUDE_BYTES_MAX + 1];
    const char *many[GROUP_EXCLUDES_MAX + 1];
    memset(pattern, 'x', sizeof pattern);
    pattern[GROUP_EXCLUDE_BYTES_MAX] = 0;
    for (size_t i = 0; i < ARRAY_N(many); i++)
        many[i] = "x";
    struct group_spec spec = {.name = "one",
                              .members = &member,
                              .member_n = 1,
                              .excludes = many,
                              .exclude_n = GROUP_EXCLUDES_MAX + 1};
    FAILS(f, ERR_LIMIT, group_create(f->catalog, &spec, &f->err));
    for (size_t i = 0; i < 17; i++)
        many[i] = pattern;
    spec.exclude_n = 17;
    FAILS(f, ERR_LIMIT, group_create(f->catalog, &spec, &f->err));
    for (size_t i = 0; i < 17; i++)
        many[i] = "x";
    spec.exclude_n = GROUP_EXCLUDES_MAX;
    OK(f, group_create(f->catalog, &spec, &f->err));
}

/* ---- modify ---- */

static void what_a_change_leaves_out_stays(void **state) {
    struct fixture *f = *state;
    const char *const add[] = {"*.o", "*.a"}, *const gone[] = {"*.o"};
    const bool yes = true, no = false;
    const uint8_t level = 7;
    struct group_member more = member_of("Alpha", "/c"), first = member_of("BETA", "/b/.");
    make(f, "one", "beta", "/b");
    struct group_change change = {.add_excludes = add, .add_exclude_n = 2};
    OK(f, group_modify(f->catalog, "one", &change, &f->err));
    expect(f, "one", "one 0 [*.o,*.a] (beta:/b)");
    change = (struct group_change){.one_file_system = &yes, .level = &level};
    OK(f, group_modify(f->catalog, "one", &change, &f->err));
    expect(f, "one", "one 7 one [*.o,*.a] (beta:/b)");
    change = (struct group_change){.add = &more,
                                   .add_n = 1,
                                   .remove = &first,
                                   .remove_n = 1,
                                   .remove_excludes = gone,
                                   .remove_exclude_n = 1,
                                   .one_file_system = &no,
                                   .exclude_caches = &yes};
    OK(f, group_modify(f->catalog, "ONE", &change, &f->err));
    expect(f, "one", "one 7 caches [*.a] (Alpha:/c)");
}

static void a_change_that_fails_changes_nothing(void **state) {
    struct fixture *f = *state;
    const char *const add[] = {"*.o"}, *const unknown[] = {"*.none"};
    struct group_member b = member_of("beta", "/b"), c = member_of("beta", "/c"),
                        d = member_of("beta", "/d");
    make(f, "one", "beta", "/b");
    make(f, "two", "beta", "/c");
    struct group_change change = {.add_excludes = add, .add_exclude_n = 1};
    change.remove = &b;
    change.remove_n = 1;
    FAILS(f, ERR_USAGE, group_modify(f->catalog, "one", &change, &f->err)); /* no member left */
    change.add = &c;
    change.add_n = 1;
    FAILS(f, ERR_SOURCE_PROTECTED, group_modify(f->catalog, "one", &change, &f->err));
    change.add = &d;
    change.remove = &c;
    FAILS(f, ERR_NOT_FOUND, group_modify(f->catalog, "one", &change, &f->err));
    change.remove_n = 0;
    change.remove_excludes = unknown;
    change.remove_exclude_n = 1;
    FAILS(f, ERR_NOT_FOUND, group_modify(f->catalog, "one", &change, &f->err));
    FAILS(f, ERR_NOT_FOUND, group_modify(f->catalog, "none", &change, &f->err));
    change.remove_exclude_n = 0;
    change.add = &b;
    FAILS(f, ERR_SOURCE_PROTECTED, group_modify(f->catalog, "one", &change, &f->err));
    expect(f, "one", "one 0 [] (beta:/b)");
    expect(f, "two", "two 0 [] (beta:/c)");
}

/* ---- remove ---- */

static void source_id(struct fixture *f, const char *group, uint8_t id[static 16]) {
    SCOPED(group) read = {0};
    OK(f, group_get(f->catalog, group, &read, &f->err));
    assert_int_equal(read.sources.n, 1);
    memcpy(id, read.sources.p[0].id, 16);
}

static void add_point(struct fixture *f, const uint8_t source[static 16]) {
    struct commit commit = {.sequence = 1, .state = COMMIT_COMPLETE, .computer = "beta"};
    struct digest id = {{1}};
    memcpy(commit.source, source, sizeof commit.source);
    OK(f, catalog_point_add(f->catalog, &commit, &id, 0, &f->err));
}

static void a_folder_put_back_goes_on_with_its_old_id(void **state) {
    struct fixture *f = *state;
    struct group_removed removed;
    uint8_t before[16], after[16], other[16];
    make(f, "one", "beta", "/b");
    make(f, "other", "Alpha", "/b");
    source_id(f, "one", before);
    source_id(f, "other", other);
    assert_memory_not_equal(before, other, sizeof before);
    OK(f, group_remove(f->catalog, "one", (struct group_remove_opts){.points = GROUP_KEEP_POINTS},
                       &removed, &f->err));
    assert_int_equal(removed.sources, 1);
    assert_int_equal(removed.points, 0);
    make(f, "two", "Beta", "/b/");
    source_id(f, "two", after);
    assert_memory_equal(before, after, sizeof before);
}

static void points_stay_when_their_group_goes(void **state) {
    struct fixture *f = *state;
    struct group_removed removed;
    struct group_remove_opts opts = {.points = GROUP_REFUSE};
    uint64_t n;
    uint8_t id[16];
    make(f, "one", "beta", "/b");
    source_id(f, "one", id);
    add_point(f, id);
    FAILS(f, ERR_GROUP_POINTS, group_remove(f->catalog, "one", opts, &removed, &f->err));
    opts = (struct group_remove_opts){.points = GROUP_KEEP_POINTS, .what_if = true};
    OK(f, group_remove(f->catalog, "one", opts, &removed, &f->err));
    assert_int_equal(removed.points, 1);
    expect(f, "one", "one 0 [] (beta:/b)");
    opts.what_if = false;
    OK(f, group_remove(f->catalog, "one", opts, &removed, &f->err));
    FAILS(f, ERR_NOT_FOUND, group_remove(f->catalog, "one", opts, &removed, &f->err));
    const struct catalog_point_filter filter = {.source = id};
    OK(f, catalog_point_count(f->catalog, &filter, &n, &f->err));
    assert_int_equal(n, 1);
}

/* ---- list ---- */

static int describe_next(void *ctx, const struct group *group, struct err *err) {
    (void)err;
    describe(group, ctx);
    return text_equal(group->name, "b");
}

static void groups_are_listed_by_name(void **state) {
    struct fixture *f = *state;
    SCOPED(buf) text = {0};
    make(f, "b", "beta", "/b");
    make(f, "a", "beta", "/a");
    make(f, "C", "beta", "/c");
    OK(f, group_list(f->catalog, NULL, describe_next, &text, &f->err));
    assert_string_equal(buf_text(&text), "a 0 [] (beta:/a)b 0 [] (beta:/b)");
    buf_clear(&text);
    OK(f, group_list(f->catalog, "B", describe_next, &text, &f->err));
    assert_string_equal(buf_text(&text), "C 0 [] (beta:/c)");
}

static void damaged_patterns_are_an_error(void **state) {
    struct fixture *f = *state;
    struct group group;
    struct catalog_group row = {.name = "bad", .excludes = span_text("\x09short")};
    struct catalog_group_change change = {.group = &row};
    OK(f, catalog_group_apply(f->catalog, &change, &f->err));
    FAILS(f, ERR_FORMAT, group_get(f->catalog, "bad", &group, &f->err));
    group_done(&group);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_group_name_is_plain),
        TEST(a_path_is_made_canonical_or_refused),
        TEST(a_path_at_its_limit_is_taken_and_one_past_it_not),
        TEST(a_member_is_computer_and_path),
        TEST(an_exclude_pattern_is_one_line),
        TEST(a_group_is_read_back_as_it_was_made),
        TEST(a_folder_belongs_to_one_group),
        TEST(a_group_that_is_not_valid_is_not_made),
        TEST(exclude_patterns_are_limited_in_number_and_size),
        TEST(what_a_change_leaves_out_stays),
        TEST(a_change_that_fails_changes_nothing),
        TEST(a_folder_put_back_goes_on_with_its_old_id),
        TEST(points_stay_when_their_group_goes),
        TEST(groups_are_listed_by_name),
        TEST(damaged_patterns_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
