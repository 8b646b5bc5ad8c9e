/* Covers src/format/commit/commit.c */
#include "unit.h"

#include "format/commit/commit.h"
#include "golden.h"

static void fill(uint8_t *to, size_t n, uint8_t first) {
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(first + i);
}

static struct commit sample(void) {
    struct commit commit = {.sequence = 7,
                            .state = COMMIT_PARTIAL,
                            .entries = 78624,
                            .files = 70000,
                            .dirs = 5000,
                            .bytes = 1299000000,
                            .problems = 3,
                            .read_bytes = 1300000000,
                            .sent_bytes = 270000000,
                            .computer = "branch-7.example",
                            .root_path = "/srv/d\xe4ten",
                            .started_s = 1795000000,
                            .finished_s = 1795000100,
                            .stored_bytes = 260000000};
    fill(commit.store, sizeof commit.store, 0x10);
    fill(commit.source, sizeof commit.source, 0x20);
    fill(commit.job, sizeof commit.job, 0x30);
    fill(commit.previous.b, sizeof commit.previous.b, 0x40);
    fill(commit.manifest.b, sizeof commit.manifest.b, 0x60);
    fill(commit.agent_key, sizeof commit.agent_key, 0x80);
    fill(commit.server_key, sizeof commit.server_key, 0xa0);
    fill(commit.agent_signature, sizeof commit.agent_signature, 0xc0);
    fill(commit.server_signature, sizeof commit.server_signature, 0xd0);
    return commit;
}

static void commit_comes_back_as_it_was_put(void **state) {
    (void)state;
    struct commit in = sample(), out;
    struct buf file = {0};
    struct err err = {0};
    commit_put(&file, &in);
    assert_int_equal(commit_get(buf_span(&file), &out, &err), 0);
    assert_memory_equal(&in, &out, sizeof in);
    buf_done(&file);
}

static void the_longest_commit_is_within_its_limit(void **state) {
    (void)state;
    struct commit in = sample(), out;
    struct buf file = {0};
    struct err err = {0};
    memset(in.computer, 'c', sizeof in.computer - 1);
    memset(in.root_path, 'r', sizeof in.root_path - 1);
    commit_put(&file, &in);
    assert_in_range(file.n, 1, COMMIT_BYTES_MAX);
    assert_int_equal(commit_get(buf_span(&file), &out, &err), 0);
    assert_memory_equal(&in, &out, sizeof in);
    buf_done(&file);
}

/* Version 1 is read for ever: the file as it was written by the first release. */
static void the_golden_commit_is_read_and_written_the_same(void **state) {
    (void)state;
    struct commit in = sample(), out;
    struct buf file = {0}, agent = {0}, server = {0};
    struct err err = {0};
    commit_put(&file, &in);
    golden_equal("commit/v1-partial", buf_span(&file));
    golden_read("commit/v1-partial", &file);
    assert_int_equal(commit_get(buf_span(&file), &out, &err), 0);
    assert_memory_equal(&in, &out, sizeof in);
    commit_agent_part(&agent, &in);
    golden_equal("commit/v1-partial.agent-signs", buf_span(&agent));
    commit_server_part(&server, &in);
    golden_equal("commit/v1-partial.server-signs", buf_span(&server));
    struct digest id;
    commit_hash(buf_span(&file), &id);
    golden_equal("commit/v1-partial.id", span_of(id.b, sizeof id.b));
    buf_done(&file);
    buf_done(&agent);
    buf_done(&server);
}

/* Every field is under both signatures, or after the agent's under the server's. */
static void each_side_signs_its_part_under_its_own_tag(void **state) {
    (void)state;
    struct commit commit = sample();
    struct buf agent = {0}, server = {0}, file = {0};
    commit_agent_part(&agent, &commit);
    commit_server_part(&server, &commit);
    commit_put(&file, &commit);
    size_t agent_tag_n = strlen((const char *)agent.p) + 1;
    size_t server_tag_n = strlen((const char *)server.p) + 1;
    assert_string_not_equal((const char *)agent.p, (const char *)server.p);
    size_t body_n = agent.n - agent_tag_n;
    assert_memory_equal(agent.p + agent_tag_n, file.p, body_n);
    assert_memory_equal(file.p + body_n, commit.agent_signature, COMMIT_SIGNATURE_BYTES);
    assert_int_equal(server.n - server_tag_n + COMMIT_SIGNATURE_BYTES, file.n);
    assert_memory_equal(server.p + server_tag_n, file.p, server.n - server_tag_n);
    buf_done(&agent);
    buf_done(&server);
    buf_done(&file);
}

static void every_truncation_and_extension_is_refused(void **state) {
    (void)state;
    struct commit in = sample(), out;
    struct buf file = {0};
    struct err err = {0};
    commit_put(&file, &in);
    for (size_t n = 0; n < file.n; n++)
        assert_int_equal(commit_get(span_of(file.p, n), &out, &err), -1);
    buf_put_u8(&file, 0);
    assert_int_equal(commit_get(buf_span(&file), &out, &err), -1);
    buf_done(&file);
}

/* What is accepted is what commit_put() would write: no two files say the same. */
static void a_flipped_bit_is_refused_or_shows(void **state) {
    (void)state;
    struct commit in = sample(), out;
    struct buf file = {0}, again = {0};
    struct err err = {0};
    commit_put(&file, &in);
    for (size_t bit = 0; bit < file.n * 8; bit++) {
        file.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (commit_get(buf_span(&file), &out, &err) == 0) {
            assert_memory_not_equal(&in, &out, sizeof in);
            buf_clear(&again);
            commit_put(&again, &out);
            assert_true(span_equal(buf_span(&again), buf_span(&file)));
        }
        file.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buf_done(&file);
    buf_done(&again);
}

static void refused(const struct commit *commit, const char *why) {
    struct buf file = {0};
    struct err err = {0};
    struct commit out;
    assert_int_equal(commit_check(commit, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.text, why));
    commit_put(&file, commit);
    assert_int_equal(commit_get(buf_span(&file), &out, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    buf_done(&file);
}

static void what_cannot_be_is_refused_on_both_sides(void **state) {
    (void)state;
    struct commit commit = sample();
    commit.sequence = 0;
    refused(&commit, "no predecessor");
    commit.sequence = 1;
    refused(&commit, "a predecessor");
    commit = sample();
    commit.previous = (struct digest){0};
    refused(&commit, "no predecessor");
    commit = sample();
    commit.state = 3;
    refused(&commit, "state 3");
    commit.state = COMMIT_COMPLETE;
    refused(&commit, "complete with 3 problems");
    commit = sample();
    commit.files = commit.entries;
    refused(&commit, "counts");
    commit = sample();
    commit.problems = commit.entries + 1;
    refused(&commit, "counts");
}

static void the_first_commit_has_no_predecessor(void **state) {
    (void)state;
    struct commit in = sample(), out;
    struct buf file = {0};
    struct err err = {0};
    in.sequence = 1;
    in.previous = (struct digest){0};
    in.state = COMMIT_COMPLETE;
    in.problems = 0;
    assert_int_equal(commit_check(&in, &err), 0);
    commit_put(&file, &in);
    assert_int_equal(commit_get(buf_span(&file), &out, &err), 0);
    buf_done(&file);
}

static void a_newer_version_is_told_from_damage(void **state) {
    (void)state;
    struct commit in = sample(), out;
    struct buf file = {0};
    struct err err = {0};
    commit_put(&file, &in);
    file.p[4] = 2;
    assert_int_equal(commit_get(buf_span(&file), &out, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT_VERSION);
    file.p[4] = 1;
    file.p[8] = 1;
    assert_int_equal(commit_get(buf_span(&file), &out, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT_VERSION);
    file.p[0] ^= 1;
    assert_int_equal(commit_get(buf_span(&file), &out, &err), -1);
    assert_int_equal(err.code, ERR_FORMAT);
    buf_done(&file);
}

static void the_agents_part_can_be_read_alone(void **state) {
    (void)state;
    struct commit in = sample(), out, expected = in;
    struct buf part = {0};
    struct err err = {0};
    expected.started_s = expected.finished_s = 0;
    expected.stored_bytes = 0;
    memset(expected.server_key, 0, sizeof expected.server_key);
    memset(expected.agent_signature, 0, sizeof expected.agent_signature);
    memset(expected.server_signature, 0, sizeof expected.server_signature);
    commit_agent_part(&part, &in);
    assert_int_equal(commit_agent_part_get(buf_span(&part), &out, &err), 0);
    assert_memory_equal(&out, &expected, sizeof out);
    for (size_t n = 0; n < part.n; n++)
        assert_int_equal(commit_agent_part_get(span_of(part.p, n), &out, &err), -1);
    buf_put_u8(&part, 0);
    assert_int_equal(commit_agent_part_get(buf_span(&part), &out, &err), -1);
    buf_clear(&part);
    commit_server_part(&part, &in);
    assert_int_equal(commit_agent_part_get(buf_span(&part), &out, &err), -1);
    buf_done(&part);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commit_comes_back_as_it_was_put),
        cmocka_unit_test(the_longest_commit_is_within_its_limit),
        cmocka_unit_test(the_golden_commit_is_read_and_written_the_same),
        cmocka_unit_test(each_side_signs_its_part_under_its_own_tag),
        cmocka_unit_test(every_truncation_and_extension_is_refused),
        cmocka_unit_test(a_flipped_bit_is_refused_or_shows),
        cmocka_unit_test(what_cannot_be_is_refused_on_both_sides),
        cmocka_unit_test(the_first_commit_has_no_predecessor),
        cmocka_unit_test(a_newer_version_is_told_from_damage),
        cmocka_unit_test(the_agents_part_can_be_read_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
