#pragma once
/* door/api -- what each route of spec/api.yaml does: requests become calls of control and flow,
 * results become JSON.
 * Owns: the handlers, the selectors of points, the jobs that routes start.
 * Knows nothing of: HTTP, sockets, how tables are kept.
 * Threads: handlers run in many threads at once; jobs in the job table's workers.
 * Lifetime: the world outlives the REST server and the job table.
 * Limits: those of spec/api.yaml. */
#include "base/base.h"
#include "control/job/job.h"
#include "control/trust/trust.h"
#include "data/catalog/catalog.h"
#include "data/ledger/ledger.h"
#include "data/store/store.h"
#include "door/rest/rest.h"
#include "door/rpc/rpc.h"
#include "os/os.h"

/* Everything a handler may use. */
struct api_world {
    const char *name; /* of the server */
    const char *version;
    int64_t started_s;
    uint16_t transfer_port;
    int state_fd;
    int64_t trash_window_s;
    bool crl_optional;
    struct store *store;
    const char *store_path;
    struct ledger *ledger;
    struct catalog *catalog;
    struct jobs *jobs;
    struct rpc_hub *hub;

    struct os_mutex mutex;
    struct trust_server *trust;     /* guarded by mutex; NULL until credentials are configured */
    struct rest *rest;              /* learns of a new certificate; NULL until it serves */
    struct tls_context *public_tls; /* guarded by mutex: what rest serves with */
};

/* [REST_ROUTE_N]; ctx of each is the struct api_world. */
extern rest_handler *const api_handlers[];

/* The identity that door/rpc presents: of this world. */
struct tls_context *api_tls_context(void *world);
[[nodiscard]] int api_identify(void *world, const struct tls *tls, char name[static 256],
                               struct err *err);
/* Take the trust folder as it is now (start, reload, after configure).  ERR_TRUST_UNSET. */
[[nodiscard]] int api_load_trust(struct api_world *world, struct err *err);
/* Give HTTPS the certificate in use, if there is one; after rest_open. */
[[nodiscard]] int api_serve_https(struct api_world *world, struct err *err);
