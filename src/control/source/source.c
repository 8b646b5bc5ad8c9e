#include "control/source/source.h"

#include "base/text.h"
#include "os/os.h"

/* Both files: magic, version, then the fields in order, big-endian.  They are the agent's own
 * memory: when one is
 * lost, the server registers the source again, and the head is learnt from the next
 * acknowledged point. */
#define MAGIC_SOURCE 0x434d5352u /* "CMSR" */
#define MAGIC_HEAD 0x434d4844u   /* "CMHD" */
#define VERSION 1u
#define HEX_NAME (2 * 16 + 1)

void source_done(struct source *source) {
    buf_done(&source->texts);
    vec_done(&source->excludes);
}

bool source_equal(const struct source *a, const struct source *b) {
    return memcmp(a->id, b->id, sizeof a->id) == 0 && text_equal(a->path, b->path) &&
           a->one_file_system == b->one_file_system && a->exclude_caches == b->exclude_caches &&
           span_equal(buf_span(&a->texts), buf_span(&b->texts));
}

static bool is_pattern(struct span text) {
    return text.n > 0 && memchr(text.p, 0, text.n) == NULL && memchr(text.p, '\n', text.n) == NULL;
}

int source_set_excludes(struct source *source, struct span encoded, struct err *err) {
    struct cursor c = cursor_of(encoded);
    VEC(size_t) offsets = {0};
    int rc = 0;
    while (rc == 0 && cursor_left(&c) > 0) {
        struct span text = cursor_lstr(&c, 4096);
        if (c.bad || !is_pattern(text) || offsets.n == SOURCE_EXCLUDES_MAX) {
            rc = ERR(err, ERR_USAGE,
                     "exclusion %zu is empty, too long, one too many, or has a line end",
                     offsets.n + 1);
            break;
        }
        *vec_push(&offsets) = source->texts.n;
        buf_put_span(&source->texts, text);
        buf_put_u8(&source->texts, 0);
    }
    for (size_t i = 0; i < offsets.n && rc == 0; i++)
        *vec_push(&source->excludes) = (const char *)source->texts.p + offsets.p[i];
    vec_done(&offsets);
    return rc;
}

static int open_folder(int dirfd, const char *name, int *fd, struct err *err) {
    if (os_mkdir(dirfd, name, 0700, true, err) != 0)
        return -1;
    return os_dir_open(dirfd, name, fd, err);
}

int source_save(int dirfd, const struct source *source, struct err *err) {
    SCOPED(buf) bytes = {0};
    OS_FD_AUTO int fd = OS_FD_NONE;
    char hex[HEX_NAME];
    buf_put_u32(&bytes, MAGIC_SOURCE);
    buf_put_u32(&bytes, VERSION);
    buf_put(&bytes, source->id, sizeof source->id);
    buf_put_lstr(&bytes, span_text(source->path));
    buf_put_u8(&bytes, source->one_file_system);
    buf_put_u8(&bytes, source->exclude_caches);
    for (size_t i = 0; i < source->excludes.n; i++)
        buf_put_lstr(&bytes, span_text(source->excludes.p[i]));
    text_hex(hex, source->id, sizeof source->id);
    if (open_folder(dirfd, "sources", &fd, err) != 0)
        return -1;
    return durable_write(fd, hex, buf_span(&bytes), 0600, true, err);
}

static int decode(struct span bytes, const uint8_t id[static 16], struct source *source,
                  struct err *err) {
    struct cursor c = cursor_of(bytes);
    if (cursor_u32(&c) != MAGIC_SOURCE || cursor_u32(&c) != VERSION)
        return ERR(err, ERR_FORMAT_VERSION, "source file is of another version");
    cursor_copy(&c, source->id, sizeof source->id);
    struct span path = cursor_lstr(&c, sizeof source->path - 1);
    source->one_file_system = cursor_u8(&c) != 0;
    source->exclude_caches = cursor_u8(&c) != 0;
    if (c.bad || memcmp(source->id, id, sizeof source->id) != 0)
        return ERR(err, ERR_FORMAT, "source file is damaged");
    memcpy(source->path, path.p, path.n);
    source->path[path.n] = 0;
    return source_set_excludes(source, span_of(c.p, cursor_left(&c)), err);
}

int source_load(int dirfd, const uint8_t id[static 16], struct source *source, struct err *err) {
    SCOPED(buf) bytes = {0};
    OS_FD_AUTO int fd = OS_FD_NONE;
    char hex[HEX_NAME];
    *source = (struct source){0};
    text_hex(hex, id, 16);
    if (open_folder(dirfd, "sources", &fd, err) != 0 ||
        os_load(fd, hex, SOURCE_FILE_BYTES_MAX, &bytes, err) != 0 ||
        decode(buf_span(&bytes), id, source, err) != 0)
        return ERR_NOTE(err, "source %s", hex);
    return 0;
}

int source_head_load(int dirfd, const uint8_t id[static 16], struct source_head *head,
                     struct err *err) {
    SCOPED(buf) bytes = {0};
    OS_FD_AUTO int fd = OS_FD_NONE;
    char hex[HEX_NAME];
    bool exists;
    *head = (struct source_head){0};
    text_hex(hex, id, 16);
    if (open_folder(dirfd, "heads", &fd, err) != 0 || os_exists(fd, hex, &exists, err) != 0)
        return -1;
    if (!exists)
        return 0;
    if (os_load(fd, hex, 4096, &bytes, err) != 0)
        return -1;
    struct cursor c = cursor_of(buf_span(&bytes));
    if (cursor_u32(&c) != MAGIC_HEAD || cursor_u32(&c) != VERSION)
        c.bad = true;
    head->sequence = cursor_u64(&c);
    cursor_copy(&c, head->commit.b, sizeof head->commit.b);
    return cursor_ended(&c) ? 0 : ERR(err, ERR_FORMAT, "head of source %s is damaged", hex);
}

int source_head_save(int dirfd, const uint8_t id[static 16], const struct source_head *head,
                     struct err *err) {
    SCOPED(buf) bytes = {0};
    OS_FD_AUTO int fd = OS_FD_NONE;
    char hex[HEX_NAME];
    buf_put_u32(&bytes, MAGIC_HEAD);
    buf_put_u32(&bytes, VERSION);
    buf_put_u64(&bytes, head->sequence);
    buf_put(&bytes, head->commit.b, sizeof head->commit.b);
    text_hex(hex, id, 16);
    if (open_folder(dirfd, "heads", &fd, err) != 0)
        return -1;
    return durable_write(fd, hex, buf_span(&bytes), 0600, true, err);
}
