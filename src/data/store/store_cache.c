#include "data/store/store_cache.h"

#define BUCKETS 1024u
#define NONE UINT32_MAX

struct entry {
    uint64_t key;
    struct buf plain;
    uint32_t newer, older; /* by use */
    uint32_t below;        /* next of the same bucket, or next free one */
};

struct store_cache {
    size_t bytes, bytes_max;
    uint32_t buckets[BUCKETS];
    uint32_t newest, oldest, free;
    VEC(struct entry) entries;
};

struct store_cache *store_cache_new(size_t bytes_max) {
    struct store_cache *cache = mem_new(sizeof *cache);
    cache->bytes_max = bytes_max;
    cache->newest = cache->oldest = cache->free = NONE;
    memset(cache->buckets, 0xff, sizeof cache->buckets);
    return cache;
}

void store_cache_free(struct store_cache *cache) {
    if (cache == NULL)
        return;
    for (size_t i = 0; i < cache->entries.n; i++)
        buf_done(&cache->entries.p[i].plain);
    vec_done(&cache->entries);
    mem_free(cache);
}

static uint32_t *bucket_of(struct store_cache *cache, uint64_t key) {
    return &cache->buckets[(key * 0x9e3779b97f4a7c15u) >> 54];
}

static void unlink_use(struct store_cache *cache, uint32_t i) {
    struct entry *entry = &cache->entries.p[i];
    if (entry->newer != NONE)
        cache->entries.p[entry->newer].older = entry->older;
    else
        cache->newest = entry->older;
    if (entry->older != NONE)
        cache->entries.p[entry->older].newer = entry->newer;
    else
        cache->oldest = entry->newer;
}

static void link_newest(struct store_cache *cache, uint32_t i) {
    struct entry *entry = &cache->entries.p[i];
    entry->newer = NONE;
    entry->older = cache->newest;
    if (cache->newest != NONE)
        cache->entries.p[cache->newest].newer = i;
    else
        cache->oldest = i;
    cache->newest = i;
}

static uint32_t find(struct store_cache *cache, uint64_t key) {
    uint32_t i = *bucket_of(cache, key);
    while (i != NONE && cache->entries.p[i].key != key)
        i = cache->entries.p[i].below;
    return i;
}

const struct buf *store_cache_get(struct store_cache *cache, uint64_t key) {
    uint32_t i = find(cache, key);
    if (i == NONE)
        return NULL;
    unlink_use(cache, i);
    link_newest(cache, i);
    return &cache->entries.p[i].plain;
}

/* Out of its lists; its memory stays for the next, that of an earlier one does not. */
static void retire(struct store_cache *cache, uint32_t i) {
    struct entry *entry = &cache->entries.p[i];
    uint32_t *p = bucket_of(cache, entry->key);
    while (*p != i)
        p = &cache->entries.p[*p].below;
    *p = entry->below;
    unlink_use(cache, i);
    cache->bytes -= entry->plain.cap;
    if (cache->free != NONE)
        buf_done(&cache->entries.p[cache->free].plain);
    entry->below = cache->free;
    cache->free = i;
}

void store_cache_drop(struct store_cache *cache, uint64_t key) {
    uint32_t i = find(cache, key);
    if (i != NONE) {
        retire(cache, i);
        buf_done(&cache->entries.p[i].plain);
    }
}

struct buf *store_cache_put(struct store_cache *cache, uint64_t key, size_t n) {
    INVARIANT(find(cache, key) == NONE);
    while (cache->oldest != NONE && cache->bytes + n > cache->bytes_max)
        retire(cache, cache->oldest);
    uint32_t i = cache->free;
    if (i != NONE) {
        cache->free = cache->entries.p[i].below;
    } else {
        i = (uint32_t)cache->entries.n;
        *vec_push(&cache->entries) = (struct entry){.key = 0};
    }
    struct entry *entry = &cache->entries.p[i];
    if (entry->plain.cap < n || entry->plain.cap / 4 > n) { /* too small, or a waste */
        buf_done(&entry->plain);
        entry->plain.p = mem_resize(NULL, n);
        entry->plain.cap = n;
    }
    entry->plain.n = n;
    entry->key = key;
    entry->below = *bucket_of(cache, key);
    *bucket_of(cache, key) = i;
    cache->bytes += entry->plain.cap;
    link_newest(cache, i);
    return &entry->plain;
}
