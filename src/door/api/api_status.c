/* The server at a glance, and doctor: the way to a computer, hop by hop. */
#include "door/api/api_int.h"
#include "os/sock.h"

static int count_computer(void *ctx, const struct catalog_computer *computer, struct err *err) {
    (void)computer, (void)err;
    (*(uint64_t *)ctx)++;
    return 0;
}

static int count_group(void *ctx, const struct catalog_group *group, struct err *err) {
    (void)group, (void)err;
    (*(uint64_t *)ctx)++;
    return 0;
}

static int count_source(void *ctx, const struct catalog_source *source, struct err *err) {
    (void)err;
    if (source->group[0] != 0)
        (*(uint64_t *)ctx)++;
    return 0;
}

static json_t *json_of_store(struct api_world *world) {
    struct store_stats stats;
    json_t *json = json_object();
    store_stats(world->store, &stats);
    json_path(json, "path", span_text(world->store_path));
    json_number(json, "packs", stats.packs);
    json_number(json, "pack_bytes", stats.pack_bytes);
    json_number(json, "chunks", stats.chunks);
    json_number(json, "index_memory_bytes", stats.index_memory_bytes);
    json_number(json, "trash_packs", stats.trash_packs);
    json_number(json, "trash_bytes", stats.trash_bytes);
    json_number(json, "disk_free_bytes", stats.disk_free_bytes);
    return json;
}

#define DISK_LOW_BYTES (1ull << 30)
#define EXPIRY_WARNING_S (30 * 86400)

static json_t *notes(struct api_world *world) {
    json_t *list = json_array();
    struct store_stats stats;
    store_stats(world->store, &stats);
    if (trust_take(world, NULL) != 0) {
        (void)json_array_append_new(
            list, json_string("no certificate: run casemate credentials configure"));
    } else {
        struct trust_identity identity;
        trust_server_identity(world->trust, &identity);
        trust_give(world);
        if (identity.not_after_s < os_wall_s() + EXPIRY_WARNING_S)
            (void)json_array_append_new(
                list, json_string("the server's certificate ends within 30 days, or has"));
    }
    if (store_has_damage(world->store))
        (void)json_array_append_new(
            list, json_string("verify found damage: see its job; the next backup heals it"));
    if (stats.disk_free_bytes < DISK_LOW_BYTES)
        (void)json_array_append_new(list,
                                    json_string("less than 1 GiB is free on the store's disk"));
    return list;
}

HANDLER(status) {
    struct api_world *world = ctx;
    struct catalog_point_filter all = {0};
    uint64_t computers = 0, groups = 0, sources = 0, points = 0, queued = 0, running = 0;
    (void)request;
    if (catalog_computers(world->catalog, NULL, count_computer, &computers, err) != 0 ||
        catalog_groups(world->catalog, NULL, count_group, &groups, err) != 0 ||
        catalog_sources(world->catalog, NULL, NULL, count_source, &sources, err) != 0 ||
        catalog_point_count(world->catalog, &all, &points, err) != 0)
        return -1;
    job_load(world->jobs, &queued, &running);
    json_t *json = json_object(), *list = notes(world);
    json_text(json, "name", world->name);
    json_text(json, "version", world->version);
    json_text(json, "state", json_array_size(list) > 0 ? "attention" : "ok");
    (void)json_object_set_new(json, "notes", list);
    json_time(json, "time", os_wall_s());
    json_time(json, "started", world->started_s);
    json_number(json, "computers", computers);
    json_number(json, "groups", groups);
    json_number(json, "sources", sources);
    json_number(json, "points", points);
    json_number(json, "jobs_running", running);
    json_number(json, "jobs_queued", queued);
    (void)json_object_set_new(json, "store", json_of_store(world));
    answer->json = json;
    return 0;
}

/* ---- doctor ---- */
struct diagnosis {
    json_t *steps;
    bool failed;
    uint64_t started_ns;
};

/* One hop: ok, warning or fail; after a failure the rest is skipped. */
static void step(struct diagnosis *diagnosis, const char *name, const char *state,
                 const char *detail, const char *advice) {
    uint64_t now = os_mono_ns();
    json_t *json = json_object();
    json_text(json, "name", name);
    json_text(json, "state", state);
    (void)json_object_set_new(json, "detail", json_string(detail));
    json_text(json, "advice", advice);
    json_number(json, "ms", (now - diagnosis->started_ns) / 1000000);
    (void)json_array_append_new(diagnosis->steps, json);
    diagnosis->started_ns = now;
    diagnosis->failed = diagnosis->failed || text_equal(state, "fail");
}

static void step_of(struct diagnosis *diagnosis, const char *name, int rc, const struct err *err,
                    const char *detail) {
    if (diagnosis->failed)
        step(diagnosis, name, "skipped", "a step before failed", NULL);
    else if (rc == 0)
        step(diagnosis, name, "ok", detail, NULL);
    else
        step(diagnosis, name, "fail", err->text, err_info(err->code)->action);
}

static void diagnose_server(struct api_world *world, struct diagnosis *diagnosis) {
    struct err err = {0};
    struct trust_identity identity = {0};
    struct store_stats stats;
    char text[256], size[TEXT_SIZE_MAX];
    int rc = trust_take(world, &err);
    if (rc == 0) {
        trust_server_identity(world->trust, &identity);
        trust_give(world);
        if (identity.not_after_s < os_wall_s())
            rc = ERR(&err, ERR_CERTIFICATE, "the server's certificate has expired");
    }
    (void)text_format(text, sizeof text, "%s", identity.subject);
    step_of(diagnosis, "identity", rc, &err, text);
    store_stats(world->store, &stats);
    (void)text_format(text, sizeof text, "%s free", text_size(size, stats.disk_free_bytes));
    if (stats.disk_free_bytes < DISK_LOW_BYTES)
        step(diagnosis, "disk", "warning", text, "free space or add storage");
    else
        step(diagnosis, "disk", "ok", text, NULL);
    if (store_has_damage(world->store))
        step(diagnosis, "store", "warning", "verify found damage",
             "run a backup of the named sources, then verify");
    else
        step(diagnosis, "store", "ok", "no known damage", NULL);
}

static struct rest_answer diagnosed(struct diagnosis *diagnosis, const char *name) {
    json_t *json = json_object();
    json_text(json, "name", name);
    (void)json_object_set_new(json, "ok", json_boolean(!diagnosis->failed));
    (void)json_object_set_new(json, "steps", diagnosis->steps);
    return (struct rest_answer){.json = json};
}

HANDLER(doctor) {
    struct api_world *world = ctx;
    struct diagnosis diagnosis = {.steps = json_array(), .started_ns = os_mono_ns()};
    (void)request, (void)err;
    diagnose_server(world, &diagnosis);
    *answer = diagnosed(&diagnosis, world->name);
    return 0;
}

static int ask_info(struct channel *channel, struct msg_info *info, struct err *err) {
    struct span body;
    if (CHANNEL_SEND(channel, ask_info, err, .reserved = 0) != 0 ||
        channel_expect(channel, FRAME_TYPE_info, &body, CHANNEL_OPENING_MS, err) != 0)
        return -1;
    return msg_info_get(body, info, err);
}

static void check_clock(struct diagnosis *diagnosis, int64_t clock_s) {
    char text[128];
    int64_t off = clock_s - os_wall_s();
    if (diagnosis->failed) {
        step_of(diagnosis, "clock", 0, NULL, "");
        return;
    }
    (void)text_format(text, sizeof text, "%lld s apart", (long long)off);
    if (off > 120 || off < -120)
        step(diagnosis, "clock", "warning", text,
             "set the clocks: certificates are judged by them");
    else
        step(diagnosis, "clock", "ok", text, NULL);
}

static void diagnose_computer(struct api_world *world, const struct catalog_computer *row,
                              struct diagnosis *diagnosis) {
    struct err err = {0};
    struct rpc_peer peer = {0};
    struct msg_info info = {0};
    AUTO(channel) *channel = NULL;
    int fd = OS_FD_NONE;
    char text[512];
    (void)text_format(text, sizeof text, "%s port %u", row->address, (unsigned)row->port);
    int rc = os_connect_tcp(row->address, row->port, RPC_DIAL_MS, &fd, &err);
    os_close(&fd);
    step_of(diagnosis, "port", rc, &err, text);
    if (!diagnosis->failed)
        rc = rpc_dial(world->hub, row->name, row->address, row->port, &peer, &channel, &err);
    step_of(diagnosis, "tls and identity", rc, &err, peer.software);
    if (!diagnosis->failed)
        rc = ask_info(channel, &info, &err);
    step_of(diagnosis, "authorisation", rc, &err, "the agent answers this server");
    check_clock(diagnosis, info.clock_s);
}

HANDLER(doctor_computer) {
    struct api_world *world = ctx;
    struct catalog_computer row;
    struct trust_computer trust;
    struct diagnosis diagnosis = {.steps = json_array(), .started_ns = os_mono_ns()};
    if (find_computer(world, rest_path(request, "computer"), &row, &trust, err) != 0) {
        json_decref(diagnosis.steps);
        return -1;
    }
    diagnose_server(world, &diagnosis);
    diagnose_computer(world, &row, &diagnosis);
    *answer = diagnosed(&diagnosis, row.name);
    return 0;
}
