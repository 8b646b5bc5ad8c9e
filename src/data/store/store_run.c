/* Runs of the index as they are read (docs/format/index.md). */
#include "data/store/store_run.h"

static const uint8_t run_magic[8] = {0x89, 'C', 'M', 'I', 'N', 'D', 'X', '\n'};

void store_run_head_put(uint8_t to[static STORE_PAGE_BYTES], const struct store_run_head *head,
                        const struct secret *file_key) {
    struct digest mac;
    memset(to, 0, STORE_PAGE_BYTES);
    memcpy(to, run_magic, 8);
    be16_put(to + 8, STORE_RUN_VERSION);
    memcpy(to + 16, head->store, 16);
    be64_put(to + 32, head->low);
    be64_put(to + 40, head->high);
    be64_put(to + 48, head->row_n);
    be32_put(to + 56, head->page_n);
    be32_put(to + 60, head->pack_n);
    be32_put(to + 64, head->filter_n);
    memcpy(to + 72, head->salt, 16);
    memcpy(to + 88, head->tables.b, 32);
    hash_keyed(secret_span(file_key).p, span_of(to, 120), &mac);
    memcpy(to + 120, mac.b, 32);
}

int store_run_head_get(const uint8_t in[static STORE_PAGE_BYTES], const struct secret *file_key,
                       struct store_run_head *head, struct err *err) {
    struct digest mac;
    hash_keyed(secret_span(file_key).p, span_of(in, 120), &mac);
    if (memcmp(in, run_magic, 8) != 0 || memcmp(in + 120, mac.b, 32) != 0)
        return ERR(err, ERR_STORE_CORRUPT, "run header is damaged");
    if (be16_get(in + 8) != STORE_RUN_VERSION || be32_get(in + 12) != 0)
        return ERR(err, ERR_FORMAT_VERSION, "run of version %u", be16_get(in + 8));
    for (size_t i = 152; i < STORE_PAGE_BYTES; i++)
        if (in[i] != 0)
            return ERR(err, ERR_STORE_CORRUPT, "run header is damaged");
    *head = (struct store_run_head){.low = be64_get(in + 32),
                                    .high = be64_get(in + 40),
                                    .row_n = be64_get(in + 48),
                                    .page_n = be32_get(in + 56),
                                    .pack_n = be32_get(in + 60),
                                    .filter_n = be32_get(in + 64)};
    memcpy(head->store, in + 16, 16);
    memcpy(head->salt, in + 72, 16);
    memcpy(head->tables.b, in + 88, 32);
    uint64_t full = (uint64_t)head->page_n * STORE_RUN_ROWS_PER_PAGE;
    if (be16_get(in + 10) != 0 || be32_get(in + 68) != 0 || head->filter_n == 0 ||
        head->low > head->high || head->row_n > full ||
        head->row_n + STORE_RUN_ROWS_PER_PAGE <= full)
        return ERR(err, ERR_STORE_CORRUPT, "run header contradicts itself");
    return 0;
}

void store_run_page_key(const struct store_run_head *head, const struct secret *file_key,
                        uint8_t key[static 32]) {
    uint8_t context[32];
    struct digest derived;
    memcpy(context, head->salt, 16);
    be64_put(context + 16, head->low);
    be64_put(context + 24, head->high);
    hash_keyed(secret_span(file_key).p, span_of(context, sizeof context), &derived);
    memcpy(key, derived.b, sizeof derived.b);
}

void store_run_page_close(uint8_t page[static STORE_PAGE_BYTES], uint32_t row_n, uint32_t page_i,
                          const uint8_t key[static 32]) {
    struct digest mac;
    be16_put(page + 4064, (uint16_t)row_n);
    be16_put(page + 4066, 0);
    be32_put(page + 4068, page_i);
    be64_put(page + 4072, 0);
    hash_keyed(key, span_of(page, 4080), &mac);
    memcpy(page + 4080, mac.b, 16);
}

void store_run_row_put(uint8_t to[static STORE_RUN_ROW_BYTES], const struct store_row *row,
                       uint32_t pack_i) {
    memcpy(to, row->name, STORE_NAME_BYTES);
    be32_put(to + 16, pack_i);
    be32_put(to + 20, row->segment);
    be32_put(to + 24, row->offset << 8 | row->length >> 16);
    be32_put(to + 28, row->length << 16);
}

/* Number of the first row of `page` whose name is not below `name`. */
static uint32_t lower_bound(const uint8_t *page, uint32_t row_n, const uint8_t *name) {
    uint32_t low = 0, high = row_n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (memcmp(page + middle * STORE_RUN_ROW_BYTES, name, STORE_NAME_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int row_get(const struct store_run *run, const uint8_t *p, struct store_row *row,
                   struct err *err) {
    uint32_t pack_i = be32_get(p + 16);
    if (pack_i >= run->pack_n)
        return ERR(err, ERR_STORE_CORRUPT, "run names a pack that it does not list");
    memcpy(row->name, p, STORE_NAME_BYTES);
    row->pack = run->ordinals[pack_i];
    row->segment = be32_get(p + 20);
    row->offset = be32_get(p + 24) >> 8;
    row->length = (be32_get(p + 24) & 0xff) << 16 | be16_get(p + 28);
    return 0;
}

/* The page, read and verified; nothing is done when it is the one at hand. */
static int page_load(const struct store_run *run, uint32_t page_i, struct store_run_page *page,
                     struct err *err) {
    struct digest mac;
    uint64_t off = (uint64_t)(page_i + 1ull) * STORE_PAGE_BYTES;
    if (page->row_n > 0 && page->page_i == page_i)
        return 0;
    page->row_n = 0;
    struct err why = {0};
    if (os_read_exact_at(run->fd, off, page->bytes, STORE_PAGE_BYTES, &why) != 0)
        return ERR(err, ERR_STORE_CORRUPT, "page %u of a run: %s", page_i, why.text);
    hash_keyed(run->page_key, span_of(page->bytes, 4080), &mac);
    uint32_t row_n = be16_get(page->bytes + 4064);
    if (memcmp(mac.b, page->bytes + 4080, 16) != 0 || be32_get(page->bytes + 4068) != page_i ||
        row_n == 0 || row_n > STORE_RUN_ROWS_PER_PAGE)
        return ERR(err, ERR_STORE_CORRUPT, "page %u of a run is damaged", page_i);
    page->row_n = row_n;
    page->page_i = page_i;
    return 0;
}

/* The last page that begins at or before `key`; names are hashes, so a guess lands near it.  The
 * first page does begin there. */
static uint32_t fence_find(const struct store_run *run, uint64_t key) {
    const uint64_t *fences = run->fences;
    uint64_t n = run->page_n, guess = (key >> 32) * n >> 32, low, high, step = 1;
    if (fences[guess] <= key) {
        for (low = guess; low + step < n && fences[low + step] <= key; step *= 2)
            low += step;
        high = MIN(low + step, n);
    } else {
        for (high = guess; high > step && fences[high - step] > key; step *= 2)
            high -= step;
        low = high > step ? high - step : 0;
    }
    while (low + 1 < high) {
        uint64_t middle = (low + high) / 2;
        if (fences[middle] <= key)
            low = middle;
        else
            high = middle;
    }
    return (uint32_t)low;
}

int store_run_find(const struct store_run *run, const uint8_t name[static STORE_NAME_BYTES],
                   struct store_run_page *page, struct store_row *row, uint64_t *position,
                   struct err *err) {
    uint64_t key = be64_get(name);
    *position = STORE_ROW_NOWHERE;
    if (run->page_n == 0 || key < run->fences[0] ||
        !store_filter_may_have(run->filter, run->filter_n, name))
        return 0;
    for (uint32_t page_i = fence_find(run, key);; page_i--) {
        if (page_load(run, page_i, page, err) != 0)
            return -1;
        uint32_t i = lower_bound(page->bytes, page->row_n, name);
        const uint8_t *p = page->bytes + i * STORE_RUN_ROW_BYTES;
        if (i < page->row_n && memcmp(p, name, STORE_NAME_BYTES) == 0) {
            *position = (uint64_t)page_i * STORE_RUN_ROWS_PER_PAGE + i;
            return row_get(run, p, row, err);
        }
        if (i > 0 || page_i == 0 || run->fences[page_i] != key)
            return 0; /* else the page before may end in names that share these 8 bytes */
    }
}

int store_run_rows(const struct store_run *run, uint32_t page_i,
                   struct store_row rows[static STORE_RUN_ROWS_PER_PAGE], uint32_t *n,
                   struct err *err) {
    struct store_run_page page = {.row_n = 0};
    if (page_load(run, page_i, &page, err) != 0)
        return -1;
    for (uint32_t i = 0; i < page.row_n; i++)
        if (row_get(run, page.bytes + i * STORE_RUN_ROW_BYTES, &rows[i], err) != 0)
            return -1;
    *n = page.row_n;
    return 0;
}

void store_run_pack_put(uint8_t to[static STORE_RUN_PACK_BYTES], const struct store_pack *pack) {
    memcpy(to, pack->id, STORE_NAME_BYTES);
    be64_put(to + 16, pack->bytes);
    be64_put(to + 24, pack->plain_bytes);
    be32_put(to + 32, pack->chunk_n);
    be32_put(to + 36, 0);
    memcpy(to + 40, pack->job, 16);
    memcpy(to + 56, pack->source, 16);
}

static void pack_get(const uint8_t *p, struct store_pack *pack) {
    *pack = (struct store_pack){
        .bytes = be64_get(p + 16), .plain_bytes = be64_get(p + 24), .chunk_n = be32_get(p + 32)};
    memcpy(pack->id, p, STORE_NAME_BYTES);
    memcpy(pack->job, p + 40, 16);
    memcpy(pack->source, p + 56, 16);
}

/* Fences, packs and filter: one hash over the three. */
static int tables_load(struct store_run *run, const struct store_run_head *head,
                       store_run_pack_fn *pack_fn, void *ctx, struct err *err) {
    uint64_t off = (uint64_t)(head->page_n + 1ull) * STORE_PAGE_BYTES;
    size_t fence_bytes = (size_t)head->page_n * 8,
           pack_bytes = (size_t)head->pack_n * STORE_RUN_PACK_BYTES;
    size_t filter_bytes = (size_t)head->filter_n * STORE_FILTER_BLOCK_BYTES;
    uint64_t size;
    if (os_file_size(run->fd, &size, err) != 0)
        return -1;
    if (size != off + fence_bytes + pack_bytes + filter_bytes)
        return ERR(err, ERR_STORE_CORRUPT, "run of %llu bytes is cut or longer than it says",
                   (unsigned long long)size);
    MEM_AUTO uint8_t *tables = mem_new(fence_bytes + pack_bytes);
    run->filter = mem_new(filter_bytes);
    if (os_read_exact_at(run->fd, off, tables, fence_bytes + pack_bytes, err) != 0 ||
        os_read_exact_at(run->fd, off + fence_bytes + pack_bytes, run->filter, filter_bytes, err) !=
            0)
        return -1;
    struct hasher *hasher = hasher_new();
    struct digest found;
    hasher_add(hasher, span_of(tables, fence_bytes + pack_bytes));
    hasher_add(hasher, span_of(run->filter, filter_bytes));
    hasher_get(hasher, &found);
    hasher_free(hasher);
    if (!digest_equal(&found, &head->tables))
        return ERR(err, ERR_STORE_CORRUPT, "tables of a run are damaged");
    run->fences = mem_new_array(head->page_n, sizeof *run->fences);
    run->ordinals = mem_new_array(head->pack_n, sizeof *run->ordinals);
    for (uint32_t i = 0; i < head->page_n; i++)
        run->fences[i] = be64_get(tables + (size_t)i * 8);
    for (uint32_t i = 0; i < head->pack_n; i++) {
        struct store_pack pack;
        pack_get(tables + fence_bytes + (size_t)i * STORE_RUN_PACK_BYTES, &pack);
        run->ordinals[i] = pack_fn(ctx, &pack);
    }
    return 0;
}

static int load(struct store *store, struct store_run *run, const char *name,
                store_run_pack_fn *pack, void *ctx, struct err *err) {
    uint8_t page[STORE_PAGE_BYTES];
    struct store_run_head head;
    if (os_file_open_read(store->index_fd, name, &run->fd, err) != 0 ||
        os_read_exact_at(run->fd, 0, page, sizeof page, err) != 0 ||
        store_run_head_get(page, store->file_key, &head, err) != 0)
        return -1;
    if (memcmp(head.store, store->id.b, sizeof head.store) != 0 || head.low != run->low ||
        head.high != run->high)
        return ERR(err, ERR_STORE_CORRUPT, "run belongs under another name");
    run->row_n = head.row_n;
    run->page_n = head.page_n;
    run->pack_n = head.pack_n;
    run->filter_n = head.filter_n;
    store_run_page_key(&head, store->file_key, run->page_key);
    return tables_load(run, &head, pack, ctx, err);
}

int store_run_open(struct store *store, const char *name, store_run_pack_fn *pack, void *ctx,
                   struct store_run **out, struct err *err) {
    struct store_run *run = mem_new(sizeof *run);
    atomic_init(&run->refs, 1);
    atomic_init(&run->pins, 0);
    run->fd = OS_FD_NONE;
    INVARIANT(store_run_parse(name, &run->low, &run->high));
    if (load(store, run, name, pack, ctx, err) != 0) {
        store_run_unref(run);
        return ERR_NOTE(err, "index/%s", name);
    }
    *out = run;
    return 0;
}

void store_run_unref(struct store_run *run) {
    if (run == NULL || atomic_fetch_sub(&run->refs, 1) != 1)
        return;
    os_close(&run->fd);
    mem_free(run->fences);
    mem_free(run->filter);
    mem_free(run->ordinals);
    mem_free(run);
}

uint64_t store_run_memory(const struct store_run *run) {
    return sizeof *run + (uint64_t)run->page_n * 8 + (uint64_t)run->pack_n * 4 +
           (uint64_t)run->filter_n * STORE_FILTER_BLOCK_BYTES;
}

void store_run_name(char to[static OS_NAME_MAX], uint64_t low, uint64_t high) {
    (void)text_format(to, OS_NAME_MAX, "%016llx-%016llx.run", (unsigned long long)low,
                      (unsigned long long)high);
}

bool store_run_parse(const char *name, uint64_t *low, uint64_t *high) {
    uint8_t bytes[8];
    if (strlen(name) != 37 || name[16] != '-' || !text_ends(name, ".run") ||
        !text_unhex(name, 16, bytes, sizeof bytes))
        return false;
    *low = be64_get(bytes);
    if (!text_unhex(name + 17, 16, bytes, sizeof bytes))
        return false;
    *high = be64_get(bytes);
    return *low <= *high;
}

struct store_view *store_view_new(struct store_run *const *runs, size_t run_n) {
    struct store_view *view = mem_new(sizeof *view + run_n * sizeof *view->runs);
    atomic_init(&view->refs, 1);
    view->run_n = run_n;
    for (size_t i = 0; i < run_n; i++) {
        (void)atomic_fetch_add(&runs[i]->refs, 1);
        view->runs[i] = runs[i];
    }
    return view;
}

struct store_view *store_view_ref(struct store_view *view) {
    (void)atomic_fetch_add(&view->refs, 1);
    return view;
}

void store_view_unref(struct store_view *view) {
    if (view == NULL || atomic_fetch_sub(&view->refs, 1) != 1)
        return;
    for (size_t i = 0; i < view->run_n; i++)
        store_run_unref(view->runs[i]);
    mem_free(view);
}
