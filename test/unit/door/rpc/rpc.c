/* A server and an agent in one process, over loopback.  Covers src/door/rpc. */
#include <string.h>
#include <sys/stat.h>

#include "must.h"

#include "door/rpc/rpc.h"
#include "os/os.h"
#include "os/sock.h"
#include "trust_folders.h"

#define LOOPBACK "127.0.0.1"

struct fixture {
    struct trust_folders folders;
    struct trust_server *server;
    struct trust_agent *agent;
    struct rpc_identity server_identity, agent_identity;
    struct rpc_hub *hub;
    struct rpc_agent *listener;
    uint8_t ordered[16]; /* job of the last order */
    bool refuse_orders;
};

static struct tls_context *server_context(void *ctx) {
    struct fixture *f = ctx;
    return trust_server_context(f->server);
}

static int server_identify(void *ctx, const struct tls *tls, char name[static 256],
                           struct err *err) {
    struct fixture *f = ctx;
    size_t i;
    if (trust_identify(tls, &f->folders.computer, 1, &i, err) != 0)
        return -1;
    (void)text_copy(name, 256, f->folders.computer.name);
    return 0;
}

static struct tls_context *agent_context(void *ctx) {
    struct fixture *f = ctx;
    return trust_agent_context(f->agent);
}

static int agent_identify(void *ctx, const struct tls *tls, char name[static 256],
                          struct err *err) {
    struct fixture *f = ctx;
    struct trust_pin pin;
    if (trust_agent_identify(f->agent, tls, err) != 0)
        return -1;
    trust_agent_server(f->agent, &pin);
    (void)text_copy(name, 256, pin.name);
    return 0;
}

static int order(void *ctx, const struct msg_order_backup *message, struct err *err) {
    struct fixture *f = ctx;
    if (f->refuse_orders)
        return ERR(err, ERR_POLICY_DENIED, "not here");
    memcpy(f->ordered, message->job, sizeof f->ordered);
    return 0;
}

static int info(void *ctx, struct buf *body, struct err *) {
    (void)ctx;
    msg_info_put(body, &(struct msg_info){.host = span_text("agent.example"),
                                          .platform = span_text("Linux")});
    return 0;
}

static int setup(void **state) {
    struct fixture *f = mem_new(sizeof *f);
    trust_folders_init(&f->folders);
    OK(trust_server_open(f->folders.server_fd, NULL, &f->server, &err));
    OK(trust_agent_open(f->folders.agent_fd, NULL, &f->agent, &err));
    f->server_identity = (struct rpc_identity){.ctx = f,
                                               .context = server_context,
                                               .identify = server_identify,
                                               .own_name = "server.example",
                                               .software = "casemated test"};
    f->agent_identity = (struct rpc_identity){.ctx = f,
                                              .context = agent_context,
                                              .identify = agent_identify,
                                              .own_name = "agent.example",
                                              .software = "casemate-agent test"};
    struct rpc_hub_opts hub = {.host = LOOPBACK, .identity = f->server_identity};
    struct rpc_agent_opts agent = {.host = LOOPBACK,
                                   .identity = f->agent_identity,
                                   .handlers = {.ctx = f, .order_backup = order, .info = info}};
    OK(rpc_hub_open(&hub, &f->hub, &err));
    OK(rpc_agent_open(&agent, &f->listener, &err));
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    rpc_agent_close(f->listener);
    rpc_hub_close(f->hub);
    trust_agent_close(f->agent);
    trust_server_close(f->server);
    trust_folders_done(&f->folders);
    mem_free(f);
    return 0;
}

static struct channel *dial(struct fixture *f) {
    struct channel *control;
    struct rpc_peer peer;
    OK(rpc_dial(f->hub, "agent.example", LOOPBACK, rpc_agent_port(f->listener), &peer, &control,
                &err));
    assert_string_equal(peer.software, "casemate-agent test");
    return control;
}

static bool never(void *ctx) {
    (void)ctx;
    return false;
}
static bool at_once(void *ctx) {
    (void)ctx;
    return true;
}

static struct channel *attach(struct fixture *f, const struct rpc_ticket *ticket) {
    struct channel *data;
    OK(rpc_attach(&f->agent_identity, "server.example", LOOPBACK, rpc_hub_port(f->hub), ticket->job,
                  &ticket->secret, &data, &err));
    return data;
}

/* The agent learns from its first frame what the server thinks of the ticket. */
static void expect_no_ticket(struct fixture *f, const struct rpc_ticket *ticket) {
    enum frame_type type;
    struct span body;
    AUTO(channel) *data = attach(f, ticket);
    FAILS(ERR_TICKET, channel_receive(data, &type, &body, RPC_DIAL_MS, &err));
}

static void an_order_reaches_the_agent_and_is_accepted(void **state) {
    struct fixture *f = *state;
    AUTO(channel) *control = dial(f);
    struct span body;
    struct msg_accepted accepted;
    struct msg_order_backup message = {.job = {7, 8, 9}};
    SCOPED(buf) bytes = {0};
    msg_order_backup_put(&bytes, &message);
    OK(channel_send(control, FRAME_TYPE_order_backup, buf_span(&bytes), span_of(NULL, 0), &err));
    OK(channel_expect(control, FRAME_TYPE_accepted, &body, RPC_DIAL_MS, &err));
    OK(msg_accepted_get(body, &accepted, &err));
    assert_memory_equal(accepted.job, message.job, 16);
    assert_memory_equal(f->ordered, message.job, 16);
    OK(CHANNEL_SEND(control, ask_info, &err, .reserved = 0));
    OK(channel_expect(control, FRAME_TYPE_info, &body, RPC_DIAL_MS, &err));
}

static void a_refused_order_is_told_to_the_server(void **state) {
    struct fixture *f = *state;
    f->refuse_orders = true;
    AUTO(channel) *control = dial(f);
    struct span body;
    SCOPED(buf) bytes = {0};
    msg_order_backup_put(&bytes, &(struct msg_order_backup){.job = {1}});
    OK(channel_send(control, FRAME_TYPE_order_backup, buf_span(&bytes), span_of(NULL, 0), &err));
    FAILS(ERR_POLICY_DENIED,
          channel_expect(control, FRAME_TYPE_accepted, &body, RPC_DIAL_MS, &err));
}

static void a_computer_with_another_name_is_not_the_one_dialled(void **state) {
    struct fixture *f = *state;
    struct channel *control;
    FAILS(ERR_AUTH, rpc_dial(f->hub, "other.example", LOOPBACK, rpc_agent_port(f->listener), NULL,
                             &control, &err));
}

static void a_ticket_brings_its_connection_to_its_job_and_is_used_once(void **state) {
    struct fixture *f = *state;
    AUTO(channel) *control = dial(f);
    static const uint8_t job[16] = {1, 2, 3};
    struct rpc_ticket ticket;
    struct channel *got;
    struct span body;
    OK(rpc_expect(f->hub, job, "AGENT.example", &ticket, &err));
    AUTO(channel) *data = attach(f, &ticket);
    OK(rpc_await(f->hub, &ticket, control, never, NULL, &got, &err));
    channel_state(got, FRAME_BACKUP);
    channel_state(data, FRAME_BACKUP);
    OK(CHANNEL_SEND(data, want_pages, &err, .count = 1));
    OK(channel_expect(got, FRAME_TYPE_want_pages, &body, RPC_DIAL_MS, &err));
    expect_no_ticket(f, &ticket);
    channel_free(got);
}

static void a_job_may_wait_again_with_another_ticket(void **state) {
    struct fixture *f = *state;
    AUTO(channel) *control = dial(f);
    static const uint8_t job[16] = {1, 2, 3};
    struct rpc_ticket tickets[2];
    for (size_t i = 0; i < ARRAY_N(tickets); i++) {
        struct channel *got;
        OK(rpc_expect(f->hub, job, "agent.example", &tickets[i], &err));
        struct channel *data = attach(f, &tickets[i]);
        OK(rpc_await(f->hub, &tickets[i], control, never, NULL, &got, &err));
        channel_free(got);
        channel_free(data);
    }
    assert_false(digest_equal(&tickets[0].secret, &tickets[1].secret));
    expect_no_ticket(f, &tickets[0]);
}

static void a_wrong_ticket_is_refused(void **state) {
    struct fixture *f = *state;
    static const uint8_t job[16] = {4};
    struct rpc_ticket ticket, wrong;
    OK(rpc_expect(f->hub, job, "agent.example", &ticket, &err));
    for (size_t i = 0; i < sizeof ticket.secret.b; i += 31) {
        wrong = ticket;
        wrong.secret.b[i] ^= 1;
        expect_no_ticket(f, &wrong);
    }
    wrong = ticket;
    wrong.job[15] ^= 1;
    expect_no_ticket(f, &wrong);
    rpc_forget(f->hub, &ticket);
    expect_no_ticket(f, &ticket);
}

static void another_computers_ticket_is_refused(void **state) {
    struct fixture *f = *state;
    AUTO(channel) *control = dial(f);
    static const uint8_t job[16] = {5};
    struct rpc_ticket ticket;
    struct channel *got;
    OK(rpc_expect(f->hub, job, "other.example", &ticket, &err));
    expect_no_ticket(f, &ticket);
    FAILS(ERR_INTERRUPTED, rpc_await(f->hub, &ticket, control, at_once, NULL, &got, &err));
}

static void tickets_are_limited(void **state) {
    struct fixture *f = *state;
    static struct rpc_ticket tickets[RPC_TICKETS_MAX + 1];
    uint8_t job[16] = {0};
    for (size_t i = 0; i < RPC_TICKETS_MAX; i++)
        OK(rpc_expect(f->hub, job, "agent.example", &tickets[i], &err));
    FAILS(ERR_LIMIT, rpc_expect(f->hub, job, "agent.example", &tickets[RPC_TICKETS_MAX], &err));
    rpc_forget(f->hub, &tickets[0]);
    OK(rpc_expect(f->hub, job, "agent.example", &tickets[0], &err));
}

static void a_ticket_of_a_job_that_was_cancelled_is_worth_nothing(void **state) {
    struct fixture *f = *state;
    AUTO(channel) *control = dial(f);
    static const uint8_t job[16] = {6};
    struct rpc_ticket ticket;
    struct channel *got;
    OK(rpc_expect(f->hub, job, "agent.example", &ticket, &err));
    FAILS(ERR_INTERRUPTED, rpc_await(f->hub, &ticket, control, at_once, NULL, &got, &err));
    assert_null(got);
    expect_no_ticket(f, &ticket);
}

static void an_agent_that_went_away_is_not_awaited(void **state) {
    struct fixture *f = *state;
    AUTO(channel) *control = dial(f);
    static const uint8_t job[16] = {8};
    struct rpc_ticket ticket;
    struct channel *got;
    OK(rpc_expect(f->hub, job, "agent.example", &ticket, &err));
    rpc_agent_close(TAKE(f->listener));
    uint64_t start = os_mono_ns();
    FAILS(ERR_UNREACHABLE, rpc_await(f->hub, &ticket, control, never, NULL, &got, &err));
    assert_true(os_mono_ns() - start < (uint64_t)RPC_TICKET_MS * 1000000 / 4);
    expect_no_ticket(f, &ticket);
}

static void closing_does_not_wait_for_open_control_connections(void **state) {
    struct fixture *f = *state;
    struct channel *first = dial(f), *second = dial(f);
    uint64_t start = os_mono_ns();
    rpc_agent_close(TAKE(f->listener));
    assert_true(os_mono_ns() - start < (uint64_t)CHANNEL_IDLE_MS * 1000000 / 4);
    enum frame_type type;
    struct span body;
    if (channel_receive(first, &type, &body, RPC_DIAL_MS, NULL) == 0)
        assert_int_equal(type, FRAME_TYPE_none);
    channel_free(first);
    channel_free(second);
}

static void closing_frees_connections_that_nobody_awaited(void **state) {
    struct fixture *f = *state;
    static const uint8_t job[16] = {7};
    struct rpc_ticket ticket;
    OK(rpc_expect(f->hub, job, "agent.example", &ticket, &err));
    struct channel *data = attach(f, &ticket);
    rpc_hub_close(TAKE(f->hub));
    channel_free(data);
}

static void a_stranger_without_certificate_does_not_stop_the_next(void **state) {
    struct fixture *f = *state;
    int fd = OS_FD_NONE;
    size_t written;
    bool again;
    OK(os_connect_tcp(LOOPBACK, rpc_agent_port(f->listener), RPC_DIAL_MS, &fd, &err));
    OK(os_sock_write(fd, "GET / HTTP/1.0\r\n\r\n", 18, &written, &again, &err));
    channel_free(dial(f));
    os_close(&fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(an_order_reaches_the_agent_and_is_accepted),
        TEST(a_refused_order_is_told_to_the_server),
        TEST(a_computer_with_another_name_is_not_the_one_dialled),
        TEST(a_ticket_brings_its_connection_to_its_job_and_is_used_once),
        TEST(a_job_may_wait_again_with_another_ticket),
        TEST(a_wrong_ticket_is_refused),
        TEST(another_computers_ticket_is_refused),
        TEST(tickets_are_limited),
        TEST(a_ticket_of_a_job_that_was_cancelled_is_worth_nothing),
        TEST(an_agent_that_went_away_is_not_awaited),
        TEST(closing_does_not_wait_for_open_control_connections),
        TEST(closing_frees_connections_that_nobody_awaited),
        TEST(a_stranger_without_certificate_does_not_stop_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
