#include "format/manifest/manifest_int.h"

struct manifest_page *manifest_page_new(void) {
    return mem_new(sizeof(struct manifest_page));
}

void manifest_page_free(struct manifest_page *page) {
    if (page == NULL)
        return;
    manifest_leaf_in_done(&page->leaf);
    manifest_inner_in_done(&page->inner);
    mem_free(page);
}

int manifest_page_reopen(struct manifest_page *page, struct span bytes, struct err *err) {
    struct cursor c = cursor_of(bytes);
    if (bytes.n > MANIFEST_PAGE_BYTES_MAX)
        return ERR(err, ERR_FORMAT, "manifest page: %zu bytes are too many", bytes.n);
    uint8_t version = cursor_u8(&c);
    page->level = cursor_u8(&c);
    if (c.bad)
        return ERR(err, ERR_FORMAT, "manifest page: %zu bytes are too few", bytes.n);
    if (version != PAGE_VERSION)
        return ERR(err, ERR_FORMAT_VERSION, "manifest page: version %u is not known", version);
    if (page->level >= MANIFEST_DEPTH_MAX)
        return ERR(err, ERR_FORMAT, "manifest page: level %u is out of range", page->level);
    return page->level == 0 ? manifest_leaf_in_open(&page->leaf, c, err)
                            : manifest_inner_in_open(&page->inner, page->level, c, err);
}

int manifest_page_open(struct span bytes, struct manifest_page **out, struct err *err) {
    AUTO(manifest_page) *page = manifest_page_new();
    if (manifest_page_reopen(page, bytes, err) != 0)
        return -1;
    *out = TAKE(page);
    return 0;
}

int manifest_page_expect(struct manifest_page *page, const struct manifest_ref *ref,
                         struct err *err) {
    if (page->level != ref->level)
        return ERR(err, ERR_FORMAT, "manifest page: level %u where %u belongs", page->level,
                   ref->level);
    struct span first = {0};
    if (page->level > 0) {
        first = page->inner.children.p[0].first_path;
        if (!manifest_totals_equal(&page->inner.totals, &ref->totals))
            return ERR(err, ERR_FORMAT, "manifest page: its sums are not those its parent tells");
    } else {
        if (page->leaf.entry_n != ref->totals.entries)
            return ERR(err, ERR_FORMAT, "manifest page: %zu entries where %llu belong",
                       page->leaf.entry_n, (unsigned long long)ref->totals.entries);
        if (page->leaf.entry_n > 0 && manifest_leaf_in_first_path(&page->leaf, &first, err) != 0)
            return -1;
        page->leaf.expected = ref->totals;
        page->leaf.expects = true;
    }
    if (ref->first_path.p != NULL && !span_equal(first, ref->first_path))
        return manifest_refuse(err, ERR_FORMAT, first,
                               "a page that begins where its parent does not tell");
    return 0;
}

uint8_t manifest_page_level(const struct manifest_page *page) {
    return page->level;
}

size_t manifest_page_n(const struct manifest_page *page) {
    return page->level > 0 ? page->inner.children.n : page->leaf.entry_n;
}

const struct manifest_ref *manifest_page_child(const struct manifest_page *page, size_t i) {
    INVARIANT(page->level > 0 && i < page->inner.children.n);
    return &page->inner.children.p[i];
}

int manifest_page_next(struct manifest_page *page, const struct entry **entry, struct err *err) {
    INVARIANT(page->level == 0);
    return manifest_leaf_in_next(&page->leaf, entry, err);
}
