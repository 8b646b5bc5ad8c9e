#include "format/commit/commit.h"

#define COMMIT_MAGIC 0x434d434du /* "CMCM" */
#define COMMIT_VERSION 1u

/* What stands in front of signed bytes, zero byte included: bytes signed as one thing are never a
 * signature of another. */
static const char agent_tag[] = "casemate commit agent 1";
static const char server_tag[] = "casemate commit server 1";

int commit_check(const struct commit *commit, struct err *err) {
    static const struct digest none;
    bool first = commit->sequence == 1;
    unsigned long long sequence = commit->sequence;
    if (commit->sequence == 0 || digest_equal(&commit->previous, &none) != first)
        return ERR(err, ERR_FORMAT, "commit %llu: %s", sequence,
                   first ? "a predecessor" : "no predecessor");
    if (commit->state != COMMIT_COMPLETE && commit->state != COMMIT_PARTIAL)
        return ERR(err, ERR_FORMAT, "commit %llu: state %u is not known", sequence, commit->state);
    if (commit->state == COMMIT_COMPLETE && commit->problems > 0)
        return ERR(err, ERR_FORMAT, "commit %llu: complete with %llu problems", sequence,
                   (unsigned long long)commit->problems);
    if (commit->files > commit->entries || commit->dirs > commit->entries - commit->files ||
        commit->problems > commit->entries)
        return ERR(err, ERR_FORMAT, "commit %llu: counts that do not fit each other", sequence);
    if (memchr(commit->computer, 0, sizeof commit->computer) == NULL ||
        memchr(commit->root_path, 0, sizeof commit->root_path) == NULL)
        return ERR(err, ERR_FORMAT, "commit %llu: a text without an end", sequence);
    return 0;
}

/* From the magic to the agent's key. */
static void put_agent(struct buf *out, const struct commit *commit) {
    buf_put_u32(out, COMMIT_MAGIC);
    buf_put_u8(out, COMMIT_VERSION);
    buf_put_u32(out, 0); /* features a reader must know */
    buf_put(out, commit->store, sizeof commit->store);
    buf_put(out, commit->source, sizeof commit->source);
    buf_put(out, commit->job, sizeof commit->job);
    buf_put_u64(out, commit->sequence);
    buf_put(out, commit->previous.b, sizeof commit->previous.b);
    buf_put(out, commit->manifest.b, sizeof commit->manifest.b);
    buf_put_u8(out, commit->state);
    buf_put_u64(out, commit->entries);
    buf_put_u64(out, commit->files);
    buf_put_u64(out, commit->dirs);
    buf_put_u64(out, commit->bytes);
    buf_put_u64(out, commit->problems);
    buf_put_u64(out, commit->read_bytes);
    buf_put_u64(out, commit->sent_bytes);
    buf_put_lstr(out, span_text(commit->computer));
    buf_put_lstr(out, span_text(commit->root_path));
    buf_put(out, commit->agent_key, sizeof commit->agent_key);
}

/* From the agent's part to the server's key. */
static void put_both(struct buf *out, const struct commit *commit) {
    put_agent(out, commit);
    buf_put(out, commit->agent_signature, sizeof commit->agent_signature);
    buf_put_u64(out, (uint64_t)commit->started_s);
    buf_put_u64(out, (uint64_t)commit->finished_s);
    buf_put_u64(out, commit->stored_bytes);
    buf_put(out, commit->server_key, sizeof commit->server_key);
}

void commit_agent_part(struct buf *out, const struct commit *commit) {
    buf_put(out, agent_tag, sizeof agent_tag);
    put_agent(out, commit);
}

void commit_server_part(struct buf *out, const struct commit *commit) {
    buf_put(out, server_tag, sizeof server_tag);
    put_both(out, commit);
}

void commit_put(struct buf *out, const struct commit *commit) {
    put_both(out, commit);
    buf_put(out, commit->server_signature, sizeof commit->server_signature);
}

/* A text without zero bytes into to[size]. */
static void get_text(struct cursor *c, char *to, size_t size) {
    struct span text = cursor_lstr(c, size - 1);
    if (text.n > 0)
        memcpy(to, text.p, text.n);
    c->bad |= memchr(to, 0, size) != to + text.n;
}

/* From the magic to the agent's key. */
static int get_agent(struct cursor *c, struct commit *commit, struct err *err) {
    uint32_t magic = cursor_u32(c);
    uint8_t version = cursor_u8(c);
    uint32_t features = cursor_u32(c);
    if (c->bad || magic != COMMIT_MAGIC)
        return ERR(err, ERR_FORMAT, "commit: these bytes are not one");
    if (version != COMMIT_VERSION || features != 0)
        return ERR(err, ERR_FORMAT_VERSION, "commit: version %u with features %x is not known",
                   version, features);
    *commit = (struct commit){0};
    cursor_copy(c, commit->store, sizeof commit->store);
    cursor_copy(c, commit->source, sizeof commit->source);
    cursor_copy(c, commit->job, sizeof commit->job);
    commit->sequence = cursor_u64(c);
    cursor_copy(c, commit->previous.b, sizeof commit->previous.b);
    cursor_copy(c, commit->manifest.b, sizeof commit->manifest.b);
    commit->state = cursor_u8(c);
    commit->entries = cursor_u64(c);
    commit->files = cursor_u64(c);
    commit->dirs = cursor_u64(c);
    commit->bytes = cursor_u64(c);
    commit->problems = cursor_u64(c);
    commit->read_bytes = cursor_u64(c);
    commit->sent_bytes = cursor_u64(c);
    get_text(c, commit->computer, sizeof commit->computer);
    get_text(c, commit->root_path, sizeof commit->root_path);
    cursor_copy(c, commit->agent_key, sizeof commit->agent_key);
    return 0;
}

int commit_agent_part_get(struct span in, struct commit *out, struct err *err) {
    struct cursor c = cursor_of(in);
    struct span tag = cursor_bytes(&c, sizeof agent_tag);
    if (!span_equal(tag, span_of(agent_tag, sizeof agent_tag)))
        return ERR(err, ERR_FORMAT, "commit: these bytes are not an agent's part");
    if (get_agent(&c, out, err) != 0)
        return -1;
    if (!cursor_ended(&c))
        return ERR(err, ERR_FORMAT, "commit: an agent's part of %zu bytes is malformed", in.n);
    return commit_check(out, err);
}

int commit_get(struct span in, struct commit *out, struct err *err) {
    struct cursor c = cursor_of(in);
    if (get_agent(&c, out, err) != 0)
        return -1;
    cursor_copy(&c, out->agent_signature, sizeof out->agent_signature);
    out->started_s = (int64_t)cursor_u64(&c);
    out->finished_s = (int64_t)cursor_u64(&c);
    out->stored_bytes = cursor_u64(&c);
    cursor_copy(&c, out->server_key, sizeof out->server_key);
    cursor_copy(&c, out->server_signature, sizeof out->server_signature);
    if (!cursor_ended(&c) || in.n > COMMIT_BYTES_MAX)
        return ERR(err, ERR_FORMAT, "commit: %zu bytes are malformed", in.n);
    return commit_check(out, err);
}

void commit_hash(struct span file, struct digest *out) {
    hash_bytes(file, out);
}
