/* An agent that lies: nothing it says makes a point that is not whole and its own, and the next
 * honest backup works.  Covers src/flow/ingest. */
#include "flow_fixture.h"

#include "flow/ingest/ingest.h"

struct session {
    struct flow_world *w;
    struct channel *server, *agent;
    struct ingest_order order;
    struct ingest_result result;
    struct os_thread thread;
    int rc;
    struct err err;
};

static void serve(void *arg) {
    struct session *s = arg;
    const struct ingest_watch watch = {0};
    s->rc =
        ingest_run(s->server, s->w->store, s->w->ledger, &s->order, &watch, &s->result, &s->err);
}

/* The server waits for this job; begin_backup has arrived. */
static void session_open(struct session *s, struct flow_world *w, const uint8_t job[static 16]) {
    struct span body;
    *s = (struct session){.w = w};
    s->order = (struct ingest_order){
        .agent_key = w->agent_key,
        .signer = {.ctx = w->server_seed, .sign = flow_sign, .key = w->server_key},
        .computer = "agent.example",
        .root_path = FLOW_ROOT};
    memcpy(s->order.job, job, sizeof s->order.job);
    memcpy(s->order.source, w->source, sizeof s->order.source);
    flow_connect(w, &s->server, &s->agent);
    OK(os_thread_start(&s->thread, "ingest", serve, s, &err));
    OK(channel_expect(s->agent, FRAME_TYPE_begin_backup, &body, FLOW_WAIT_MS, &err));
    channel_state(s->agent, FRAME_BACKUP);
}

/* The code the server ended with; ERR_NONE: it committed. */
static enum err_code session_end(struct session *s) {
    os_thread_join(&s->thread);
    channel_free(s->agent);
    channel_free(s->server);
    return s->rc == 0 ? ERR_NONE : s->err.code;
}

/* The server may have hung up: its verdict counts. */
static void send_segment(struct session *s, struct span encoded) {
    (void)CHANNEL_SEND(s->agent, segment, NULL, .encoded = encoded);
}

static void send_chunk(struct session *s, const struct flow_chunk *chunk) {
    struct buf encoded = {0};
    struct segment_chunk listed = {.type = (uint8_t)chunk->type,
                                   .length = (uint32_t)chunk->bytes.n};
    struct segment segment = {.codec = SEGMENT_RAW,
                              .plain_bytes = listed.length,
                              .chunk_n = 1,
                              .chunks = &listed,
                              .payload = buf_span(&chunk->bytes)};
    segment_put(&encoded, &segment);
    send_segment(s, buf_span(&encoded));
    buf_done(&encoded);
}

/* Chunks of all types but `without` (0 = all). */
static void send_chunks(struct session *s, const struct flow_point *point, unsigned without) {
    for (size_t i = 0; i < point->chunks.n; i++)
        if (point->chunks.p[i].type != without)
            send_chunk(s, &point->chunks.p[i]);
}

static void send_commit(struct session *s, const struct commit *commit) {
    struct buf part = {0}, body = {0};
    struct msg_commit message = {0};
    commit_agent_part(&part, commit);
    message.agent_part = buf_span(&part);
    memcpy(message.signature, commit->agent_signature, sizeof message.signature);
    msg_commit_put(&body, &message);
    (void)channel_send(s->agent, FRAME_TYPE_commit, buf_span(&body), span_of(NULL, 0), NULL);
    buf_done(&part);
    buf_done(&body);
}

static const struct flow_file files[] = {{.path = "a", .fill = 1, .size = 5000},
                                         {.path = "b", .fill = 2, .size = 70000}};

static struct flow_point two_files(struct flow_world *w) {
    return flow_point_make(w, files, ARRAY_N(files));
}

/* Make the commit follow what the ledger has. */
static uint64_t chain(struct flow_world *w, struct commit *commit) {
    struct buf newest = {0};
    uint64_t sequence;
    OK(ledger_newest(w->ledger, w->source, &sequence, &newest, &err));
    commit->sequence = sequence + 1;
    if (sequence > 0)
        commit_hash(buf_span(&newest), &commit->previous);
    buf_done(&newest);
    return sequence;
}

static uint64_t newest(struct flow_world *w) {
    struct commit ignored;
    return chain(w, &ignored);
}

/* Returns the commit that was accepted. */
static struct commit honest_backup(struct flow_world *w) {
    struct session s;
    struct span body;
    struct flow_point point = two_files(w);
    uint64_t before = chain(w, &point.commit);
    flow_agent_sign(&point.commit, w->agent_seed);
    session_open(&s, w, point.commit.job);
    send_chunks(&s, &point, 0);
    send_commit(&s, &point.commit);
    OK(channel_expect(s.agent, FRAME_TYPE_committed, &body, FLOW_WAIT_MS, &err));
    enum err_code code = session_end(&s);
    if (code != ERR_NONE)
        fail_msg("an honest backup: %s", s.err.text);
    assert_int_equal(newest(w), before + 1);
    flow_point_done(&point);
    return point.commit;
}

/* The last step of a session that must fail. */
static void expect_refusal(struct session *s, enum err_code want, uint64_t before) {
    struct flow_world *w = s->w;
    enum err_code code = session_end(s);
    if (code != want)
        fail_msg("%s was due: %s", err_info(want)->symbol, code ? s->err.text : "it committed");
    assert_int_equal(newest(w), before);
    (void)honest_backup(w);
}

/* ---- segments ---- */

static void expect_bad_segment(struct flow_world *w, struct span encoded) {
    struct session s;
    uint8_t job[16] = {77};
    enum frame_type type;
    struct span body;
    uint64_t before = newest(w);
    session_open(&s, w, job);
    send_segment(&s, encoded);
    (void)channel_receive(s.agent, &type, &body, FLOW_WAIT_MS, NULL); /* it hangs up */
    expect_refusal(&s, ERR_FORMAT, before);
}

/* One data chunk of `length` bytes, it says. */
static void segment_head(struct buf *out, enum segment_codec codec, uint32_t length) {
    buf_put_u8(out, (uint8_t)codec);
    buf_put_varint(out, 1);
    buf_put_varint(out, (uint64_t)length << 3 | CHUNK_DATA);
}

static void put_frame(struct buf *out, uint32_t zeros) {
    struct buf plain = {0};
    AUTO(sealer) *sealer = sealer_new(3);
    memset(buf_extend(&plain, zeros), 0, zeros);
    assert_int_equal(sealer_pack(sealer, buf_span(&plain), out), SEGMENT_ZSTD);
    buf_done(&plain);
}

static void a_bomb_ends_the_session(void **state) {
    struct buf encoded = {0};
    segment_head(&encoded, SEGMENT_ZSTD, 1000);
    put_frame(&encoded, 200000);
    expect_bad_segment(*state, buf_span(&encoded));
    buf_done(&encoded);
}

static void content_that_is_shorter_than_listed_ends_the_session(void **state) {
    struct buf encoded = {0};
    segment_head(&encoded, SEGMENT_ZSTD, 2000);
    put_frame(&encoded, 1000);
    expect_bad_segment(*state, buf_span(&encoded));
    buf_clear(&encoded);
    segment_head(&encoded, SEGMENT_RAW, 100);
    memset(buf_extend(&encoded, 50), 7, 50);
    expect_bad_segment(*state, buf_span(&encoded));
    buf_done(&encoded);
}

static void garbage_ends_the_session(void **state) {
    static const uint8_t garbage[] = {1, 1, 0xf9, 0x0f, 1, 2, 3, 4, 5};
    expect_bad_segment(*state, span_of(garbage, sizeof garbage));
}

/* ---- have ---- */

/* The server's answer: one bit. */
static bool ask_have(struct session *s, const struct digest *name) {
    struct span body;
    struct msg_have_reply reply;
    OK(CHANNEL_SEND(s->agent, have, &err, .batch = 9, .names = span_of(name->b, 32)));
    OK(channel_expect(s->agent, FRAME_TYPE_have_reply, &body, FLOW_WAIT_MS, &err));
    OK(msg_have_reply_get(body, &reply, &err));
    assert_int_equal(reply.batch, 9);
    assert_int_equal(reply.bits.n, 1);
    assert_int_equal(reply.bits.p[0] & 0x7f, 0);
    return reply.bits.p[0] != 0;
}

static void another_sources_chunks_are_not_admitted_to_be_here(void **state) {
    struct flow_world *w = *state;
    struct session s;
    uint8_t job[16] = {78};
    bool has;
    struct commit commit = honest_backup(w);
    struct flow_point point = two_files(w);
    const struct digest *name = &point.chunks.p[0].name;
    OK(store_has(w->store, name, &has, &err));
    assert_true(has);

    session_open(&s, w, job); /* its own: yes */
    assert_true(ask_have(&s, name));
    assert_false(ask_have(&s, &commit.previous));
    channel_cancel(s.agent);
    assert_int_not_equal(session_end(&s), ERR_NONE);

    memset(w->source, 't', sizeof w->source);
    session_open(&s, w, job);
    assert_false(ask_have(&s, name));
    assert_false(ask_have(&s, &point.root));
    channel_cancel(s.agent);
    assert_int_not_equal(session_end(&s), ERR_NONE);
    assert_int_equal(newest(w), 0);
    (void)honest_backup(w);
    flow_point_done(&point);
}

static void half_a_name_is_malformed(void **state) {
    struct session s;
    uint8_t job[16] = {79}, names[48] = {0};
    enum frame_type type;
    struct span body;
    session_open(&s, *state, job);
    OK(CHANNEL_SEND(s.agent, have, &err, .batch = 1, .names = span_of(names, sizeof names)));
    FAILS(ERR_PROTOCOL, channel_receive(s.agent, &type, &body, FLOW_WAIT_MS, &err));
    expect_refusal(&s, ERR_PROTOCOL, 0);
}

/* ---- commits ---- */

/* Sends the chunks but those of one type, then the commit as it is; the agent is told why not. */
static void expect_bad_commit(struct flow_world *w, struct flow_point *point,
                              const struct commit *commit, unsigned without, enum err_code want) {
    struct session s;
    struct span body;
    uint64_t before = newest(w);
    session_open(&s, w, point->commit.job);
    send_chunks(&s, point, without);
    send_commit(&s, commit);
    FAILS(want, channel_expect(s.agent, FRAME_TYPE_committed, &body, FLOW_WAIT_MS, &err));
    expect_refusal(&s, want, before);
    flow_point_done(point);
}

static void a_manifest_whose_chunks_never_came_makes_no_point(void **state) {
    static const unsigned types[] = {CHUNK_DATA, CHUNK_TREE, CHUNK_MANIFEST};
    struct flow_world *w = *state;
    for (size_t i = 0; i < ARRAY_N(types); i++) {
        struct flow_file file = {.path = "x", .fill = (uint8_t)(10 + i), .size = 3000};
        struct flow_point point = flow_point_make(w, &file, 1);
        (void)chain(w, &point.commit);
        flow_agent_sign(&point.commit, w->agent_seed);
        expect_bad_commit(w, &point, &point.commit, types[i], ERR_CLOSURE);
    }
}

static void naming_what_another_source_has_is_no_proof_of_having_it(void **state) {
    struct flow_world *w = *state;
    struct session s;
    struct span body;
    (void)honest_backup(w);
    memset(w->source, 't', sizeof w->source);
    struct flow_point guessed = two_files(w);
    flow_agent_sign(&guessed.commit, w->agent_seed);
    expect_bad_commit(w, &guessed, &guessed.commit, CHUNK_DATA, ERR_CLOSURE);

    (void)honest_backup(w); /* sends it, though the store has it: from now on it is in the base */
    struct flow_point next = two_files(w);
    (void)chain(w, &next.commit);
    flow_agent_sign(&next.commit, w->agent_seed);
    session_open(&s, w, next.commit.job);
    send_chunks(&s, &next, CHUNK_DATA);
    send_commit(&s, &next.commit);
    OK(channel_expect(s.agent, FRAME_TYPE_committed, &body, FLOW_WAIT_MS, &err));
    assert_int_equal(session_end(&s), ERR_NONE);
    flow_point_done(&next);
}

static void a_commit_of_another_key_is_refused(void **state) {
    struct flow_world *w = *state;
    struct flow_point point = two_files(w);
    memcpy(point.commit.agent_key, w->other_key.b, sizeof w->other_key.b);
    flow_agent_sign(&point.commit, w->other_seed);
    expect_bad_commit(w, &point, &point.commit, 0, ERR_AUTH);
    point = two_files(w); /* our key's name, another's signature */
    (void)chain(w, &point.commit);
    flow_agent_sign(&point.commit, w->other_seed);
    expect_bad_commit(w, &point, &point.commit, 0, ERR_AUTH);
}

static void a_commit_altered_after_it_was_signed_is_refused(void **state) {
    struct flow_world *w = *state;
    struct flow_point point = two_files(w);
    flow_agent_sign(&point.commit, w->agent_seed);
    point.commit.read_bytes++;
    expect_bad_commit(w, &point, &point.commit, 0, ERR_AUTH);
}

typedef void change_fn(struct commit *commit);

static void skip_one(struct commit *commit) {
    commit->sequence++;
    commit->previous.b[0] |= 1;
}
static void other_previous(struct commit *commit) {
    commit->previous.b[3] ^= 1;
}
static void other_store(struct commit *commit) {
    commit->store[0] ^= 1;
}
static void other_source(struct commit *commit) {
    commit->source[0] ^= 1;
}
static void other_job(struct commit *commit) {
    commit->job[0] ^= 1;
}
static void other_root(struct commit *commit) {
    (void)text_copy(commit->root_path, sizeof commit->root_path, "/etc");
}
static void other_count(struct commit *commit) {
    commit->entries++;
    commit->files++;
}
static void other_bytes(struct commit *commit) {
    commit->bytes--;
}

static void a_commit_about_something_else_is_refused(void **state) {
    static change_fn *const changes[] = {skip_one,  other_previous, other_store, other_source,
                                         other_job, other_root,     other_count, other_bytes};
    struct flow_world *w = *state;
    (void)honest_backup(w);
    for (size_t i = 0; i < ARRAY_N(changes); i++) {
        struct flow_point point = two_files(w);
        (void)chain(w, &point.commit);
        struct commit commit = point.commit;
        changes[i](&commit);
        flow_agent_sign(&commit, w->agent_seed);
        expect_bad_commit(w, &point, &commit, 0, ERR_PROTOCOL);
    }
}

static void a_manifest_of_another_source_is_refused(void **state) {
    struct flow_world *w = *state;
    w->source[0] = 'x';
    struct flow_point point = two_files(w);
    w->source[0] = 's';
    memcpy(point.commit.source, w->source, sizeof w->source);
    flow_agent_sign(&point.commit, w->agent_seed);
    expect_bad_commit(w, &point, &point.commit, 0, ERR_PROTOCOL);
}

static void an_accepted_commit_is_not_accepted_again(void **state) {
    struct flow_world *w = *state;
    struct commit commit = honest_backup(w);
    struct flow_point point = two_files(w);
    flow_agent_sign(&commit, w->agent_seed);
    expect_bad_commit(w, &point, &commit, 0, ERR_PROTOCOL); /* in a job of its own */
    point = two_files(w);
    memcpy(point.commit.job, commit.job, sizeof commit.job); /* in one with the same id */
    expect_bad_commit(w, &point, &commit, 0, ERR_PROTOCOL);
}

static void a_job_that_made_its_point_is_known(void **state) {
    struct flow_world *w = *state;
    struct ingest_result result;
    bool made = true;
    uint8_t job[16] = {1}, other[16] = {2};
    OK(ingest_made(w->ledger, job, w->source, &result, &made, &err));
    assert_false(made);
    struct commit commit = honest_backup(w);
    OK(ingest_made(w->ledger, commit.job, w->source, &result, &made, &err));
    assert_true(made);
    assert_int_equal(result.commit.sequence, 1);
    assert_true(digest_equal(&result.commit.manifest, &commit.manifest));
    OK(ingest_made(w->ledger, other, w->source, &result, &made, &err));
    assert_false(made);
    (void)honest_backup(w);
    OK(ingest_made(w->ledger, commit.job, w->source, &result, &made, &err));
    assert_false(made); /* only the newest can be what a running job has just made */
}

static void a_second_commit_in_a_session_makes_no_second_point(void **state) {
    struct flow_world *w = *state;
    struct session s;
    struct span body;
    struct flow_point point = two_files(w);
    flow_agent_sign(&point.commit, w->agent_seed);
    struct commit second = point.commit;
    second.sequence = 2;
    second.previous.b[0] = 1;
    flow_agent_sign(&second, w->agent_seed);
    session_open(&s, w, point.commit.job);
    send_chunks(&s, &point, 0);
    send_commit(&s, &point.commit);
    send_commit(&s, &second);
    OK(channel_expect(s.agent, FRAME_TYPE_committed, &body, FLOW_WAIT_MS, &err));
    assert_int_equal(session_end(&s), ERR_NONE);
    assert_int_equal(newest(w), 1);
    (void)honest_backup(w);
    flow_point_done(&point);
}

static void an_agent_that_leaves_makes_no_point(void **state) {
    struct flow_world *w = *state;
    struct session s;
    struct flow_point point = two_files(w);
    session_open(&s, w, point.commit.job);
    send_chunks(&s, &point, 0);
    channel_cancel(s.agent);
    assert_int_not_equal(session_end(&s), ERR_NONE);
    assert_int_equal(newest(w), 0);
    (void)honest_backup(w);
    flow_point_done(&point);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, flow_setup, flow_teardown)
        TEST(a_bomb_ends_the_session),
        TEST(content_that_is_shorter_than_listed_ends_the_session),
        TEST(garbage_ends_the_session),
        TEST(another_sources_chunks_are_not_admitted_to_be_here),
        TEST(half_a_name_is_malformed),
        TEST(a_manifest_whose_chunks_never_came_makes_no_point),
        TEST(naming_what_another_source_has_is_no_proof_of_having_it),
        TEST(a_commit_of_another_key_is_refused),
        TEST(a_commit_altered_after_it_was_signed_is_refused),
        TEST(a_commit_about_something_else_is_refused),
        TEST(a_manifest_of_another_source_is_refused),
        TEST(an_accepted_commit_is_not_accepted_again),
        TEST(a_job_that_made_its_point_is_known),
        TEST(a_second_commit_in_a_session_makes_no_second_point),
        TEST(an_agent_that_leaves_makes_no_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
