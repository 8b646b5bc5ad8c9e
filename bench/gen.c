/* Makes the synthetic data sets of the benchmark, the same bytes for the same seed.
 *
 *   gen tree DIR FILES DIRS BYTES_MEAN SEED   small text files, sizes even from 0 to twice the mean
 *   gen db FILE FIRST_PAGE PAGES SEED         appends pages as PostgreSQL's heap has them
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORDS_N 24000u
#define WORD_MAX 16u
#define PAGE_BYTES 8192u
#define PAGE_HEADER_BYTES 24u
#define TUPLE_HEADER_BYTES 24u
#define TUPLE_BYTES_MAX 512u
#define TREE_FAN_OUT 9u
#define FILE_BYTES_MAX (1u << 20)

struct random {
    uint64_t state;
};

static uint64_t next(struct random *r) { /* splitmix64 */
    uint64_t z = r->state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint32_t below(struct random *r, uint32_t n) {
    return (uint32_t)(((next(r) >> 32) * n) >> 32);
}

_Noreturn static void fail(const char *what) {
    perror(what);
    exit(1);
}

static char words[WORDS_N][WORD_MAX];

static void make_words(void) {
    static const char *const parts[] = {"con",  "ter", "re",   "a",  "ing", "de",  "sta",
                                        "tion", "e",   "pro",  "li", "mo",  "ble", "in",
                                        "o",    "ver", "ment", "su", "ra",  "t",   "ful",
                                        "un",   "ci",  "per",  "is", "al",  "ness"};
    struct random r = {.state = 1};
    for (uint32_t i = 0; i < WORDS_N; i++) {
        uint32_t n = 1 + below(&r, 3);
        words[i][0] = 0;
        for (uint32_t k = 0; k < n; k++) {
            size_t used = strlen(words[i]);
            (void)snprintf(words[i] + used, WORD_MAX - used, "%s",
                           parts[below(&r, sizeof parts / sizeof parts[0])]);
        }
    }
}

/* Frequent words are frequent: the index falls off like one over rank. */
static const char *word(struct random *r) {
    uint32_t bits = 1 + below(r, 15);
    return words[(((uint32_t)1 << bits) + below(r, (uint32_t)1 << bits)) % WORDS_N];
}

/* One word, number, hexadecimal or base-64 token into at least 40 bytes; its length. */
static size_t token(struct random *r, char *to) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t kind = below(r, 100);
    if (kind < 74)
        return (size_t)sprintf(to, "%s", word(r));
    if (kind < 84)
        return (size_t)sprintf(to, "%s_%s", word(r), word(r));
    if (kind < 93)
        return (size_t)sprintf(to, "%u", below(r, kind < 89 ? 1000 : 100000000));
    if (kind < 98)
        return (size_t)sprintf(to, "0x%08x", below(r, UINT32_MAX));
    for (int i = 0; i < 20; i++)
        to[i] = letters[below(r, 64)];
    return 20;
}

/* Text in indented lines, exactly n bytes. */
static void text(struct random *r, char *to, size_t n) {
    static const char *const ends[] = {";\n", ",\n", "\n", " {\n", ")\n", ":\n", ".\n", "\n\n"};
    char line[512];
    for (size_t done = 0; done < n;) {
        size_t used = (size_t)sprintf(line, "%*s", (int)(4 * below(r, 4)), "");
        for (uint32_t i = 1 + below(r, 10); i > 0; i--) {
            used += token(r, line + used);
            line[used++] = i % 4 == 3 ? '=' : ' ';
        }
        used += (size_t)sprintf(line + used, "%s", ends[below(r, 8)]);
        size_t take = used < n - done ? used : n - done;
        memcpy(to + done, line, take);
        done += take;
    }
}

static void put_all(int fd, const void *bytes, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t w = write(fd, (const char *)bytes + done, n - done);
        if (w < 0)
            fail("write");
        done += (size_t)w;
    }
}

/* Path of directory i below the root: parents have smaller numbers. */
static void dir_path(char *to, size_t size, uint32_t i) {
    char tail[512] = "", longer[512];
    for (; i > 0; i = (i - 1) / TREE_FAN_OUT) {
        (void)snprintf(longer, sizeof longer, "%s-%u/%s", words[i % WORDS_N], i, tail);
        (void)snprintf(tail, sizeof tail, "%s", longer);
    }
    (void)snprintf(to, size, "%s", tail);
}

static void make_tree(const char *root, uint32_t files_n, uint32_t dirs_n, uint32_t mean,
                      uint64_t seed) {
    static const char *const suffixes[] = {".c", ".h", ".json", ".txt", ".md", ".cfg", ".py", ""};
    static char content[FILE_BYTES_MAX];
    struct random r = {.state = seed};
    char dir[600], path[1200];
    if (mean == 0 || 2 * mean > FILE_BYTES_MAX || dirs_n == 0 || chdir(root) != 0)
        fail(root);
    for (uint32_t i = 1; i < dirs_n; i++) {
        dir_path(dir, sizeof dir, i);
        if (mkdir(dir, 0755) != 0)
            fail(dir);
    }
    for (uint32_t i = 0; i < files_n; i++) {
        dir_path(dir, sizeof dir, (uint32_t)((uint64_t)i * dirs_n / files_n));
        (void)snprintf(path, sizeof path, "%s%s_%u%s", dir, word(&r), i, suffixes[below(&r, 8)]);
        int fd =
            open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, below(&r, 20) == 0 ? 0755 : 0644);
        if (fd < 0)
            fail(path);
        uint32_t size = below(&r, 2 * mean);
        text(&r, content, size);
        put_all(fd, content, size);
        if (close(fd) != 0)
            fail(path);
    }
}

static void le16(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static void le32(uint8_t *p, uint32_t v) {
    le16(p, v & 0xffff);
    le16(p + 2, v >> 16);
}
static void le64(uint8_t *p, uint64_t v) {
    le32(p, (uint32_t)v);
    le32(p + 4, (uint32_t)(v >> 32));
}

/* A text column: one-byte header for short values. */
static size_t varlena(uint8_t *to, const char *value, size_t n) {
    to[0] = (uint8_t)((n + 1) << 1 | 1);
    memcpy(to + 1, value, n);
    return n + 1;
}

/* An order: id, customer, time, amount, uuid, state, e-mail address, note.  Its length. */
static size_t tuple(struct random *r, uint8_t *to, uint64_t id, uint32_t page, uint32_t item) {
    static const char *const states[] = {"new",     "paid",      "packed",
                                         "shipped", "delivered", "returned"};
    char value[120];
    memset(to, 0, TUPLE_HEADER_BYTES);
    le32(to, 700 + page / 50); /* xmin */
    le32(to + 12, page);       /* ctid: block */
    le16(to + 16, item);       /*       item */
    le16(to + 18, 8);          /* columns */
    le16(to + 20, 0x0902);     /* committed, has variable width */
    to[22] = TUPLE_HEADER_BYTES;
    size_t n = TUPLE_HEADER_BYTES;
    le64(to + n, id);
    le64(to + n + 8, 700000000000000 + id * 1000003 + below(r, 900000)); /* microseconds */
    le32(to + n + 16, below(r, 400000));
    le32(to + n + 20, 100 + below(r, 1000) * below(r, 100));
    le64(to + n + 24, next(r));
    le64(to + n + 32, next(r));
    n += 40;
    const char *state = states[below(r, 6)];
    n += varlena(to + n, state, strlen(state));
    int used = snprintf(value, sizeof value, "%s.%s%u@example.%s", word(r), word(r), below(r, 1000),
                        below(r, 2) == 0 ? "com" : "org");
    n += varlena(to + n, value, (size_t)used);
    size_t note = below(r, 100);
    text(r, value, note);
    n += varlena(to + n, value, note);
    return (n + 7) & ~(size_t)7;
}

static void make_page(struct random *r, uint8_t page[static PAGE_BYTES], uint32_t number) {
    memset(page, 0, PAGE_BYTES);
    size_t lower = PAGE_HEADER_BYTES, upper = PAGE_BYTES;
    for (uint32_t item = 1;; item++) {
        uint8_t row[TUPLE_BYTES_MAX] = {0};
        size_t n = tuple(r, row, (uint64_t)number * 50 + item, number, item);
        if (lower + 4 + n > upper)
            break;
        upper -= n;
        memcpy(page + upper, row, n);
        le32(page + lower, (uint32_t)(upper | 1u << 15 | n << 17)); /* offset, normal, length */
        lower += 4;
    }
    le32(page, 1);                                              /* log position, high half */
    le32(page + 4, number * PAGE_BYTES + below(r, PAGE_BYTES)); /* and low */
    le16(page + 12, (uint32_t)lower);
    le16(page + 14, (uint32_t)upper);
    le16(page + 16, PAGE_BYTES);
    le16(page + 18, PAGE_BYTES | 4); /* layout version 4 */
}

static void make_db(const char *path, uint32_t first, uint32_t pages_n, uint64_t seed) {
    static uint8_t block[128][PAGE_BYTES];
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        fail(path);
    for (uint32_t i = 0; i < pages_n;) {
        uint32_t n = pages_n - i < 128 ? pages_n - i : 128;
        for (uint32_t k = 0; k < n; k++, i++) {
            struct random r = {.state = seed * 1000003 + first + i};
            make_page(&r, block[k], first + i);
        }
        put_all(fd, block, (size_t)n * PAGE_BYTES);
    }
    if (close(fd) != 0)
        fail(path);
}

static uint32_t number(const char *s) {
    char *end;
    unsigned long v = strtoul(s, &end, 10);
    if (*s == 0 || *end != 0 || v > UINT32_MAX) {
        (void)fprintf(stderr, "gen: not a number: %s\n", s);
        exit(2);
    }
    return (uint32_t)v;
}

int main(int argc, char **argv) {
    make_words();
    if (argc == 7 && strcmp(argv[1], "tree") == 0) {
        make_tree(argv[2], number(argv[3]), number(argv[4]), number(argv[5]), number(argv[6]));
    } else if (argc == 6 && strcmp(argv[1], "db") == 0) {
        make_db(argv[2], number(argv[3]), number(argv[4]), number(argv[5]));
    } else {
        (void)fprintf(stderr, "usage: gen tree DIR FILES DIRS BYTES_MEAN SEED\n"
                              "       gen db FILE FIRST_PAGE PAGES SEED\n");
        return 2;
    }
    return 0;
}
