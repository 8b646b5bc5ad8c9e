#pragma once
/* door/rest -- how a request comes in: HTTP, JSON, who is asking.
 * Owns: listening (admin socket, HTTPS), the table of routes made from spec/api.yaml, checking
 *   of parameters and bodies against it, tokens, limits, error answers.
 * Knows nothing of: what a handler does.
 * Threads: one per connection, at most REST_CONNECTIONS_MAX; a handler runs in the thread of its
 *   connection, may block, and is called by many threads at once.
 * Lifetime: a request and everything it lends is valid until its handler returns; an answer's
 *   stream until its done function was called. End what handlers wait for (job waits) before
 *   rest_close(), which waits for running handlers.
 * Limits: REST_BODY_BYTES_MAX, REST_HEADER_BYTES_MAX, REST_CONNECTIONS_MAX, REST_IDLE_S. */
#include <jansson.h>

#include "base/base.h"
#include "spec_api.h"

#define REST_BODY_BYTES_MAX SPEC_API_BODY_BYTES
#define REST_HEADER_BYTES_MAX SPEC_API_HEADER_BYTES
#define REST_CONNECTIONS_MAX 64u       /* on the admin socket */
#define REST_HTTPS_CONNECTIONS_MAX 32u /* on HTTPS */
#define REST_IDLE_S 30u                /* a connection that sends nothing is closed */
#define REST_TOKENS_MAX 256u

enum rest_role { REST_READ, REST_ADMIN };
enum rest_way { REST_BY_SOCKET, REST_BY_TOKEN };

/* Who asks. */
struct rest_caller {
    enum rest_way way;
    enum rest_role role; /* the route's own was checked against it */
    uint32_t uid;        /* REST_BY_SOCKET */
    const char *token;   /* REST_BY_TOKEN: its label */
};

/* A request that has passed the checks of spec/api.yaml: names, types, bounds, required fields. */
struct rest_request;
enum rest_route rest_route_of(const struct rest_request *request);
const struct rest_caller *rest_caller(const struct rest_request *request);
/* A path parameter; `name` must be one of the route (INVARIANT). */
const char *rest_path(const struct rest_request *request, const char *name);
/* The parsed body, an object; NULL when the route takes none. */
const json_t *rest_body(const struct rest_request *request);
/* A query parameter or a field of the body, whichever the route has: NULL, or `fallback`, when left
 * out. `name` must be declared for the route with a fitting type (INVARIANT). */
const char *rest_text(const struct rest_request *request, const char *name);
uint64_t rest_number(const struct rest_request *request, const char *name, uint64_t fallback);
bool rest_flag(const struct rest_request *request, const char *name); /* left out: false */
const json_t *rest_list(const struct rest_request *request, const char *name);
/* A parameter or field of type path, as bytes (text_escape undone), appended to `out`; false when
 * left out. */
bool rest_path_bytes(const struct rest_request *request, const char *name, struct buf *out);
/* A field of type hex, as bytes; false when left out. */
bool rest_hex_bytes(const struct rest_request *request, const char *name, struct buf *out);

/* Bytes of an answer, piece by piece: up to `size` into `to`; *got = 0 ends it.  -1: the answer is
 * broken off and the caller learns the error from the trailer Casemate-Status. */
typedef int rest_stream_fn(void *ctx, uint8_t *to, size_t size, size_t *got, struct err *err);
typedef void rest_stream_done_fn(void *ctx); /* called once, also when the caller went away */

/* What the handler fills: `json`, or a stream. */
struct rest_answer {
    json_t *json; /* given to the room */
    rest_stream_fn *stream;
    rest_stream_done_fn *done;
    void *stream_ctx;
};

/* 0 with the answer filled; -1: the error is answered with its HTTP status.  Never blocks longer
 * than it must: long work is a job. */
typedef int rest_handler(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                         struct err *err);

/* One line a request, after its answer was queued; for the log. */
struct rest_event {
    enum rest_route route; /* REST_ROUTE_N: no route was found */
    const struct rest_caller *caller;
    int http_status;
    uint64_t duration_us;
    const struct err *err; /* NULL when it went well */
};
typedef void rest_event_fn(void *ctx, const struct rest_event *event);

struct tls_context;
struct rest_opts {
    rest_handler *const *handlers; /* [REST_ROUTE_N]; all but the token routes must be there */
    void *ctx;
    rest_event_fn *event; /* may be NULL */
    const char *socket;   /* path of the admin socket */
    unsigned socket_mode; /* 0 = 0660 */
    const uint32_t *uids; /* may use the socket besides root and our own */
    size_t uid_n;
    const char *https_host;  /* NULL: no HTTPS */
    uint16_t https_port;     /* 0: the kernel chooses */
    struct tls_context *tls; /* NULL: connections are closed until rest_set_tls() */
    const char *token_file;  /* hashes of tokens, mode 0600, made when missing; NULL: no tokens */
};

struct rest;
/* Listen and serve.  ERR_LOCKED: another server owns the socket; ERR_EXISTS: the port is in use;
 * ERR_FORMAT: the token file is damaged. */
[[nodiscard]] int rest_open(const struct rest_opts *opts, struct rest **out, struct err *err);
uint16_t rest_https_port(const struct rest *rest);
/* Serve new HTTPS connections with another certificate; open ones go on. */
void rest_set_tls(struct rest *rest, struct tls_context *tls);
/* No new connections; running handlers and answers end first. */
void rest_close(struct rest *rest);
static inline void rest_auto(struct rest **p) {
    rest_close(*p);
}

/* text_escape undone, appended; false when it is not well formed. */
bool rest_unescape(const char *text, struct buf *out);

/* {code, symbol, message, action, exit}: the object of every failure, also for a job's `error`. */
json_t *rest_error_json(const struct err *err);
/* A byte string as a JSON string (text_escape). */
json_t *rest_path_json(struct span bytes);
/* Unix seconds as RFC 3339; 0 gives null. */
json_t *rest_time_json(int64_t unix_seconds);
/* {items, next}: takes both; `next` NULL is the last page. */
json_t *rest_page_json(json_t *items, const char *next);
