/* Who is who: computers and the server's own credentials. */
#include "door/api/api_int.h"

int trust_take(struct api_world *world, struct err *err) {
    os_mutex_lock(&world->mutex);
    if (world->trust != NULL)
        return 0;
    os_mutex_unlock(&world->mutex);
    return ERR(err, ERR_TRUST_UNSET,
               "the server has no certificate: casemate credentials configure");
}

void trust_give(struct api_world *world) {
    os_mutex_unlock(&world->mutex);
}

typedef VEC(struct trust_computer) trust_computers;

static int add_known(void *ctx, const struct catalog_computer *computer, struct err *err) {
    trust_computers *list = ctx;
    struct trust_computer trust;
    if (trust_computer_get(computer->trust, &trust, err) != 0)
        return ERR_NOTE(err, "computer %s", computer->name);
    *vec_push(list) = trust;
    return 0;
}

/* Computers as trust knows them; *known is the caller's (mem_free). */
static int known_computers(struct api_world *world, struct trust_computer **known, size_t *n,
                           struct err *err) {
    trust_computers list = {0};
    int rc = catalog_computers(world->catalog, NULL, add_known, &list, err);
    *known = list.p;
    *n = list.n;
    return rc;
}

struct tls_context *api_tls_context(void *ctx) {
    struct api_world *world = ctx;
    os_mutex_lock(&world->mutex);
    struct tls_context *context = world->trust != NULL ? trust_server_context(world->trust) : NULL;
    os_mutex_unlock(&world->mutex);
    return context;
}

int api_identify(void *ctx, const struct tls *tls, char name[static 256], struct err *err) {
    struct api_world *world = ctx;
    MEM_AUTO struct trust_computer *known = NULL;
    size_t n = 0, i = 0;
    if (known_computers(world, &known, &n, err) != 0 || trust_identify(tls, known, n, &i, err) != 0)
        return -1;
    (void)text_copy(name, 256, known[i].name);
    return 0;
}

int api_load_trust(struct api_world *world, struct err *err) {
    struct trust_opts opts = {.crl_optional = world->crl_optional};
    struct trust_server *fresh = NULL;
    MEM_AUTO struct trust_computer *known = NULL;
    size_t n = 0;
    if (known_computers(world, &known, &n, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        opts.allow_weak_key = opts.allow_weak_key || known[i].allow_weak_key;
    if (trust_server_open(world->state_fd, &opts, &fresh, err) != 0)
        return -1;
    os_mutex_lock(&world->mutex);
    struct trust_server *old = world->trust;
    world->trust = fresh;
    os_mutex_unlock(&world->mutex);
    trust_server_close(old);
    return api_serve_https(world, err);
}

int api_serve_https(struct api_world *world, struct err *err) {
    struct tls_context *fresh = NULL;
    if (world->rest == NULL || trust_take(world, NULL) != 0)
        return 0;
    int rc = trust_server_public_context(world->trust, &fresh, err);
    if (rc == 0) {
        struct tls_context *old = world->public_tls;
        rest_set_tls(world->rest, fresh);
        world->public_tls = fresh;
        tls_context_free(old);
    }
    trust_give(world);
    return rc;
}

int api_send_crls(struct api_world *world, struct channel *control, struct err *err) {
    SCOPED(buf) pem = {0};
    if (trust_take(world, err) != 0)
        return -1;
    int rc = trust_server_crls(world->trust, &pem, NULL, err);
    trust_give(world);
    if (rc != 0 || pem.n == 0)
        return rc;
    if (pem.n > FRAME_CRL_BYTES_MAX)
        return ERR(err, ERR_LIMIT, "the revocation lists have more than %u bytes",
                   FRAME_CRL_BYTES_MAX);
    return CHANNEL_SEND(control, crl, err, .pem = buf_span(&pem));
}

/* ---- computers ---- */
struct listing {
    struct api_world *world;
    struct page page;
};

static int list_computer(void *ctx, const struct catalog_computer *computer, struct err *err) {
    struct listing *listing = ctx;
    (void)err;
    if (page_wants(&listing->page))
        (void)json_array_append_new(listing->page.items,
                                    json_of_computer(listing->world, computer));
    return 0;
}

HANDLER(computer_list) {
    struct listing listing = {.world = ctx};
    if (page_begin(&listing.page, request, err) != 0 ||
        catalog_computers(listing.world->catalog, NULL, list_computer, &listing, err) != 0)
        return -1;
    page_answer(&listing.page, answer);
    return 0;
}

struct shown {
    struct api_world *world;
    json_t *json;
};

static int show_computer(void *ctx, const struct catalog_computer *computer, struct err *err) {
    struct shown *shown = ctx;
    (void)err;
    shown->json = json_of_computer(shown->world, computer);
    return 0;
}

static int answer_computer(struct api_world *world, const char *name, struct rest_answer *answer,
                           struct err *err) {
    struct shown shown = {.world = world};
    if (catalog_computer(world->catalog, name, show_computer, &shown, err) != 0)
        return -1;
    answer->json = shown.json;
    return 0;
}

HANDLER(computer_show) {
    return answer_computer(ctx, rest_path(request, "computer"), answer, err);
}

static int copy_computer(void *ctx, const struct catalog_computer *computer, struct err *err) {
    struct catalog_computer *out = ctx;
    (void)err;
    *out = *computer;
    return 0;
}

struct found_computer {
    struct catalog_computer *row;
    struct trust_computer *trust;
};

static int find_one(void *ctx, const struct catalog_computer *computer, struct err *err) {
    struct found_computer *found = ctx;
    if (trust_computer_get(computer->trust, found->trust, err) != 0)
        return -1;
    if (copy_computer(found->row, computer, err) != 0)
        return -1;
    found->row->trust = span_of(NULL, 0); /* borrowed during this call only */
    return 0;
}

int find_computer(struct api_world *world, const char *name, struct catalog_computer *out,
                  struct trust_computer *trust, struct err *err) {
    struct found_computer found = {.row = out, .trust = trust};
    return catalog_computer(world->catalog, name, find_one, &found, err);
}

static int judge(struct api_world *world, const struct rest_request *request,
                 struct trust_computer *computer, struct err *err) {
    MEM_AUTO struct trust_computer *known = NULL;
    SCOPED(buf) metadata = {0};
    size_t n = 0;
    const char *mode = rest_text(request, "mode");
    if (mode != NULL && !text_equal(mode, "standard"))
        return ERR(err, ERR_USAGE, "mode %s is not built yet: only standard is", mode);
    (void)rest_hex_bytes(request, "metadata", &metadata);
    if (known_computers(world, &known, &n, err) != 0 || trust_take(world, err) != 0)
        return -1;
    bool weak = rest_flag(request, "allow_weak_key");
    int rc = trust_attach(world->trust, buf_span(&metadata), known, n, weak, computer, err);
    if (rc == 0 && weak && !rest_flag(request, "what_if"))
        rc = trust_server_allow_weak_key(world->trust, true, err);
    trust_give(world);
    return rc;
}

HANDLER(computer_attach) {
    struct api_world *world = ctx;
    struct trust_computer computer;
    SCOPED(buf) trust = {0};
    if (judge(world, request, &computer, err) != 0)
        return -1;
    const char *address = rest_text(request, "address");
    struct catalog_computer row = {
        .port = (uint16_t)rest_number(request, "port", computer.control_port),
        .attached_s = os_wall_s()};
    (void)text_copy(row.name, sizeof row.name, computer.name);
    (void)text_copy(row.address, sizeof row.address, address != NULL ? address : computer.name);
    (void)text_copy(row.mode, sizeof row.mode, "standard");
    (void)text_copy(row.state, sizeof row.state, "attached");
    trust_computer_put(&trust, &computer);
    row.trust = buf_span(&trust);
    if (rest_flag(request, "what_if")) {
        answer->json = json_of_computer(world, &row);
        return 0;
    }
    if (audit(world, request, err, "attach computer %s", row.name) != 0 ||
        catalog_computer_add(world->catalog, &row, err) != 0)
        return -1;
    return answer_computer(world, row.name, answer, err);
}

static int has_member(void *ctx, const struct catalog_source *source, struct err *err) {
    (void)ctx;
    if (source->group[0] != 0)
        return ERR(err, ERR_COMPUTER_PROTECTED, "%s is protected by group %s", source->path,
                   source->group);
    return 0;
}

HANDLER(computer_remove) {
    struct api_world *world = ctx;
    const char *name = rest_path(request, "computer");
    struct catalog_point_filter filter = {.computer = name};
    struct catalog_computer row;
    struct trust_computer trust;
    uint64_t points = 0;
    if (find_computer(world, name, &row, &trust, err) != 0 ||
        catalog_sources(world->catalog, name, NULL, has_member, NULL, err) != 0 ||
        catalog_point_count(world->catalog, &filter, &points, err) != 0)
        return -1;
    bool what_if = rest_flag(request, "what_if");
    if (!what_if && (audit(world, request, err, "remove computer %s", row.name) != 0 ||
                     catalog_computer_remove(world->catalog, name, err) != 0))
        return -1;
    answer->json = json_object();
    json_text(answer->json, "name", row.name);
    (void)json_object_set_new(answer->json, "what_if", json_boolean(what_if));
    json_number(answer->json, "points", points);
    json_text(answer->json, "note", points > 0 ? "its recovery points stay" : NULL);
    return 0;
}

HANDLER(computer_refresh) {
    struct api_world *world = ctx;
    const char *name = rest_path(request, "computer");
    struct catalog_computer row;
    struct trust_computer trust;
    struct rpc_peer peer = {0};
    AUTO(channel) *channel = NULL;
    if (find_computer(world, name, &row, &trust, err) != 0)
        return -1;
    if (rpc_dial(world->hub, row.name, row.address, row.port, &peer, &channel, err) != 0) {
        const char *state = err->code == ERR_UNREACHABLE || err->code == ERR_TIMEOUT
                                ? "unreachable"
                                : "auth-failed";
        (void)catalog_computer_seen(world->catalog, name, state, NULL, 0, NULL);
        return -1;
    }
    if (catalog_computer_seen(world->catalog, name, "ok", peer.software, os_wall_s(), err) != 0 ||
        api_send_crls(world, channel, err) != 0)
        return -1;
    return answer_computer(world, name, answer, err);
}

/* ---- credentials ---- */
static json_t *credentials(struct api_world *world, struct span metadata) {
    struct trust_identity identity;
    char file[TRUST_NAME_MAX + 64];
    json_t *json = json_object();
    trust_server_identity(world->trust, &identity);
    (void)text_format(file, sizeof file, "CertificateConfiguration_%s.bin", identity.name);
    json_text(json, "name", identity.name);
    json_text(json, "file", file);
    json_hex(json, "metadata", metadata.p, metadata.n);
    json_text(json, "subject", identity.subject);
    json_hex(json, "certificate_sha256", identity.certificate_sha256.b,
             sizeof identity.certificate_sha256.b);
    json_hex(json, "anchor_sha256", identity.anchor_sha256.b, sizeof identity.anchor_sha256.b);
    json_time(json, "expires", identity.not_after_s);
    return json;
}

HANDLER(credentials_show) {
    struct api_world *world = ctx;
    (void)request;
    if (trust_take(world, err) != 0)
        return -1;
    answer->json = credentials(world, span_of(NULL, 0));
    trust_give(world);
    return 0;
}

static struct span body_text(const struct rest_request *request, const char *name) {
    const char *text = rest_text(request, name);
    return text != NULL ? span_text(text) : span_of(NULL, 0);
}

HANDLER(credentials_configure) {
    struct api_world *world = ctx;
    SCOPED(buf) pkcs12 = {0}, metadata = {0};
    struct trust_material material = {.certificate = body_text(request, "certificate"),
                                      .key = body_text(request, "key"),
                                      .anchors = body_text(request, "anchors"),
                                      .crl = body_text(request, "crl"),
                                      .password = body_text(request, "password")};
    if (rest_hex_bytes(request, "pkcs12", &pkcs12))
        material.certificate = buf_span(&pkcs12);
    if (material.certificate.n == 0)
        return ERR(err, ERR_USAGE, "a certificate is needed, PEM or PKCS#12");
    struct trust_opts opts = {.name = text_equal(world->name, "") ? NULL : world->name,
                              .control_port = 135,
                              .transfer_port = world->transfer_port,
                              .anchor_thumbprint = rest_text(request, "anchor_thumbprint"),
                              .crl_optional = world->crl_optional};
    if (audit(world, request, err, "configure credentials") != 0 ||
        trust_server_configure(world->state_fd, &material, &opts, &metadata, err) != 0 ||
        api_load_trust(world, err) != 0 || trust_take(world, err) != 0)
        return -1;
    answer->json = credentials(world, buf_span(&metadata));
    trust_give(world);
    return 0;
}

HANDLER(credentials_regenerate) {
    struct api_world *world = ctx;
    SCOPED(buf) metadata = {0};
    if (audit(world, request, err, "regenerate credentials") != 0 || trust_take(world, err) != 0)
        return -1;
    int rc = trust_server_regenerate(world->trust, &metadata, err);
    if (rc == 0)
        answer->json = credentials(world, buf_span(&metadata));
    trust_give(world);
    return rc;
}

static json_t *json_of_crl(const struct trust_crl *crl, const char *pem) {
    json_t *json = json_object();
    json_text(json, "name", crl->issuer);
    (void)json_object_set_new(json, "number", json_string(crl->number));
    json_time(json, "updated", crl->this_update_s);
    json_time(json, "next_update", crl->next_update_s);
    (void)json_object_set_new(json, "pem", json_string(pem));
    return json;
}

/* All lists, or only the first: the PEM of a listing is the whole bundle. */
static int crls(struct api_world *world, json_t *items, struct err *err) {
    SCOPED(buf) pem = {0};
    trust_crls list = {0};
    int rc = trust_server_crls(world->trust, &pem, &list, err);
    for (size_t i = 0; i < list.n && rc == 0; i++)
        (void)json_array_append_new(items, json_of_crl(&list.p[i], buf_text(&pem)));
    vec_done(&list);
    return rc;
}

HANDLER(crl_list) {
    struct api_world *world = ctx;
    (void)request;
    if (trust_take(world, err) != 0)
        return -1;
    json_t *items = json_array();
    int rc = crls(world, items, err);
    trust_give(world);
    if (rc == 0)
        answer->json = rest_page_json(items, NULL);
    else
        json_decref(items);
    return rc;
}

HANDLER(crl_set) {
    struct api_world *world = ctx;
    struct span file = body_text(request, "crl");
    if (audit(world, request, err, "set revocation list") != 0 || trust_take(world, err) != 0)
        return -1;
    json_t *items = json_array();
    int rc = trust_server_put_crl(world->trust, file, err);
    if (rc == 0)
        rc = crls(world, items, err);
    trust_give(world);
    if (rc == 0 && json_array_size(items) > 0)
        answer->json = json_incref(json_array_get(items, 0));
    json_decref(items);
    return rc;
}
