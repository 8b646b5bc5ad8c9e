#include <string.h>

#include "door/cli/cli_int.h"

#define CURRENT_MIN 12u /* fewer columns say nothing of a path */

void cli_progress_of(const json_t *job, struct cli_progress *progress) {
    const json_t *total = cli_field(job, "progress.bytes_total");
    progress->kind = cli_field_text(job, "kind");
    progress->entries_done = cli_field_number(job, "progress.entries_done");
    progress->entries_found = cli_field_number(job, "progress.entries_found");
    progress->bytes_done = cli_field_number(job, "progress.bytes_done");
    progress->total_known = json_is_integer(total);
    progress->bytes_total = cli_field_number(job, "progress.bytes_total");
    progress->current = cli_field_text(job, "progress.current");
}

/* Of bytes, or of entries where there are no bytes; false while the end is not known. */
static bool percent_of(const struct cli_progress *p, unsigned *percent) {
    if (!p->total_known)
        return false;
    uint64_t done = p->bytes_total > 0 ? p->bytes_done : p->entries_done;
    uint64_t all = p->bytes_total > 0 ? p->bytes_total : p->entries_found;
    if (all == 0)
        return false;
    *percent = done >= all ? 100 : (unsigned)((double)done * 100 / (double)all);
    return true;
}

/* The end of a path that fits, cut between characters. */
static void put_current(const char *current, size_t columns, struct buf *out) {
    size_t width = cli_width(current);
    if (columns < CURRENT_MIN || width == 0)
        return;
    buf_printf(out, "  ");
    if (width > columns) {
        buf_printf(out, "...");
        for (size_t skip = width - columns + 3; skip > 0; current++)
            if (((uint8_t)current[1] & 0xc0) != 0x80)
                skip--;
    }
    buf_printf(out, "%s", current);
}

void cli_progress_line(const struct cli_progress *p, size_t columns, struct buf *out) {
    char done[TEXT_SIZE_MAX], total[TEXT_SIZE_MAX], rate[TEXT_SIZE_MAX], eta[TEXT_SIZE_MAX];
    unsigned percent = 0;
    size_t start = out->n;
    buf_printf(out, "%s", p->kind);
    if (percent_of(p, &percent))
        buf_printf(out, " %u%%", percent);
    buf_printf(out, "  %llu", (unsigned long long)p->entries_done);
    if (p->entries_found > p->entries_done)
        buf_printf(out, "/%llu", (unsigned long long)p->entries_found);
    buf_printf(out, " files  %s", text_size(done, p->bytes_done));
    if (p->total_known && p->bytes_total > 0)
        buf_printf(out, "/%s", text_size(total, p->bytes_total));
    buf_printf(out, "  %s/s", text_size(rate, p->rate_bps));
    if (p->total_known && p->rate_bps > 0 && p->bytes_total > p->bytes_done)
        buf_printf(out, "  ETA %s",
                   text_duration(eta, (p->bytes_total - p->bytes_done) / p->rate_bps));
    size_t used = out->n - start;
    if (columns > used + 2)
        put_current(p->current, columns - used - 2, out);
    if (used > columns)
        out->n = start + columns; /* everything up to here is ASCII */
}
