/* Tokens for HTTPS.  The file (docs/format/tokens.md) holds their BLAKE3 hashes: a token is 256
 * random bits, so a plain hash tells nothing. */
#include <string.h>

#include "base/text.h"
#include "base/vec.h"
#include "crypto/secret.h"
#include "door/rest/rest_int.h"
#include "os/os.h"
#include "os/random.h"

#define TOKEN_PREFIX "cmt_"
#define TOKEN_FILE_BYTES_MAX ((size_t)REST_TOKENS_MAX * 400)
#define TOKEN_MAGIC "casemate-tokens 1\n"
#define BEARER "Bearer "
#define TOKEN_SECRET_BYTES 32u
#define TOKEN_TEXT_BYTES (sizeof TOKEN_PREFIX + (size_t)2 * TOKEN_SECRET_BYTES) /* with NUL */

static const char *const role_names[] = {[REST_READ] = "read", [REST_ADMIN] = "admin"};

struct token {
    struct digest hash;
    enum rest_role role;
    int64_t created_s;
    char name[REST_NAME_BYTES_MAX + 1];
};

struct rest_tokens {
    int dirfd;
    char *file; /* its name in dirfd */
    struct os_mutex mutex;
    VEC(struct token) list; /* GUARDED_BY(mutex) */
};

static bool role_of(const char *name, enum rest_role *role) {
    for (size_t i = 0; i < ARRAY_N(role_names); i++)
        if (text_equal(name, role_names[i])) {
            *role = (enum rest_role)i;
            return true;
        }
    return false;
}

/* "HASH ROLE CREATED NAME" */
static bool parse_line(char *line, struct token *token) {
    char *fields[3];
    for (size_t i = 0; i < ARRAY_N(fields); i++) {
        fields[i] = line;
        line = strchr(line, ' ');
        if (line == NULL)
            return false;
        *line++ = 0;
    }
    uint64_t created = 0;
    bool ok = text_unhex(fields[0], strlen(fields[0]), token->hash.b, sizeof token->hash.b) &&
              role_of(fields[1], &token->role) && text_to_u64(fields[2], INT64_MAX, &created) &&
              line[0] != 0 && text_copy(token->name, sizeof token->name, line);
    token->created_s = (int64_t)created;
    return ok;
}

static int parse(struct rest_tokens *tokens, struct buf *bytes, struct err *err) {
    char *text = (char *)(uintptr_t)buf_text(bytes);
    if (strlen(text) != bytes->n || !text_starts(text, TOKEN_MAGIC))
        return ERR(err, ERR_FORMAT_VERSION, "%s is not a token file of this version", tokens->file);
    char *line = text + strlen(TOKEN_MAGIC);
    for (unsigned number = 2; *line != 0; number++) {
        char *end = strchr(line, '\n');
        if (end == NULL || tokens->list.n == REST_TOKENS_MAX)
            return ERR(err, ERR_FORMAT, "token file %s: line %u", tokens->file, number);
        *end = 0;
        struct token token = {0};
        if (!parse_line(line, &token))
            return ERR(err, ERR_FORMAT, "token file %s: line %u", tokens->file, number);
        *vec_push(&tokens->list) = token;
        line = end + 1;
    }
    return 0;
}

static int save(struct rest_tokens *tokens, struct err *err) {
    struct buf text = {0};
    buf_printf(&text, "%s", TOKEN_MAGIC);
    for (size_t i = 0; i < tokens->list.n; i++) {
        const struct token *token = &tokens->list.p[i];
        char hex[2 * sizeof token->hash.b + 1];
        text_hex(hex, token->hash.b, sizeof token->hash.b);
        buf_printf(&text, "%s %s %lld %s\n", hex, role_names[token->role],
                   (long long)token->created_s, token->name);
    }
    int rc = durable_write(tokens->dirfd, tokens->file, buf_span(&text), 0600, true, err);
    buf_done(&text);
    return rc;
}

static int load(struct rest_tokens *tokens, struct err *err) {
    bool exists = false;
    if (os_exists(tokens->dirfd, tokens->file, &exists, err) != 0)
        return -1;
    if (!exists)
        return save(tokens, err);
    struct buf bytes = {0};
    int rc = os_load(tokens->dirfd, tokens->file, TOKEN_FILE_BYTES_MAX, &bytes, err);
    if (rc == 0)
        rc = parse(tokens, &bytes, err);
    buf_done(&bytes);
    return rc;
}

int rest_tokens_open(const char *file, struct rest_tokens **out, struct err *err) {
    struct rest_tokens *tokens = mem_new(sizeof *tokens);
    os_mutex_init(&tokens->mutex);
    tokens->dirfd = OS_FD_NONE;
    const char *slash = strrchr(file, '/');
    tokens->file = mem_text(slash == NULL ? file : slash + 1);
    MEM_AUTO char *dir = mem_text(slash == NULL ? "./" : file);
    dir[slash == NULL ? 1 : slash - file + 1] = 0;
    if (os_dir_open(OS_FD_CWD, dir, &tokens->dirfd, err) != 0 || load(tokens, err) != 0) {
        rest_tokens_close(tokens);
        return ERR_NOTE(err, "tokens %s", file);
    }
    *out = tokens;
    return 0;
}

void rest_tokens_close(struct rest_tokens *tokens) {
    if (tokens == NULL)
        return;
    os_close(&tokens->dirfd);
    os_mutex_done(&tokens->mutex);
    vec_done(&tokens->list);
    mem_free(tokens->file);
    mem_free(tokens);
}

/* In the same time wherever they differ. */
static bool hash_equal(const struct digest *a, const struct digest *b) {
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < sizeof a->b; i++)
        difference = (uint8_t)(difference | (a->b[i] ^ b->b[i]));
    return difference == 0;
}

int rest_tokens_check(struct rest_tokens *tokens, const char *authorization,
                      struct rest_request *request, struct err *err) {
    bool found = false;
    struct digest hash;
    if (authorization != NULL && tokens != NULL && text_starts(authorization, BEARER)) {
        hash_bytes(span_text(authorization + strlen(BEARER)), &hash);
        os_mutex_lock(&tokens->mutex);
        for (size_t i = 0; i < tokens->list.n; i++) { /* all of them: no early end */
            const struct token *token = &tokens->list.p[i];
            if (!hash_equal(&token->hash, &hash))
                continue;
            found = true;
            request->caller.role = token->role;
            (void)text_copy(request->token, sizeof request->token, token->name);
        }
        os_mutex_unlock(&tokens->mutex);
    }
    request->caller.token = request->token;
    return found ? 0 : ERR(err, ERR_REST_UNAUTHORIZED, "a valid token is needed");
}

static json_t *token_json(const struct token *token, const char *secret) {
    json_t *json = json_object();
    (void)json_object_set_new(json, "name", json_string(token->name));
    (void)json_object_set_new(json, "role", json_string(role_names[token->role]));
    (void)json_object_set_new(json, "created", rest_time_json(token->created_s));
    (void)json_object_set_new(json, "secret", secret == NULL ? json_null() : json_string(secret));
    return json;
}

static int need(const struct rest_tokens *tokens, struct err *err) {
    return tokens != NULL ? 0 : ERR(err, ERR_USAGE, "this server has no token file configured");
}

int rest_token_list(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                    struct err *err) {
    struct rest_tokens *tokens = ctx;
    (void)request;
    if (need(tokens, err) != 0)
        return -1;
    json_t *items = json_array();
    os_mutex_lock(&tokens->mutex);
    for (size_t i = 0; i < tokens->list.n; i++)
        (void)json_array_append_new(items, token_json(&tokens->list.p[i], NULL));
    os_mutex_unlock(&tokens->mutex);
    answer->json = rest_page_json(items, NULL);
    return 0;
}

/* With the mutex held. */
static bool find(const struct rest_tokens *tokens, const char *name, size_t *index) {
    for (size_t i = 0; i < tokens->list.n; i++)
        if (text_equal(tokens->list.p[i].name, name)) {
            *index = i;
            return true;
        }
    return false;
}

static int add(struct rest_tokens *tokens, const struct token *token, struct err *err) {
    size_t index = 0;
    if (find(tokens, token->name, &index))
        return ERR(err, ERR_EXISTS, "token %s exists", token->name);
    if (tokens->list.n == REST_TOKENS_MAX)
        return ERR(err, ERR_LIMIT, "there are %u tokens already", REST_TOKENS_MAX);
    *vec_push(&tokens->list) = *token;
    if (save(tokens, err) == 0)
        return 0;
    tokens->list.n--;
    return -1;
}

int rest_token_create(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                      struct err *err) {
    struct rest_tokens *tokens = ctx;
    if (need(tokens, err) != 0)
        return -1;
    struct token token = {.created_s = os_wall_s()};
    (void)text_copy(token.name, sizeof token.name, rest_text(request, "name"));
    INVARIANT(role_of(rest_text(request, "role"), &token.role)); /* a word of spec/api.yaml */
    uint8_t bytes[TOKEN_SECRET_BYTES];
    char secret[TOKEN_TEXT_BYTES] = TOKEN_PREFIX;
    os_random(bytes, sizeof bytes);
    text_hex(secret + strlen(TOKEN_PREFIX), bytes, sizeof bytes);
    hash_bytes(span_text(secret), &token.hash);
    os_mutex_lock(&tokens->mutex);
    int rc = add(tokens, &token, err);
    os_mutex_unlock(&tokens->mutex);
    if (rc == 0)
        answer->json = token_json(&token, secret);
    secret_wipe(bytes, sizeof bytes);
    secret_wipe(secret, sizeof secret);
    return rc;
}

static int take(struct rest_tokens *tokens, const char *name, struct err *err) {
    size_t index = 0;
    if (!find(tokens, name, &index))
        return ERR(err, ERR_NOT_FOUND, "no token %s", name);
    struct token token = tokens->list.p[index];
    tokens->list.p[index] = tokens->list.p[--tokens->list.n];
    if (save(tokens, err) == 0)
        return 0;
    *vec_push(&tokens->list) = token; /* still valid: the file says so */
    return -1;
}

int rest_token_remove(void *ctx, const struct rest_request *request, struct rest_answer *answer,
                      struct err *err) {
    struct rest_tokens *tokens = ctx;
    if (need(tokens, err) != 0)
        return -1;
    const char *name = rest_path(request, "token");
    os_mutex_lock(&tokens->mutex);
    int rc = take(tokens, name, err);
    os_mutex_unlock(&tokens->mutex);
    if (rc != 0)
        return -1;
    answer->json = json_object();
    (void)json_object_set_new(answer->json, "name", json_string(name));
    (void)json_object_set_new(answer->json, "what_if", json_false());
    (void)json_object_set_new(answer->json, "points", json_integer(0));
    (void)json_object_set_new(answer->json, "note", json_null());
    return 0;
}
