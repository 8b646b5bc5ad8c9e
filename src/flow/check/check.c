#include "flow/check/check.h"

#include "base/text.h"
#include "data/tree/tree.h"
#include "data/tree/tree_seen.h"

struct checking {
    struct store *store;
    const struct check_opts *opts;
    struct check_result *result;
    struct store_reader *reader;
    struct tree_seen *good;    /* pages below which nothing is wrong */
    VEC(struct digest) walked; /* of the point at hand */
    /* the chain of the source at hand */
    uint8_t source[16];
    uint64_t sequence;
    struct digest hash;
    /* the point at hand */
    const char *name;
    bool damaged;
    struct buf path; /* of the entry at hand */
    bool file_damaged;
};

static void found(struct checking *checking, enum check_kind kind, struct span object,
                  const char *reason) {
    struct check_result *result = checking->result;
    uint64_t *counter = kind == CHECK_PACK    ? &result->damaged_packs
                        : kind == CHECK_POINT ? &result->damaged_points
                                              : &result->damaged_files;
    uint64_t all = result->damaged_packs + result->damaged_points + result->damaged_files;
    (*counter)++;
    if (all < CHECK_NAMES_MAX)
        checking->opts->damage(checking->opts->ctx, kind, object, reason);
}

/* A point is named once, at its first fault. */
static void point_damaged(struct checking *checking, const char *reason) {
    if (!checking->damaged)
        found(checking, CHECK_POINT, span_text(checking->name), reason);
    checking->damaged = true;
}

static void pack_damaged(void *ctx, const struct store_damage *damage) {
    struct checking *checking = ctx;
    char reason[128];
    (void)text_format(reason, sizeof reason, "%s at byte %llu, %llu chunks cannot be read",
                      damage->what, (unsigned long long)damage->offset,
                      (unsigned long long)damage->chunk_n);
    found(checking, CHECK_PACK, span_text(damage->pack), reason);
}

static bool is_new(void *ctx, const struct manifest_ref *ref) {
    struct checking *checking = ctx;
    return !tree_seen_has(checking->good, &ref->page);
}

static int see_page(void *ctx, enum chunk_type type, const struct digest *name, struct span bytes,
                    struct err *err) {
    struct checking *checking = ctx;
    (void)bytes;
    if (checking->opts->cancelled(checking->opts->ctx))
        return ERR(err, ERR_INTERRUPTED, "verify was cancelled");
    if (type == CHUNK_TREE)
        *vec_push(&checking->walked) = *name;
    return 0;
}

static int see_entry(void *ctx, const struct entry *entry, struct err *err) {
    struct checking *checking = ctx;
    (void)err;
    buf_clear(&checking->path);
    buf_put_span(&checking->path, entry->path);
    checking->file_damaged = false;
    return 0;
}

static void file_damaged(struct checking *checking, const char *reason) {
    point_damaged(checking, "some files cannot be restored");
    if (!checking->file_damaged)
        found(checking, CHECK_FILE, buf_span(&checking->path), reason);
    checking->file_damaged = true;
}

static int see_chunk(void *ctx, const struct digest *name, struct err *err) {
    struct checking *checking = ctx;
    bool has;
    if (store_has(checking->store, name, &has, err) != 0)
        return -1;
    if (!has)
        file_damaged(checking, "a chunk is missing or damaged");
    return 0;
}

static int see_broken(void *ctx, const struct digest *name, const struct err *why,
                      struct err *err) {
    struct checking *checking = ctx;
    (void)name;
    if (why->code == ERR_INTERRUPTED) {
        *err = *why;
        return -1;
    }
    point_damaged(checking, why->text);
    return 0;
}

static int check_signatures(struct checking *checking, const struct commit *commit,
                            struct err *err) {
    SCOPED(buf) agent_part = {0}, server_part = {0};
    struct signature signature;
    struct sign_public agent_key;
    commit_agent_part(&agent_part, commit);
    commit_server_part(&server_part, commit);
    memcpy(agent_key.b, commit->agent_key, sizeof agent_key.b);
    memcpy(signature.b, commit->agent_signature, sizeof signature.b);
    if (sign_verify(&agent_key, buf_span(&agent_part), &signature, err) != 0)
        return ERR_NOTE(err, "signature of the agent");
    memcpy(signature.b, commit->server_signature, sizeof signature.b);
    if (sign_verify(checking->opts->server_key, buf_span(&server_part), &signature, err) != 0)
        return ERR_NOTE(err, "signature of the server");
    return 0;
}

/* Sequences of a source follow without a gap, each naming the one before. */
static void check_chain(struct checking *checking, const struct commit *commit,
                        const struct digest *hash) {
    struct digest none = {0};
    bool same = memcmp(checking->source, commit->source, sizeof checking->source) == 0 &&
                checking->sequence > 0;
    uint64_t expected = same ? checking->sequence + 1 : 1;
    const struct digest *previous = same ? &checking->hash : &none;
    if (commit->sequence != expected)
        point_damaged(checking, "a commit before it is missing");
    else if (!digest_equal(&commit->previous, previous))
        point_damaged(checking, "it does not name the commit before it");
    memcpy(checking->source, commit->source, sizeof checking->source);
    checking->sequence = commit->sequence;
    checking->hash = *hash;
}

static int check_point(void *ctx, const char *name, const struct commit *commit,
                       const struct digest *hash, enum ledger_state state, struct err *err) {
    struct checking *checking = ctx;
    struct err why;
    checking->name = name;
    checking->damaged = false;
    checking->walked.n = 0;
    buf_clear(&checking->path);
    if (commit == NULL) {
        point_damaged(checking, "the commit file is damaged");
        return 0;
    }
    check_chain(checking, commit, hash);
    if (check_signatures(checking, commit, &why) != 0)
        point_damaged(checking, why.text);
    if (state == LEDGER_PURGED)
        return 0;
    checking->result->points++;
    struct tree_visitor visitor = {.ctx = checking,
                                   .enter = is_new,
                                   .page = see_page,
                                   .entry = see_entry,
                                   .chunk = see_chunk,
                                   .broken = see_broken};
    if (tree_walk(checking->reader, &commit->manifest, &visitor, err) != 0)
        return -1;
    for (size_t i = 0; i < checking->walked.n && !checking->damaged; i++)
        (void)tree_seen_add(checking->good, &checking->walked.p[i]);
    return 0;
}

static void see_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes) {
    struct checking *checking = ctx;
    checking->opts->progress(checking->opts->ctx, done_bytes, total_bytes);
}

int check_run(struct store *store, struct ledger *ledger, const struct check_opts *opts,
              struct check_result *result, struct err *err) {
    struct checking checking = {.store = store, .opts = opts, .result = result};
    struct store_stats stats;
    *result = (struct check_result){0};
    store_stats(store, &stats);
    result->packs = stats.packs;
    struct store_verify_opts verify = {.read_data = opts->read_data,
                                       .damage = pack_damaged,
                                       .progress = see_progress,
                                       .ctx = &checking};
    if (store_verify(store, verify, &result->damaged_chunks, err) != 0)
        return -1;
    checking.reader = store_reader_new(store);
    checking.good = tree_seen_new();
    int rc = ledger_walk(ledger, check_point, &checking, err);
    store_reader_free(checking.reader);
    tree_seen_free(checking.good);
    vec_done(&checking.walked);
    buf_done(&checking.path);
    return rc;
}
