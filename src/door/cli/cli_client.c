/* The HTTP client: one connection, kept for all requests of the command. */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/secret.h"
#include "door/cli/cli_int.h"
#include "os/file.h"

#define CONNECT_MS 10000L
#define SILENCE_S 120L /* longer than the server ever waits */
#define TOKEN_BYTES_MAX ((size_t)4096)
#define STATUS_TRAILER "casemate-status:"
#define FINGERPRINT_BYTES 32u

struct cli_client {
    CURL *curl;
    struct curl_slist *headers;
    char *base; /* "http://localhost" or "https://host:port" */
    char why[CURL_ERROR_SIZE];
    bool socket;
};

/* What arrives of one answer. */
struct arrival {
    struct cli_client *client;
    struct buf body;
    bool stream;      /* successful bodies go to standard output */
    bool broken_pipe; /* standard output takes no more */
    char trailer[ERR_TEXT_MAX];
};

/* ---- opening ---- */

static int set_token(struct cli_client *client, const char *file, struct err *err) {
    struct buf token = {0}, header = {0};
    int rc = os_load(OS_FD_CWD, file, TOKEN_BYTES_MAX, &token, err);
    if (rc == 0) {
        char *text = (char *)(uintptr_t)buf_text(&token);
        text[strcspn(text, " \r\n")] = 0;
        buf_printf(&header, "Authorization: Bearer %s", text);
        client->headers = curl_slist_append(client->headers, buf_text(&header));
    }
    secret_wipe(token.p, token.n);
    secret_wipe(header.p, header.n);
    buf_done(&token);
    buf_done(&header);
    return rc != 0 ? ERR_NOTE(err, "--token-file") : 0;
}

static void base64(char *to, const uint8_t *p, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16;
        v |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
        v |= i + 2 < n ? p[i + 2] : 0u;
        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *to++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *to = 0;
}

/* The key itself is what must match: name and chain need not. */
static int set_fingerprint(struct cli_client *client, const char *hex, struct err *err) {
    uint8_t bytes[FINGERPRINT_BYTES];
    char digits[2 * FINGERPRINT_BYTES + 1], pin[80] = "sha256//";
    size_t n = 0;
    for (const char *p = hex; *p != 0 && n < sizeof digits; p++)
        if (*p != ':')
            digits[n++] = *p;
    if (!text_unhex(digits, n, bytes, sizeof bytes))
        return ERR(err, ERR_USAGE, "--fingerprint must be 64 hex digits");
    base64(pin + strlen(pin), bytes, sizeof bytes);
    (void)curl_easy_setopt(client->curl, CURLOPT_PINNEDPUBLICKEY, pin);
    (void)curl_easy_setopt(client->curl, CURLOPT_SSL_VERIFYPEER, 0L);
    (void)curl_easy_setopt(client->curl, CURLOPT_SSL_VERIFYHOST, 0L);
    return 0;
}

static int set_server(struct cli_client *client, const struct args *args, struct err *err) {
    const char *server = args_text(args, "server");
    if (!text_starts(server, "https://") || strlen(server) == strlen("https://"))
        return ERR(err, ERR_USAGE, "--server must be https://HOST:PORT, not \"%s\"", server);
    client->base = mem_text(server);
    size_t n = strlen(client->base);
    if (client->base[n - 1] == '/')
        client->base[n - 1] = 0;
    (void)curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "https");
    (void)curl_easy_setopt(client->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    if (args_text(args, "cacert") != NULL)
        (void)curl_easy_setopt(client->curl, CURLOPT_CAINFO, args_text(args, "cacert"));
    if (args_text(args, "fingerprint") != NULL &&
        set_fingerprint(client, args_text(args, "fingerprint"), err) != 0)
        return -1;
    const char *token = args_text(args, "token-file");
    return token == NULL ? ERR(err, ERR_USAGE, "--server needs --token-file")
                         : set_token(client, token, err);
}

static void set_socket(struct cli_client *client, const char *path) {
    client->base = mem_text("http://localhost");
    client->socket = true;
    (void)curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH, path);
    (void)curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http");
    (void)curl_easy_setopt(client->curl, CURLOPT_NOPROXY, "*");
}

static size_t take_body(char *bytes, size_t size, size_t n, void *ctx) {
    struct arrival *arrival = ctx;
    long status = 0;
    size_t all = size * n;
    if (arrival->stream)
        (void)curl_easy_getinfo(arrival->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) {
        arrival->broken_pipe = fwrite(bytes, 1, all, stdout) != all;
        return arrival->broken_pipe ? 0 : all;
    }
    if (arrival->body.n + all > CLI_ANSWER_BYTES_MAX)
        return 0;
    buf_put(&arrival->body, bytes, all);
    return all;
}

static size_t take_header(char *bytes, size_t size, size_t n, void *ctx) {
    struct arrival *arrival = ctx;
    size_t all = size * n, skip = strlen(STATUS_TRAILER);
    struct buf line = {0};
    buf_put(&line, bytes, all);
    char *text = (char *)(uintptr_t)buf_text(&line);
    text[strcspn(text, "\r\n")] = 0;
    for (size_t i = 0; i < skip && text[i] != 0; i++)
        text[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    if (text_starts(text, STATUS_TRAILER))
        (void)text_copy(arrival->trailer, sizeof arrival->trailer,
                        text + skip + strspn(text + skip, " "));
    buf_done(&line);
    return all;
}

static int client_open(struct cli *cli, struct err *err) {
    struct cli_client *client = mem_new(sizeof *client);
    cli->client = client;
    bool socket = args_text(cli->args, "server") == NULL;
    if (curl_global_init(socket ? CURL_GLOBAL_NOTHING : CURL_GLOBAL_SSL) != CURLE_OK)
        return ERR(err, ERR_INTERNAL, "cannot start the HTTP client");
    client->curl = curl_easy_init();
    INVARIANT(client->curl != NULL);
    (void)curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, client->why);
    (void)curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    (void)curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void)curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
    (void)curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(client->curl, CURLOPT_HEADERFUNCTION, take_header);
    client->headers = curl_slist_append(NULL, "Content-Type: application/json");
    client->headers = curl_slist_append(client->headers, "Expect:"); /* no round trip first */
    if (!socket)
        return set_server(client, cli->args, err);
    set_socket(client, args_text(cli->args, "socket"));
    return 0;
}

void cli_client_close(struct cli_client *client) {
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->headers);
    mem_free(client->base);
    mem_free(client);
    curl_global_cleanup();
}

/* ---- calling ---- */

static int no_answer(const struct cli *cli, CURLcode code, struct err *err) {
    const struct cli_client *client = cli->client;
    const char *place = args_text(cli->args, client->socket ? "socket" : "server");
    long sys = 0;
    (void)curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &sys);
    const char *why = client->why[0] != 0 ? client->why : curl_easy_strerror(code);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ERR(err, ERR_TIMEOUT, "no answer from the server at %s", place);
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_PINNEDPUBKEYNOTMATCH ||
        code == CURLE_SSL_CACERT_BADFILE)
        return ERR(err, ERR_AUTH, "the server at %s is not the one expected: %s", place, why);
    if (client->socket && (sys == EACCES || sys == EPERM))
        return ERR_SYS(err, ERR_PERMISSION, (int)sys, "cannot use the admin socket %s", place);
    if (client->socket && code == CURLE_COULDNT_CONNECT)
        return ERR_SYS(err, ERR_UNREACHABLE, (int)sys,
                       "cannot reach the server at %s; is casemated running?", place);
    return ERR(err, ERR_UNREACHABLE, "cannot reach the server at %s: %s", place, why);
}

int cli_foreign_error(struct cli *cli, const json_t *error, struct err *err) {
    const char *symbol = cli_field_text(error, "symbol");
    const char *message = cli_field_text(error, "message");
    const struct err_info *info = err_info_by_symbol(symbol);
    if (info != NULL)
        return ERR(err, info->code, "%s", message);
    cli->foreign_exit = (int)cli_field_number(error, "exit");
    return ERR(err, ERR_ANSWER, "%s: %s", symbol[0] != 0 ? symbol : "no error object", message);
}

static int append(const char *bytes, size_t n, void *ctx) {
    buf_put(ctx, bytes, n);
    return 0;
}

static int call(struct cli *cli, const char *method, const char *target, const json_t *body,
                struct arrival *arrival, struct err *err) {
    if (cli->client == NULL && client_open(cli, err) != 0)
        return -1;
    CURL *curl = cli->client->curl;
    struct buf url = {0};
    struct buf text = {0};
    if (body != NULL)
        (void)json_dump_callback(body, append, &text, JSON_COMPACT);
    arrival->client = cli->client;
    cli->client->why[0] = 0;
    buf_printf(&url, "%s%s", cli->client->base, target);
    (void)curl_easy_setopt(curl, CURLOPT_URL, buf_text(&url));
    (void)curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    if (body != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)text.n);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, buf_text(&text));
    }
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, cli->client->headers);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, arrival);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, arrival);
    CURLcode code = curl_easy_perform(curl);
    buf_done(&url);
    secret_wipe(text.p, text.n); /* it may hold a private key */
    buf_done(&text);
    if (code != CURLE_OK && arrival->broken_pipe)
        return ERR_SYS(err, ERR_IO, errno, "cannot write to standard output");
    return code == CURLE_OK ? 0 : no_answer(cli, code, err);
}

/* The JSON of an answer; -1 when it is an error of the server. */
static int understand(struct cli *cli, const struct arrival *arrival, json_t **answer,
                      struct err *err) {
    long status = 0;
    json_error_t why;
    (void)curl_easy_getinfo(cli->client->curl, CURLINFO_RESPONSE_CODE, &status);
    json_t *json = json_loadb((const char *)arrival->body.p, arrival->body.n, 0, &why);
    if (json == NULL || !json_is_object(json)) {
        json_decref(json);
        return ERR(err, ERR_ANSWER, "the server answered %ld with something else than JSON",
                   status);
    }
    if (status >= 200 && status < 300) {
        *answer = json;
        return 0;
    }
    int rc = cli_foreign_error(cli, json, err);
    json_decref(json);
    return rc;
}

int cli_call(struct cli *cli, const char *method, const char *target, json_t *body, json_t **answer,
             struct err *err) {
    struct arrival arrival = {0};
    *answer = NULL;
    int rc = call(cli, method, target, body, &arrival, err);
    if (rc == 0)
        rc = understand(cli, &arrival, answer, err);
    json_decref(body);
    buf_done(&arrival.body);
    return rc;
}

/* "ok", or symbol and message of what broke the stream off. */
static int check_trailer(struct cli *cli, const struct arrival *arrival, struct err *err) {
    const char *trailer = arrival->trailer;
    if (text_equal(trailer, "ok"))
        return 0;
    if (trailer[0] == 0)
        return ERR(err, ERR_UNREACHABLE, "the server broke off without saying why");
    json_t *error = json_object();
    const char *space = strchr(trailer, ' ');
    size_t n = space != NULL ? (size_t)(space - trailer) : strlen(trailer);
    (void)json_object_set_new(error, "symbol", json_stringn(trailer, n));
    (void)json_object_set_new(error, "message", json_string(space != NULL ? space + 1 : ""));
    int rc = cli_foreign_error(cli, error, err);
    json_decref(error);
    return rc;
}

int cli_stream(struct cli *cli, const char *target, struct err *err) {
    struct arrival arrival = {.stream = true};
    long status = 0;
    json_t *answer = NULL;
    int rc = call(cli, "GET", target, NULL, &arrival, err);
    if (rc == 0) {
        (void)curl_easy_getinfo(cli->client->curl, CURLINFO_RESPONSE_CODE, &status);
        rc = status == 200 ? check_trailer(cli, &arrival, err)
                           : understand(cli, &arrival, &answer, err);
    }
    json_decref(answer);
    buf_done(&arrival.body);
    return rc;
}
