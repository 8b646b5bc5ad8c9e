/* The root record of a point. */
#include "format/manifest/manifest_int.h"

#define INFO_MAGIC 0x434d4d46u /* "CMMF" */
#define INFO_VERSION 1u

void manifest_info_put(struct buf *out, const struct manifest_info *info) {
    buf_put_u32(out, INFO_MAGIC);
    buf_put_u8(out, INFO_VERSION);
    buf_put_u32(out, 0); /* features a reader must know */
    buf_put(out, info->source, sizeof info->source);
    buf_put(out, info->job, sizeof info->job);
    buf_put_u64(out, (uint64_t)info->started_ns);
    buf_put_u64(out, (uint64_t)info->finished_ns);
    buf_put_lstr(out, span_text(info->computer));
    buf_put_lstr(out, span_text(info->root_path));
    buf_put_u8(out, info->tree.level);
    buf_put_u64(out, info->tree.totals.entries);
    buf_put_u64(out, info->tree.totals.files);
    buf_put_u64(out, info->tree.totals.dirs);
    buf_put_u64(out, info->tree.totals.bytes);
    buf_put_u64(out, info->tree.totals.problems);
    buf_put(out, info->tree.page.b, sizeof info->tree.page.b);
}

/* A text without zero bytes into to[size]. */
static void get_text(struct cursor *c, char *to, size_t size) {
    struct span text = cursor_lstr(c, size - 1);
    if (text.n > 0)
        memcpy(to, text.p, text.n);
    to[text.n] = 0;
    c->bad |= strlen(to) != text.n;
}

static void get_totals(struct cursor *c, struct manifest_totals *totals) {
    totals->entries = cursor_u64(c);
    totals->files = cursor_u64(c);
    totals->dirs = cursor_u64(c);
    totals->bytes = cursor_u64(c);
    totals->problems = cursor_u64(c);
    c->bad |= totals->files > totals->entries || totals->dirs > totals->entries - totals->files ||
              totals->problems > totals->entries;
}

int manifest_info_get(struct span record, struct manifest_info *info, struct err *err) {
    struct cursor c = cursor_of(record);
    uint32_t magic = cursor_u32(&c);
    uint8_t version = cursor_u8(&c);
    uint32_t features = cursor_u32(&c);
    if (c.bad || magic != INFO_MAGIC)
        return ERR(err, ERR_FORMAT, "root record: not one");
    if (version != INFO_VERSION || features != 0)
        return ERR(err, ERR_FORMAT_VERSION, "root record: version %u with features %x is not known",
                   version, features);
    *info = (struct manifest_info){0};
    cursor_copy(&c, info->source, sizeof info->source);
    cursor_copy(&c, info->job, sizeof info->job);
    info->started_ns = (int64_t)cursor_u64(&c);
    info->finished_ns = (int64_t)cursor_u64(&c);
    get_text(&c, info->computer, sizeof info->computer);
    get_text(&c, info->root_path, sizeof info->root_path);
    info->tree.level = cursor_u8(&c);
    get_totals(&c, &info->tree.totals);
    cursor_copy(&c, info->tree.page.b, sizeof info->tree.page.b);
    if (!cursor_ended(&c) || info->tree.level >= MANIFEST_DEPTH_MAX)
        return ERR(err, ERR_FORMAT, "root record: malformed");
    return 0;
}
