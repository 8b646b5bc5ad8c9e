#pragma once
/* door/api, inside. */
#include "base/text.h"
#include "door/api/api.h"
#include "format/manifest/manifest.h"

/* ---- api_json.c: one function for each object of spec/api.yaml ---- */
json_t *json_of_computer(struct api_world *world, const struct catalog_computer *computer);
json_t *json_of_source(struct api_world *world, const struct catalog_source *source);
json_t *json_of_group(struct api_world *world, const struct catalog_group *group);
json_t *json_of_point(struct api_world *world, const struct catalog_point *point);
json_t *json_of_entry(const struct entry *entry);
void json_hex(json_t *object, const char *key, const uint8_t *p, size_t n);
void json_path(json_t *object, const char *key, struct span path);
void json_time(json_t *object, const char *key, int64_t unix_s); /* 0 = null */
void json_number(json_t *object, const char *key, uint64_t number);
void json_text(json_t *object, const char *key, const char *text); /* NULL or "" = null */

/* A listing being filled: `skip` from the request's `after`, at most `limit` items. */
struct page {
    json_t *items;
    uint64_t skip, limit, seen;
    bool more;
};
[[nodiscard]] int page_begin(struct page *page, const struct rest_request *request,
                             struct err *err);
/* For callbacks over all rows: false when the row is before the page or behind it. */
bool page_wants(struct page *page);
void page_answer(struct page *page, struct rest_answer *answer); /* next = a row number */

/* ---- api_select.c ---- */
/* The point that a selector means, narrowed by group, computer and source of the request. */
[[nodiscard]] int select_point(struct api_world *world, const struct rest_request *request,
                               const char *parameter, struct catalog_point *out, struct err *err);
/* group, computer, source of the request into a filter; source[16] is the filter's memory. */
[[nodiscard]] int select_filter(struct api_world *world, const struct rest_request *request,
                                struct catalog_point_filter *filter, uint8_t source[static 16],
                                struct err *err);

/* ---- api_look.c ---- */
/* A path as people give it, relative to the folder of the point; "/a/b/", "a/b" and its place on
 * the computer alike. */
struct span api_path_in_point(const struct catalog_point *point, struct span path);
/* Append the entry's path to an encoded selection; for a hard link also the path that holds its
 * content. */
[[nodiscard]] int api_select_entry(struct api_world *world, const struct catalog_point *point,
                                   struct span path, struct buf *selection, struct err *err);

/* ---- api_trust.c ---- */
/* The revocation lists we hold, to an agent: every contact brings them. */
[[nodiscard]] int api_send_crls(struct api_world *world, struct channel *control, struct err *err);
/* -1 when no credentials are configured; else the mutex is held until trust_give. */
[[nodiscard]] int trust_take(struct api_world *world, struct err *err) HANDS_OVER_LOCK;
void trust_give(struct api_world *world) HANDS_OVER_LOCK;
[[nodiscard]] int find_computer(struct api_world *world, const char *name,
                                struct catalog_computer *out, struct trust_computer *trust,
                                struct err *err);

/* ---- api_job.c ---- */
[[nodiscard]] int answer_job(struct api_world *world, const struct job_id *id,
                             struct rest_answer *answer, struct err *err);
/* Writes a line of the audit trail for a request that changes something; a failure is the
 * request's. */
[[nodiscard]] int audit(struct api_world *world, const struct rest_request *request,
                        struct err *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define HANDLER(name)                                                                              \
    int api_##name(void *ctx, const struct rest_request *request, struct rest_answer *answer,      \
                   struct err *err)
HANDLER(status);
HANDLER(computer_list);
HANDLER(computer_show);
HANDLER(computer_attach);
HANDLER(computer_remove);
HANDLER(computer_refresh);
HANDLER(source_list);
HANDLER(group_list);
HANDLER(group_create);
HANDLER(group_show);
HANDLER(group_modify);
HANDLER(group_remove);
HANDLER(backup);
HANDLER(point_list);
HANDLER(point_show);
HANDLER(point_problems);
HANDLER(point_delete);
HANDLER(ls);
HANDLER(cat);
HANDLER(restore);
HANDLER(diff);
HANDLER(find);
HANDLER(job_list);
HANDLER(job_show);
HANDLER(job_cancel);
HANDLER(verify);
HANDLER(gc);
HANDLER(credentials_show);
HANDLER(credentials_configure);
HANDLER(credentials_regenerate);
HANDLER(crl_list);
HANDLER(crl_set);
HANDLER(doctor);
HANDLER(doctor_computer);
