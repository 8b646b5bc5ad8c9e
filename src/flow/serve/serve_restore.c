/* Sending a point: pages in walk order until a window is full, then the segments that hold its
 * chunks, each once and still compressed, in the order they lie in the packs. */
#include "data/seal/seal.h"
#include "data/select/select.h"
#include "data/tree/tree.h"
#include "flow/serve/serve.h"
#include "format/commit/commit.h"
#include "os/os.h"

struct wanted {
    struct store_place place; /* first: see by_place */
    struct digest name;
};

struct sender {
    struct channel *channel;
    struct store *store;
    const struct serve_order *order;
    const struct serve_watch *watch;
    struct msg_restored *restored;
    struct selection selection;
    struct store_reader *pages;   /* tree pages, while walking */
    struct store_reader *indexes; /* index pages: loaded inside an entry's callback */
    struct store_reader *content;
    VEC(struct wanted) places;
    struct restore_window window;
    struct buf segment, body, picks, plain;
    struct unsealer *unsealer;
    uint8_t source[16];

    struct os_thread listener; /* progress, problems and the verdict of the agent */
    struct os_mutex mutex;
    struct os_cond changed;
    bool ended, failed;
    struct err failure;
};

static int send_page(struct sender *sender, enum chunk_type type, struct span bytes,
                     struct err *err) {
    return CHANNEL_SEND(sender->channel, page, err, .type = (uint8_t)type, .content = bytes);
}

static int load_tree(void *ctx, enum chunk_type type, const struct digest *name, struct span *bytes,
                     struct err *err) {
    struct sender *sender = ctx;
    if (store_read(sender->pages, type, name, bytes, err) != 0)
        return -1;
    return send_page(sender, type, *bytes, err);
}

static int load_index(void *ctx, enum chunk_type type, const struct digest *name,
                      struct span *bytes, struct err *err) {
    struct sender *sender = ctx;
    if (store_read(sender->indexes, type, name, bytes, err) != 0)
        return -1;
    return send_page(sender, type, *bytes, err);
}

static int by_place(const void *a, const void *b) {
    const struct store_place *x = &((const struct wanted *)a)->place;
    const struct store_place *y = &((const struct wanted *)b)->place;
    if (x->pack != y->pack)
        return x->pack < y->pack ? -1 : 1;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* A segment that another source brought may hold what its computer alone may see: then nothing but
 * the wanted chunks leaves the server. */
static int strip(struct sender *sender, uint32_t wanted, struct store_segment *info,
                 struct err *err) {
    struct buf *picks = &sender->picks;
    if (wanted == info->plain_bytes ||
        memcmp(info->source, sender->source, sizeof sender->source) == 0)
        return 0;
    buf_clear(&sender->plain);
    uint8_t *plain = buf_extend(&sender->plain, info->plain_bytes);
    if (unsealer_unpack(sender->unsealer, info->codec, buf_span(&sender->segment), plain,
                        info->plain_bytes, err) != 0)
        return -1;
    buf_clear(&sender->segment);
    for (size_t i = 0; i < picks->n; i += 8) {
        uint32_t offset = be32_get(picks->p + i), length = be32_get(picks->p + i + 4);
        if (offset > info->plain_bytes || length > info->plain_bytes - offset)
            return ERR(err, ERR_FORMAT, "index places a chunk outside of its segment");
        be32_put(picks->p + i, (uint32_t)sender->segment.n);
        buf_put(&sender->segment, plain + offset, length);
    }
    info->codec = SEGMENT_RAW;
    info->plain_bytes = (uint32_t)sender->segment.n;
    return 0;
}

static int send_pick(struct sender *sender, const struct store_segment *info, struct span payload,
                     struct err *err) {
    buf_clear(&sender->body);
    msg_pick_put(&sender->body, &(struct msg_pick){.codec = (uint8_t)info->codec,
                                                   .plain_bytes = info->plain_bytes,
                                                   .picks = buf_span(&sender->picks),
                                                   .payload = payload});
    return channel_send(sender->channel, FRAME_TYPE_pick, buf_span(&sender->body), span_of(NULL, 0),
                        err);
}

/* The segment is damaged, or moved meanwhile: each chunk from wherever it lies now.  One that
 * cannot be had is left out: the agent sees which files it cannot complete, and says so. */
static int send_singly(struct sender *sender, size_t from, size_t to, struct err *err) {
    for (size_t i = from; i < to; i++) {
        const struct wanted *wanted = &sender->places.p[i];
        struct span bytes;
        if (i > from && digest_equal(&wanted->name, &wanted[-1].name))
            continue;
        if (store_read(sender->content, CHUNK_DATA, &wanted->name, &bytes, NULL) != 0)
            continue;
        struct store_segment info = {.codec = SEGMENT_RAW, .plain_bytes = (uint32_t)bytes.n};
        buf_clear(&sender->picks);
        buf_put_u32(&sender->picks, 0);
        buf_put_u32(&sender->picks, info.plain_bytes);
        if (send_pick(sender, &info, bytes, err) != 0)
            return -1;
    }
    return 0;
}

/* All wanted chunks of one segment, from places[*i] on. */
static int send_segment(struct sender *sender, size_t *i, struct err *err) {
    size_t from = *i;
    const struct store_place *first = &sender->places.p[*i].place, *last = NULL;
    uint32_t wanted = 0; /* plain bytes */
    buf_clear(&sender->picks);
    for (; *i < sender->places.n; (*i)++) {
        const struct store_place *place = &sender->places.p[*i].place;
        if (place->pack != first->pack || place->segment != first->segment)
            break;
        if (last != NULL && place->offset == last->offset)
            continue; /* wanted by several files: sent once */
        if (sender->picks.n == 8 * (size_t)FRAME_PICKS_MAX)
            break; /* the rest comes with another copy of the segment */
        buf_put_u32(&sender->picks, place->offset);
        buf_put_u32(&sender->picks, place->length);
        wanted += place->length;
        last = place;
    }
    struct store_segment info;
    buf_clear(&sender->segment);
    if (store_read_segment(sender->content, first->pack, first->segment, &sender->segment, &info,
                           err) != 0 ||
        strip(sender, wanted, &info, err) != 0)
        return send_singly(sender, from, *i, err);
    return send_pick(sender, &info, buf_span(&sender->segment), err);
}

static int send_window(struct sender *sender, bool last, struct err *err) {
    if (sender->places.n > 1)
        qsort(sender->places.p, sender->places.n, sizeof *sender->places.p, by_place);
    for (size_t i = 0; i < sender->places.n;)
        if (send_segment(sender, &i, err) != 0)
            return -1;
    sender->places.n = 0;
    return CHANNEL_SEND(sender->channel, window_done, err, .last = last);
}

static int plan_chunk(struct sender *sender, const struct chunk_ref *ref, struct err *err) {
    bool found;
    struct wanted wanted = {.name = ref->name};
    if (store_find(sender->store, &ref->name, &found, &wanted.place, err) != 0)
        return -1;
    if (!found)
        wanted.place = (struct store_place){.pack = UINT32_MAX, .segment = UINT32_MAX};
    *vec_push(&sender->places) = wanted;
    return restore_window_chunk(&sender->window) ? send_window(sender, false, err) : 0;
}

static int plan_entry(void *ctx, const struct entry *entry, struct err *err) {
    struct sender *sender = ctx;
    if (entry->kind != ENTRY_FILE || entry->chunk_n == 0 ||
        !selection_has(&sender->selection, entry->path))
        return 0;
    if (entry->chunk_n > 1 && restore_window_file(&sender->window) &&
        send_window(sender, false, err) != 0)
        return -1;
    AUTO(manifest_refs) *refs = manifest_refs_new(entry, load_index, sender);
    for (;;) {
        const struct chunk_ref *ref;
        if (manifest_refs_next(refs, &ref, err) != 0)
            return -1;
        if (ref == NULL)
            return 0;
        if (plan_chunk(sender, ref, err) != 0)
            return -1;
    }
}

static int listen_once(struct sender *sender, bool *ended, struct err *err) {
    enum frame_type type;
    struct span body;
    if (channel_receive(sender->channel, &type, &body, CHANNEL_IDLE_MS, err) != 0)
        return -1;
    const struct serve_watch *watch = sender->watch;
    if (type == FRAME_TYPE_progress) {
        struct msg_progress progress;
        if (msg_progress_get(body, &progress, err) != 0)
            return -1;
        watch->progress(watch->ctx, &progress, channel_sent_bytes(sender->channel));
        return 0;
    }
    if (type == FRAME_TYPE_problem) {
        struct msg_problem problem;
        if (msg_problem_get(body, &problem, err) != 0)
            return -1;
        watch->problem(watch->ctx, problem.path, problem.errno_value, problem.reason);
        return 0;
    }
    *ended = true;
    if (type == FRAME_TYPE_restored)
        return msg_restored_get(body, sender->restored, err);
    return ERR(err, ERR_UNREACHABLE, "the agent closed the connection before the end");
}

static void listen_main(void *arg) {
    struct sender *sender = arg;
    struct err err = {0};
    bool ended = false;
    int rc = 0;
    while (rc == 0 && !ended)
        rc = listen_once(sender, &ended, &err);
    os_mutex_lock(&sender->mutex);
    sender->ended = true;
    if (rc != 0) {
        sender->failed = true;
        sender->failure = err;
    }
    os_cond_broadcast(&sender->changed);
    os_mutex_unlock(&sender->mutex);
    if (rc != 0)
        channel_cancel(sender->channel);
}

static int send_point(struct sender *sender, struct err *err) {
    const struct serve_order *order = sender->order;
    struct commit commit;
    struct span record;
    struct manifest_info info;
    if (commit_get(order->commit_file, &commit, err) != 0 ||
        selection_get(order->selection, &sender->selection, err) != 0 ||
        store_read(sender->pages, CHUNK_MANIFEST, &commit.manifest, &record, err) != 0 ||
        manifest_info_get(record, &info, err) != 0)
        return -1;
    memcpy(sender->source, commit.source, sizeof sender->source);
    if (CHANNEL_SEND(sender->channel, begin_restore, err, .commit_file = order->commit_file,
                     .existing = order->existing, .security = order->security,
                     .selection = order->selection) != 0)
        return -1;
    channel_state(sender->channel, FRAME_RESTORE);
    if (os_thread_start(&sender->listener, "serve-listen", listen_main, sender, err) != 0 ||
        send_page(sender, CHUNK_MANIFEST, record, err) != 0 ||
        selection_walk(&sender->selection, &info.tree, load_tree, sender, plan_entry, sender,
                       err) != 0)
        return -1;
    return send_window(sender, true, err);
}

static int await_verdict(struct sender *sender, int rc, struct err *err) {
    if (rc != 0)
        channel_refuse(sender->channel, err);
    os_mutex_lock(&sender->mutex);
    while (rc == 0 && !sender->ended)
        os_cond_wait(&sender->changed, &sender->mutex);
    if (sender->failed) {
        *err =
            sender
                ->failure; /* what the agent said is nearer to the cause than a broken connection */
        rc = -1;
    }
    os_mutex_unlock(&sender->mutex);
    return rc;
}

int serve_restore(struct channel *channel, struct store *store, const struct serve_order *order,
                  const struct serve_watch *watch, struct msg_restored *restored, struct err *err) {
    struct sender sender = {
        .channel = channel, .store = store, .order = order, .watch = watch, .restored = restored};
    sender.pages = store_reader_new(store);
    sender.indexes = store_reader_new(store);
    sender.content = store_reader_new(store);
    sender.unsealer = unsealer_new();
    os_mutex_init(&sender.mutex);
    os_cond_init(&sender.changed);
    int rc = channel_keep_alive(channel, err);
    rc = await_verdict(&sender, rc == 0 ? send_point(&sender, err) : rc, err);
    channel_cancel(channel);
    os_thread_join(&sender.listener);
    store_reader_free(sender.pages);
    store_reader_free(sender.indexes);
    store_reader_free(sender.content);
    selection_done(&sender.selection);
    vec_done(&sender.places);
    buf_done(&sender.segment);
    buf_done(&sender.body);
    buf_done(&sender.picks);
    buf_done(&sender.plain);
    unsealer_free(sender.unsealer);
    os_cond_done(&sender.changed);
    os_mutex_done(&sender.mutex);
    return rc;
}
