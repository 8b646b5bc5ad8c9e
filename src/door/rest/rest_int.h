#pragma once
/* door/rest, inside: the tables made from spec/api.yaml and one exchange on its way through. */
#include "crypto/hash.h"
#include "door/rest/rest.h"
#include "os/thread.h"

#define REST_PARAMS_MAX 4u
#define REST_QUERY_MAX 12u
#define REST_TEXT_BYTES_MAX 65536u
#define REST_NAME_BYTES_MAX 253u
#define REST_ID_BYTES_MAX 80u /* 64 hex digits and ~N */
#define REST_ITEMS_MAX 10000u
#define REST_NUMBER_MAX ((uint64_t)1 << 53)

enum rest_type {
    REST_TYPE_TEXT,
    REST_TYPE_NAME,
    REST_TYPE_ID,
    REST_TYPE_SELECTOR,
    REST_TYPE_PATH,
    REST_TYPE_HEX,
    REST_TYPE_PEM,
    REST_TYPE_NUMBER,
    REST_TYPE_TIME,
    REST_TYPE_FLAG,
    REST_TYPE_WORD,
    REST_TYPE_OBJECT
};

/* A parameter or field; a table ends with name NULL. */
struct rest_field {
    const char *name;
    enum rest_type type;
    bool list;
    bool optional;
    uint64_t min;                    /* of a number */
    uint64_t max;                    /* number, bytes of a text, items of a list; 0 = default */
    const char *const *words;        /* WORD: ends with NULL */
    const struct rest_field *fields; /* OBJECT */
};

struct rest_route_info {
    const char *name;
    const char *method;
    const char *path;
    enum rest_role role;
    int status;
    const struct rest_field *params; /* NULL: none; likewise below */
    const struct rest_field *query;
    const struct rest_field *body;
    bool bytes; /* answers with a stream */
};

struct rest_request {
    enum rest_route route;
    const struct rest_route_info *info;
    struct rest_caller caller;
    char token[REST_NAME_BYTES_MAX + 1];
    char *url;                           /* cut at its slashes; params point into it */
    const char *params[REST_PARAMS_MAX]; /* in the order of info->params */
    const char *query[REST_QUERY_MAX];   /* in the order of info->query; NULL = left out */
    json_t *body;
};

/* ---- rest_route.c ---- */
const struct rest_route_info *rest_route_info(enum rest_route route);
/* Fill route, info, url, params.  ERR_REST_PATH, ERR_REST_METHOD, ERR_USAGE. */
[[nodiscard]] int rest_route_find(struct rest_request *request, const char *method, const char *url,
                                  struct err *err);
/* The methods a path takes, "GET, DELETE", appended. */
void rest_route_methods(const char *url, struct buf *out);
/* Position in a table, or -1. */
int rest_field_index(const struct rest_field *fields, const char *name);

/* ---- rest_check.c ---- */
/* A value from a path or query.  ERR_USAGE. */
[[nodiscard]] int rest_check_text(const struct rest_field *field, const char *value,
                                  struct err *err);
/* An object against its table: unknown, missing, ill-typed fields.  ERR_USAGE. */
[[nodiscard]] int rest_check_object(const struct rest_field *fields, const json_t *object,
                                    struct err *err);

/* ---- rest_token.c ---- */
struct rest_tokens;
[[nodiscard]] int rest_tokens_open(const char *file, struct rest_tokens **out, struct err *err);
void rest_tokens_close(struct rest_tokens *tokens);
/* Value of an Authorization header (may be NULL).  ERR_REST_UNAUTHORIZED, the same words always. */
[[nodiscard]] int rest_tokens_check(struct rest_tokens *tokens, const char *authorization,
                                    struct rest_request *request, struct err *err);
/* Handlers of the token routes; ctx is the struct rest_tokens. */
[[nodiscard]] int rest_token_list(void *ctx, const struct rest_request *request,
                                  struct rest_answer *answer, struct err *err);
[[nodiscard]] int rest_token_create(void *ctx, const struct rest_request *request,
                                    struct rest_answer *answer, struct err *err);
[[nodiscard]] int rest_token_remove(void *ctx, const struct rest_request *request,
                                    struct rest_answer *answer, struct err *err);

/* ---- rest_serve.c ---- */
struct rest_server { /* what an exchange needs to know; one for each way in */
    enum rest_way way;
    rest_handler *const *handlers;
    void *ctx;
    rest_event_fn *event;
    uint32_t *uids;
    size_t uid_n;
    struct rest_tokens *tokens; /* NULL: no tokens */
    struct MHD_Daemon *daemon;
};
[[nodiscard]] int rest_serve_start(struct rest_server *server, unsigned connections,
                                   struct err *err);
/* Serve the connected socket; it is closed in every case. */
void rest_serve_add(struct rest_server *server, int *fd);
void rest_serve_stop(struct rest_server *server);

/* ---- rest_tls.c ---- */
struct rest_bridges;
struct rest_bridges *rest_bridges_new(struct rest_server *server, struct tls_context *tls);
/* TLS over the accepted socket (taken), plain bytes to and from the server. */
void rest_bridges_add(struct rest_bridges *bridges, int *fd);
void rest_bridges_set(struct rest_bridges *bridges, struct tls_context *tls);
/* Before the server stops: nothing enters it any more. */
void rest_bridges_close(struct rest_bridges *bridges);
/* After the server has stopped. */
void rest_bridges_free(struct rest_bridges *bridges);
