#pragma once
/* prog/agent -- the protection agent: reads its options, builds the world, serves until told to
 * stop.
 * Owns: the process, its threads for jobs, the glue between orders and flows.
 * Knows nothing of: what the flows do inside.
 * Threads: main waits for signals; the control listener starts a thread per order, at most
 *   AGENT_JOBS_MAX.
 * Lifetime: the process.
 * Limits: AGENT_JOBS_MAX. */
#include "control/source/source.h"
#include "control/trust/policy.h"
#include "control/trust/trust.h"
#include "door/args/args.h"
#include "door/rpc/rpc.h"
#include "os/os.h"

#define AGENT_JOBS_MAX 8u

struct agent;

struct agent_job {
    struct agent *agent;
    struct os_thread thread;
    bool used, ended; /* guarded by agent.mutex */
    uint8_t job[16];
    struct digest ticket;
    uint8_t source[16]; /* backup */
    char target[4096];  /* restore */
    bool restore;
    struct channel *channel; /* while it runs; guarded */
};

struct agent {
    const struct args *args;
    int state_fd;
    const char *state, *policy_file;
    char name[256]; /* own, as attached */
    char software[64];
    struct trust_agent *trust;
    struct os_mutex mutex;
    bool stop;
    struct agent_job jobs[AGENT_JOBS_MAX];
    struct rpc_identity identity;
    struct rpc_agent *control;
    unsigned workers;
};

/* ---- agent_job.c: orders, policy, running them ---- */
[[nodiscard]] int agent_register_source(void *agent, const struct msg_register_source *message,
                                        struct err *err);
[[nodiscard]] int agent_order_backup(void *agent, const struct msg_order_backup *message,
                                     struct err *err);
[[nodiscard]] int agent_order_restore(void *agent, const struct msg_order_restore *message,
                                      struct err *err);
[[nodiscard]] int agent_crl(void *agent, struct span pem, struct err *err);
[[nodiscard]] int agent_info(void *agent, struct buf *body, struct err *err);
void agent_jobs_stop(struct agent *agent);
void agent_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* ---- agent_verbs.c ---- */
[[nodiscard]] int agent_set_server(const struct args *args, struct err *err);
[[nodiscard]] int agent_policy_check(const struct args *args, struct err *err);
[[nodiscard]] int agent_config(const struct args *args, struct err *err);
