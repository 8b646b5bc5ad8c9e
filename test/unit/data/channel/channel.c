/* Covers src/data/channel/channel.c */
#include <stdatomic.h>
#include <string.h>

#include "must.h"

#include "data/channel/channel.h"
#include "os/os.h"
#include "trust_fixture.h"

#define WAIT_MS 20000u
#define SENDERS 4
#define FRAMES 200

/* A channel of the server, and the agent's end: a channel, or the stream below it. */
struct fixture {
    struct trust_fixture trust;
    struct channel *server, *agent;
    struct tls *stream;
};

static void open_server(struct fixture *f) {
    struct tls *server;
    trust_fixture_pair(&f->trust, &server, &f->stream);
    f->server = channel_new(&server, FRAME_SERVER);
    channel_state(f->server, FRAME_BACKUP);
}

static void open_both(struct fixture *f) {
    open_server(f);
    f->agent = channel_new(&f->stream, FRAME_AGENT);
    channel_state(f->agent, FRAME_BACKUP);
}

static int group_setup(void **state) {
    struct fixture *f = mem_new(sizeof *f);
    trust_fixture_init(&f->trust);
    *state = f;
    return 0;
}

static int group_teardown(void **state) {
    struct fixture *f = *state;
    trust_fixture_done(&f->trust);
    mem_free(f);
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    channel_free(TAKE(f->agent));
    channel_free(TAKE(f->server));
    tls_close(TAKE(f->stream));
    return 0;
}

static void put_raw(struct fixture *f, const void *bytes, size_t n) {
    OK(tls_write(f->stream, bytes, n, WAIT_MS, &err));
}

static void put_header(struct fixture *f, uint32_t length, uint16_t number, uint16_t zero) {
    uint8_t header[FRAME_HEADER_BYTES];
    be32_put(header, length);
    be16_put(header + 4, number);
    be16_put(header + 6, zero);
    put_raw(f, header, sizeof header);
}

static void expect_error(struct fixture *f, enum err_code code) {
    enum frame_type type;
    struct span body;
    FAILS(code, channel_receive(f->server, &type, &body, WAIT_MS, &err));
}

struct frame_sender {
    struct channel *channel;
    struct span body;
    int rc;
};

/* In two spans, cut anywhere. */
static void send_frame(void *arg) {
    struct frame_sender *sender = arg;
    struct span body = sender->body;
    size_t cut = body.n / 3;
    sender->rc = channel_send(sender->channel, FRAME_TYPE_segment, span_of(body.p, cut),
                              span_of(body.p + cut, body.n - cut), NULL);
}

static void expect_whole(struct fixture *f, size_t n) {
    struct buf content = {0}, body = {0};
    struct span got;
    struct msg_segment message;
    struct os_thread thread;
    memset(buf_extend(&content, n), (int)(n % 251), n);
    msg_segment_put(&body, &(struct msg_segment){.encoded = buf_span(&content)});
    struct frame_sender sender = {.channel = f->agent, .body = buf_span(&body)};
    OK(os_thread_start(&thread, "sender", send_frame, &sender, &err));
    OK(channel_expect(f->server, FRAME_TYPE_segment, &got, WAIT_MS, &err));
    os_thread_join(&thread);
    assert_int_equal(sender.rc, 0);
    OK(msg_segment_get(got, &message, &err));
    assert_true(span_equal(message.encoded, buf_span(&content)));
    buf_done(&content);
    buf_done(&body);
}

static void a_frame_arrives_as_it_was_sent(void **state) {
    static const size_t sizes[] = {1, 12000, 12283, 12284, 12285, 18000, 50000, 300000};
    struct fixture *f = *state;
    open_both(f);
    for (size_t i = 0; i < ARRAY_N(sizes); i++)
        expect_whole(f, sizes[i]);
    assert_int_equal(channel_sent_bytes(f->agent), channel_received_bytes(f->server));
}

static void a_frame_of_another_state_is_refused(void **state) {
    struct fixture *f = *state;
    open_server(f);
    put_header(f, 50, FRAME_TYPE_attach, 0);
    expect_error(f, ERR_PROTOCOL);
}

static void a_frame_that_only_we_may_send_is_refused(void **state) {
    struct fixture *f = *state;
    open_server(f);
    put_header(f, 5, FRAME_TYPE_committed, 0);
    expect_error(f, ERR_PROTOCOL);
}

static void a_malformed_header_is_refused_before_its_body_is_read(void **state) {
    static const struct {
        uint32_t length;
        uint16_t number, zero;
    } headers[] = {{FRAME_BYTES_MAX + 1, FRAME_TYPE_segment, 0},
                   {UINT32_MAX, FRAME_TYPE_segment, 0},
                   {1, 9999, 0},
                   {1, 0, 0},
                   {1, FRAME_TYPE_segment, 1}};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_N(headers); i++) {
        open_server(f);
        put_header(f, headers[i].length, headers[i].number, headers[i].zero);
        expect_error(f, ERR_PROTOCOL);
        (void)teardown(state);
    }
}

static void a_peer_that_leaves_between_frames_has_ended(void **state) {
    struct fixture *f = *state;
    enum frame_type type;
    struct span body;
    open_server(f);
    tls_close(TAKE(f->stream));
    OK(channel_receive(f->server, &type, &body, WAIT_MS, &err));
    assert_int_equal(type, FRAME_TYPE_none);
    FAILS(ERR_UNREACHABLE, channel_expect(f->server, FRAME_TYPE_commit, &body, WAIT_MS, &err));
}

static void a_stream_cut_within_a_frame_is_an_error(void **state) {
    struct fixture *f = *state;
    open_server(f);
    put_raw(f, "\0\0", 2);
    tls_close(TAKE(f->stream));
    expect_error(f, ERR_UNREACHABLE);
    (void)teardown(state);
    open_server(f);
    put_header(f, 100, FRAME_TYPE_segment, 0);
    put_raw(f, "only this", 9);
    tls_close(TAKE(f->stream));
    expect_error(f, ERR_UNREACHABLE);
}

static void a_header_may_come_in_pieces(void **state) {
    struct fixture *f = *state;
    struct span body;
    uint8_t frame[FRAME_HEADER_BYTES + 4] = {0};
    open_server(f);
    frame_header_put(frame, FRAME_TYPE_want_pages, 4);
    for (size_t i = 0; i < sizeof frame; i++)
        put_raw(f, &frame[i], 1);
    OK(channel_expect(f->server, FRAME_TYPE_want_pages, &body, WAIT_MS, &err));
    assert_int_equal(body.n, 4);
}

static void silence_is_a_time_out(void **state) {
    struct fixture *f = *state;
    enum frame_type type;
    struct span body;
    open_server(f);
    FAILS(ERR_TIMEOUT, channel_receive(f->server, &type, &body, 1, &err));
}

static void another_message_than_the_one_due_is_refused(void **state) {
    struct fixture *f = *state;
    struct span body;
    open_both(f);
    OK(CHANNEL_SEND(f->agent, want_pages, &err, .count = 1));
    FAILS(ERR_PROTOCOL, channel_expect(f->server, FRAME_TYPE_commit, &body, WAIT_MS, &err));
}

static void keep_alives_are_swallowed(void **state) {
    struct fixture *f = *state;
    struct span body;
    struct msg_want_pages message;
    open_both(f);
    for (int i = 0; i < 10; i++)
        OK(CHANNEL_SEND(f->agent, keep_alive, &err, .reserved = 0));
    OK(CHANNEL_SEND(f->agent, want_pages, &err, .count = 7));
    OK(channel_expect(f->server, FRAME_TYPE_want_pages, &body, WAIT_MS, &err));
    OK(msg_want_pages_get(body, &message, &err));
    assert_int_equal(message.count, 7);
}

/* A channel whose ticker never ticked ends without waiting for it. */
static void a_channel_with_keep_alive_is_freed_at_once(void **state) {
    struct fixture *f = *state;
    open_both(f);
    OK(channel_keep_alive(f->server, &err));
    OK(channel_keep_alive(f->agent, &err));
    uint64_t start = os_mono_ns();
    (void)teardown(state);
    assert_true(os_mono_ns() - start < (uint64_t)CHANNEL_ALIVE_MS * 1000000 / 2);
}

/* ---- refuse ---- */

static void give_up(void *arg) {
    struct err why;
    (void)ERR(&why, ERR_CLOSURE, "three chunks are not here");
    channel_refuse(arg, &why);
}

static void a_refusal_arrives_as_the_peers_error(void **state) {
    struct fixture *f = *state;
    struct os_thread thread;
    enum frame_type type;
    struct span body;
    struct err why = {0};
    open_both(f);
    OK(os_thread_start(&thread, "agent", give_up, f->agent, &err));
    assert_int_equal(channel_receive(f->server, &type, &body, WAIT_MS, &why), -1);
    assert_int_equal(why.code, ERR_CLOSURE);
    assert_string_equal(why.text, "peer: three chunks are not here");
    channel_free(TAKE(f->server)); /* ends the agent's farewell */
    os_thread_join(&thread);
}

static void a_refusal_with_an_unknown_symbol_is_the_peers(void **state) {
    struct fixture *f = *state;
    open_both(f);
    OK(CHANNEL_SEND(f->agent, refuse, &err, .symbol = span_text("from-the-future"),
                    .message = span_text("no")));
    expect_error(f, ERR_PEER);
}

static void a_refusal_that_was_received_is_not_answered(void **state) {
    struct fixture *f = *state;
    struct err why;
    open_both(f);
    OK(CHANNEL_SEND(f->agent, refuse, &err, .symbol = span_text("closure"),
                    .message = span_text("no")));
    uint64_t before = channel_sent_bytes(f->server);
    enum frame_type type;
    struct span body;
    assert_int_equal(channel_receive(f->server, &type, &body, WAIT_MS, &why), -1);
    channel_refuse(f->server, &why);
    assert_int_equal(channel_sent_bytes(f->server), before);
}

/* ---- threads ---- */

struct reader {
    struct channel *channel;
    int rc;
    struct err err;
};

static void read_one(void *arg) {
    struct reader *reader = arg;
    enum frame_type type;
    struct span body;
    reader->rc = channel_receive(reader->channel, &type, &body, WAIT_MS, &reader->err);
}

static void cancelling_wakes_who_receives(void **state) {
    struct fixture *f = *state;
    struct os_thread thread;
    open_both(f);
    struct reader reader = {.channel = f->server};
    OK(os_thread_start(&thread, "reader", read_one, &reader, &err));
    uint64_t start = os_mono_ns();
    channel_cancel(f->server);
    os_thread_join(&thread);
    assert_true(os_mono_ns() - start < (uint64_t)WAIT_MS * 1000000 / 2);
    assert_int_equal(reader.rc, -1);
    assert_int_equal(reader.err.code, ERR_INTERRUPTED);
    FAILS(ERR_INTERRUPTED,
          CHANNEL_SEND(f->server, page, &err, .type = 0)); /* and who sends later */
}

static void who_stops_receiving_can_still_say_why(void **state) {
    struct fixture *f = *state;
    struct os_thread reading, leaving;
    struct err why = {0};
    enum frame_type type;
    struct span body;
    open_both(f);
    struct reader reader = {.channel = f->agent};
    OK(os_thread_start(&reading, "reader", read_one, &reader, &err));
    channel_stop_receiving(f->agent);
    os_thread_join(&reading);
    assert_int_equal(reader.rc, -1);
    assert_int_equal(reader.err.code, ERR_INTERRUPTED);
    OK(os_thread_start(&leaving, "agent", give_up, f->agent, &err));
    assert_int_equal(channel_receive(f->server, &type, &body, WAIT_MS, &why), -1);
    assert_int_equal(why.code, ERR_CLOSURE);
    channel_free(TAKE(f->server));
    os_thread_join(&leaving);
}

struct sender {
    struct channel *channel;
    uint8_t mark;
    _Atomic int failed;
};

/* Sizes around the limit up to which a frame is one record. */
static void send_many(void *arg) {
    struct sender *sender = arg;
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct buf content = {0}, body = {0};
        size_t n = 1 + (i * 7919u + sender->mark * 131u) % 30000u;
        memset(buf_extend(&content, n), sender->mark, n);
        msg_segment_put(&body, &(struct msg_segment){.encoded = buf_span(&content)});
        size_t cut = i % 2 == 0 ? body.n : body.n / 2;
        if (channel_send(sender->channel, FRAME_TYPE_segment, span_of(body.p, cut),
                         span_of(body.p + cut, body.n - cut), NULL) != 0)
            atomic_store(&sender->failed, 1);
        buf_done(&content);
        buf_done(&body);
    }
}

static void frames_of_several_senders_are_never_mixed(void **state) {
    struct fixture *f = *state;
    struct os_thread threads[SENDERS];
    struct sender senders[SENDERS];
    unsigned seen[SENDERS] = {0};
    open_both(f);
    for (size_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.channel = f->agent, .mark = (uint8_t)i};
        OK(os_thread_start(&threads[i], "sender", send_many, &senders[i], &err));
    }
    for (int i = 0; i < SENDERS * FRAMES; i++) {
        struct span body;
        struct msg_segment message;
        OK(channel_expect(f->server, FRAME_TYPE_segment, &body, WAIT_MS, &err));
        OK(msg_segment_get(body, &message, &err));
        uint8_t mark = message.encoded.p[0];
        assert_in_range(mark, 0, SENDERS - 1);
        for (size_t k = 0; k < message.encoded.n; k++)
            if (message.encoded.p[k] != mark)
                fail_msg("byte %zu of frame %d is another sender's", k, i);
        seen[mark]++;
    }
    for (size_t i = 0; i < SENDERS; i++) {
        os_thread_join(&threads[i]);
        assert_int_equal(seen[i], FRAMES);
        assert_int_equal(senders[i].failed, 0);
    }
    assert_int_equal(channel_sent_bytes(f->agent), channel_received_bytes(f->server));
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
        TEST(a_frame_arrives_as_it_was_sent),
        TEST(a_frame_of_another_state_is_refused),
        TEST(a_frame_that_only_we_may_send_is_refused),
        TEST(a_malformed_header_is_refused_before_its_body_is_read),
        TEST(a_peer_that_leaves_between_frames_has_ended),
        TEST(a_stream_cut_within_a_frame_is_an_error),
        TEST(a_header_may_come_in_pieces),
        TEST(silence_is_a_time_out),
        TEST(another_message_than_the_one_due_is_refused),
        TEST(keep_alives_are_swallowed),
        TEST(a_channel_with_keep_alive_is_freed_at_once),
        TEST(a_refusal_arrives_as_the_peers_error),
        TEST(a_refusal_with_an_unknown_symbol_is_the_peers),
        TEST(a_refusal_that_was_received_is_not_answered),
        TEST(cancelling_wakes_who_receives),
        TEST(who_stops_receiving_can_still_say_why),
        TEST(frames_of_several_senders_are_never_mixed),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
