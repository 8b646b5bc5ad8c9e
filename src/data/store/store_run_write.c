/* Writing a run: pages as rows come, tables and header at the end, durable before it is seen. */
#include "data/store/store_run.h"
#include "os/random.h"

#define WRITE_PAGES 64u

struct store_run_writer {
    struct store *store;
    int fd;
    char tmp[OS_NAME_MAX];
    struct store_run_head head;
    uint8_t page_key[32];
    uint32_t page_rows; /* in the page being filled */
    uint32_t full_n;    /* finished pages in `pages` */
    uint8_t *pages;     /* WRITE_PAGES */
    VEC(uint64_t) fences;
    VEC(struct store_pack) packs;
    uint32_t *local; /* ordinal -> position in packs */
    size_t local_n;
    uint8_t *filter;
    uint8_t last[STORE_NAME_BYTES];
};

/* What the table says of the packs, once: later changes are the next run's. */
static void packs_take(struct store_run_writer *writer, const uint32_t *packs, size_t pack_n) {
    struct store *store = writer->store;
    os_mutex_lock(&store->mutex);
    writer->local_n = store->table.packs.n;
    writer->local = mem_new_array(writer->local_n, sizeof *writer->local);
    memset(writer->local, 0xff, writer->local_n * sizeof *writer->local);
    for (size_t i = 0; i < pack_n; i++) {
        writer->local[packs[i]] = (uint32_t)writer->packs.n;
        *vec_push(&writer->packs) = store->table.packs.p[packs[i]];
    }
    os_mutex_unlock(&store->mutex);
}

int store_run_writer_new(struct store *store, const struct store_run_plan *plan,
                         struct store_run_writer **out, struct err *err) {
    struct store_run_writer *writer = mem_new(sizeof *writer);
    char name[OS_NAME_MAX];
    writer->store = store;
    writer->head = (struct store_run_head){
        .low = plan->low, .high = plan->high, .filter_n = store_filter_blocks(plan->row_n_max)};
    memcpy(writer->head.store, store->id.b, sizeof writer->head.store);
    os_random(writer->head.salt, sizeof writer->head.salt);
    store_run_page_key(&writer->head, store->file_key, writer->page_key);
    store_run_name(name, plan->low, plan->high);
    (void)text_format(writer->tmp, sizeof writer->tmp, "%s.tmp", name);
    if (os_file_create(store->index_fd, writer->tmp, STORE_FILE_MODE, &writer->fd, err) != 0) {
        mem_free(writer);
        return -1;
    }
    packs_take(writer, plan->packs, plan->pack_n);
    writer->pages = mem_new_array(WRITE_PAGES, STORE_PAGE_BYTES);
    writer->filter = mem_new_array(writer->head.filter_n, STORE_FILTER_BLOCK_BYTES);
    *out = writer;
    return 0;
}

void store_run_writer_free(struct store_run_writer *writer) {
    if (writer == NULL)
        return;
    if (writer->fd != OS_FD_NONE) {
        os_close(&writer->fd);
        (void)os_unlink(writer->store->index_fd, writer->tmp, NULL);
    }
    mem_free(writer->pages);
    mem_free(writer->filter);
    mem_free(writer->local);
    vec_done(&writer->fences);
    vec_done(&writer->packs);
    mem_free(writer);
}

static int pages_write(struct store_run_writer *writer, struct err *err) {
    uint64_t off = (uint64_t)(writer->head.page_n - writer->full_n + 1) * STORE_PAGE_BYTES;
    size_t n = (size_t)writer->full_n * STORE_PAGE_BYTES;
    writer->full_n = 0;
    return os_write_at(writer->fd, off, writer->pages, n, err);
}

static int page_end(struct store_run_writer *writer, struct err *err) {
    uint8_t *page = writer->pages + (size_t)writer->full_n * STORE_PAGE_BYTES;
    memset(page + writer->page_rows * STORE_RUN_ROW_BYTES, 0,
           (STORE_RUN_ROWS_PER_PAGE - writer->page_rows) * STORE_RUN_ROW_BYTES);
    store_run_page_close(page, writer->page_rows, writer->head.page_n, writer->page_key);
    writer->page_rows = 0;
    writer->head.page_n++;
    writer->full_n++;
    return writer->full_n == WRITE_PAGES ? pages_write(writer, err) : 0;
}

int store_run_writer_add(struct store_run_writer *writer, const struct store_row *row,
                         struct err *err) {
    INVARIANT(row->pack < writer->local_n && writer->local[row->pack] != STORE_NO_PACK);
    INVARIANT(writer->head.row_n == 0 || memcmp(writer->last, row->name, sizeof writer->last) < 0);
    memcpy(writer->last, row->name, sizeof writer->last);
    uint8_t *page = writer->pages + (size_t)writer->full_n * STORE_PAGE_BYTES;
    if (writer->page_rows == 0)
        *vec_push(&writer->fences) = be64_get(row->name);
    store_run_row_put(page + writer->page_rows * STORE_RUN_ROW_BYTES, row,
                      writer->local[row->pack]);
    store_filter_add(writer->filter, writer->head.filter_n, row->name);
    writer->page_rows++;
    writer->head.row_n++;
    return writer->page_rows == STORE_RUN_ROWS_PER_PAGE ? page_end(writer, err) : 0;
}

static void tables_put(struct store_run_writer *writer, struct buf *out) {
    buf_reserve(out, writer->fences.n * 8 + writer->packs.n * STORE_RUN_PACK_BYTES);
    for (size_t i = 0; i < writer->fences.n; i++)
        buf_put_u64(out, writer->fences.p[i]);
    for (size_t i = 0; i < writer->packs.n; i++)
        store_run_pack_put(buf_extend(out, STORE_RUN_PACK_BYTES), &writer->packs.p[i]);
}

static int end_write(struct store_run_writer *writer, struct buf *tables, struct err *err) {
    uint8_t page[STORE_PAGE_BYTES];
    struct span filter =
        span_of(writer->filter, (size_t)writer->head.filter_n * STORE_FILTER_BLOCK_BYTES);
    uint64_t off = (uint64_t)(writer->head.page_n + 1ull) * STORE_PAGE_BYTES;
    struct hasher *hasher = hasher_new();
    hasher_add(hasher, buf_span(tables));
    hasher_add(hasher, filter);
    hasher_get(hasher, &writer->head.tables);
    hasher_free(hasher);
    writer->head.pack_n = (uint32_t)writer->packs.n;
    store_run_head_put(page, &writer->head, writer->store->file_key);
    if (os_write_at(writer->fd, off, tables->p, tables->n, err) != 0 ||
        os_write_at(writer->fd, off + tables->n, filter.p, filter.n, err) != 0)
        return -1;
    return os_write_at(writer->fd, 0, page, sizeof page, err);
}

int store_run_writer_finish(struct store_run_writer *writer, struct err *err) {
    struct buf tables = {0};
    char name[OS_NAME_MAX];
    if ((writer->page_rows > 0 && page_end(writer, err) != 0) ||
        (writer->full_n > 0 && pages_write(writer, err) != 0))
        return -1;
    tables_put(writer, &tables);
    int rc = end_write(writer, &tables, err);
    buf_done(&tables);
    if (rc != 0)
        return -1;
    store_run_name(name, writer->head.low, writer->head.high);
    return durable_seal(&writer->fd, writer->store->index_fd, writer->tmp, writer->store->index_fd,
                        name, NULL, NULL, err);
}
