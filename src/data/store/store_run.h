#pragma once
/* The layout of a run, shared by its reader and its writer. */
#include "data/store/store_int.h"

#define STORE_RUN_VERSION 1u
#define STORE_RUN_ROW_BYTES 32u
#define STORE_RUN_PACK_BYTES 72u

struct store_run_head {
    uint8_t store[16], salt[16];
    uint64_t low, high, row_n;
    uint32_t page_n, pack_n, filter_n;
    struct digest tables;
};
void store_run_head_put(uint8_t to[static STORE_PAGE_BYTES], const struct store_run_head *head,
                        const struct secret *file_key);
/* ERR_STORE_CORRUPT, ERR_FORMAT_VERSION. */
[[nodiscard]] int store_run_head_get(const uint8_t in[static STORE_PAGE_BYTES],
                                     const struct secret *file_key, struct store_run_head *head,
                                     struct err *err);
void store_run_page_key(const struct store_run_head *head, const struct secret *file_key,
                        uint8_t key[static 32]);
/* Count, number and hash behind the rows. */
void store_run_page_close(uint8_t page[static STORE_PAGE_BYTES], uint32_t row_n, uint32_t page_i,
                          const uint8_t key[static 32]);
void store_run_row_put(uint8_t to[static STORE_RUN_ROW_BYTES], const struct store_row *row,
                       uint32_t pack_i);
void store_run_pack_put(uint8_t to[static STORE_RUN_PACK_BYTES], const struct store_pack *pack);
