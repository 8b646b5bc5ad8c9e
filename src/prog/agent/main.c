#include "base/text.h"
#include "crypto/crypto.h"
#include "os/proc.h"
#include "os/sock.h"
#include "prog/agent/agent.h"

static struct tls_context *context(void *ctx) {
    struct agent *agent = ctx;
    return trust_agent_context(agent->trust);
}

static int identify(void *ctx, const struct tls *tls, char name[static 256], struct err *err) {
    struct agent *agent = ctx;
    struct trust_pin server;
    if (trust_agent_identify(agent->trust, tls, err) != 0)
        return -1;
    trust_agent_server(agent->trust, &server);
    (void)text_copy(name, 256, server.name);
    return 0;
}

static void refused(void *ctx, const char *peer, const struct err *why) {
    (void)ctx;
    agent_log("control connection from %s ended: %s: %s", peer, err_info(why->code)->symbol,
              why->text);
}

static int serve(struct agent *agent, struct err *err) {
    OS_FD_AUTO int signals = OS_FD_NONE;
    const struct args *args = agent->args;
    struct rpc_agent_opts opts = {.host = args_text(args, "listen"),
                                  .port = (uint16_t)args_number(args, "port", 0),
                                  .identity = agent->identity,
                                  .handlers = {.ctx = agent,
                                               .register_source = agent_register_source,
                                               .order_backup = agent_order_backup,
                                               .order_restore = agent_order_restore,
                                               .crl = agent_crl,
                                               .info = agent_info,
                                               .refused = refused}};
    if (os_signals_open(&signals, err) != 0 || rpc_agent_open(&opts, &agent->control, err) != 0)
        return -1;
    if (args_text(args, "pid-file") != NULL && os_pid_file(args_text(args, "pid-file"), err) != 0)
        return -1;
    agent_log("casemate-agent %s serves as %s on port %u", args_version(), agent->name,
              (unsigned)rpc_agent_port(agent->control));
    for (;;) {
        if (os_wait(signals, OS_WANT_READ, 0, err) != 0)
            return -1;
        enum os_signal got = os_signal_read(signals);
        if (got == OS_SIGNAL_STOP)
            return 0;
        if (got == OS_SIGNAL_RELOAD && trust_agent_reload(agent->trust, err) != 0)
            agent_log("reload failed, the old identity stays: %s", err->text);
    }
}

static int start(struct agent *agent, struct err *err) {
    AUTO(policy) *policy = NULL;
    struct trust_opts opts = {0};
    struct trust_identity own;
    if (policy_load(agent->policy_file, &policy, err) != 0) /* a mistake in it is told at start */
        return -1;
    if (os_dir_open(OS_FD_CWD, agent->state, &agent->state_fd, err) != 0 ||
        trust_agent_open(agent->state_fd, &opts, &agent->trust, err) != 0)
        return -1;
    trust_agent_identity(agent->trust, &own);
    (void)text_copy(agent->name, sizeof agent->name, own.name);
    (void)text_format(agent->software, sizeof agent->software, "casemate-agent %s", args_version());
    agent->identity = (struct rpc_identity){.ctx = agent,
                                            .context = context,
                                            .identify = identify,
                                            .own_name = agent->name,
                                            .software = agent->software};
    return serve(agent, err);
}

static int run(const struct args *args, struct err *err) {
    MEM_AUTO struct agent *agent = mem_new(sizeof *agent);
    agent->args = args;
    agent->state_fd = OS_FD_NONE;
    agent->policy_file = args_text(args, "policy");
    agent->state = args_text(args, "state");
    agent->workers = (unsigned)args_number(args, "threads", 0);
    os_mutex_init(&agent->mutex);
    os_harden();
    os_raise_file_limit();
    int rc = start(agent, err);
    rpc_agent_close(agent->control);
    agent_jobs_stop(agent);
    trust_agent_close(agent->trust);
    os_close(&agent->state_fd);
    os_mutex_done(&agent->mutex);
    return rc;
}

static int dispatch(const struct args *args, struct err *err) {
    const char *verb = args_command_name(args);
    if (text_equal(verb, "set-server"))
        return agent_set_server(args, err);
    if (text_equal(verb, "policy check"))
        return agent_policy_check(args, err);
    if (text_equal(verb, "config"))
        return agent_config(args, err);
    return run(args, err);
}

int main(int argc, char **argv) {
    crypto_start();
    struct err err = {0};
    AUTO(args) *args = NULL;
    int rc = args_parse(&spec_agent, argc, argv, &args, &err);
    if (rc == 0 && args_want(args) == ARGS_HELP) {
        SCOPED(buf) help = {0};
        args_help(args, &help);
        (void)printf("%s", buf_text(&help));
        return 0;
    }
    if (rc == 0 && args_want(args) == ARGS_VERSION) {
        (void)printf("casemate-agent %s\n", args_version());
        return 0;
    }
    if (rc == 0)
        rc = args_config_load(args, &err);
    if (rc == 0)
        rc = dispatch(args, &err);
    if (rc == 0)
        return 0;
    const struct err_info *info = err_info(err.code);
    (void)fprintf(stderr, "casemate-agent: %s\n  %s (%s, %u)\n", err.text, info->action,
                  info->symbol, info->number);
    return info->exit_status;
}
