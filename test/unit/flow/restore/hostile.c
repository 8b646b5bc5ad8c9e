/* A server that lies: nothing it sends is written that the agent's own signature does not cover.
 * Covers src/flow/restore. */
#include "flow_fixture.h"

#include "flow/restore/restore.h"

struct session {
    struct flow_world *w;
    struct channel *server, *agent;
    struct restore_order order;
    struct apply_totals totals;
    struct os_thread thread;
    int rc;
    struct err err;
};

static void restore(void *arg) {
    struct session *s = arg;
    s->rc = restore_run(s->agent, &s->order, &s->totals, &s->err);
}

static void session_open(struct session *s, struct flow_world *w) {
    *s = (struct session){.w = w};
    s->order = (struct restore_order){
        .target = w->out, .own_key = w->agent_key, .server_key = w->server_key};
    flow_connect(w, &s->server, &s->agent);
    OK(os_thread_start(&s->thread, "restore", restore, s, &err));
}

/* The agent may have hung up: its verdict counts. */
static void send_begin(struct session *s, const struct commit *commit) {
    struct buf file = {0};
    commit_put(&file, commit);
    (void)CHANNEL_SEND(s->server, begin_restore, NULL, .commit_file = buf_span(&file));
    channel_state(s->server, FRAME_RESTORE);
    buf_done(&file);
}

static void send_page(struct session *s, const struct flow_point *point, enum chunk_type type) {
    for (size_t i = 0; i < point->chunks.n; i++)
        if (point->chunks.p[i].type == type)
            (void)CHANNEL_SEND(s->server, page, NULL, .type = (uint8_t)type,
                               .content = buf_span(&point->chunks.p[i].bytes));
}

static void send_pages(struct session *s, const struct flow_point *point) {
    send_page(s, point, CHUNK_MANIFEST);
    send_page(s, point, CHUNK_TREE);
}

static void send_pick_of(struct session *s, struct span plain, uint32_t offset, uint32_t length) {
    uint8_t pick[8];
    be32_put(pick, offset);
    be32_put(pick + 4, length);
    (void)CHANNEL_SEND(s->server, pick, NULL, .codec = SEGMENT_RAW,
                       .plain_bytes = (uint32_t)plain.n, .picks = span_of(pick, sizeof pick),
                       .payload = plain);
}

static void send_content(struct session *s, const struct flow_point *point, size_t i) {
    struct span plain = buf_span(&point->chunks.p[i].bytes);
    assert_int_equal(point->chunks.p[i].type, CHUNK_DATA);
    send_pick_of(s, plain, 0, (uint32_t)plain.n);
}

static void send_done(struct session *s) {
    (void)CHANNEL_SEND(s->server, window_done, NULL, .last = 1);
}

/* What the agent says until it ends: number of problems. */
static unsigned listen(struct session *s) {
    unsigned problems = 0;
    for (;;) {
        enum frame_type type;
        struct span body;
        if (channel_receive(s->server, &type, &body, FLOW_WAIT_MS, NULL) != 0 ||
            type == FRAME_TYPE_none || type == FRAME_TYPE_restored)
            return problems;
        problems += type == FRAME_TYPE_problem;
    }
}

static unsigned session_end(struct session *s) {
    unsigned problems = listen(s);
    os_thread_join(&s->thread);
    channel_free(s->server);
    channel_free(s->agent);
    return problems;
}

static const struct flow_file files[] = {{.path = "a", .fill = 1, .size = 5000},
                                         {.path = "b", .fill = 2, .size = 70000}};

static struct flow_point signed_point(struct flow_world *w) {
    struct flow_point point = flow_point_make(w, files, ARRAY_N(files));
    flow_agent_sign(&point.commit, w->agent_seed);
    flow_server_sign(&point.commit, w->server_seed);
    return point;
}

static bool written(struct flow_world *w, const char *name, size_t size) {
    char path[SCRATCH_PATH_MAX + 32];
    struct stat st;
    (void)text_format(path, sizeof path, "%s/%s", w->out, name);
    if (stat(path, &st) != 0)
        return false;
    assert_int_equal(st.st_size, size);
    return true;
}

static void expect_nothing_written(struct flow_world *w) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    bool exists;
    os_names names = {0};
    OK(os_exists(OS_FD_CWD, w->out, &exists, &err));
    if (!exists)
        return;
    OK(os_dir_open(OS_FD_CWD, w->out, &fd, &err));
    OK(os_list(fd, &names, &err));
    if (names.n > 0)
        fail_msg("%s was written", names.p[0]);
    os_names_done(&names);
}

static void restore_honestly(struct flow_world *w) {
    struct session s;
    struct flow_point point = signed_point(w);
    session_open(&s, w);
    send_begin(&s, &point.commit);
    send_pages(&s, &point);
    send_content(&s, &point, 1);
    send_content(&s, &point, 0);
    send_done(&s);
    assert_int_equal(session_end(&s), 0);
    if (s.rc != 0)
        fail_msg("an honest restore: %s", s.err.text);
    assert_int_equal(s.totals.failed + s.totals.refused, 0);
    assert_true(written(w, "a", 5000));
    assert_true(written(w, "b", 70000));
    flow_point_done(&point);
}

/* The last step of a restore that must fail before it wrote anything. */
static void expect_refusal(struct session *s, struct flow_point *point, enum err_code want) {
    (void)session_end(s);
    if (s->rc == 0 || s->err.code != want)
        fail_msg("%s was due: %s", err_info(want)->symbol, s->rc != 0 ? s->err.text : "it went on");
    expect_nothing_written(s->w);
    flow_point_done(point);
    restore_honestly(s->w);
    scratch_remove(s->w->out);
}

static void an_honest_server_is_believed(void **state) {
    restore_honestly(*state);
}

/* ---- the point ---- */

static void expect_bad_point(struct flow_world *w, struct flow_point *point, enum err_code want) {
    struct session s;
    session_open(&s, w);
    send_begin(&s, &point->commit);
    send_pages(&s, point);
    expect_refusal(&s, point, want);
}

static void a_point_of_another_computer_is_refused(void **state) {
    struct flow_world *w = *state;
    struct flow_point point = signed_point(w);
    memcpy(point.commit.agent_key, w->other_key.b, sizeof w->other_key.b);
    flow_agent_sign(&point.commit, w->other_seed);
    flow_server_sign(&point.commit, w->server_seed);
    expect_bad_point(w, &point, ERR_FOREIGN_POINT);
}

static void a_point_under_our_name_that_we_did_not_sign_is_refused(void **state) {
    struct flow_world *w = *state;
    struct flow_point point = signed_point(w);
    flow_agent_sign(&point.commit, w->other_seed);
    flow_server_sign(&point.commit, w->server_seed);
    expect_bad_point(w, &point, ERR_TAMPERED);
}

static void a_point_that_our_server_did_not_sign_is_refused(void **state) {
    struct flow_world *w = *state;
    struct flow_point point = signed_point(w);
    flow_server_sign(&point.commit, w->other_seed);
    expect_bad_point(w, &point, ERR_TAMPERED);
}

/* ---- pages ---- */

static void expect_bad_page(struct flow_world *w, enum chunk_type type, enum chunk_type said) {
    struct session s;
    struct flow_point point = signed_point(w);
    session_open(&s, w);
    send_begin(&s, &point.commit);
    if (type != CHUNK_MANIFEST)
        send_page(&s, &point, CHUNK_MANIFEST);
    for (size_t i = 0; i < point.chunks.n; i++) {
        struct flow_chunk *chunk = &point.chunks.p[i];
        if (chunk->type != type)
            continue;
        if (type == said)
            chunk->bytes.p[chunk->bytes.n / 2] ^= 1;
        (void)CHANNEL_SEND(s.server, page, NULL, .type = (uint8_t)said,
                           .content = buf_span(&chunk->bytes));
    }
    expect_refusal(&s, &point, ERR_PROTOCOL);
}

static void a_page_that_was_altered_is_refused(void **state) {
    expect_bad_page(*state, CHUNK_MANIFEST, CHUNK_MANIFEST);
    expect_bad_page(*state, CHUNK_TREE, CHUNK_TREE);
}

static void a_page_of_another_type_is_refused(void **state) {
    expect_bad_page(*state, CHUNK_TREE, CHUNK_INDEX);
}

static void the_pages_of_another_point_are_refused(void **state) {
    struct flow_world *w = *state;
    struct session s;
    struct flow_file file = {.path = "evil", .fill = 6, .size = 666};
    struct flow_point point = signed_point(w), other = flow_point_make(w, &file, 1);
    session_open(&s, w);
    send_begin(&s, &point.commit);
    send_pages(&s, &other);
    flow_point_done(&other);
    expect_refusal(&s, &point, ERR_PROTOCOL);
}

/* ---- content ---- */

/* A session in which content is due. */
static struct flow_point content_due(struct session *s, struct flow_world *w) {
    struct flow_point point = signed_point(w);
    session_open(s, w);
    send_begin(s, &point.commit);
    send_pages(s, &point);
    return point;
}

static void a_chunk_that_nothing_wants_is_refused(void **state) {
    struct session s;
    uint8_t content[1000] = {6, 6, 6};
    struct flow_point point = content_due(&s, *state);
    send_pick_of(&s, span_of(content, sizeof content), 0, sizeof content);
    expect_refusal(&s, &point, ERR_PROTOCOL);
}

static void a_pick_outside_its_segment_is_refused(void **state) {
    static const uint32_t places[][2] = {{0, 1001}, {1000, 1}, {1001, 0}, {UINT32_MAX, 2}};
    uint8_t content[1000] = {0};
    for (size_t i = 0; i < ARRAY_N(places); i++) {
        struct session s;
        struct flow_point point = content_due(&s, *state);
        send_pick_of(&s, span_of(content, sizeof content), places[i][0], places[i][1]);
        expect_refusal(&s, &point, ERR_PROTOCOL);
    }
}

static void a_malformed_pick_is_refused(void **state) {
    static const struct msg_pick picks[] = {
        {.codec = 2, .plain_bytes = 8, .payload = {(const uint8_t *)"12345678", 8}},
        {.codec = SEGMENT_RAW, .plain_bytes = SEGMENT_BYTES_MAX + 1},
        {.codec = SEGMENT_RAW,
         .plain_bytes = 8,
         .picks = {(const uint8_t *)"1234567", 7},
         .payload = {(const uint8_t *)"12345678", 8}}};
    for (size_t i = 0; i < ARRAY_N(picks); i++) {
        struct session s;
        struct buf body = {0};
        struct flow_point point = content_due(&s, *state);
        msg_pick_put(&body, &picks[i]);
        (void)channel_send(s.server, FRAME_TYPE_pick, buf_span(&body), span_of(NULL, 0), NULL);
        buf_done(&body);
        expect_refusal(&s, &point, ERR_PROTOCOL);
    }
}

static void a_bomb_is_refused(void **state) {
    struct session s;
    struct buf plain = {0}, frame = {0};
    AUTO(sealer) *sealer = sealer_new(3);
    struct flow_point point = content_due(&s, *state);
    memset(buf_extend(&plain, 200000), 0, 200000);
    assert_int_equal(sealer_pack(sealer, buf_span(&plain), &frame), SEGMENT_ZSTD);
    (void)CHANNEL_SEND(s.server, pick, NULL, .codec = SEGMENT_ZSTD, .plain_bytes = 1000,
                       .payload = buf_span(&frame));
    buf_done(&plain);
    buf_done(&frame);
    expect_refusal(&s, &point, ERR_FORMAT);
}

static void a_chunk_of_another_length_than_the_point_says_is_refused(void **state) {
    struct flow_world *w = *state;
    struct session s;
    struct flow_file file = {.path = "x", .fill = 3, .size = 4000, .length = 3999};
    struct flow_point point = flow_point_make(w, &file, 1);
    flow_agent_sign(&point.commit, w->agent_seed);
    flow_server_sign(&point.commit, w->server_seed);
    session_open(&s, w);
    send_begin(&s, &point.commit);
    send_pages(&s, &point);
    send_content(&s, &point, 0);
    expect_refusal(&s, &point, ERR_PROTOCOL);
}

static void a_file_whose_content_does_not_come_fails_alone(void **state) {
    struct flow_world *w = *state;
    struct session s;
    struct flow_point point = content_due(&s, w);
    send_content(&s, &point, 0);
    send_done(&s);
    assert_int_equal(session_end(&s), 1);
    assert_int_equal(s.rc, 0);
    assert_int_equal(s.totals.failed, 1);
    assert_true(written(w, "a", 5000));
    assert_false(written(w, "b", 70000));
    flow_point_done(&point);
}

static void a_server_that_leaves_ends_the_restore(void **state) {
    struct session s;
    struct flow_point point = content_due(&s, *state);
    channel_cancel(s.server);
    (void)session_end(&s);
    assert_int_not_equal(s.rc, 0);
    assert_true(s.err.code == ERR_UNREACHABLE || s.err.code == ERR_IO);
    expect_nothing_written(s.w);
    flow_point_done(&point);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, flow_setup, flow_teardown)
        TEST(an_honest_server_is_believed),
        TEST(a_point_of_another_computer_is_refused),
        TEST(a_point_under_our_name_that_we_did_not_sign_is_refused),
        TEST(a_point_that_our_server_did_not_sign_is_refused),
        TEST(a_page_that_was_altered_is_refused),
        TEST(a_page_of_another_type_is_refused),
        TEST(the_pages_of_another_point_are_refused),
        TEST(a_chunk_that_nothing_wants_is_refused),
        TEST(a_pick_outside_its_segment_is_refused),
        TEST(a_malformed_pick_is_refused),
        TEST(a_bomb_is_refused),
        TEST(a_chunk_of_another_length_than_the_point_says_is_refused),
        TEST(a_file_whose_content_does_not_come_fails_alone),
        TEST(a_server_that_leaves_ends_the_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
