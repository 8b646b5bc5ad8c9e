#include "data/ledger/ledger.h"

#include "base/text.h"
#include "os/os.h"

#define SOURCE_HEX (2 * 16 + 1)
#define NAME_MAX_ 32

struct ledger {
    int fd; /* commits/ */
    struct os_mutex mutex;
};

static const char *const suffixes[] = {
    [LEDGER_LIVE] = "cmt", [LEDGER_DELETED] = "del", [LEDGER_PURGED] = "old"};

static void file_name(char to[static NAME_MAX_], uint64_t sequence, enum ledger_state state) {
    (void)text_format(to, NAME_MAX_, "%016llx.%s", (unsigned long long)sequence, suffixes[state]);
}

static bool parse_name(const char *name, uint64_t *sequence, enum ledger_state *state) {
    uint8_t bytes[8];
    if (strlen(name) != 20 || name[16] != '.' || !text_unhex(name, 16, bytes, sizeof bytes))
        return false;
    *sequence = be64_get(bytes);
    for (enum ledger_state s = LEDGER_LIVE; s <= LEDGER_PURGED; s++)
        if (text_equal(name + 17, suffixes[s])) {
            *state = s;
            return true;
        }
    return false;
}

int ledger_open(int dirfd, struct ledger **out, struct err *err) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    if (os_mkdir(dirfd, "commits", 0700, true, err) != 0 || os_fsync(dirfd, err) != 0 ||
        os_dir_open(dirfd, "commits", &fd, err) != 0)
        return ERR_NOTE(err, "ledger");
    struct ledger *ledger = mem_new(sizeof *ledger);
    ledger->fd = fd;
    fd = OS_FD_NONE;
    os_mutex_init(&ledger->mutex);
    *out = ledger;
    return 0;
}

void ledger_close(struct ledger *ledger) {
    if (ledger == NULL)
        return;
    os_close(&ledger->fd);
    os_mutex_done(&ledger->mutex);
    mem_free(ledger);
}

/* *fd = OS_FD_NONE when the source has no folder and `make` is not asked for. */
static int open_source(struct ledger *ledger, const uint8_t source[static 16], bool make, int *fd,
                       struct err *err) {
    char hex[SOURCE_HEX];
    bool exists;
    text_hex(hex, source, 16);
    *fd = OS_FD_NONE;
    if (os_exists(ledger->fd, hex, &exists, err) != 0)
        return -1;
    if (!exists && !make)
        return 0;
    if (!exists && os_mkdir(ledger->fd, hex, 0700, true, err) != 0)
        return -1;
    return os_dir_open(ledger->fd, hex, fd, err);
}

static int newest_in(int fd, uint64_t *sequence, char name[static NAME_MAX_], struct err *err) {
    os_names names = {0};
    int rc = os_list(fd, &names, err);
    *sequence = 0;
    for (size_t i = 0; i < names.n && rc == 0; i++) {
        uint64_t s;
        enum ledger_state state;
        if (parse_name(names.p[i], &s, &state) && s > *sequence) {
            *sequence = s;
            (void)text_copy(name, NAME_MAX_, names.p[i]);
        }
    }
    os_names_done(&names);
    return rc;
}

static int read_newest(int fd, uint64_t *sequence, struct buf *file, struct err *err) {
    char name[NAME_MAX_];
    *sequence = 0;
    if (fd == OS_FD_NONE)
        return 0;
    if (newest_in(fd, sequence, name, err) != 0)
        return -1;
    return *sequence > 0 ? os_load(fd, name, COMMIT_BYTES_MAX, file, err) : 0;
}

int ledger_newest(struct ledger *ledger, const uint8_t source[static 16], uint64_t *sequence,
                  struct buf *file, struct err *err) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    os_mutex_lock(&ledger->mutex);
    int rc = open_source(ledger, source, false, &fd, err);
    if (rc == 0)
        rc = read_newest(fd, sequence, file, err);
    os_mutex_unlock(&ledger->mutex);
    return rc;
}

static int append(struct ledger *ledger, const struct commit *commit, struct digest *hash,
                  struct err *err) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    SCOPED(buf) newest = {0}, file = {0};
    uint64_t sequence;
    struct digest previous = {0};
    if (open_source(ledger, commit->source, true, &fd, err) != 0 ||
        read_newest(fd, &sequence, &newest, err) != 0)
        return -1;
    if (sequence == 0 && os_fsync(ledger->fd, err) != 0) /* whoever made the folder */
        return -1;
    if (sequence > 0)
        commit_hash(buf_span(&newest), &previous);
    if (commit->sequence != sequence + 1 || !digest_equal(&previous, &commit->previous))
        return ERR(err, ERR_CHAIN, "commit %llu does not follow commit %llu of its source",
                   (unsigned long long)commit->sequence, (unsigned long long)sequence);
    char name[NAME_MAX_];
    file_name(name, commit->sequence, LEDGER_LIVE);
    commit_put(&file, commit);
    commit_hash(buf_span(&file), hash);
    OS_COMMIT_POINT("I5");
    if (durable_write(fd, name, buf_span(&file), 0400, false, err) != 0)
        return -1;
    OS_COMMIT_POINT("I6");
    return 0;
}

int ledger_append(struct ledger *ledger, const struct commit *commit, struct digest *hash,
                  struct err *err) {
    os_mutex_lock(&ledger->mutex);
    int rc = append(ledger, commit, hash, err);
    os_mutex_unlock(&ledger->mutex);
    return rc == 0 ? 0 : ERR_NOTE(err, "ledger");
}

int ledger_read(struct ledger *ledger, const uint8_t source[static 16], uint64_t sequence,
                enum ledger_state *state, struct buf *file, struct err *err) {
    OS_FD_AUTO int fd = OS_FD_NONE;
    if (open_source(ledger, source, false, &fd, err) != 0)
        return -1;
    for (*state = LEDGER_LIVE; fd != OS_FD_NONE && *state <= LEDGER_PURGED; (*state)++) {
        char name[NAME_MAX_];
        bool exists;
        file_name(name, sequence, *state);
        if (os_exists(fd, name, &exists, err) != 0)
            return -1;
        if (exists)
            return os_load(fd, name, COMMIT_BYTES_MAX, file, err);
    }
    return ERR(err, ERR_NOT_FOUND, "commit %llu does not exist", (unsigned long long)sequence);
}

int ledger_move(struct ledger *ledger, const uint8_t source[static 16], uint64_t sequence,
                enum ledger_state from, enum ledger_state to, struct err *err) {
    INVARIANT((from == LEDGER_LIVE && to == LEDGER_DELETED) || from == LEDGER_DELETED);
    OS_FD_AUTO int fd = OS_FD_NONE;
    char old_name[NAME_MAX_], new_name[NAME_MAX_];
    if (open_source(ledger, source, false, &fd, err) != 0)
        return -1;
    if (fd == OS_FD_NONE)
        return ERR(err, ERR_NOT_FOUND, "commit %llu does not exist", (unsigned long long)sequence);
    file_name(old_name, sequence, from);
    file_name(new_name, sequence, to);
    return durable_move(fd, old_name, fd, new_name, err);
}

static int walk_file(int fd, const char *source, const char *name, ledger_fn *fn, void *ctx,
                     struct err *err) {
    SCOPED(buf) file = {0};
    struct commit commit;
    struct digest hash;
    struct err why;
    uint64_t sequence;
    enum ledger_state state;
    char path[SOURCE_HEX + NAME_MAX_];
    if (!parse_name(name, &sequence, &state))
        return 0; /* a temp file of an append that was cut short */
    (void)text_format(path, sizeof path, "%s/%s", source, name);
    bool good = os_load(fd, name, COMMIT_BYTES_MAX, &file, &why) == 0 &&
                commit_get(buf_span(&file), &commit, &why) == 0 && commit.sequence == sequence;
    commit_hash(buf_span(&file), &hash);
    return fn(ctx, path, good ? &commit : NULL, &hash, state, err);
}

static int walk_source(struct ledger *ledger, const char *source, ledger_fn *fn, void *ctx,
                       struct err *err) {
    uint8_t id[16];
    OS_FD_AUTO int fd = OS_FD_NONE;
    os_names names = {0};
    if (!text_unhex(source, strlen(source), id, sizeof id))
        return 0;
    int rc = os_dir_open(ledger->fd, source, &fd, err);
    if (rc == 0)
        rc = os_list(fd, &names, err);
    for (size_t i = 0; i < names.n && rc == 0; i++)
        rc = walk_file(fd, source, names.p[i], fn, ctx, err);
    os_names_done(&names);
    return rc;
}

int ledger_walk(struct ledger *ledger, ledger_fn *fn, void *ctx, struct err *err) {
    os_names sources = {0};
    int rc = os_list(ledger->fd, &sources, err);
    for (size_t i = 0; i < sources.n && rc == 0; i++)
        rc = walk_source(ledger, sources.p[i], fn, ctx, err);
    os_names_done(&sources);
    return rc;
}
