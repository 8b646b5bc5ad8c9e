/* Covers src/control/group. */
#include "unit.h"

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
    struct catalog_computer computer = {.port = 5718, .attached_s = 1, .trust = span_text("t")};
    (void)text_copy(computer.name, sizeof computer.name, name);
    (void)text_copy(computer.address, sizeof computer.address, name);
    (void)text_copy(computer.mode, sizeof computer.mode, "standard");
    (void)text_copy(computer.state, sizeof computer.state, "attached");
    OK(f, catalog_computer_add(f->catalog, &computer, &f->err));
}

static int setup(void **state) {
    struct fixture *f = mem_new(sizeof *f);
    OK(f, catalog_open(scratch_make(f->dir), &f->catalog, &f->err));
    attach(f, "alpha");
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

static struct group_member member(const char *text) {
    struct group_member member;
    struct err err;
    assert_int_equal(group_parse_member(text, &member, &err), 0);
    return member;
}

/* "level flags | pattern ... | COMPUTER:PATH ... " */
static void describe(const struct group *group, struct buf *out) {
    buf_printf(out, "%u%s%s |", (unsigned)group->level, group->one_file_system ? " one" : "",
               group->exclude_caches ? " caches" : "");
    for (size_t i = 0; i < group->excludes.n; i++)
        buf_printf(out, " %s", group->excludes.p[i]);
    buf_printf(out, " |");
    for (size_t i = 0; i < group->sources.n; i++)
        buf_printf(out, " %s:%s", group->sources.p[i].computer, group->sources.p[i].path);
}

static void expect_group(struct fixture *f, const char *name, const char *wanted) {
    SCOPED(buf) text = {0};
    struct group group;
    OK(f, group_get(f->catalog, name, &group, &f->err));
    describe(&group, &text);
    group_done(&group);
    assert_string_equal(buf_text(&text), wanted);
}

static void create(struct fixture *f, const char *name, const struct group_member *members,
                   size_t n) {
    const char *const patterns[] = {"*.tmp", "!keep.tmp"};
    struct group_spec spec = {.name = name,
                              .level = 5,
                              .exclude_caches = true,
                              .excludes = patterns,
                              .exclude_n = 2,
                              .members = members,
                              .member_n = n};
    OK(f, group_create(f->catalog, &spec, &f->err));
}

static void a_name_has_a_letter_and_no_space_at_its_ends(void **) {
    const char *const good[] = {"a", "Daily set-1_x", "7z"};
    const char *const bad[] = {"", " a", "a ", "123", "-_", "a.b", "a/b", "\xc3\xa4", "a\tb"};
    char longest[66];
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_N(good); i++)
        assert_int_equal(group_check_name(good[i], &err), 0);
    for (size_t i = 0; i < ARRAY_N(bad); i++) {
        assert_int_equal(group_check_name(bad[i], &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
    }
    memset(longest, 'a', sizeof longest);
    longest[65] = 0;
    assert_int_equal(group_check_name(longest, &err), -1);
    longest[64] = 0;
    assert_int_equal(group_check_name(longest, &err), 0);
}

static void expect_clean(const char *path, const char *wanted) {
    char clean[CATALOG_PATH_MAX];
    struct err err;
    assert_int_equal(group_clean_path(path, clean, &err), 0);
    assert_string_equal(clean, wanted);
}

static void a_path_is_cleaned_and_never_goes_up(void **) {
    char clean[CATALOG_PATH_MAX];
    char *longest = mem_new(CATALOG_PATH_MAX + 1);
    struct err err = {0};
    expect_clean("/", "/");
    expect_clean("//", "/");
    expect_clean("/./.", "/");
    expect_clean("/srv//data/./x/", "/srv/data/x");
    expect_clean("/a/...", "/a/...");
    expect_clean("/a/.b/..c", "/a/.b/..c");
    const char *const bad[] = {"", "a", "./a", "/..", "/a/../b", "/a/.."};
    for (size_t i = 0; i < ARRAY_N(bad); i++) {
        assert_int_equal(group_clean_path(bad[i], clean, &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
    }
    memset(longest, 'p', CATALOG_PATH_MAX);
    longest[0] = '/';
    assert_int_equal(group_clean_path(longest, clean, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    longest[CATALOG_PATH_MAX - 1] = 0;
    expect_clean(longest, longest);
    mem_free(longest);
}

static void a_member_is_a_computer_and_a_path(void **) {
    struct group_member out = member("alpha.example:/a:b//c/");
    struct err err = {0};
    char text[CATALOG_NAME_MAX + 3];
    assert_string_equal(out.computer, "alpha.example");
    assert_string_equal(out.path, "/a:b/c");
    const char *const bad[] = {"alpha", ":/a", "alpha:", "alpha:a", "/a"};
    for (size_t i = 0; i < ARRAY_N(bad); i++) {
        assert_int_equal(group_parse_member(bad[i], &out, &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
    }
    memset(text, 'c', sizeof text);
    memcpy(text + CATALOG_NAME_MAX, ":/", 3);
    assert_int_equal(group_parse_member(text, &out, &err), -1);
    assert_int_equal(group_parse_member(text + 1, &out, &err), 0);
}

static void a_pattern_is_one_line_of_bounded_length(void **) {
    char *longest = mem_new(GROUP_EXCLUDE_BYTES_MAX + 2);
    struct err err = {0};
    assert_int_equal(group_check_exclude("*.tmp", &err), 0);
    assert_int_equal(group_check_exclude("", &err), -1);
    assert_int_equal(group_check_exclude("a\nb", &err), -1);
    memset(longest, 'x', GROUP_EXCLUDE_BYTES_MAX + 1);
    assert_int_equal(group_check_exclude(longest, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    longest[GROUP_EXCLUDE_BYTES_MAX] = 0;
    assert_int_equal(group_check_exclude(longest, &err), 0);
    mem_free(longest);
}

static void a_group_comes_back_as_it_was_made(void **state) {
    struct fixture *f = *state;
    const struct group_member members[] = {member("BETA:/z/"), member("alpha:/b"),
                                           member("alpha:/a")};
    create(f, "Daily set", members, 3);
    expect_group(f, "daily SET", "5 caches | *.tmp !keep.tmp | alpha:/a alpha:/b beta:/z");
    struct group group;
    FAILS(f, ERR_NOT_FOUND, group_get(f->catalog, "other", &group, &f->err));
    group_done(&group);
}

static void patterns_rest_as_they_travel(void **) {
    struct group group = {0};
    SCOPED(buf) encoded = {0};
    *vec_push(&group.excludes) = mem_text("*.o");
    *vec_push(&group.excludes) = mem_text("b");
    group_put_excludes(&group, &encoded);
    assert_true(span_equal(buf_span(&encoded), span_text("\x03*.o\x01"
                                                         "b")));
    group_done(&group);
}

static void nothing_is_made_when_a_part_is_wrong(void **state) {
    struct fixture *f = *state;
    const struct group_member taken = member("alpha:/a");
    create(f, "first", &taken, 1);
    const struct {
        const char *second;
        enum err_code code;
    } cases[] = {{"gamma:/x", ERR_NOT_FOUND},
                 {"alpha:/a", ERR_SOURCE_PROTECTED},
                 {"beta:/new/", ERR_SOURCE_PROTECTED}};
    for (size_t i = 0; i < ARRAY_N(cases); i++) {
        const struct group_member members[] = {member("beta:/new"), member(cases[i].second)};
        struct group_spec spec = {.name = "second", .members = members, .member_n = 2};
        struct group group;
        FAILS(f, cases[i].code, group_create(f->catalog, &spec, &f->err));
        FAILS(f, ERR_NOT_FOUND, group_get(f->catalog, "second", &group, &f->err));
        group_done(&group);
    }
    const struct group_member other = member("beta:/new");
    struct group_spec spec = {.name = "FIRST", .members = &other, .member_n = 1};
    FAILS(f, ERR_EXISTS, group_create(f->catalog, &spec, &f->err));
    spec.name = "second";
    spec.level = GROUP_LEVEL_MAX + 1;
    FAILS(f, ERR_USAGE, group_create(f->catalog, &spec, &f->err));
    spec.level = GROUP_LEVEL_MAX;
    spec.member_n = 0;
    FAILS(f, ERR_USAGE, group_create(f->catalog, &spec, &f->err));
    spec.member_n = 1;
    OK(f, group_create(f->catalog, &spec, &f->err));
}

static void members_and_patterns_have_limits(void **state) {
    struct fixture *f = *state;
    struct group_member *members = mem_new_array(GROUP_MEMBERS_MAX + 1, sizeof *members);
    const char **patterns = mem_new_array(GROUP_EXCLUDES_MAX + 1, sizeof *patterns);
    char *big = mem_new(GROUP_EXCLUDE_BYTES_MAX + 1);
    for (unsigned i = 0; i <= GROUP_MEMBERS_MAX; i++) {
        (void)text_copy(members[i].computer, sizeof members[i].computer, "alpha");
        (void)text_format(members[i].path, sizeof members[i].path, "/%04u", i);
    }
    for (size_t i = 0; i <= GROUP_EXCLUDES_MAX; i++)
        patterns[i] = "p";
    struct group_spec spec = {.name = "big",
                              .members = members,
                              .member_n = GROUP_MEMBERS_MAX + 1,
                              .excludes = patterns,
                              .exclude_n = GROUP_EXCLUDES_MAX};
    FAILS(f, ERR_LIMIT, group_create(f->catalog, &spec, &f->err));
    spec.member_n = GROUP_MEMBERS_MAX;
    spec.exclude_n = GROUP_EXCLUDES_MAX + 1;
    FAILS(f, ERR_LIMIT, group_create(f->catalog, &spec, &f->err));
    memset(big, 'x', GROUP_EXCLUDE_BYTES_MAX);
    for (size_t i = 0; i < 16; i++)
        patterns[i] = big;
    spec.exclude_n = 16; /* with their lengths too much together */
    FAILS(f, ERR_LIMIT, group_create(f->catalog, &spec, &f->err));
    spec.exclude_n = 15;
    OK(f, group_create(f->catalog, &spec, &f->err));
    struct group_change one_more = {.add = &members[GROUP_MEMBERS_MAX], .add_n = 1};
    FAILS(f, ERR_LIMIT, group_modify(f->catalog, "big", &one_more, &f->err));
    one_more.remove = members;
    one_more.remove_n = 1;
    OK(f, group_modify(f->catalog, "big", &one_more, &f->err));
    mem_free(members);
    mem_free(patterns);
    mem_free(big);
}

static void a_change_is_all_or_nothing(void **state) {
    struct fixture *f = *state;
    const struct group_member first[] = {member("alpha:/a"), member("alpha:/b")};
    const struct group_member more[] = {member("beta:/c"), member("gamma:/d")};
    const char *const drop[] = {"*.tmp"}, *const add[] = {"*.o"}, *const none[] = {"*.x"};
    const bool yes = true;
    const uint8_t level = 9;
    create(f, "one", first, 2);
    struct group_change change = {.add = more,
                                  .add_n = 2,
                                  .remove = &first[1],
                                  .remove_n = 1,
                                  .add_excludes = add,
                                  .add_exclude_n = 1,
                                  .remove_excludes = drop,
                                  .remove_exclude_n = 1,
                                  .one_file_system = &yes,
                                  .level = &level};
    const char *before = "5 caches | *.tmp !keep.tmp | alpha:/a alpha:/b";
    FAILS(f, ERR_NOT_FOUND, group_modify(f->catalog, "one", &change, &f->err));
    expect_group(f, "one", before);
    change.add_n = 1;
    change.remove_excludes = none;
    FAILS(f, ERR_NOT_FOUND, group_modify(f->catalog, "one", &change, &f->err));
    change.remove_excludes = drop;
    change.remove = &more[0];
    FAILS(f, ERR_NOT_FOUND, group_modify(f->catalog, "one", &change, &f->err));
    expect_group(f, "one", before);
    change.remove = &first[1];
    OK(f, group_modify(f->catalog, "one", &change, &f->err));
    expect_group(f, "one", "9 one caches | !keep.tmp *.o | alpha:/a beta:/c");
    FAILS(f, ERR_NOT_FOUND, group_modify(f->catalog, "two", &change, &f->err));
}

static void a_group_keeps_a_member(void **state) {
    struct fixture *f = *state;
    const struct group_member members[] = {member("alpha:/a"), member("alpha:/a")};
    create(f, "one", members, 1);
    struct group_change change = {.remove = members, .remove_n = 1};
    FAILS(f, ERR_USAGE, group_modify(f->catalog, "one", &change, &f->err));
    change.remove_n = 2;
    FAILS(f, ERR_NOT_FOUND, group_modify(f->catalog, "one", &change, &f->err));
    expect_group(f, "one", "5 caches | *.tmp !keep.tmp | alpha:/a");
}

static struct digest add_point(struct fixture *f, const char *group_name) {
    struct commit commit = {
        .sequence = 1, .state = COMMIT_COMPLETE, .job = {4}, .computer = "alpha"};
    struct digest id = {.b = {9}};
    struct group group;
    OK(f, group_get(f->catalog, group_name, &group, &f->err));
    memcpy(commit.source, group.sources.p[0].id, sizeof commit.source);
    (void)text_copy(commit.root_path, sizeof commit.root_path, group.sources.p[0].path);
    group_done(&group);
    OK(f, catalog_point_add(f->catalog, &commit, &id, 0, &f->err));
    return id;
}

static void a_source_keeps_its_id_through_groups(void **state) {
    struct fixture *f = *state;
    const struct group_member members[] = {member("alpha:/a"), member("beta:/b")};
    struct group group;
    create(f, "one", members, 2);
    OK(f, group_get(f->catalog, "one", &group, &f->err));
    struct catalog_source a = group.sources.p[0], b = group.sources.p[1];
    assert_memory_not_equal(a.id, b.id, sizeof a.id);
    group_done(&group);
    struct group_removed removed;
    OK(f, group_remove(f->catalog, "one", (struct group_remove_opts){0}, &removed, &f->err));
    create(f, "two", members, 1);
    OK(f, group_get(f->catalog, "two", &group, &f->err));
    assert_memory_equal(group.sources.p[0].id, a.id, sizeof a.id);
    group_done(&group);
}

static void removing_a_group_never_deletes_points(void **state) {
    struct fixture *f = *state;
    const struct group_member members[] = {member("alpha:/a"), member("beta:/b")};
    struct group_removed removed;
    struct group_remove_opts opts = {.points = GROUP_REFUSE};
    create(f, "one", members, 2);
    (void)add_point(f, "one");
    FAILS(f, ERR_GROUP_POINTS, group_remove(f->catalog, "one", opts, &removed, &f->err));
    opts = (struct group_remove_opts){.points = GROUP_KEEP_POINTS, .what_if = true};
    OK(f, group_remove(f->catalog, "one", opts, &removed, &f->err));
    assert_int_equal(removed.sources, 2);
    assert_int_equal(removed.points, 1);
    expect_group(f, "one", "5 caches | *.tmp !keep.tmp | alpha:/a beta:/b");
    opts = (struct group_remove_opts){.points = GROUP_KEEP_POINTS};
    OK(f, group_remove(f->catalog, "one", opts, &removed, &f->err));
    assert_int_equal(removed.points, 1);
    FAILS(f, ERR_NOT_FOUND, group_remove(f->catalog, "one", opts, &removed, &f->err));
    uint64_t n;
    OK(f, catalog_point_count(f->catalog, &(struct catalog_point_filter){0}, &n, &f->err));
    assert_int_equal(n, 1);
}

static int add_text(void *ctx, const struct group *group, struct err *err) {
    struct buf *text = ctx;
    (void)err;
    buf_printf(text, "%s:%zu ", group->name, group->sources.n);
    return text_equal(group->name, "two");
}

static void groups_are_listed_by_name(void **state) {
    struct fixture *f = *state;
    const struct group_member members[] = {member("alpha:/a"), member("alpha:/b"),
                                           member("beta:/c"), member("beta:/d")};
    SCOPED(buf) text = {0};
    create(f, "two", members, 2);
    create(f, "one", members + 2, 1);
    create(f, "unseen", members + 3, 1);
    OK(f, group_list(f->catalog, NULL, add_text, &text, &f->err));
    assert_string_equal(buf_text(&text), "one:1 two:2 ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_a_letter_and_no_space_at_its_ends),
        cmocka_unit_test(a_path_is_cleaned_and_never_goes_up),
        cmocka_unit_test(a_member_is_a_computer_and_a_path),
        cmocka_unit_test(a_pattern_is_one_line_of_bounded_length),
        cmocka_unit_test(patterns_rest_as_they_travel),
        TEST(a_group_comes_back_as_it_was_made),
        TEST(nothing_is_made_when_a_part_is_wrong),
        TEST(members_and_patterns_have_limits),
        TEST(a_change_is_all_or_nothing),
        TEST(a_group_keeps_a_member),
        TEST(a_source_keeps_its_id_through_groups),
        TEST(removing_a_group_never_deletes_points),
        TEST(groups_are_listed_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
