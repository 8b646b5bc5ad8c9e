/* The end of a backup, in the order that makes an acknowledged point a restorable one
 * (ARCHITECTURE.md, I1..I7). */
#include "base/text.h"
#include "flow/ingest/ingest_int.h"

/* The agent's signed words must be about this job, this source and this chain; labels must be what
 * we ordered. */
static int check_agent_part(struct session *session, const struct msg_commit *message,
                            struct commit *commit, struct err *err) {
    const struct ingest_order *order = session->order;
    struct digest previous = {0};
    struct signature signature;
    if (commit_agent_part_get(message->agent_part, commit, err) != 0)
        return -1;
    memcpy(signature.b, message->signature, sizeof signature.b);
    memcpy(commit->agent_signature, message->signature, sizeof commit->agent_signature);
    if (memcmp(commit->agent_key, order->agent_key.b, sizeof commit->agent_key) != 0 ||
        sign_verify(&order->agent_key, message->agent_part, &signature, err) != 0)
        return ERR(err, ERR_AUTH, "the commit is not signed by the key of this computer");
    if (session->newest_sequence > 0)
        commit_hash(buf_span(&session->newest_file), &previous);
    if (memcmp(commit->store, store_id(session->store)->b, sizeof commit->store) != 0 ||
        memcmp(commit->source, order->source, sizeof commit->source) != 0 ||
        memcmp(commit->job, order->job, sizeof commit->job) != 0 ||
        commit->sequence != session->newest_sequence + 1 ||
        !digest_equal(&commit->previous, &previous) ||
        !text_equal(commit->root_path, order->root_path) ||
        !text_equal_nocase(commit->computer, order->computer))
        return ERR(err, ERR_PROTOCOL,
                   "the commit is about another store, source, job or place in the chain");
    return 0;
}

static int check_manifest(struct session *session, const struct commit *commit, struct err *err) {
    AUTO(store_reader) *reader = store_reader_new(session->store);
    struct manifest_info info;
    if (ingest_closure(session, &commit->manifest, err) != 0 ||
        tree_info(reader, &commit->manifest, &info, err) != 0)
        return -1;
    const struct manifest_totals *totals = &info.tree.totals;
    if (memcmp(info.source, commit->source, sizeof info.source) != 0 ||
        !text_equal(info.computer, commit->computer) ||
        !text_equal(info.root_path, commit->root_path) || totals->entries != commit->entries ||
        totals->files != commit->files || totals->dirs != commit->dirs ||
        totals->bytes != commit->bytes ||
        (commit->state == COMMIT_COMPLETE && (totals->problems > 0 || commit->problems > 0)))
        return ERR(err, ERR_PROTOCOL, "the commit and its manifest disagree");
    return 0;
}

static int countersign(struct session *session, struct commit *commit, struct err *err) {
    SCOPED(buf) part = {0};
    struct signature signature;
    const struct signer *signer = &session->order->signer;
    commit->started_s = session->started_s;
    commit->finished_s = os_wall_s();
    commit->stored_bytes = session->segment_bytes;
    memcpy(commit->server_key, signer->key.b, sizeof commit->server_key);
    commit_server_part(&part, commit);
    if (signer->sign(signer->ctx, buf_span(&part), &signature, err) != 0)
        return -1;
    memcpy(commit->server_signature, signature.b, sizeof commit->server_signature);
    return 0;
}

int ingest_made(struct ledger *ledger, const uint8_t job[static 16],
                const uint8_t source[static 16], struct ingest_result *result, bool *made,
                struct err *err) {
    SCOPED(buf) file = {0};
    uint64_t sequence;
    *made = false;
    *result = (struct ingest_result){0};
    if (ledger_newest(ledger, source, &sequence, &file, err) != 0)
        return -1;
    if (sequence == 0)
        return 0;
    if (commit_get(buf_span(&file), &result->commit, err) != 0)
        return ERR_NOTE(err, "newest commit of the source");
    commit_hash(buf_span(&file), &result->hash);
    result->stored_bytes = result->commit.stored_bytes;
    *made = memcmp(result->commit.job, job, sizeof result->commit.job) == 0;
    return 0;
}

int ingest_commit(struct session *session, const struct msg_commit *message, struct err *err) {
    struct commit commit = {0};
    SCOPED(buf) file = {0};
    struct ingest_result *result = session->result;
    if (check_agent_part(session, message, &commit, err) != 0 || ingest_settle(session, err) != 0)
        return -1;
    if (store_writer_sync(session->writer, err) !=
        0) /* I1, I2, I3; I4: manifest chunks are chunks */
        return -1;
    if (check_manifest(session, &commit, err) != 0 || countersign(session, &commit, err) != 0)
        return -1; /* I5 */
    if (ledger_append(session->ledger, &commit, &result->hash, err) != 0)
        return -1; /* I6: the point exists */
    result->commit = commit;
    if (session->watch->committed != NULL &&
        session->watch->committed(session->watch->ctx, &commit, &result->hash, err) != 0)
        return -1;
    OS_COMMIT_POINT("I7");
    commit_put(&file, &commit);
    return CHANNEL_SEND(session->channel, committed, err, .commit_file = buf_span(&file));
}
