#include "base/text.h"
#include "control/trust/ca_int.h"

/* A text file, replaced as a whole:
 *   casemate-ca 1
 *   crl NUMBER
 *   SERIAL ISSUED NOT-AFTER REVOKED SHA256 NAME    for each certificate; REVOKED 0: it is not */
#define INDEX_HEAD "casemate-ca 1"
#define LINE_MAX_BYTES 512
#define INDEX_BYTES_MAX (64u << 20)
#define FIELDS 6

struct line {
    char text[LINE_MAX_BYTES];
    char *fields[FIELDS];
    size_t fields_n;
};

static void split(struct line *line) {
    line->fields_n = 0;
    for (char *p = line->text; *p != 0 && line->fields_n < FIELDS;) {
        line->fields[line->fields_n++] = p;
        p += strcspn(p, " ");
        if (*p == ' ')
            *p++ = 0;
    }
}

static bool next_line(struct cursor *c, struct line *line) {
    size_t left = cursor_left(c);
    const uint8_t *end = left > 0 ? memchr(c->p, '\n', left) : NULL;
    size_t n = end != NULL ? (size_t)(end - c->p) : left;
    if (n == 0 || n >= sizeof line->text || memchr(c->p, 0, n) != NULL)
        return false;
    cursor_copy(c, line->text, n);
    line->text[n] = 0;
    (void)cursor_u8(c);
    return true;
}

static bool to_time(const char *text, int64_t *out) {
    uint64_t value;
    if (!text_to_u64(text, INT64_MAX, &value))
        return false;
    *out = (int64_t)value;
    return true;
}

static bool to_entry(struct line *line, struct ca_entry *entry) {
    struct x509_serial serial;
    split(line);
    return line->fields_n == FIELDS && strlen(line->fields[0]) == CA_SERIAL_DIGITS - 1 &&
           text_unhex(line->fields[0], CA_SERIAL_DIGITS - 1, serial.b, sizeof serial.b) &&
           text_copy(entry->serial, sizeof entry->serial, line->fields[0]) &&
           to_time(line->fields[1], &entry->issued_s) &&
           to_time(line->fields[2], &entry->not_after_s) &&
           to_time(line->fields[3], &entry->revoked_s) &&
           text_unhex(line->fields[4], strlen(line->fields[4]), entry->sha256.b,
                      sizeof entry->sha256.b) &&
           text_copy(entry->name, sizeof entry->name, line->fields[5]);
}

static int parse(struct ca *ca, struct span text, struct err *err) {
    struct cursor c = cursor_of(text);
    struct line line;
    bool good = next_line(&c, &line) && text_equal(line.text, INDEX_HEAD) && next_line(&c, &line) &&
                text_starts(line.text, "crl ") &&
                text_to_u64(line.text + 4, UINT64_MAX - 1, &ca->crl_number);
    unsigned number = 3;
    for (; good && cursor_left(&c) > 0; number++) {
        struct ca_entry entry = {.serial = ""};
        good = ca->entries.n < CA_ENTRIES_MAX && next_line(&c, &line) && to_entry(&line, &entry);
        if (good)
            *vec_push(&ca->entries) = entry;
    }
    return good ? 0 : ERR(err, ERR_FORMAT, "index of the authority is damaged at line %u", number);
}

int ca_index_load(struct ca *ca, struct err *err) {
    struct buf text = {0};
    int rc = os_load(ca->fd, CA_INDEX, INDEX_BYTES_MAX, &text, err);
    if (rc == 0)
        rc = parse(ca, buf_span(&text), err);
    buf_done(&text);
    return rc;
}

int ca_index_store(const struct ca *ca, struct err *err) {
    struct buf text = {0};
    buf_printf(&text, INDEX_HEAD "\ncrl %llu\n", (unsigned long long)ca->crl_number);
    for (size_t i = 0; i < ca->entries.n; i++) {
        const struct ca_entry *entry = &ca->entries.p[i];
        char sha256[65];
        text_hex(sha256, entry->sha256.b, sizeof entry->sha256.b);
        buf_printf(&text, "%s %lld %lld %lld %s %s\n", entry->serial, (long long)entry->issued_s,
                   (long long)entry->not_after_s, (long long)entry->revoked_s, sha256, entry->name);
    }
    int rc = durable_write(ca->fd, CA_INDEX, buf_span(&text), 0644, true, err);
    buf_done(&text);
    return rc;
}

const struct ca_entry *ca_newest(const struct ca *ca, const char *name) {
    for (size_t i = ca->entries.n; i > 0; i--) {
        const struct ca_entry *entry = &ca->entries.p[i - 1];
        if (entry->revoked_s == 0 && text_equal_nocase(entry->name, name))
            return entry;
    }
    return NULL;
}
