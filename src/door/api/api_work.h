#pragma once
/* door/api/api_work -- the jobs that routes start, and their way to an agent. */
#include "door/api/api_int.h"

/* What a job's document collects while it runs; written by its own thread. */
struct work {
    struct api_world *world;
    struct job *job;
    json_t *result;
    char group[CATALOG_GROUP_MAX];
    VEC(struct catalog_source) sources;            /* backup */
    uint64_t done_entries, done_bytes, read_bytes; /* of sources before the one at hand */
    bool last;                                     /* none comes after it */
    /* restore */
    struct catalog_point point;
    char computer[CATALOG_NAME_MAX], target[CATALOG_PATH_MAX];
    struct buf selection;
    uint8_t existing, security;
    bool read_data; /* verify */
    bool what_if;   /* gc */
};

struct work *work_new(struct api_world *world);
void work_free(void *work);
void work_number(struct work *work, const char *key,
                 uint64_t more);      /* add to a number of the result */
void work_publish(struct work *work); /* the result as it is now */
/* Callbacks of flows; ctx is a struct work. */
void work_progress(void *ctx, const struct msg_progress *progress, uint64_t sent, uint64_t stored);
void work_problem(void *ctx, struct span path, int sys, struct span reason);
bool work_cancelled(void *ctx);
void work_cancel_channel(void *channel);

/* Dial the agent, order, and wait for its data connection. */
typedef int work_order_fn(struct work *work, struct channel *control,
                          const struct rpc_ticket *ticket, void *what, struct err *err);
[[nodiscard]] int work_meet(struct work *work, const char *computer, work_order_fn *order,
                            void *what, struct trust_computer *trust, struct channel **out,
                            struct err *err);
[[nodiscard]] int work_accepted(struct channel *control, struct err *err);
/* Queue it and answer with the job; takes `work`. */
[[nodiscard]] int work_start(struct api_world *world, enum job_kind kind, struct work *work,
                             job_fn *fn, const uint8_t (*needs)[16], size_t need_n,
                             const char *computer, struct rest_answer *answer, struct err *err);
