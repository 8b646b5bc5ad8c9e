/* One exchange: headers, body, checks, handler, answer.  libmicrohttpd calls exchange_step() once
 * with the headers, then with pieces of the body, then once more when all of it is there. */
#include <microhttpd.h>
#include <string.h>

#include "base/text.h"
#include "crypto/secret.h"
#include "door/rest/rest_int.h"
#include "os/clock.h"
#include "os/proc.h"
#include "os/sock.h"

#define CONNECTION_BYTES ((size_t)256 << 10) /* half of it is the piece of a stream */
#define THREAD_STACK_BYTES ((size_t)1 << 20)
#define STREAM_PIECE_BYTES ((size_t)64 << 10)
#define STATUS_TRAILER "Casemate-Status"

struct exchange {
    struct rest_server *server;
    struct MHD_Connection *connection;
    struct rest_request request;
    struct buf body;
    uint64_t started_ns;
};

struct stream {
    struct MHD_Connection *connection;
    struct MHD_Response *response;
    struct rest_answer answer;
};

static void exchange_free(struct exchange *exchange) {
    json_decref(exchange->request.body);
    secret_wipe(exchange->body.p, exchange->body.n); /* may have held a private key */
    buf_done(&exchange->body);
    mem_free(exchange->request.url);
    mem_free(exchange);
}

/* The time a handler takes is not idleness of the caller. */
static void idle_limit(struct MHD_Connection *connection, unsigned seconds) {
    (void)MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

/* ---- answers ---- */

static void header(struct MHD_Response *response, const char *name, const char *value) {
    INVARIANT(MHD_add_response_header(response, name, value) == MHD_YES);
}

static int append(const char *bytes, size_t n, void *ctx) {
    buf_put(ctx, bytes, n);
    return 0;
}

static struct MHD_Response *json_response(json_t *json) {
    struct buf text = {0};
    INVARIANT(json_dump_callback(json, append, &text, JSON_COMPACT) == 0);
    buf_put_u8(&text, '\n');
    json_decref(json);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(text.n, text.p, mem_free);
    INVARIANT(response != NULL);
    header(response, "Content-Type", "application/json");
    return response;
}

static void report(const struct exchange *exchange, int status, const struct err *err) {
    if (exchange->server->event == NULL)
        return;
    struct rest_event event = {.route = exchange->request.info == NULL ? REST_ROUTE_N
                                                                       : exchange->request.route,
                               .caller = &exchange->request.caller,
                               .http_status = status,
                               .duration_us = (os_mono_ns() - exchange->started_ns) / 1000,
                               .err = err};
    exchange->server->event(exchange->server->ctx, &event);
}

static enum MHD_Result queue(const struct exchange *exchange, int status,
                             struct MHD_Response *response, const struct err *err) {
    header(response, "Cache-Control", "no-store");
    header(response, "X-Content-Type-Options", "nosniff");
    enum MHD_Result rc = MHD_queue_response(exchange->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    report(exchange, status, err);
    return rc;
}

static enum MHD_Result refuse(const struct exchange *exchange, const char *url,
                              const struct err *err) {
    int status = err_info(err->code)->http_status;
    struct MHD_Response *response = json_response(rest_error_json(err));
    if (err->code == ERR_REST_UNAUTHORIZED)
        header(response, "WWW-Authenticate", "Bearer");
    if (err->code == ERR_REST_METHOD) {
        struct buf methods = {0};
        rest_route_methods(url, &methods);
        header(response, "Allow", buf_text(&methods));
        buf_done(&methods);
    }
    return queue(exchange, status >= 400 ? status : 500, response, err);
}

static ssize_t stream_read(void *ctx, uint64_t offset, char *to, size_t size) {
    struct stream *stream = ctx;
    struct err err = {0};
    size_t got = 0;
    (void)offset;
    idle_limit(stream->connection, 0);
    int rc = stream->answer.stream(stream->answer.stream_ctx, (uint8_t *)to, size, &got, &err);
    idle_limit(stream->connection, REST_IDLE_S);
    if (rc == 0 && got > 0)
        return (ssize_t)got;
    struct buf status = {0};
    if (rc == 0) {
        buf_printf(&status, "ok");
    } else {
        buf_printf(&status, "%s ", err_info(err.code)->symbol);
        text_escape(&status, span_text(err.text));
    }
    (void)MHD_add_response_footer(stream->response, STATUS_TRAILER, buf_text(&status));
    buf_done(&status);
    return MHD_CONTENT_READER_END_OF_STREAM;
}

static void stream_end(void *ctx) {
    struct stream *stream = ctx;
    if (stream->answer.done != NULL)
        stream->answer.done(stream->answer.stream_ctx);
    mem_free(stream);
}

static struct MHD_Response *stream_response(const struct exchange *exchange,
                                            const struct rest_answer *answer) {
    struct stream *stream = mem_new(sizeof *stream);
    stream->connection = exchange->connection;
    stream->answer = *answer;
    stream->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_PIECE_BYTES,
                                                         stream_read, stream, stream_end);
    INVARIANT(stream->response != NULL);
    header(stream->response, "Content-Type", "application/octet-stream");
    header(stream->response, "Trailer", STATUS_TRAILER);
    return stream->response;
}

/* ---- checks ---- */

static int check_uid(struct exchange *exchange, struct err *err) {
    const struct rest_server *server = exchange->server;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    uint32_t uid = 0;
    INVARIANT(info != NULL);
    if (os_peer_uid(info->connect_fd, &uid, err) != 0)
        return -1;
    exchange->request.caller.uid = uid;
    exchange->request.caller.role = REST_ADMIN;
    bool allowed = uid == 0 || uid == os_uid();
    for (size_t i = 0; i < server->uid_n && !allowed; i++)
        allowed = server->uids[i] == uid;
    return allowed ? 0 : ERR(err, ERR_REST_FORBIDDEN, "user %u may not use this socket", uid);
}

static int check_caller(struct exchange *exchange, struct err *err) {
    struct rest_caller *caller = &exchange->request.caller;
    caller->way = exchange->server->way;
    if (caller->way == REST_BY_SOCKET)
        return check_uid(exchange, err);
    const char *authorization =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Authorization");
    return rest_tokens_check(exchange->server->tokens, authorization, &exchange->request, err);
}

static int check_role(const struct exchange *exchange, struct err *err) {
    const struct rest_request *request = &exchange->request;
    if (request->caller.role >= request->info->role)
        return 0;
    return ERR(err, ERR_REST_FORBIDDEN, "a token of the role read may not %s", request->info->name);
}

struct query {
    struct rest_request *request;
    struct err *err;
    int rc;
};

static enum MHD_Result check_parameter(void *ctx, enum MHD_ValueKind kind, const char *key,
                                       const char *value) {
    struct query *query = ctx;
    struct rest_request *request = query->request;
    (void)kind;
    int i = rest_field_index(request->info->query, key);
    if (i < 0)
        query->rc = ERR(query->err, ERR_USAGE, "unknown parameter %.64s", key);
    else if (request->query[i] != NULL || value == NULL)
        query->rc = ERR(query->err, ERR_USAGE, "parameter %s must be given once", key);
    else
        query->rc = rest_check_text(&request->info->query[i], value, query->err);
    if (query->rc != 0)
        return MHD_NO;
    request->query[i] = value;
    return MHD_YES;
}

static int check_query(struct exchange *exchange, struct err *err) {
    struct rest_request *request = &exchange->request;
    struct query query = {.request = request, .err = err};
    (void)MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, check_parameter,
                                    &query);
    if (query.rc != 0)
        return -1;
    const struct rest_field *fields = request->info->query;
    for (size_t i = 0; fields != NULL && fields[i].name != NULL; i++)
        if (!fields[i].optional && request->query[i] == NULL)
            return ERR(err, ERR_USAGE, "parameter %s is missing", fields[i].name);
    return 0;
}

/* What the headers say of the body, before any of it is read. */
static int check_size(const struct exchange *exchange, struct err *err) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info != NULL && info->header_size > REST_HEADER_BYTES_MAX)
        return ERR(err, ERR_REST_TOO_LARGE, "headers are longer than %u bytes",
                   REST_HEADER_BYTES_MAX);
    const char *length =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Content-Length");
    uint64_t bytes = 0;
    if (length != NULL && (!text_to_u64(length, UINT64_MAX, &bytes) || bytes > REST_BODY_BYTES_MAX))
        return ERR(err, ERR_REST_TOO_LARGE, "the body is longer than %u bytes",
                   REST_BODY_BYTES_MAX);
    return 0;
}

static int check_body(struct exchange *exchange, struct err *err) {
    struct rest_request *request = &exchange->request;
    if (request->info->body == NULL)
        return exchange->body.n == 0 ? 0
                                     : ERR(err, ERR_USAGE, "%s takes no body", request->info->name);
    if (exchange->body.n == 0) {
        request->body = json_object();
        return rest_check_object(request->info->body, request->body, err);
    }
    const char *type =
        MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Content-Type");
    if (type == NULL || !text_starts(type, "application/json"))
        return ERR(err, ERR_USAGE, "the body must have the type application/json");
    json_error_t why;
    request->body =
        json_loadb((const char *)exchange->body.p, exchange->body.n, JSON_REJECT_DUPLICATES, &why);
    if (request->body == NULL)
        return ERR(err, ERR_USAGE, "the body is not JSON: line %d: %s", why.line, why.text);
    if (!json_is_object(request->body))
        return ERR(err, ERR_USAGE, "the body must be a JSON object");
    return rest_check_object(request->info->body, request->body, err);
}

/* ---- the way through ---- */

static int call_handler(struct exchange *exchange, struct rest_answer *answer, struct err *err) {
    const struct rest_request *request = &exchange->request;
    struct rest_tokens *tokens = exchange->server->tokens;
    if (request->route == REST_TOKEN_LIST)
        return rest_token_list(tokens, request, answer, err);
    if (request->route == REST_TOKEN_CREATE)
        return rest_token_create(tokens, request, answer, err);
    if (request->route == REST_TOKEN_REMOVE)
        return rest_token_remove(tokens, request, answer, err);
    return exchange->server->handlers[request->route](exchange->server->ctx, request, answer, err);
}

static enum MHD_Result answer_request(struct exchange *exchange, const char *url) {
    struct err err = {0};
    struct rest_answer answer = {0};
    if (check_body(exchange, &err) != 0)
        return refuse(exchange, url, &err);
    idle_limit(exchange->connection, 0);
    int rc = call_handler(exchange, &answer, &err);
    idle_limit(exchange->connection, REST_IDLE_S);
    const struct rest_route_info *info = exchange->request.info;
    if (rc != 0)
        return refuse(exchange, url, &err);
    INVARIANT(info->bytes ? answer.stream != NULL : answer.json != NULL);
    return queue(exchange, info->status,
                 info->bytes ? stream_response(exchange, &answer) : json_response(answer.json),
                 NULL);
}

static enum MHD_Result begin(struct exchange *exchange, const char *method, const char *url) {
    struct err err = {0};
    int rc = check_size(exchange, &err);
    if (rc == 0)
        rc = check_caller(exchange, &err);
    if (rc == 0)
        rc = rest_route_find(&exchange->request, method, url, &err);
    if (rc == 0)
        rc = check_role(exchange, &err);
    if (rc == 0)
        rc = check_query(exchange, &err);
    return rc == 0 ? MHD_YES : refuse(exchange, url, &err);
}

static enum MHD_Result exchange_step(void *ctx, struct MHD_Connection *connection, const char *url,
                                     const char *method, const char *version, const char *data,
                                     size_t *data_n, void **state) {
    struct exchange *exchange = *state;
    (void)version;
    if (exchange == NULL) {
        *state = exchange = mem_new(sizeof *exchange);
        exchange->server = ctx;
        exchange->connection = connection;
        exchange->started_ns = os_mono_ns();
        return begin(exchange, method, url);
    }
    if (*data_n == 0)
        return answer_request(exchange, url);
    if (exchange->body.n + *data_n > REST_BODY_BYTES_MAX) /* chunked: its length was not told */
        return MHD_NO;
    buf_put(&exchange->body, data, *data_n);
    *data_n = 0;
    return MHD_YES;
}

static void exchange_end(void *ctx, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code) {
    (void)ctx;
    (void)connection;
    (void)code;
    if (*state != NULL)
        exchange_free(*state);
    *state = NULL;
}

/* %HH to bytes in place; %00 stays as it is, so that it cannot end a string. */
static size_t unescape(void *ctx, struct MHD_Connection *connection, char *text) {
    char *to = text;
    (void)ctx;
    (void)connection;
    for (const char *from = text; *from != 0; from++) {
        uint8_t byte = 0;
        if (*from == '%' && from[1] != 0 && text_unhex(from + 1, from[2] != 0 ? 2 : 1, &byte, 1) &&
            byte != 0) {
            *to++ = (char)byte;
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = 0;
    return (size_t)(to - text);
}

int rest_serve_start(struct rest_server *server, unsigned connections, struct err *err) {
    server->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
            MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC,
        0, NULL, NULL, exchange_step, server, MHD_OPTION_NOTIFY_COMPLETED, exchange_end, NULL,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_CONNECTION_LIMIT, connections,
        MHD_OPTION_CONNECTION_TIMEOUT, REST_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_BYTES, MHD_OPTION_THREAD_STACK_SIZE, THREAD_STACK_BYTES,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    return server->daemon != NULL ? 0 : ERR(err, ERR_INTERNAL, "cannot start the HTTP server");
}

void rest_serve_add(struct rest_server *server, int *fd) {
    struct sockaddr address = {.sa_family = AF_UNIX};
    /* over the limit: the library closes it */
    (void)MHD_add_connection(server->daemon, *fd, &address, sizeof address);
    *fd = -1;
}

void rest_serve_stop(struct rest_server *server) {
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
}
