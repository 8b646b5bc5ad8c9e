#pragma once
/* Decoded segments of one reader, the least recently used going first. */
#include "base/base.h"

struct store_cache;
struct store_cache *store_cache_new(size_t bytes_max);
void store_cache_free(struct store_cache *cache);
/* The plain bytes of segment `key`, or NULL; valid until the next put. */
const struct buf *store_cache_get(struct store_cache *cache, uint64_t key);
/* Room for a new segment of n bytes; the caller fills it, or drops it by the same key. */
struct buf *store_cache_put(struct store_cache *cache, uint64_t key, size_t n);
void store_cache_drop(struct store_cache *cache, uint64_t key);
