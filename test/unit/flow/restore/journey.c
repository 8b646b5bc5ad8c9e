/* backup -> ingest -> serve -> restore, both halves in one process over real TLS, on random trees:
 * what comes back is what was there.  Covers src/flow/{backup,ingest,serve,restore}. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "data/chunker/chunker.h"
#include "data/select/select.h"
#include "flow/backup/backup.h"
#include "flow/ingest/ingest.h"
#include "flow/restore/restore.h"
#include "flow/serve/serve.h"
#include "os/os.h"
#include "seed.h"
#include "tree.h"
#include "trust_fixture.h"
#include "unit.h"

struct world {
    char top[64];
    char data[128], out[128], store_dir[128];
    struct trust_fixture trust;
    struct secret *store_key, *agent_seed, *server_seed;
    struct sign_public agent_key, server_key;
    struct store *store;
    struct ledger *ledger;
    struct backup_head head;
    uint8_t source[16];
    uint8_t job; /* counts */
};

static int sign_with(void *ctx, struct span bytes, struct signature *out, struct err *err) {
    return sign_bytes(ctx, bytes, out, err);
}

static void world_open(struct world *w) {
    struct err err;
    *w = (struct world){0};
    (void)text_copy(w->top, sizeof w->top, "/tmp/casemate-journey.XXXXXX");
    assert_non_null(mkdtemp(w->top));
    (void)text_format(w->data, sizeof w->data, "%s/data", w->top);
    (void)text_format(w->out, sizeof w->out, "%s/out", w->top);
    (void)text_format(w->store_dir, sizeof w->store_dir, "%s/store", w->top);
    assert_int_equal(os_mkdirs(w->data, 0755, &err), 0);
    trust_fixture_init(&w->trust);
    w->store_key = secret_new(32);
    w->agent_seed = sign_seed_new();
    w->server_seed = sign_seed_new();
    assert_int_equal(sign_public_of(w->agent_seed, &w->agent_key, &err), 0);
    assert_int_equal(sign_public_of(w->server_seed, &w->server_key, &err), 0);
    assert_int_equal(store_create(w->store_dir, w->store_key, &chunker_defaults, &err), 0);
    assert_int_equal(
        store_open(w->store_dir, w->store_key, (struct store_opts){0}, &w->store, &err), 0);
    assert_int_equal(ledger_open(store_dirfd(w->store), &w->ledger, &err), 0);
    memset(w->source, 's', sizeof w->source);
}

static void world_close(struct world *w) {
    ledger_close(w->ledger);
    store_close(w->store);
    secret_free(w->store_key);
    secret_free(w->agent_seed);
    secret_free(w->server_seed);
    trust_fixture_done(&w->trust);
    tree_remove(w->top);
}

/* Both ends, attached. */
static void connect_both(struct world *w, struct channel **server, struct channel **agent) {
    struct tls *server_tls, *agent_tls;
    trust_fixture_pair(&w->trust, &server_tls, &agent_tls);
    *server = channel_new(&server_tls, FRAME_SERVER);
    *agent = channel_new(&agent_tls, FRAME_AGENT);
    channel_state(*server, FRAME_ATTACHED);
    channel_state(*agent, FRAME_ATTACHED);
}

struct agent_side {
    struct world *w;
    struct channel *channel;
    struct backup_order order;
    struct backup_result backup;
    struct restore_order restore;
    struct apply_totals totals;
    int rc;
    struct err err;
};

static void agent_backup(void *arg) {
    struct agent_side *side = arg;
    side->rc = backup_run(side->channel, &side->order, &side->w->head, &side->backup, &side->err);
}

static void agent_restore(void *arg) {
    struct agent_side *side = arg;
    side->rc = restore_run(side->channel, &side->restore, &side->totals, &side->err);
}

static void print_problem(void *ctx, struct span path, int sys, struct span reason) {
    (void)ctx;
    print_message("problem: %.*s: %.*s (%d)\n", (int)path.n, (const char *)path.p, (int)reason.n,
                  (const char *)reason.p, sys);
}

static void ignore_progress(void *ctx, const struct msg_progress *progress, uint64_t sent) {
    (void)ctx, (void)progress, (void)sent;
}

static void back_up(struct world *w, struct ingest_result *result, struct backup_result *backup) {
    struct err err = {0};
    struct os_thread thread;
    struct channel *server;
    struct agent_side side = {.w = w};
    connect_both(w, &server, &side.channel);
    struct ingest_order order = {
        .agent_key = w->agent_key,
        .signer = {.ctx = w->server_seed, .sign = sign_with, .key = w->server_key},
        .computer = "agent.example",
        .root_path = w->data};
    memset(order.job, ++w->job, sizeof order.job);
    memcpy(order.source, w->source, sizeof order.source);
    side.order = (struct backup_order){
        .computer = "agent.example",
        .root = w->data,
        .signer = {.ctx = w->agent_seed, .sign = sign_with, .key = w->agent_key},
        .server_key = w->server_key};
    memcpy(side.order.job, order.job, sizeof order.job);
    memcpy(side.order.source, w->source, sizeof order.source);
    assert_int_equal(os_thread_start(&thread, "agent", agent_backup, &side, &err), 0);
    struct ingest_watch watch = {.problem = print_problem};
    int rc = ingest_run(server, w->store, w->ledger, &order, &watch, result, &err);
    os_thread_join(&thread);
    if (rc != 0 || side.rc != 0)
        fail_msg("server: %d %s; agent: %d %s", rc, err.text, side.rc, side.err.text);
    channel_free(server);
    channel_free(side.channel);
    *backup = side.backup;
}

static void restore(struct world *w, uint64_t sequence, const char *selected,
                    struct apply_totals *totals) {
    struct err err = {0};
    struct os_thread thread;
    struct channel *server;
    struct buf commit_file = {0}, selection = {0};
    struct agent_side side = {.w = w};
    struct msg_restored restored;
    enum ledger_state state;
    connect_both(w, &server, &side.channel);
    assert_int_equal(ledger_read(w->ledger, w->source, sequence, &state, &commit_file, &err), 0);
    if (selected != NULL)
        selection_put(&selection, span_text(selected));
    side.restore = (struct restore_order){.target = w->out,
                                          .allow_devices = true,
                                          .allow_set_id = true,
                                          .own_key = w->agent_key,
                                          .server_key = w->server_key};
    assert_int_equal(os_thread_start(&thread, "agent", agent_restore, &side, &err), 0);
    struct serve_order order = {.commit_file = buf_span(&commit_file),
                                .selection = buf_span(&selection)};
    struct serve_watch watch = {.problem = print_problem, .progress = ignore_progress};
    int rc = serve_restore(server, w->store, &order, &watch, &restored, &err);
    os_thread_join(&thread);
    if (rc != 0 || side.rc != 0)
        fail_msg("server: %d %s; agent: %d %s", rc, err.text, side.rc, side.err.text);
    *totals = side.totals;
    channel_free(server);
    channel_free(side.channel);
    buf_done(&commit_file);
    buf_done(&selection);
}

static void same(struct world *w, const char *expected) {
    char difference[TREE_DIFFERENCE_MAX];
    if (!tree_equal(expected, w->out, geteuid() == 0 ? 0 : TREE_IGNORE_OWNER, difference))
        fail_msg("%s", difference);
}

static void a_random_tree_comes_back_as_it_was(void **state) {
    (void)state;
    struct world w;
    struct ingest_result first, second, third;
    struct backup_result backup;
    struct apply_totals totals;
    struct seed seed;
    world_open(&w);
    seed = seed_start("journey");
    tree_make(w.data, &seed, (struct tree_opts){.entries = 400, .file_bytes = 1 << 20});
    back_up(&w, &first, &backup);
    assert_int_equal(first.commit.sequence, 1);
    assert_int_equal(first.commit.state, COMMIT_COMPLETE);
    restore(&w, 1, NULL, &totals);
    assert_int_equal(totals.failed + totals.refused, 0);
    same(&w, w.data);

    back_up(&w, &second, &backup); /* nothing changed */
    assert_int_equal(second.commit.sequence, 2);
    assert_int_equal(second.commit.entries, first.commit.entries);
    assert_int_equal(second.commit.bytes, first.commit.bytes);

    tree_change(w.data, &seed, (struct tree_opts){.entries = 40, .file_bytes = 1 << 20});
    back_up(&w, &third, &backup);
    assert_int_equal(third.commit.state, COMMIT_COMPLETE);
    tree_remove(w.out);
    restore(&w, 3, NULL, &totals);
    same(&w, w.data);
    world_close(&w);
}

static void an_unchanged_tree_is_not_read(void **state) {
    (void)state;
    struct world w;
    struct ingest_result result;
    struct backup_result backup;
    world_open(&w);
    for (int i = 0; i < 3000; i++) {
        char name[32];
        struct err err;
        (void)text_format(name, sizeof name, "%s/f%04d", "data", i);
        int fd;
        OS_FD_AUTO int top = OS_FD_NONE;
        assert_int_equal(os_dir_open(OS_FD_CWD, w.top, &top, &err), 0);
        assert_int_equal(os_file_create(top, name, 0644, &fd, &err), 0);
        assert_int_equal(os_write_at(fd, 0, name, sizeof name, &err), 0);
        os_close(&fd);
    }
    back_up(&w, &result, &backup);
    assert_int_equal(backup.read_bytes, 3000 * 32);
    uint64_t packs = 0;
    struct store_stats stats;
    back_up(&w, &result, &backup); /* may read what was changed within a tick of the first run */
    store_stats(w.store, &stats);
    packs = stats.packs;
    back_up(&w, &result, &backup);
    assert_int_equal(backup.read_bytes, 0);
    store_stats(w.store, &stats);
    assert_true(stats.packs <= packs + 1); /* the root record, at most */
    world_close(&w);
}

static void one_path_is_restored_alone(void **state) {
    (void)state;
    struct world w;
    struct ingest_result result;
    struct backup_result backup;
    struct apply_totals totals;
    struct err err;
    char path[256];
    bool exists;
    world_open(&w);
    (void)text_format(path, sizeof path, "%s/a/b", w.data);
    assert_int_equal(os_mkdirs(path, 0755, &err), 0);
    OS_FD_AUTO int dir = OS_FD_NONE;
    int fd;
    assert_int_equal(os_dir_open(OS_FD_CWD, path, &dir, &err), 0);
    for (const char *const *name = (const char *const[]){"one", "two", NULL}; *name != NULL;
         name++) {
        assert_int_equal(os_file_create(dir, *name, 0644, &fd, &err), 0);
        assert_int_equal(os_write_at(fd, 0, *name, 3, &err), 0);
        os_close(&fd);
    }
    back_up(&w, &result, &backup);
    restore(&w, 1, "a/b/two", &totals);
    (void)text_format(path, sizeof path, "%s/a/b/two", w.out);
    assert_int_equal(os_exists(OS_FD_CWD, path, &exists, &err), 0);
    assert_true(exists);
    (void)text_format(path, sizeof path, "%s/a/b/one", w.out);
    assert_int_equal(os_exists(OS_FD_CWD, path, &exists, &err), 0);
    assert_false(exists);
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_random_tree_comes_back_as_it_was),
        cmocka_unit_test(an_unchanged_tree_is_not_read),
        cmocka_unit_test(one_path_is_restored_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
