#include "base/base.h"
#include "base/text.h"
#include "data/scan/scan.h"

/* Images and databases change in place, page by page: equal blocks stay equal at their offsets.
 * What a content-defined cut gains elsewhere (bytes moved) does not happen in them. */

#define PAGE 8192u
#define RAW_BYTES_MIN (1u << 20)

static uint16_t le16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p) {
    return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

static bool has_at(struct span s, size_t at, const void *magic, size_t n) {
    return s.n >= at + n && memcmp(s.p + at, magic, n) == 0;
}

static bool has_magic(struct span s) {
    static const struct {
        size_t at;
        const char *bytes;
        size_t n;
    } known[] = {
        {0, "SQLite format 3", 16},
        {0, "QFI\xfb", 4},  /* qcow2 */
        {0, "KDMV", 4},     /* vmdk */
        {0, "COWD", 4},     /* vmdk of ESX */
        {0, "conectix", 8}, /* vhd, dynamic: begins with a copy of its footer */
        {0, "vhdxfile", 8},
        {64, "\x7f\x10\xda\xbe", 4}, /* vdi */
        {0, "XFSB", 4},
        {0, "LUKS\xba\xbe", 6},
        {512, "LABELONE", 8}, /* LVM */
        {512, "EFI PART", 8}, /* GPT behind a protective MBR */
        {4096, "EFI PART", 8},
    };
    for (size_t i = 0; i < ARRAY_N(known); i++)
        if (has_at(s, known[i].at, known[i].bytes, known[i].n))
            return true;
    return false;
}

/* A partition table that could be one: the signature alone is in many boot loaders' files. */
static bool is_mbr(struct span s) {
    if (!has_at(s, 510, "\x55\xaa", 2))
        return false;
    bool used = false;
    for (size_t at = 446; at < 510; at += 16) {
        const uint8_t *part = s.p + at;
        if ((part[0] & 0x7f) != 0)
            return false;
        if (part[4] == 0)
            continue;
        if (le32(part + 8) == 0 || le32(part + 12) == 0)
            return false;
        used = true;
    }
    return used;
}

static bool is_ext(struct span s) {
    if (s.n < 1024 + 80)
        return false;
    const uint8_t *super = s.p + 1024;
    return le16(super + 56) == 0xef53 && le32(super) > 0 && le32(super + 4) > 0 &&
           le32(super + 24) <= 6 && le32(super + 76) <= 1;
}

static bool is_zero(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static bool is_heap_page(const uint8_t *page) {
    uint16_t flags = le16(page + 10), lower = le16(page + 12), upper = le16(page + 14),
             special = le16(page + 16), size_version = le16(page + 18);
    return (flags & ~7u) == 0 && 24 <= lower && lower <= upper && upper <= special &&
           special <= PAGE && (size_version & 0xff00) == PAGE && (size_version & 0xff) >= 1 &&
           (size_version & 0xff) <= 5;
}

/* PostgreSQL: every page has the header; pages that were only reserved are zero. */
static bool is_postgres(struct span s) {
    size_t pages = 0;
    for (size_t at = 0; at + PAGE <= s.n; at += PAGE) {
        if (is_heap_page(s.p + at))
            pages++;
        else if (at == 0 || !is_zero(s.p + at, PAGE))
            return false;
    }
    return pages >= 2 || (pages == 1 && s.n < 2 * PAGE);
}

/* InnoDB: page 0 is the space header, and says its space twice. */
static bool is_innodb(struct span s) {
    if (s.n < 4096 || be16_get(s.p + 24) != 8 || be32_get(s.p + 4) != 0 ||
        be32_get(s.p + 34) != be32_get(s.p + 38))
        return false;
    return be64_get(s.p + 16) != 0; /* it has been written: a log number */
}

static bool name_says(const char *name, uint64_t size) {
    static const char *const endings[] = {
        ".qcow",   ".qcow2",   ".vmdk", ".vhd", ".vhdx", ".avhd", ".avhdx", ".vdi",
        ".sqlite", ".sqlite3", ".ibd",  ".mdf", ".ndf",  ".ldf",  ".edb",   ".fdb",
    };
    static const char *const raw[] = {".img", ".raw", ".dd"};
    const char *dot = strrchr(name, '.');
    if (dot == NULL)
        return text_starts(name, "ibdata") && size >= RAW_BYTES_MIN;
    for (size_t i = 0; i < ARRAY_N(endings); i++)
        if (text_equal_nocase(dot, endings[i]))
            return true;
    /* An image fills whole sectors; a photo or a compressed boot image hardly ever does. */
    for (size_t i = 0; i < ARRAY_N(raw); i++)
        if (text_equal_nocase(dot, raw[i]))
            return size >= RAW_BYTES_MIN && size % 512 == 0;
    return false;
}

bool scan_wants_fixed(const struct scan_entry *entry, struct span first_bytes) {
    return name_says(entry->name, entry->meta.size) || has_magic(first_bytes) ||
           is_mbr(first_bytes) || is_ext(first_bytes) || is_postgres(first_bytes) ||
           is_innodb(first_bytes);
}
