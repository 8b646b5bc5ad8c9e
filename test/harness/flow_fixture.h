#pragma once
/* A store with its ledger, keys of both sides, and points made by hand: for tests in which one side
 * of a conversation lies.  Above flow only. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "crypto/sign.h"
#include "data/channel/channel.h"
#include "data/chunker/chunker.h"
#include "data/ledger/ledger.h"
#include "data/seal/seal.h"
#include "data/store/store.h"
#include "format/manifest/manifest.h"
#include "must.h"
#include "os/os.h"
#include "scratch.h"
#include "trust_fixture.h"

#define FLOW_ROOT "/srv/data"
#define FLOW_WAIT_MS 20000u

struct flow_world {
    char top[SCRATCH_PATH_MAX];
    char store_dir[SCRATCH_PATH_MAX + 16];
    char out[SCRATCH_PATH_MAX + 16];
    struct trust_fixture trust;
    struct secret *store_key, *agent_seed, *server_seed, *other_seed;
    struct sign_public agent_key, server_key, other_key;
    struct store *store;
    struct ledger *ledger;
    uint8_t source[16];
    uint8_t jobs; /* counts */
};

static inline int flow_sign(void *ctx, struct span bytes, struct signature *out, struct err *err) {
    return sign_bytes(ctx, bytes, out, err);
}

static inline int flow_setup(void **state) {
    struct flow_world *w = mem_new(sizeof *w);
    (void)scratch_make(w->top);
    (void)text_format(w->store_dir, sizeof w->store_dir, "%s/store", w->top);
    (void)text_format(w->out, sizeof w->out, "%s/out", w->top);
    trust_fixture_init(&w->trust);
    w->store_key = secret_new(32);
    w->agent_seed = sign_seed_new();
    w->server_seed = sign_seed_new();
    w->other_seed = sign_seed_new();
    OK(sign_public_of(w->agent_seed, &w->agent_key, &err));
    OK(sign_public_of(w->server_seed, &w->server_key, &err));
    OK(sign_public_of(w->other_seed, &w->other_key, &err));
    OK(store_create(w->store_dir, w->store_key, &chunker_defaults, &err));
    OK(store_open(w->store_dir, w->store_key, (struct store_opts){0}, &w->store, &err));
    OK(ledger_open(store_dirfd(w->store), &w->ledger, &err));
    memset(w->source, 's', sizeof w->source);
    *state = w;
    return 0;
}

static inline int flow_teardown(void **state) {
    struct flow_world *w = *state;
    ledger_close(w->ledger);
    store_close(w->store);
    secret_free(w->store_key);
    secret_free(w->agent_seed);
    secret_free(w->server_seed);
    secret_free(w->other_seed);
    trust_fixture_done(&w->trust);
    scratch_remove(w->top);
    mem_free(w);
    return 0;
}

/* Both ends, attached. */
static inline void flow_connect(struct flow_world *w, struct channel **server,
                                struct channel **agent) {
    struct tls *server_tls, *agent_tls;
    trust_fixture_pair(&w->trust, &server_tls, &agent_tls);
    *server = channel_new(&server_tls, FRAME_SERVER);
    *agent = channel_new(&agent_tls, FRAME_AGENT);
    channel_state(*server, FRAME_ATTACHED);
    channel_state(*agent, FRAME_ATTACHED);
}

/* ---- points ---- */

struct flow_chunk {
    enum chunk_type type;
    struct digest name;
    struct buf bytes;
};

struct flow_file {
    const char *path;
    uint8_t fill; /* every byte */
    uint32_t size;
    uint32_t length; /* as the reference says; 0 = size */
};

struct flow_point {
    VEC(struct flow_chunk) chunks; /* content, pages, root record */
    struct manifest_info info;
    struct digest root;
    struct commit commit; /* unsigned */
};

static inline int flow_emit(void *ctx, enum chunk_type type, const struct digest *name,
                            struct span bytes, struct err *) {
    struct flow_point *point = ctx;
    struct flow_chunk *chunk = vec_push(&point->chunks);
    *chunk = (struct flow_chunk){.type = type, .name = *name};
    buf_put_span(&chunk->bytes, bytes);
    return 0;
}

static inline void flow_point_done(struct flow_point *point) {
    for (size_t i = 0; i < point->chunks.n; i++)
        buf_done(&point->chunks.p[i].bytes);
    vec_done(&point->chunks);
}

static inline void flow_add_file(struct flow_point *point, struct manifest_builder *builder,
                                 const struct flow_file *file) {
    struct buf bytes = {0};
    struct chunk_ref ref = {.length = file->length > 0 ? file->length : file->size};
    memset(buf_extend(&bytes, file->size), file->fill, file->size);
    hash_typed(CHUNK_DATA, buf_span(&bytes), &ref.name);
    OK(flow_emit(point, CHUNK_DATA, &ref.name, buf_span(&bytes), &err));
    struct entry entry = {.path = span_text(file->path),
                          .kind = ENTRY_FILE,
                          .mode = 0644,
                          .uid = geteuid(),
                          .gid = getegid(),
                          .nlink = 1,
                          .size = ref.length,
                          .refs = &ref,
                          .ref_n = 1,
                          .chunk_n = 1};
    OK(manifest_add(builder, &entry, &err));
    buf_done(&bytes);
}

/* A folder with these files, in path order; the commit is of the next job and the first of the
 * source. */
static inline struct flow_point flow_point_make(struct flow_world *w, const struct flow_file *files,
                                                size_t n) {
    struct flow_point point = {.info = {.computer = "agent.example", .root_path = FLOW_ROOT}};
    AUTO(manifest_builder) *builder = manifest_builder_new(flow_emit, &point);
    struct entry root = {
        .kind = ENTRY_DIR, .mode = 0755, .uid = geteuid(), .gid = getegid(), .nlink = 2};
    OK(manifest_add(builder, &root, &err));
    for (size_t i = 0; i < n; i++)
        flow_add_file(&point, builder, &files[i]);
    memcpy(point.info.source, w->source, sizeof w->source);
    memset(point.info.job, ++w->jobs, sizeof point.info.job);
    OK(manifest_finish(builder, &point.info, &point.root, &err));
    const struct manifest_totals *totals = &point.info.tree.totals;
    point.commit = (struct commit){.sequence = 1,
                                   .manifest = point.root,
                                   .state = COMMIT_COMPLETE,
                                   .entries = totals->entries,
                                   .files = totals->files,
                                   .dirs = totals->dirs,
                                   .bytes = totals->bytes,
                                   .computer = "agent.example",
                                   .root_path = FLOW_ROOT};
    memcpy(point.commit.store, store_id(w->store)->b, sizeof point.commit.store);
    memcpy(point.commit.source, w->source, sizeof w->source);
    memcpy(point.commit.job, point.info.job, sizeof point.info.job);
    memcpy(point.commit.agent_key, w->agent_key.b, sizeof w->agent_key.b);
    memcpy(point.commit.server_key, w->server_key.b, sizeof w->server_key.b);
    return point;
}

/* The agent's signature, over what the commit says now. */
static inline void flow_agent_sign(struct commit *commit, const struct secret *seed) {
    struct buf part = {0};
    struct signature signature;
    commit_agent_part(&part, commit);
    OK(sign_bytes(seed, buf_span(&part), &signature, &err));
    memcpy(commit->agent_signature, signature.b, sizeof signature.b);
    buf_done(&part);
}

static inline void flow_server_sign(struct commit *commit, const struct secret *seed) {
    struct buf part = {0};
    struct signature signature;
    commit_server_part(&part, commit);
    OK(sign_bytes(seed, buf_span(&part), &signature, &err));
    memcpy(commit->server_signature, signature.b, sizeof signature.b);
    buf_done(&part);
}
