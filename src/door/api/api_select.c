/* Which point a person means: full id, unique prefix, latest, latest~N; narrowed by group, computer
 * or source. */
#include "door/api/api_int.h"

struct source_named {
    const char *name;
    uint8_t *id;
    bool found;
};

static int match_source(void *ctx, const struct catalog_source *source, struct err *err) {
    struct source_named *named = ctx;
    SCOPED(buf) name = {0};
    (void)err;
    buf_printf(&name, "%s:%s", source->computer, source->path);
    if (!text_equal(buf_text(&name), named->name))
        return 0;
    memcpy(named->id, source->id, sizeof source->id);
    named->found = true;
    return 1;
}

int select_filter(struct api_world *world, const struct rest_request *request,
                  struct catalog_point_filter *filter, uint8_t source[static 16], struct err *err) {
    const char *name = rest_text(request, "source");
    *filter = (struct catalog_point_filter){.group = rest_text(request, "group"),
                                            .computer = rest_text(request, "computer")};
    if (name == NULL)
        return 0;
    struct source_named named = {.name = name, .id = source};
    named.found = text_unhex(name, strlen(name), source, 16);
    if (!named.found && catalog_sources(world->catalog, NULL, NULL, match_source, &named, err) != 0)
        return -1;
    if (!named.found)
        return ERR(err, ERR_NOT_FOUND, "source %s does not exist", name);
    filter->source = source;
    return 0;
}

struct chosen {
    struct catalog_point point;
    uint64_t n;
};

static int choose(void *ctx, const struct catalog_point *point, struct err *err) {
    struct chosen *chosen = ctx;
    (void)err;
    if (chosen->n++ == 0)
        chosen->point = *point;
    return 0;
}

static bool parse_latest(const char *selector, uint64_t *back) {
    *back = 0;
    if (!text_starts(selector, "latest"))
        return false;
    selector += strlen("latest");
    return *selector == 0 || (*selector == '~' && text_to_u64(selector + 1, UINT32_MAX, back));
}

int select_point(struct api_world *world, const struct rest_request *request, const char *parameter,
                 struct catalog_point *out, struct err *err) {
    struct catalog_point_filter filter;
    uint8_t source[16];
    struct chosen chosen = {0};
    const char *selector = rest_path(request, parameter);
    if (select_filter(world, request, &filter, source, err) != 0)
        return -1;
    filter.limit = 2;
    if (parse_latest(selector, &filter.skip))
        filter.limit = 1;
    else
        filter.id_prefix = selector;
    if (catalog_points(world->catalog, &filter, choose, &chosen, err) != 0)
        return -1;
    if (chosen.n == 0)
        return ERR(err, ERR_NOT_FOUND, "no recovery point %s", selector);
    if (chosen.n > 1)
        return ERR(err, ERR_AMBIGUOUS, "several recovery points begin with %s", selector);
    *out = chosen.point;
    return 0;
}
