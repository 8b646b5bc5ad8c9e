/* What an administrator does on the protected computer. */
#include "base/text.h"
#include "os/proc.h"
#include "prog/agent/agent.h"

#define FILE_BYTES_MAX (1u << 20)

static int load(const struct args *args, const char *option, struct buf *to, struct err *err) {
    const char *path = args_text(args, option);
    if (path == NULL)
        return 0;
    return os_load(OS_FD_CWD, path, FILE_BYTES_MAX, to, err) != 0 ? ERR_NOTE(err, "--%s", option)
                                                                  : 0;
}

struct files {
    struct buf credential, certificate, key, anchors, crl, password, metadata;
};

static void files_done(struct files *files) {
    secret_wipe(files->key.p, files->key.n);
    secret_wipe(files->password.p, files->password.n);
    buf_done(&files->credential);
    buf_done(&files->certificate);
    buf_done(&files->key);
    buf_done(&files->anchors);
    buf_done(&files->crl);
    buf_done(&files->password);
    buf_done(&files->metadata);
}

static int load_all(const struct args *args, struct files *files, struct err *err) {
    if (load(args, "credential", &files->credential, err) != 0 ||
        load(args, "certificate", &files->certificate, err) != 0 ||
        load(args, "key", &files->key, err) != 0 ||
        load(args, "anchors", &files->anchors, err) != 0 ||
        load(args, "crl", &files->crl, err) != 0 ||
        load(args, "password-file", &files->password, err) != 0)
        return -1;
    while (files->password.n > 0 && files->password.p[files->password.n - 1] == '\n')
        files->password.n--;
    if (files->certificate.n == 0)
        return ERR(err, ERR_USAGE,
                   "--certificate is needed: the agent's certificate, PEM or PKCS#12");
    return 0;
}

int agent_set_server(const struct args *args, struct err *err) {
    SCOPED(files) files = {0};
    OS_FD_AUTO int state_fd = OS_FD_NONE;
    char path[OS_PATH_MAX];
    const char *state = args_text(args, "state");
    if (load_all(args, &files, err) != 0 || os_mkdirs(state, 0700, err) != 0 ||
        os_dir_open(OS_FD_CWD, state, &state_fd, err) != 0)
        return -1;
    struct trust_material material = {.certificate = buf_span(&files.certificate),
                                      .key = buf_span(&files.key),
                                      .anchors = buf_span(&files.anchors),
                                      .crl = buf_span(&files.crl),
                                      .password = buf_span(&files.password),
                                      .thumbprint = args_text(args, "thumbprint")};
    struct trust_opts opts = {.name = args_text(args, "name"),
                              .control_port = (uint16_t)args_number(args, "port", 135),
                              .transfer_port = 5719,
                              .allow_weak_key = args_flag(args, "allow-weak-key")};
    if (trust_agent_set_server(state_fd, buf_span(&files.credential), &material, &opts,
                               &files.metadata, err) != 0 ||
        trust_write_metadata(args_text(args, "output"), buf_span(&files.metadata), path, err) != 0)
        return -1;
    AUTO(trust_agent) *trust = NULL;
    struct trust_pin server;
    if (trust_agent_open(state_fd, &opts, &trust, err) != 0)
        return -1;
    trust_agent_server(trust, &server);
    (void)printf("server    %s (file transfer port %u)\n", server.name,
                 (unsigned)server.transfer_port);
    (void)printf("metadata  %s\n", path);
    (void)printf("next      take the metadata file to the server: casemate computer attach "
                 "--credential FILE\n");
    return 0;
}

int agent_policy_check(const struct args *args, struct err *err) {
    AUTO(policy) *policy = NULL;
    const char *file = args_text(args, "policy");
    bool json = args_flag(args, "json");
    if (policy_load(file, &policy, err) != 0)
        return -1;
    SCOPED(buf) out = {0};
    if (json)
        buf_printf(&out, "{\"name\": \"%s\", \"devices\": %s, \"set_id\": %s, \"paths\": [", file,
                   policy_allows_devices(policy) ? "true" : "false",
                   policy_allows_set_id(policy) ? "true" : "false");
    else
        buf_printf(&out, "%s is well formed\n", file);
    for (size_t i = 0; i < args_n(args, "PATH"); i++) {
        const char *path = args_item(args, "PATH", i);
        bool read = policy_allows_read(policy, path), restore = policy_allows_restore(policy, path);
        if (json) {
            buf_printf(&out, "%s{\"path\": \"", i > 0 ? ", " : "");
            text_escape(&out, span_text(path));
            buf_printf(&out, "\", \"read\": %s, \"restore\": %s}", read ? "true" : "false",
                       restore ? "true" : "false");
        } else {
            buf_printf(&out, "%-40s read %-4s restore %s\n", path, read ? "yes" : "no",
                       restore ? "yes" : "no");
        }
    }
    (void)printf("%s%s", buf_text(&out), json ? "]}\n" : "");
    return 0;
}

static void print_value(void *ctx, const char *name, const char *value, const char *origin) {
    (void)ctx;
    (void)printf("%-16s %-40s %s\n", name, value != NULL ? value : "-", origin);
}

int agent_config(const struct args *args, struct err *err) {
    (void)err;
    args_values(args, print_value, NULL);
    return 0;
}
