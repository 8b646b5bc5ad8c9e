/* Looking inside points. */
#include "data/select/select.h"
#include "door/api/api_int.h"
#include "flow/serve/serve.h"

/* ---- points ---- */
struct listing {
    struct api_world *world;
    struct page page;
};

static int list_point(void *ctx, const struct catalog_point *point, struct err *err) {
    struct listing *listing = ctx;
    (void)err;
    if (json_array_size(listing->page.items) == listing->page.limit)
        listing->page.more = true;
    else
        (void)json_array_append_new(listing->page.items, json_of_point(listing->world, point));
    return 0;
}

HANDLER(point_list) {
    struct listing listing = {.world = ctx};
    struct catalog_point_filter filter;
    uint8_t source[16];
    if (select_filter(listing.world, request, &filter, source, err) != 0 ||
        page_begin(&listing.page, request, err) != 0)
        return -1;
    filter.skip = listing.page.skip;
    filter.limit = listing.page.limit + 1;
    if (catalog_points(listing.world->catalog, &filter, list_point, &listing, err) != 0)
        return -1;
    page_answer(&listing.page, answer);
    return 0;
}

HANDLER(point_show) {
    struct api_world *world = ctx;
    struct catalog_point point;
    if (select_point(world, request, "point", &point, err) != 0)
        return -1;
    answer->json = json_of_point(world, &point);
    return 0;
}

HANDLER(point_delete) {
    struct api_world *world = ctx;
    struct catalog_point point;
    char hex[2 * sizeof point.id.b + 1];
    bool what_if = rest_flag(request, "what_if");
    if (select_point(world, request, "point", &point, err) != 0)
        return -1;
    text_hex(hex, point.id.b, sizeof point.id.b);
    if (point.held)
        return ERR(err, ERR_HELD, "point %.12s is held", hex);
    if (!what_if && (audit(world, request, err, "delete point %s", hex) != 0 ||
                     ledger_move(world->ledger, point.source, point.sequence, LEDGER_LIVE,
                                 LEDGER_DELETED, err) != 0 ||
                     catalog_point_mark_deleted(world->catalog, &point.id, os_wall_s(), err) != 0))
        return -1;
    answer->json = json_object();
    json_text(answer->json, "name", hex);
    (void)json_object_set_new(answer->json, "what_if", json_boolean(what_if));
    json_number(answer->json, "points", 1);
    json_text(answer->json, "note", "its space is freed by gc after the soft-delete window");
    return 0;
}

/* ---- entries of a point, page by page; `next` is the path of the last one ---- */
struct entries {
    struct page page;
    struct buf last;
    const struct catalog_point *point; /* of find */
    struct api_world *world;
};

static bool full(struct entries *entries, struct span path) {
    if (json_array_size(entries->page.items) == entries->page.limit) {
        entries->page.more = true;
        return true;
    }
    buf_clear(&entries->last);
    text_escape(&entries->last, path);
    return false;
}

static int list_entry(void *ctx, const struct entry *entry, struct err *err) {
    struct entries *entries = ctx;
    (void)err;
    if (full(entries, entry->path))
        return 1;
    (void)json_array_append_new(entries->page.items, json_of_entry(entry));
    return 0;
}

static void entries_begin(struct entries *entries, const struct rest_request *request,
                          struct buf *after) {
    entries->page = (struct page){.limit = rest_number(request, "limit", SPEC_API_LIST_DEFAULT)};
    entries->page.items = json_array();
    (void)rest_path_bytes(request, "after", after);
}

static int entries_answer(struct entries *entries, int rc, struct rest_answer *answer) {
    if (rc == 0)
        answer->json = rest_page_json(TAKE(entries->page.items),
                                      entries->page.more ? buf_text(&entries->last) : NULL);
    else
        json_decref(entries->page.items);
    buf_done(&entries->last);
    return rc;
}

/* "/a/b/", "a/b" and "./a/b" mean the same entry. */
static struct span relative(struct span path) {
    while (path.n > 0 &&
           (path.p[0] == '/' || (path.p[0] == '.' && (path.n == 1 || path.p[1] == '/'))))
        path = span_of(path.p + 1, path.n - 1);
    while (path.n > 0 && path.p[path.n - 1] == '/')
        path.n--;
    return path;
}

/* People also give the path as it was on the computer: the part up to the source's folder is taken
 * off. */
struct span api_path_in_point(const struct catalog_point *point, struct span path) {
    size_t n = strlen(point->path);
    if (path.n >= n && memcmp(path.p, point->path, n) == 0 && (path.n == n || path.p[n] == '/'))
        path = span_of(path.p + n, path.n - n);
    return relative(path);
}

static int add_to_selection(void *ctx, const struct entry *entry, struct err *err) {
    struct buf *selection = ctx;
    if (entry->path.n > UINT16_MAX || entry->link.n > UINT16_MAX)
        return ERR(err, ERR_LIMIT, "path is too long to select");
    size_t more = 2 + entry->path.n + (entry->kind == ENTRY_HARDLINK ? 2 + entry->link.n : 0);
    if (selection->n + more > FRAME_SELECTION_BYTES_MAX)
        return ERR(err, ERR_LIMIT, "more paths than one restore can name: name their folders");
    selection_put(selection, entry->path);
    if (entry->kind == ENTRY_HARDLINK)
        selection_put(selection, entry->link);
    return 0;
}

int api_select_entry(struct api_world *world, const struct catalog_point *point, struct span path,
                     struct buf *selection, struct err *err) {
    return serve_entry(world->store, &point->manifest, path, add_to_selection, selection, err);
}

HANDLER(ls) {
    struct api_world *world = ctx;
    struct entries entries = {.world = world};
    struct catalog_point point;
    SCOPED(buf) path = {0}, after = {0};
    (void)rest_path_bytes(request, "path", &path);
    if (select_point(world, request, "point", &point, err) != 0)
        return -1;
    entries_begin(&entries, request, &after);
    int rc =
        serve_list(world->store, &point.manifest, api_path_in_point(&point, buf_span(&path)),
                   rest_flag(request, "recursive"), buf_span(&after), list_entry, &entries, err);
    return entries_answer(&entries, rc, answer);
}

static int list_problem(void *ctx, const struct entry *entry, struct err *err) {
    struct entries *entries = ctx;
    (void)err;
    if ((entry->flags & (ENTRY_CHANGED | ENTRY_UNREADABLE)) == 0)
        return 0;
    if (full(entries, entry->path))
        return 1;
    json_t *json = json_object();
    json_path(json, "path", entry->path);
    json_text(json, "reason",
              (entry->flags & ENTRY_UNREADABLE) != 0 ? os_error_text(entry->problem)
                                                     : "changed while it was read");
    (void)json_array_append_new(entries->page.items, json);
    return 0;
}

HANDLER(point_problems) {
    struct api_world *world = ctx;
    struct entries entries = {.world = world};
    struct catalog_point point;
    SCOPED(buf) after = {0};
    if (select_point(world, request, "point", &point, err) != 0)
        return -1;
    entries_begin(&entries, request, &after);
    int rc = point.problems == 0 ? 0
                                 : serve_list(world->store, &point.manifest, span_of(NULL, 0), true,
                                              buf_span(&after), list_problem, &entries, err);
    return entries_answer(&entries, rc, answer);
}

/* ---- find: every point, newest first; `after` counts hits ---- */
static int list_hit(void *ctx, const struct entry *entry, struct err *err) {
    struct entries *entries = ctx;
    (void)err;
    if (!page_wants(&entries->page))
        return entries->page.more ? 1 : 0;
    json_t *json = json_object(), *item = json_of_entry(entry);
    struct catalog_source source = {0};
    (void)catalog_source(entries->world->catalog, entries->point->source, &source, NULL);
    (void)json_object_set(json, "name", json_object_get(item, "name"));
    json_hex(json, "point", entries->point->id.b, sizeof entries->point->id.b);
    json_text(json, "computer", entries->point->computer);
    json_text(json, "group", source.group);
    json_time(json, "finished", entries->point->finished_s);
    (void)json_object_set_new(json, "entry", item);
    (void)json_array_append_new(entries->page.items, json);
    return 0;
}

struct search {
    struct entries *entries;
    const char *pattern;
};

static int search_point(void *ctx, const struct catalog_point *point, struct err *err) {
    struct search *search = ctx;
    search->entries->point = point;
    if (serve_find(search->entries->world->store, &point->manifest, search->pattern,
                   span_of(NULL, 0), list_hit, search->entries, err) != 0)
        return -1;
    return search->entries->page.more ? 1 : 0;
}

HANDLER(find) {
    struct api_world *world = ctx;
    struct entries entries = {.world = world};
    struct search search = {.entries = &entries, .pattern = rest_text(request, "pattern")};
    struct catalog_point_filter filter;
    uint8_t source[16];
    if (select_filter(world, request, &filter, source, err) != 0 ||
        page_begin(&entries.page, request, err) != 0)
        return -1;
    if (catalog_points(world->catalog, &filter, search_point, &search, err) != 0) {
        json_decref(entries.page.items);
        return -1;
    }
    page_answer(&entries.page, answer);
    return 0;
}

/* ---- diff ---- */
static bool same_content(const struct entry *a, const struct entry *b) {
    if (a->kind != b->kind || a->size != b->size || a->ref_n != b->ref_n ||
        a->index_page_n != b->index_page_n)
        return false;
    for (uint32_t i = 0; i < a->ref_n; i++)
        if (!digest_equal(&a->refs[i].name, &b->refs[i].name))
            return false;
    for (uint32_t i = 0; i < a->index_page_n; i++)
        if (!digest_equal(&a->index_pages[i], &b->index_pages[i]))
            return false;
    return span_equal(a->link, b->link);
}

static int list_difference(void *ctx, const struct entry *old_entry, const struct entry *new_entry,
                           struct err *err) {
    struct entries *entries = ctx;
    (void)err;
    if (!page_wants(&entries->page))
        return 0;
    json_t *json = json_object();
    const char *change = old_entry == NULL                    ? "added"
                         : new_entry == NULL                  ? "removed"
                         : same_content(old_entry, new_entry) ? "metadata"
                                                              : "content";
    json_path(json, "name", (new_entry != NULL ? new_entry : old_entry)->path);
    json_text(json, "change", change);
    (void)json_object_set_new(json, "old",
                              old_entry != NULL ? json_of_entry(old_entry) : json_null());
    (void)json_object_set_new(json, "new",
                              new_entry != NULL ? json_of_entry(new_entry) : json_null());
    (void)json_array_append_new(entries->page.items, json);
    return 0;
}

HANDLER(diff) {
    struct api_world *world = ctx;
    struct entries entries = {.world = world};
    struct catalog_point old_point, new_point;
    if (select_point(world, request, "point", &old_point, err) != 0 ||
        select_point(world, request, "other", &new_point, err) != 0 ||
        page_begin(&entries.page, request, err) != 0)
        return -1;
    if (serve_diff(world->store, &old_point.manifest, &new_point.manifest, list_difference,
                   &entries, err) != 0) {
        json_decref(entries.page.items);
        return -1;
    }
    page_answer(&entries.page, answer);
    return 0;
}

/* ---- cat ---- */
static int stream(void *ctx, uint8_t *to, size_t size, size_t *got, struct err *err) {
    return serve_file_read(ctx, to, size, got, err);
}

static void stream_done(void *ctx) {
    serve_file_close(ctx);
}

HANDLER(cat) {
    struct api_world *world = ctx;
    struct catalog_point point;
    struct serve_file *file = NULL;
    SCOPED(buf) path = {0};
    (void)rest_path_bytes(request, "path", &path);
    if (select_point(world, request, "point", &point, err) != 0 ||
        serve_file_open(world->store, &point.manifest, api_path_in_point(&point, buf_span(&path)),
                        &file, err) != 0)
        return -1;
    answer->stream = stream;
    answer->done = stream_done;
    answer->stream_ctx = file;
    return 0;
}
