/* Protection groups and their sources. */
#include "control/group/group.h"
#include "door/api/api_int.h"

struct listing {
    struct api_world *world;
    struct page page;
};

static int list_source(void *ctx, const struct catalog_source *source, struct err *err) {
    struct listing *listing = ctx;
    (void)err;
    if (page_wants(&listing->page))
        (void)json_array_append_new(listing->page.items, json_of_source(listing->world, source));
    return 0;
}

HANDLER(source_list) {
    struct listing listing = {.world = ctx};
    if (page_begin(&listing.page, request, err) != 0 ||
        catalog_sources(listing.world->catalog, rest_text(request, "computer"),
                        rest_text(request, "group"), list_source, &listing, err) != 0)
        return -1;
    page_answer(&listing.page, answer);
    return 0;
}

static int list_group(void *ctx, const struct catalog_group *group, struct err *err) {
    struct listing *listing = ctx;
    (void)err;
    if (page_wants(&listing->page))
        (void)json_array_append_new(listing->page.items, json_of_group(listing->world, group));
    return 0;
}

HANDLER(group_list) {
    struct listing listing = {.world = ctx};
    if (page_begin(&listing.page, request, err) != 0 ||
        catalog_groups(listing.world->catalog, NULL, list_group, &listing, err) != 0)
        return -1;
    page_answer(&listing.page, answer);
    return 0;
}

struct shown {
    struct api_world *world;
    json_t *json;
};

static int show(void *ctx, const struct catalog_group *group, struct err *err) {
    struct shown *shown = ctx;
    (void)err;
    shown->json = json_of_group(shown->world, group);
    return 0;
}

static int answer_group(struct api_world *world, const char *name, struct rest_answer *answer,
                        struct err *err) {
    struct shown shown = {.world = world};
    if (catalog_group(world->catalog, name, show, &shown, err) != 0)
        return -1;
    answer->json = shown.json;
    return 0;
}

HANDLER(group_show) {
    return answer_group(ctx, rest_path(request, "group"), answer, err);
}

/* Lists of the request as the group room wants them; texts borrow the request. */
typedef VEC(struct group_member) members;
typedef VEC(const char *) texts;

static int take_members(const struct rest_request *request, const char *field, members *list,
                        struct err *err) {
    const json_t *items = rest_list(request, field);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        struct group_member *member = vec_push(list);
        SCOPED(buf) path = {0};
        const char *computer = json_string_value(json_object_get(item, "computer"));
        const char *text = json_string_value(json_object_get(item, "path"));
        if (computer == NULL || text == NULL || !rest_unescape(text, &path) ||
            !text_copy(member->computer, sizeof member->computer, computer) ||
            memchr(path.p, 0, path.n) != NULL ||
            !text_copy(member->path, sizeof member->path, buf_text(&path)))
            return ERR(err, ERR_USAGE, "%s: member %zu has no well-formed computer and path", field,
                       i + 1);
    }
    return 0;
}

static void take_texts(const struct rest_request *request, const char *field, texts *list) {
    const json_t *items = rest_list(request, field);
    for (size_t i = 0; i < json_array_size(items); i++)
        *vec_push(list) = json_string_value(json_array_get(items, i));
}

HANDLER(group_create) {
    struct api_world *world = ctx;
    members list = {0};
    texts excludes = {0};
    const char *name = rest_text(request, "name");
    int rc = take_members(request, "members", &list, err);
    take_texts(request, "excludes", &excludes);
    struct group_spec spec = {.name = name,
                              .one_file_system = rest_flag(request, "one_file_system"),
                              .exclude_caches = rest_flag(request, "exclude_caches"),
                              .level = (uint8_t)rest_number(request, "level", 0),
                              .excludes = excludes.p,
                              .exclude_n = excludes.n,
                              .members = list.p,
                              .member_n = list.n};
    if (rc == 0)
        rc = audit(world, request, err, "create group %s", name);
    if (rc == 0)
        rc = group_create(world->catalog, &spec, err);
    vec_done(&list);
    vec_done(&excludes);
    return rc == 0 ? answer_group(world, name, answer, err) : -1;
}

HANDLER(group_modify) {
    struct api_world *world = ctx;
    members add = {0}, remove = {0};
    texts add_excludes = {0}, remove_excludes = {0};
    const char *name = rest_path(request, "group");
    const json_t *body = rest_body(request);
    bool one_file_system = rest_flag(request, "one_file_system"),
         caches = rest_flag(request, "exclude_caches");
    uint8_t level = (uint8_t)rest_number(request, "level", 0);
    int rc = take_members(request, "add_members", &add, err);
    if (rc == 0)
        rc = take_members(request, "remove_members", &remove, err);
    take_texts(request, "add_excludes", &add_excludes);
    take_texts(request, "remove_excludes", &remove_excludes);
    struct group_change change = {
        .add = add.p,
        .add_n = add.n,
        .remove = remove.p,
        .remove_n = remove.n,
        .add_excludes = add_excludes.p,
        .add_exclude_n = add_excludes.n,
        .remove_excludes = remove_excludes.p,
        .remove_exclude_n = remove_excludes.n,
        .one_file_system =
            json_object_get(body, "one_file_system") != NULL ? &one_file_system : NULL,
        .exclude_caches = json_object_get(body, "exclude_caches") != NULL ? &caches : NULL,
        .level = json_object_get(body, "level") != NULL ? &level : NULL};
    if (rc == 0)
        rc = audit(world, request, err, "modify group %s", name);
    if (rc == 0)
        rc = group_modify(world->catalog, name, &change, err);
    vec_done(&add);
    vec_done(&remove);
    vec_done(&add_excludes);
    vec_done(&remove_excludes);
    return rc == 0 ? answer_group(world, name, answer, err) : -1;
}

HANDLER(group_remove) {
    struct api_world *world = ctx;
    const char *name = rest_path(request, "group");
    struct group_remove_opts opts = {.points = GROUP_KEEP_POINTS,
                                     .what_if = rest_flag(request, "what_if")};
    struct group_removed removed = {0};
    if (job_busy(world->jobs, NULL, name))
        return ERR(err, ERR_BUSY, "a job of group %s is at work", name);
    if ((!opts.what_if && audit(world, request, err, "remove group %s", name) != 0) ||
        group_remove(world->catalog, name, opts, &removed, err) != 0)
        return -1;
    answer->json = json_object();
    json_text(answer->json, "name", name);
    (void)json_object_set_new(answer->json, "what_if", json_boolean(opts.what_if));
    json_number(answer->json, "points", removed.points);
    json_text(answer->json, "note", removed.points > 0 ? "its recovery points stay" : NULL);
    return 0;
}
