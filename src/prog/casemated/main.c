/* casemated: the backup server.  Reads its options, builds the world, serves until told to stop. */
#include <stdarg.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/secret.h"
#include "data/chunker/chunker.h"
#include "door/api/api.h"
#include "door/args/args.h"
#include "os/proc.h"
#include "os/sock.h"

#define STORE_KEY_FILE "store.key"
#define STORE_KEY_BYTES 32u
#define DAY_S 86400
#define DRAIN_MS 5000u

static void server_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void server_log(const char *format, ...) {
    char time[TEXT_SIZE_MAX], line[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    (void)fprintf(stderr, "%s %s\n", text_time(time, os_wall_s()), line);
}

struct server {
    const struct args *args;
    struct api_world world;
    char name[256], store_path[OS_PATH_MAX], software[64];
    struct secret *store_key;
    bool verbose;
};

/* ---- opening what lies on disk ---- */
/* The store key is made once; whoever loses it loses the store, so it is never made again beside an
 * existing store. */
static int load_store_key(struct server *server, bool store_exists, struct err *err) {
    SCOPED(buf) bytes = {0};
    bool exists;
    if (os_exists(server->world.state_fd, STORE_KEY_FILE, &exists, err) != 0)
        return -1;
    if (!exists && store_exists)
        return ERR(err, ERR_STORE_KEY,
                   "%s is missing beside an existing store: put it back from your copy",
                   STORE_KEY_FILE);
    if (!exists) {
        server->store_key = secret_new(STORE_KEY_BYTES);
        return durable_write(server->world.state_fd, STORE_KEY_FILE, secret_span(server->store_key),
                             0600, false, err);
    }
    if (os_load(server->world.state_fd, STORE_KEY_FILE, STORE_KEY_BYTES, &bytes, err) != 0)
        return -1;
    server->store_key = secret_of(buf_span(&bytes));
    secret_wipe(bytes.p, bytes.n);
    return bytes.n == STORE_KEY_BYTES ? 0
                                      : ERR(err, ERR_STORE_KEY, "%s is damaged", STORE_KEY_FILE);
}

static int open_store(struct server *server, struct err *err) {
    struct api_world *world = &server->world;
    bool exists = false;
    OS_FD_AUTO int fd = OS_FD_NONE;
    if (os_dir_open(OS_FD_CWD, server->store_path, &fd, NULL) == 0 &&
        os_exists(fd, "config", &exists, err) != 0)
        return -1;
    if (load_store_key(server, exists, err) != 0)
        return -1;
    if (!exists && store_create(server->store_path, server->store_key, &chunker_defaults, err) != 0)
        return -1;
    if (store_open(server->store_path, server->store_key, (struct store_opts){0}, &world->store,
                   err) != 0)
        return -1;
    return ledger_open(store_dirfd(world->store), &world->ledger, err);
}

static int sync_catalog(struct server *server, bool clear, struct err *err) {
    struct api_world *world = &server->world;
    struct catalog_sync_result result = {0};
    if ((clear && catalog_points_clear(world->catalog, err) != 0) ||
        catalog_points_sync(world->catalog, world->ledger, os_wall_s(), &result, err) != 0)
        return -1;
    if (result.unreadable > 0)
        server_log("WARNING %llu commit files cannot be read, first %s: run casemate verify",
                   (unsigned long long)result.unreadable, result.first_unreadable);
    if (clear || result.added + result.changed + result.dropped > 0)
        server_log("catalog: %llu points, %llu rows added, %llu changed, %llu dropped",
                   (unsigned long long)result.commits, (unsigned long long)result.added,
                   (unsigned long long)result.changed, (unsigned long long)result.dropped);
    return 0;
}

static int open_world(struct server *server, struct err *err) {
    const struct args *args = server->args;
    struct api_world *world = &server->world;
    const char *state = args_text(args, "state"), *store = args_text(args, "store"),
               *name = args_text(args, "name");
    if (store != NULL)
        (void)text_copy(server->store_path, sizeof server->store_path, store);
    else
        (void)text_format(server->store_path, sizeof server->store_path, "%s/store", state);
    if (name != NULL)
        (void)text_copy(server->name, sizeof server->name, name);
    else
        (void)os_host_name(server->name);
    (void)text_format(server->software, sizeof server->software, "casemated %s", args_version());
    world->name = server->name;
    world->version = args_version();
    world->store_path = server->store_path;
    world->started_s = os_wall_s();
    if (os_mkdirs(state, 0700, err) != 0 ||
        os_dir_open(OS_FD_CWD, state, &world->state_fd, err) != 0 || open_store(server, err) != 0)
        return -1;
    return catalog_open(state, &world->catalog, err);
}

static void close_world(struct server *server) {
    struct api_world *world = &server->world;
    if (world->jobs != NULL)
        jobs_shutdown(world->jobs, DRAIN_MS); /* first, so that nobody waits for a job any more */
    rest_close(world->rest);
    tls_context_free(world->public_tls);
    jobs_close(world->jobs);
    rpc_hub_close(world->hub);
    trust_server_close(world->trust);
    catalog_close(world->catalog);
    ledger_close(world->ledger);
    store_close(world->store);
    secret_free(server->store_key);
    os_close(&world->state_fd);
    os_mutex_done(&world->mutex);
}

/* ---- running ---- */
static void refused(void *ctx, const char *peer, const struct err *why) {
    (void)ctx;
    server_log("file transfer connection from %s ended: %s: %s", peer, err_info(why->code)->symbol,
               why->text);
}

static void job_moved(void *ctx, const struct job_info *info) {
    char hex[2 * sizeof info->id.b + 1];
    (void)ctx;
    text_hex(hex, info->id.b, sizeof info->id.b);
    if (info->err.code != ERR_NONE)
        server_log("job=%s kind=%s group=%s state=%s error=%s: %s", hex, job_kind_name(info->kind),
                   info->group, job_state_name(info->state), err_info(info->err.code)->symbol,
                   info->err.text);
    else
        server_log("job=%s kind=%s group=%s state=%s", hex, job_kind_name(info->kind), info->group,
                   job_state_name(info->state));
}

static void job_trouble(void *ctx, const struct job_id *id, const struct err *err) {
    (void)ctx, (void)id;
    server_log("WARNING job history cannot be written: %s", err->text);
}

static void request_done(void *ctx, const struct rest_event *event) {
    const struct server *server = ctx;
    if (server->verbose || event->http_status >= 500)
        server_log("request route=%d status=%d us=%llu%s%s", (int)event->route, event->http_status,
                   (unsigned long long)event->duration_us, event->err != NULL ? " error=" : "",
                   event->err != NULL ? event->err->text : "");
}

static int start_jobs(struct server *server, struct err *err) {
    struct jobs_opts opts = {.workers = (unsigned)args_number(server->args, "jobs", 0),
                             .event = job_moved,
                             .trouble = job_trouble};
    return jobs_open(server->world.catalog, &opts, &server->world.jobs, err);
}

static int start_hub(struct server *server, struct err *err) {
    struct rpc_hub_opts opts = {.host = args_text(server->args, "listen"),
                                .port = (uint16_t)args_number(server->args, "port", 0),
                                .identity = {.ctx = &server->world,
                                             .context = api_tls_context,
                                             .identify = api_identify,
                                             .own_name = server->name,
                                             .software = server->software},
                                .refused = refused};
    if (rpc_hub_open(&opts, &server->world.hub, err) != 0)
        return -1;
    server->world.transfer_port = rpc_hub_port(server->world.hub);
    return 0;
}

static int start_rest(struct server *server, struct err *err) {
    const struct args *args = server->args;
    VEC(uint32_t) uids = {0};
    char tokens[OS_PATH_MAX];
    for (size_t i = 0; i < args_n(args, "socket-user"); i++) {
        uint64_t uid;
        if (!text_to_u64(args_item(args, "socket-user", i), UINT32_MAX, &uid)) {
            vec_done(&uids);
            return ERR(err, ERR_CONFIG, "socket-user %s is not a user id",
                       args_item(args, "socket-user", i));
        }
        *vec_push(&uids) = (uint32_t)uid;
    }
    struct rest_opts opts = {.handlers = api_handlers,
                             .ctx = &server->world,
                             .event = request_done,
                             .socket = args_text(args, "socket"),
                             .uids = uids.p,
                             .uid_n = uids.n,
                             .https_port = (uint16_t)args_number(args, "rest-port", 0),
                             .token_file = tokens};
    if (opts.https_port != 0)
        opts.https_host = args_text(args, "rest-listen");
    (void)text_format(tokens, sizeof tokens, "%s/tokens", args_text(args, "state"));
    int rc = rest_open(&opts, &server->world.rest, err);
    vec_done(&uids);
    return rc == 0 ? api_serve_https(&server->world, err) : -1;
}

static int wait_for_signals(struct server *server, int signals, struct err *err) {
    for (;;) {
        if (os_wait(signals, OS_WANT_READ, 0, err) != 0)
            return -1;
        enum os_signal got = os_signal_read(signals);
        if (got == OS_SIGNAL_STOP)
            return 0;
        if (got == OS_SIGNAL_RELOAD && api_load_trust(&server->world, err) != 0)
            server_log("reload failed, the old identity stays: %s", err->text);
    }
}

static int serve(struct server *server, struct err *err) {
    OS_FD_AUTO int signals = OS_FD_NONE;
    const struct args *args = server->args;
    if (os_signals_open(&signals, err) != 0 || open_world(server, err) != 0 ||
        sync_catalog(server, false, err) != 0)
        return -1;
    if (api_load_trust(&server->world, err) != 0) {
        if (err->code != ERR_TRUST_UNSET)
            return -1;
        server_log("no certificate yet: casemate credentials configure");
    }
    if (start_jobs(server, err) != 0 || start_hub(server, err) != 0 || start_rest(server, err) != 0)
        return -1;
    if (args_text(args, "pid-file") != NULL && os_pid_file(args_text(args, "pid-file"), err) != 0)
        return -1;
    server_log("%s serves as %s, file transfer on port %u, admin socket %s", server->software,
               server->name, (unsigned)server->world.transfer_port, args_text(args, "socket"));
    return wait_for_signals(server, signals, err);
}

static int with_server(const struct args *args, int (*fn)(struct server *server, struct err *err),
                       struct err *err) {
    MEM_AUTO struct server *server = mem_new(sizeof *server);
    server->args = args;
    server->world.state_fd = OS_FD_NONE;
    os_mutex_init(&server->world.mutex);
    int rc = fn(server, err);
    close_world(server);
    return rc;
}

static int run(struct server *server, struct err *err) {
    const struct args *args = server->args;
    os_harden();
    os_raise_file_limit();
    server->verbose = args_flag(args, "verbose");
    server->world.trash_window_s = (int64_t)args_number(args, "trash-days", 14) * DAY_S;
    server->world.crl_optional = text_equal(args_text(args, "revocation"), "soft");
    return serve(server, err);
}

static int rebuild(struct server *server, struct err *err) {
    const char *state = args_text(server->args, "state");
    if (open_world(server, err) != 0) {
        if (err->code != ERR_CATALOG_DAMAGED || catalog_set_aside(state, err) != 0 ||
            catalog_open(state, &server->world.catalog, err) != 0)
            return -1;
    }
    return sync_catalog(server, true, err);
}

static void print_value(void *ctx, const char *name, const char *value, const char *origin) {
    (void)ctx;
    (void)printf("%-16s %-40s %s\n", name, value != NULL ? value : "-", origin);
}

static int dispatch(const struct args *args, struct err *err) {
    const char *verb = args_command_name(args);
    if (text_equal(verb, "rebuild"))
        return with_server(args, rebuild, err);
    if (text_equal(verb, "config")) {
        args_values(args, print_value, NULL);
        return 0;
    }
    return with_server(args, run, err);
}

int main(int argc, char **argv) {
    crypto_start();
    struct err err = {0};
    AUTO(args) *args = NULL;
    int rc = args_parse(&spec_casemated, argc, argv, &args, &err);
    if (rc == 0 && args_want(args) == ARGS_HELP) {
        SCOPED(buf) help = {0};
        args_help(args, &help);
        (void)printf("%s", buf_text(&help));
        return 0;
    }
    if (rc == 0 && args_want(args) == ARGS_VERSION) {
        (void)printf("casemated %s\n", args_version());
        return 0;
    }
    if (rc == 0)
        rc = args_config_load(args, &err);
    if (rc == 0)
        rc = dispatch(args, &err);
    if (rc == 0)
        return 0;
    const struct err_info *info = err_info(err.code);
    (void)fprintf(stderr, "casemated: %s\n  %s (%s, %u)\n", err.text, info->action, info->symbol,
                  info->number);
    return info->exit_status;
}
