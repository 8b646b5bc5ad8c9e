/* Sends the pages of the newest point in walk order, as far as the agent gave credit. */
#include "flow/ingest/ingest_int.h"

static int wait_credit(struct session *session, struct err *err) {
    os_mutex_lock(&session->mutex);
    while (session->page_credit == 0 && !session->pages_stop && !session->failed)
        os_cond_wait(&session->changed, &session->mutex);
    bool stop = session->pages_stop || session->failed;
    if (!stop)
        session->page_credit--;
    os_mutex_unlock(&session->mutex);
    return stop ? ERR(err, ERR_INTERRUPTED, "session ended") : 0;
}

static int send_page(void *ctx, enum chunk_type type, const struct digest *name, struct span bytes,
                     struct err *err) {
    struct session *session = ctx;
    (void)name;
    if (wait_credit(session, err) != 0)
        return -1;
    return CHANNEL_SEND(session->channel, page, err, .type = (uint8_t)type, .content = bytes);
}

void ingest_pages_main(void *arg) {
    struct session *session = arg;
    struct err err;
    AUTO(store_reader) *reader = store_reader_new(session->store);
    struct tree_visitor visitor = {.ctx = session, .page = send_page};
    if (tree_walk(reader, &session->base.manifest, &visitor, &err) == 0 ||
        err.code == ERR_INTERRUPTED)
        return;
    /* The agent reads everything that was not listed so far again: a damaged store heals itself. */
    if (wait_credit(session, &err) == 0)
        (void)CHANNEL_SEND(session->channel, page, &err, .type = 0);
}
