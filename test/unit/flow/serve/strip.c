/* A restore hands out what its point names, and nothing of what lies beside it in the store.
 * Covers src/flow/serve/serve_restore.c */
#include "flow_fixture.h"

#include "flow/serve/serve.h"

#define SHARED_FILL 7
#define SECRET_FILL 8
#define FILE_BYTES 3000u

static const struct flow_file both[] = {
    {.path = "secret", .fill = SECRET_FILL, .size = FILE_BYTES},
    {.path = "shared", .fill = SHARED_FILL, .size = FILE_BYTES}};

/* All chunks of the point in one segment, brought by `source`. */
static void store_together(struct flow_world *w, const struct flow_point *point,
                           const uint8_t source[static 16]) {
    AUTO(store_writer) *writer = NULL;
    struct store_session session = {.job = {1}};
    struct segment_chunk chunks[8];
    struct digest names[8];
    struct buf plain = {0};
    uint64_t stored;
    memcpy(session.source, source, sizeof session.source);
    OK(store_writer_open(w->store, &session, &writer, &err));
    assert_true(point->chunks.n <= ARRAY_N(chunks));
    for (size_t i = 0; i < point->chunks.n; i++) {
        const struct flow_chunk *chunk = &point->chunks.p[i];
        chunks[i] = (struct segment_chunk){(uint8_t)chunk->type, (uint32_t)chunk->bytes.n};
        names[i] = chunk->name;
        buf_put_span(&plain, buf_span(&chunk->bytes));
    }
    struct segment segment = {.codec = SEGMENT_RAW,
                              .plain_bytes = (uint32_t)plain.n,
                              .chunk_n = (uint32_t)point->chunks.n,
                              .chunks = chunks,
                              .payload = buf_span(&plain)};
    OK(store_put(writer, &segment, buf_span(&plain), names, &stored, &err));
    OK(store_writer_sync(writer, &err));
    buf_done(&plain);
}

struct serving {
    struct flow_world *w;
    struct channel *channel;
    struct span commit_file;
    int rc;
};

static void ignore_progress(void *ctx, const struct msg_progress *progress, uint64_t sent) {
    (void)ctx, (void)progress, (void)sent;
}

static void ignore_problem(void *ctx, struct span path, int sys, struct span reason) {
    (void)ctx, (void)path, (void)sys, (void)reason;
}

static void serve(void *arg) {
    struct serving *serving = arg;
    struct serve_order order = {.commit_file = serving->commit_file};
    struct serve_watch watch = {.progress = ignore_progress, .problem = ignore_problem};
    struct msg_restored restored;
    serving->rc =
        serve_restore(serving->channel, serving->w->store, &order, &watch, &restored, NULL);
}

/* Restore the point and look at every byte of content that comes: counts of both fills. */
static void count_sent(struct flow_world *w, const struct flow_point *point, size_t *shared,
                       size_t *secret) {
    struct serving serving = {.w = w};
    struct channel *agent;
    struct os_thread thread;
    struct buf file = {0};
    enum frame_type type;
    struct span body;
    commit_put(&file, &point->commit);
    serving.commit_file = buf_span(&file);
    flow_connect(w, &serving.channel, &agent);
    OK(os_thread_start(&thread, "serve", serve, &serving, &err));
    OK(channel_expect(agent, FRAME_TYPE_begin_restore, &body, FLOW_WAIT_MS, &err));
    channel_state(agent, FRAME_RESTORE);
    *shared = *secret = 0;
    do {
        struct msg_pick pick;
        OK(channel_receive(agent, &type, &body, FLOW_WAIT_MS, &err));
        if (type != FRAME_TYPE_pick)
            continue;
        OK(msg_pick_get(body, &pick, &err));
        assert_int_equal(pick.codec, SEGMENT_RAW);
        for (size_t i = 0; i < pick.payload.n; i++) {
            *shared += pick.payload.p[i] == SHARED_FILL;
            *secret += pick.payload.p[i] == SECRET_FILL;
        }
        assert_int_equal(pick.picks.n, 8);
        uint32_t offset = be32_get(pick.picks.p), length = be32_get(pick.picks.p + 4);
        assert_int_equal(length, FILE_BYTES);
        assert_int_equal(pick.payload.p[offset], SHARED_FILL);
        assert_int_equal(pick.payload.p[offset + length - 1], SHARED_FILL);
    } while (type != FRAME_TYPE_window_done);
    OK(CHANNEL_SEND(agent, restored, &err, .done = 1));
    os_thread_join(&thread);
    assert_int_equal(serving.rc, 0);
    channel_free(agent);
    channel_free(serving.channel);
    buf_done(&file);
}

static void serve_point_of(struct flow_world *w, uint8_t owner, size_t *shared, size_t *secret) {
    uint8_t first[16];
    memset(first, 'a', sizeof first);
    struct flow_point all = flow_point_make(w, both, 2);
    store_together(w, &all, first);
    memset(w->source, owner, sizeof w->source);
    struct flow_point point = flow_point_make(w, both + 1, 1);
    store_together(w, &point, w->source); /* its content is here already: only pages are added */
    flow_agent_sign(&point.commit, w->agent_seed);
    flow_server_sign(&point.commit, w->server_seed);
    count_sent(w, &point, shared, secret);
    flow_point_done(&point);
    flow_point_done(&all);
}

static void what_another_source_brought_stays_here(void **state) {
    size_t shared, secret;
    serve_point_of(*state, 'b', &shared, &secret);
    assert_int_equal(shared, FILE_BYTES);
    assert_int_equal(secret, 0);
}

static void a_segment_of_its_own_travels_as_it_rests(void **state) {
    size_t shared, secret;
    serve_point_of(*state, 'a', &shared, &secret);
    assert_in_range(shared, FILE_BYTES, FILE_BYTES + 100); /* pages have such bytes, too */
    assert_in_range(secret, FILE_BYTES, FILE_BYTES + 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, flow_setup, flow_teardown)
        TEST(what_another_source_brought_stays_here),
        TEST(a_segment_of_its_own_travels_as_it_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
