/* The receiver never waits for anyone but the server: what it hands on has room reserved (pages by
 * credit, batches by their own queue slots), so that the two sides cannot wait for each other. */
#include "flow/backup/backup_int.h"

static int take_page(struct run *run, struct span body, struct err *err) {
    struct msg_page page;
    if (msg_page_get(body, &page, err) != 0)
        return -1;
    os_mutex_lock(&run->mutex);
    bool room = run->page_n < PAGES_AHEAD;
    if (room) {
        struct buf *slot = &run->pages[(run->page_head + run->page_n) % PAGES_AHEAD];
        buf_clear(slot);
        buf_put_u8(slot, page.type);
        buf_put_span(slot, page.content);
        run->page_n++;
        os_cond_broadcast(&run->changed);
    }
    os_mutex_unlock(&run->mutex);
    return room ? 0 : ERR(err, ERR_PROTOCOL, "more pages than asked for");
}

static int take_answer(struct run *run, struct span body, struct err *err) {
    struct msg_have_reply reply;
    if (msg_have_reply_get(body, &reply, err) != 0)
        return -1;
    if (reply.batch >= BACKUP_BATCHES || !atomic_exchange(&run->batches[reply.batch].asked, false))
        return ERR(err, ERR_PROTOCOL, "answer to a question never asked");
    struct batch *batch = &run->batches[reply.batch];
    uint32_t asked = 0;
    for (uint32_t i = 0; i < batch->chunk_n; i++) {
        if (!batch->chunks[i].wanted)
            continue;
        if (asked / 8 >= reply.bits.n)
            return ERR(err, ERR_PROTOCOL, "answer is shorter than the question");
        batch->chunks[i].wanted = (reply.bits.p[asked / 8] & (0x80u >> asked % 8)) == 0;
        asked++;
    }
    batch_submit(run, batch);
    return 0;
}

static int take_verdict(struct run *run, struct span body, struct err *err) {
    struct msg_committed committed;
    if (msg_committed_get(body, &committed, err) != 0)
        return -1;
    os_mutex_lock(&run->mutex);
    buf_clear(&run->commit_file);
    buf_put_span(&run->commit_file, committed.commit_file);
    run->committed = true;
    os_cond_broadcast(&run->changed);
    os_mutex_unlock(&run->mutex);
    return 0;
}

static int receive(struct run *run, bool *ended, struct err *err) {
    enum frame_type type;
    struct span body;
    if (channel_receive(run->channel, &type, &body, CHANNEL_IDLE_MS, err) != 0)
        return -1;
    *ended = type == FRAME_TYPE_committed;
    if (type == FRAME_TYPE_page)
        return take_page(run, body, err);
    if (type == FRAME_TYPE_have_reply)
        return take_answer(run, body, err);
    if (type == FRAME_TYPE_committed)
        return take_verdict(run, body, err);
    return ERR(err, ERR_UNREACHABLE, "the server closed the connection before the end");
}

void receive_main(void *arg) {
    struct run *run = arg;
    struct err err;
    for (bool ended = false; !ended;)
        if (receive(run, &ended, &err) != 0) {
            run_fail(run, &err);
            return;
        }
}

int receive_page(struct run *run, struct buf *page, uint8_t *type, struct err *err) {
    if (run->page_credit <
        PAGES_AHEAD / 2) { /* what is unread and what was asked for never exceed the ring */
        uint32_t more = PAGES_AHEAD - run->page_credit;
        if (CHANNEL_SEND(run->channel, want_pages, err, .count = more) != 0)
            return -1;
        run->page_credit += more;
    }
    os_mutex_lock(&run->mutex);
    while (run->page_n == 0 && !run->failed)
        os_cond_wait(&run->changed, &run->mutex);
    bool failed = run->failed;
    if (!failed) {
        struct buf *slot = &run->pages[run->page_head];
        buf_clear(page);
        buf_put(page, slot->p + 1, slot->n - 1);
        *type = slot->p[0];
        run->page_head = (run->page_head + 1) % PAGES_AHEAD;
        run->page_n--;
    }
    os_mutex_unlock(&run->mutex);
    run->page_credit--;
    return failed ? run_failure(run, err) : 0;
}
