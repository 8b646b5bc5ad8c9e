/* One function for each object of spec/api.yaml. */
#include "data/ledger/ledger.h"
#include "door/api/api_int.h"

void json_text(json_t *object, const char *key, const char *text) {
    (void)json_object_set_new(object, key,
                              text != NULL && *text != 0 ? json_string(text) : json_null());
}

void json_number(json_t *object, const char *key, uint64_t number) {
    (void)json_object_set_new(object, key,
                              json_integer((json_int_t)MIN(number, (uint64_t)INT64_MAX)));
}

void json_time(json_t *object, const char *key, int64_t unix_s) {
    (void)json_object_set_new(object, key, rest_time_json(unix_s));
}

void json_path(json_t *object, const char *key, struct span path) {
    (void)json_object_set_new(object, key, rest_path_json(path));
}

void json_hex(json_t *object, const char *key, const uint8_t *p, size_t n) {
    SCOPED(buf) hex = {0};
    text_hex((char *)buf_extend(&hex, 2 * n + 1), p, n);
    (void)json_object_set_new(object, key, json_string((const char *)hex.p));
}

int page_begin(struct page *page, const struct rest_request *request, struct err *err) {
    *page = (struct page){.limit = rest_number(request, "limit", SPEC_API_LIST_DEFAULT)};
    const char *after = rest_text(request, "after");
    if (after != NULL && !text_to_u64(after, UINT32_MAX, &page->skip))
        return ERR(err, ERR_USAGE, "after: %s is not what a listing gave as next", after);
    page->items = json_array();
    return 0;
}

bool page_wants(struct page *page) {
    uint64_t i = page->seen++;
    if (i < page->skip)
        return false;
    if (i < page->skip + page->limit)
        return true;
    page->more = true;
    return false;
}

void page_answer(struct page *page, struct rest_answer *answer) {
    char next[TEXT_SIZE_MAX];
    uint64_t behind = page->skip + page->limit;
    (void)text_format(next, sizeof next, "%llu", (unsigned long long)behind);
    answer->json = rest_page_json(TAKE(page->items), page->more ? next : NULL);
}

static int count_one(void *ctx, const struct catalog_source *source, struct err *err) {
    (void)source, (void)err;
    (*(uint64_t *)ctx)++;
    return 0;
}

json_t *json_of_computer(struct api_world *world, const struct catalog_computer *computer) {
    json_t *json = json_object();
    struct trust_computer trust = {0};
    uint64_t sources = 0;
    int64_t now = os_wall_s();
    (void)trust_computer_get(computer->trust, &trust, NULL);
    (void)catalog_sources(world->catalog, computer->name, NULL, count_one, &sources, NULL);
    const char *state = computer->state;
    if (trust.not_after_s < now)
        state = "expired";
    else if (trust.not_after_s < now + 30 * 86400 && !text_equal(state, "unreachable"))
        state = "expiring";
    json_text(json, "name", computer->name);
    json_text(json, "address", computer->address);
    json_number(json, "port", computer->port);
    json_text(json, "mode", computer->mode);
    json_text(json, "auth", trust.mode == TRUST_NTLM ? "ntlm" : "certificate");
    json_text(json, "state", state);
    json_text(json, "subject", trust.subject);
    json_hex(json, "certificate_sha256", trust.certificate_sha256.b,
             sizeof trust.certificate_sha256.b);
    json_hex(json, "anchor_sha256", trust.anchor_sha256.b, sizeof trust.anchor_sha256.b);
    json_time(json, "expires", trust.not_after_s);
    (void)json_object_set_new(json, "weak_key", json_boolean(trust.allow_weak_key));
    json_text(json, "agent_version", computer->agent_version);
    json_time(json, "attached", computer->attached_s);
    json_time(json, "last_seen", computer->last_seen_s);
    json_number(json, "sources", sources);
    return json;
}

static int take_point(void *ctx, const struct catalog_point *point, struct err *err) {
    (void)err;
    *(struct catalog_point *)ctx = *point;
    return 1;
}

/* Number of points and the newest one of what the filter says. */
static void newest(struct api_world *world, struct catalog_point_filter filter, json_t *json,
                   bool with_id) {
    struct catalog_point point = {0};
    uint64_t count = 0;
    (void)catalog_point_count(world->catalog, &filter, &count, NULL);
    filter.limit = 1;
    (void)catalog_points(world->catalog, &filter, take_point, &point, NULL);
    json_number(json, "points", count);
    if (with_id && count > 0)
        json_hex(json, "last_point", point.id.b, sizeof point.id.b);
    else if (with_id)
        json_text(json, "last_point", NULL);
    json_time(json, "last_time", point.finished_s);
    json_text(json, "last_state",
              count == 0                      ? NULL
              : point.state == COMMIT_PARTIAL ? "partial"
                                              : "complete");
}

json_t *json_of_source(struct api_world *world, const struct catalog_source *source) {
    json_t *json = json_object();
    SCOPED(buf) name = {0};
    buf_printf(&name, "%s:%s", source->computer, source->path);
    json_hex(json, "id", source->id, sizeof source->id);
    json_path(json, "name", buf_span(&name));
    json_text(json, "computer", source->computer);
    json_path(json, "path", span_text(source->path));
    json_text(json, "group", source->group);
    newest(world, (struct catalog_point_filter){.source = source->id}, json, true);
    return json;
}

static int add_member(void *ctx, const struct catalog_source *source, struct err *err) {
    json_t *member = json_object();
    (void)err;
    json_text(member, "computer", source->computer);
    json_path(member, "path", span_text(source->path));
    (void)json_array_append_new(ctx, member);
    return 0;
}

static json_t *patterns(struct span excludes) {
    json_t *list = json_array();
    struct cursor c = cursor_of(excludes);
    while (!c.bad && cursor_left(&c) > 0) {
        struct span text = cursor_lstr(&c, 4096);
        if (!c.bad)
            (void)json_array_append_new(list, rest_path_json(text));
    }
    return list;
}

static int take_job(void *ctx, const struct catalog_job *job, struct err *err) {
    (void)err;
    (void)text_copy(ctx, 33, job->id);
    return 1;
}

json_t *json_of_group(struct api_world *world, const struct catalog_group *group) {
    json_t *json = json_object(), *members = json_array();
    char job[33] = "";
    struct catalog_job_filter jobs = {.kind = "backup", .group = group->name, .limit = 1};
    (void)catalog_sources(world->catalog, NULL, group->name, add_member, members, NULL);
    (void)catalog_jobs(world->catalog, &jobs, take_job, job, NULL);
    json_text(json, "name", group->name);
    (void)json_object_set_new(json, "members", members);
    (void)json_object_set_new(json, "excludes", patterns(group->excludes));
    (void)json_object_set_new(json, "one_file_system", json_boolean(group->one_file_system));
    (void)json_object_set_new(json, "exclude_caches", json_boolean(group->exclude_caches));
    json_number(json, "level", group->level);
    json_time(json, "created", group->created_s);
    newest(world, (struct catalog_point_filter){.group = group->name}, json, false);
    json_text(json, "last_job", job);
    return json;
}

json_t *json_of_point(struct api_world *world, const struct catalog_point *point) {
    json_t *json = json_object();
    struct catalog_source source = {0};
    (void)catalog_source(world->catalog, point->source, &source, NULL);
    json_hex(json, "id", point->id.b, sizeof point->id.b);
    json_number(json, "sequence", point->sequence);
    json_text(json, "group", source.group);
    json_text(json, "computer", point->computer);
    json_path(json, "path", span_text(point->path));
    json_hex(json, "source", point->source, sizeof point->source);
    json_hex(json, "job", point->job, sizeof point->job);
    json_text(json, "state", point->state == COMMIT_PARTIAL ? "partial" : "complete");
    json_time(json, "started", point->started_s);
    json_time(json, "finished", point->finished_s);
    json_number(json, "entries", point->entries);
    json_number(json, "files", point->files);
    json_number(json, "dirs", point->dirs);
    json_number(json, "bytes", point->bytes);
    json_number(json, "problems", point->problems);
    json_number(json, "read_bytes", point->read_bytes);
    json_number(json, "sent_bytes", point->sent_bytes);
    json_number(json, "stored_bytes", point->stored_bytes);
    return json;
}

json_t *json_of_entry(const struct entry *entry) {
    static const char *const kinds[] = {
        [ENTRY_FILE] = "file",     [ENTRY_DIR] = "dir",          [ENTRY_SYMLINK] = "symlink",
        [ENTRY_CHAR] = "char",     [ENTRY_BLOCK] = "block",      [ENTRY_FIFO] = "fifo",
        [ENTRY_SOCKET] = "socket", [ENTRY_HARDLINK] = "hardlink"};
    json_t *json = json_object();
    struct span name = entry->path;
    for (size_t i = name.n; i > 0; i--)
        if (entry->path.p[i - 1] == '/') {
            name = span_of(entry->path.p + i, entry->path.n - i);
            break;
        }
    json_path(json, "name", name.n > 0 ? name : span_text("."));
    json_path(json, "path", entry->path);
    json_text(json, "kind", kinds[entry->kind]);
    json_number(json, "mode", entry->mode);
    json_number(json, "uid", entry->uid);
    json_number(json, "gid", entry->gid);
    json_number(json, "size", entry->size);
    json_time(json, "modified", entry->mtime_ns / 1000000000);
    if (entry->link.n > 0)
        json_path(json, "link", entry->link);
    else
        json_text(json, "link", NULL);
    (void)json_object_set_new(json, "changed", json_boolean((entry->flags & ENTRY_CHANGED) != 0));
    json_text(json, "problem",
              (entry->flags & ENTRY_UNREADABLE) != 0 ? os_error_text(entry->problem) : NULL);
    return json;
}
