/* Orders of the server: judged by the local policy, then run in a thread of their own. */
#include <stdarg.h>

#include "base/text.h"
#include "flow/backup/backup.h"
#include "flow/restore/restore.h"
#include "os/proc.h"
#include "prog/agent/agent.h"

void agent_log(const char *format, ...) {
    char time[TEXT_SIZE_MAX], line[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    (void)fprintf(stderr, "%s %s\n", text_time(time, os_wall_s()), line);
}

/* The policy is read at every use: its owner may change it at any time. */
static int check_policy(const struct agent *agent, const char *path, bool restore,
                        struct err *err) {
    AUTO(policy) *policy = NULL;
    if (policy_load(agent->policy_file, &policy, err) != 0)
        return -1;
    bool allowed = restore
                       ? policy_allows_restore(policy, path) || policy_allows_original(policy, path)
                       : policy_allows_read(policy, path);
    if (allowed)
        return 0;
    return ERR(err, ERR_POLICY_DENIED, "the policy of %s does not permit %s %s", agent->name,
               restore ? "restoring to" : "reading", path);
}

int agent_register_source(void *ctx, const struct msg_register_source *message, struct err *err) {
    struct agent *agent = ctx;
    SCOPED(source) source = {0};
    memcpy(source.id, message->source, sizeof source.id);
    source.one_file_system = message->one_file_system != 0;
    source.exclude_caches = message->exclude_caches != 0;
    if (!frame_text(source.path, sizeof source.path, message->path))
        return ERR(err, ERR_USAGE, "path is too long");
    if (check_policy(agent, source.path, false, err) != 0 ||
        source_set_excludes(&source, message->excludes, err) != 0)
        return -1;
    SCOPED(source) known = {0};
    if (source_load(agent->state_fd, source.id, &known, NULL) == 0 && source_equal(&known, &source))
        return 0;
    return source_save(agent->state_fd, &source, err);
}

static int sign(void *ctx, struct span bytes, struct signature *out, struct err *err) {
    struct agent *agent = ctx;
    return trust_agent_sign(agent->trust, bytes, out, err);
}

static int run_backup(struct agent_job *job, struct channel *channel, struct err *err) {
    struct agent *agent = job->agent;
    SCOPED(source) source = {0};
    struct source_head remembered;
    struct trust_identity own;
    struct trust_pin server;
    trust_agent_identity(agent->trust, &own);
    trust_agent_server(agent->trust, &server);
    if (source_load(agent->state_fd, job->source, &source, err) != 0 ||
        check_policy(agent, source.path, false, err) != 0 ||
        source_head_load(agent->state_fd, job->source, &remembered, err) != 0)
        return -1;
    struct backup_order order = {.computer = agent->name,
                                 .root = source.path,
                                 .scan = {.one_file_system = source.one_file_system,
                                          .exclude_caches = source.exclude_caches,
                                          .excludes = source.excludes.p,
                                          .exclude_n = source.excludes.n},
                                 .signer = {.ctx = agent, .sign = sign, .key = own.signing_key},
                                 .server_key = server.signing_key,
                                 .workers = agent->workers};
    memcpy(order.job, job->job, sizeof order.job);
    memcpy(order.source, job->source, sizeof order.source);
    struct backup_head head = {.sequence = remembered.sequence, .commit = remembered.commit};
    struct backup_result result;
    if (backup_run(channel, &order, &head, &result, err) != 0)
        return -1;
    if (result.regressed)
        agent_log("WARNING source=%s: the server's newest point is older than the one it "
                  "acknowledged before",
                  source.path);
    agent_log("backup of %s: point %llu, %llu files, %llu bytes, %llu problems", source.path,
              (unsigned long long)head.sequence, (unsigned long long)result.totals.files,
              (unsigned long long)result.totals.bytes, (unsigned long long)result.problems);
    remembered = (struct source_head){.sequence = head.sequence, .commit = head.commit};
    return source_head_save(agent->state_fd, job->source, &remembered, err);
}

static int run_restore(struct agent_job *job, struct channel *channel, struct err *err) {
    struct agent *agent = job->agent;
    AUTO(policy) *policy = NULL;
    struct trust_identity own;
    struct trust_pin server;
    struct apply_totals totals;
    trust_agent_identity(agent->trust, &own);
    trust_agent_server(agent->trust, &server);
    if (check_policy(agent, job->target, true, err) != 0 ||
        policy_load(agent->policy_file, &policy, err) != 0)
        return -1;
    struct restore_order order = {.target = job->target,
                                  .only_original = !policy_allows_restore(policy, job->target),
                                  .allow_devices = policy_allows_devices(policy),
                                  .allow_set_id = policy_allows_set_id(policy),
                                  .own_key = own.signing_key,
                                  .server_key = server.signing_key,
                                  .workers = agent->workers};
    if (restore_run(channel, &order, &totals, err) != 0)
        return -1;
    agent_log("restore to %s: %llu done, %llu skipped, %llu refused, %llu failed", job->target,
              (unsigned long long)totals.done, (unsigned long long)totals.skipped,
              (unsigned long long)totals.refused, (unsigned long long)totals.failed);
    return 0;
}

/* False when the agent is stopping. */
static bool hold_channel(struct agent_job *job, struct channel *channel) {
    os_mutex_lock(&job->agent->mutex);
    bool go_on = !job->agent->stop;
    if (go_on || channel == NULL)
        job->channel = channel;
    os_mutex_unlock(&job->agent->mutex);
    return go_on;
}

static int run_job(struct agent_job *job, struct err *err) {
    struct agent *agent = job->agent;
    struct trust_pin server;
    AUTO(channel) *channel = NULL;
    trust_agent_server(agent->trust, &server);
    if (rpc_attach(&agent->identity, server.name, server.name, server.transfer_port, job->job,
                   &job->ticket, &channel, err) != 0)
        return -1;
    if (!hold_channel(job, channel))
        return ERR(err, ERR_INTERRUPTED, "the agent is stopping");
    int rc = job->restore ? run_restore(job, channel, err) : run_backup(job, channel, err);
    if (rc != 0)
        channel_refuse(channel, err); /* what failed before the flow began; else it has been said */
    (void)hold_channel(job, NULL);
    return rc;
}

static void job_main(void *arg) {
    struct agent_job *job = arg;
    struct err err;
    if (run_job(job, &err) != 0)
        agent_log("%s failed: %s: %s", job->restore ? "restore" : "backup",
                  err_info(err.code)->symbol, err.text);
    os_mutex_lock(&job->agent->mutex);
    job->ended = true;
    os_mutex_unlock(&job->agent->mutex);
}

/* Take a free place; threads of ended jobs are joined on the way. */
static struct agent_job *take_place(struct agent *agent) {
    struct agent_job *found = NULL;
    os_mutex_lock(&agent->mutex);
    for (size_t i = 0; i < AGENT_JOBS_MAX && !agent->stop; i++) {
        struct agent_job *job = &agent->jobs[i];
        if (job->used && job->ended) {
            os_thread_join(&job->thread);
            job->used = false;
        }
        if (!job->used && found == NULL)
            found = job;
    }
    if (found != NULL)
        *found = (struct agent_job){.agent = agent, .used = true};
    os_mutex_unlock(&agent->mutex);
    return found;
}

static int start(struct agent *agent, const struct agent_job *order, struct err *err) {
    struct agent_job *job = take_place(agent);
    if (job == NULL)
        return ERR(err, ERR_LIMIT, "%u jobs run on this computer already", AGENT_JOBS_MAX);
    memcpy(job->job, order->job, sizeof job->job);
    memcpy(job->source, order->source, sizeof job->source);
    memcpy(job->target, order->target, sizeof job->target);
    job->ticket = order->ticket;
    job->restore = order->restore;
    if (os_thread_start(&job->thread, "job", job_main, job, err) == 0)
        return 0;
    os_mutex_lock(&agent->mutex);
    job->used = false;
    os_mutex_unlock(&agent->mutex);
    return -1;
}

int agent_order_backup(void *ctx, const struct msg_order_backup *message, struct err *err) {
    struct agent *agent = ctx;
    SCOPED(source) source = {0};
    struct agent_job order = {.ticket = message->ticket};
    memcpy(order.job, message->job, sizeof order.job);
    memcpy(order.source, message->source, sizeof order.source);
    if (source_load(agent->state_fd, message->source, &source, err) != 0 ||
        check_policy(agent, source.path, false, err) != 0)
        return -1;
    return start(agent, &order, err);
}

int agent_order_restore(void *ctx, const struct msg_order_restore *message, struct err *err) {
    struct agent *agent = ctx;
    struct agent_job order = {.ticket = message->ticket, .restore = true};
    memcpy(order.job, message->job, sizeof order.job);
    if (!frame_text(order.target, sizeof order.target, message->target))
        return ERR(err, ERR_USAGE, "path is too long");
    if (check_policy(agent, order.target, true, err) != 0)
        return -1;
    return start(agent, &order, err);
}

int agent_crl(void *ctx, struct span pem, struct err *err) {
    struct agent *agent = ctx;
    if (trust_agent_put_crl(agent->trust, pem, err) == 0 || err->code == ERR_EXISTS)
        return 0;
    agent_log("revocation lists of the server were not taken: %s", err->text);
    return 0; /* the ones we hold go on counting */
}

int agent_info(void *ctx, struct buf *body, struct err *err) {
    char host[256];
    (void)ctx, (void)err;
    msg_info_put(body, &(struct msg_info){.host = span_text(os_host_name(host)),
                                          .platform = span_text("linux"),
                                          .clock_s = os_wall_s(),
                                          .root = os_uid() == 0});
    return 0;
}

void agent_jobs_stop(struct agent *agent) {
    os_mutex_lock(&agent->mutex);
    agent->stop = true;
    for (size_t i = 0; i < AGENT_JOBS_MAX; i++)
        if (agent->jobs[i].used && agent->jobs[i].channel != NULL)
            channel_cancel(agent->jobs[i].channel);
    os_mutex_unlock(&agent->mutex);
    for (size_t i = 0; i < AGENT_JOBS_MAX; i++)
        os_thread_join(&agent->jobs[i].thread);
}
