#include <string.h>

#include "base/text.h"
#include "door/rest/rest_int.h"

#include "spec_api.inc"

#define SEGMENTS_MAX 8u

const struct rest_route_info *rest_route_info(enum rest_route route) {
    INVARIANT(route < REST_ROUTE_N);
    return &routes[route];
}

int rest_field_index(const struct rest_field *fields, const char *name) {
    for (int i = 0; fields != NULL && fields[i].name != NULL; i++)
        if (strcmp(fields[i].name, name) == 0)
            return i;
    return -1;
}

/* Cut `url` at its slashes; 0 when it does not begin with one, has an empty part, or too many. */
static size_t cut(char *url, const char **segments) {
    size_t n = 0;
    if (url[0] != '/')
        return 0;
    for (char *p = url; p != NULL && n < SEGMENTS_MAX;) {
        *p = 0;
        segments[n++] = p + 1;
        p = strchr(p + 1, '/');
        if (p == NULL)
            return segments[n - 1][0] != 0 ? n : 0;
    }
    return 0;
}

/* Does the path of a route fit?  Values of its parameters go to `params`. */
static bool fits(const char *path, const char *const *segments, size_t n, const char **params) {
    size_t i = 0, param_n = 0;
    while (*path == '/') {
        size_t length = strcspn(++path, "/");
        if (i == n)
            return false;
        if (*path == '{') {
            INVARIANT(param_n < REST_PARAMS_MAX);
            params[param_n++] = segments[i];
        } else if (strlen(segments[i]) != length || strncmp(segments[i], path, length) != 0) {
            return false;
        }
        path += length;
        i++;
    }
    return i == n;
}

static int check_params(const struct rest_request *request, struct err *err) {
    const struct rest_field *params = request->info->params;
    for (size_t i = 0; params != NULL && params[i].name != NULL; i++)
        if (rest_check_text(&params[i], request->params[i], err) != 0)
            return -1;
    return 0;
}

/* A route with a fixed word where another has a parameter comes before it: /v1/computers/attach. */
static bool better(const struct rest_route_info *a, const struct rest_route_info *b) {
    return b == NULL || (a->params == NULL && b->params != NULL);
}

int rest_route_find(struct rest_request *request, const char *method, const char *url,
                    struct err *err) {
    const char *segments[SEGMENTS_MAX];
    request->url = mem_text(url);
    size_t n = cut(request->url, segments);
    bool path_known = false;
    for (size_t i = 0; n > 0 && i < REST_ROUTE_N; i++) {
        const char *params[REST_PARAMS_MAX] = {NULL};
        if (!fits(routes[i].path, segments, n, params))
            continue;
        path_known = true;
        if (strcmp(routes[i].method, method) != 0 || !better(&routes[i], request->info))
            continue;
        request->route = (enum rest_route)i;
        request->info = &routes[i];
        memcpy(request->params, params, sizeof params);
    }
    if (!path_known)
        return ERR(err, ERR_REST_PATH, "no such path: %.200s", url);
    if (request->info == NULL)
        return ERR(err, ERR_REST_METHOD, "%.200s does not take %.20s", url, method);
    return check_params(request, err);
}

void rest_route_methods(const char *url, struct buf *out) {
    const char *segments[SEGMENTS_MAX];
    MEM_AUTO char *copy = mem_text(url);
    size_t n = cut(copy, segments);
    for (size_t i = 0; n > 0 && i < REST_ROUTE_N; i++) {
        const char *params[REST_PARAMS_MAX];
        if (fits(routes[i].path, segments, n, params))
            buf_printf(out, "%s%s", out->n == 0 ? "" : ", ", routes[i].method);
    }
}
