#include <stdio.h>

#include "door/cli/cli_int.h"

static const struct cli_column columns[] = {
    {"SERVER", "name", CLI_TEXT, false},
    {"VERSION", "version", CLI_TEXT, false},
    {"STATE", "state", CLI_TEXT, false},
    {"RUNNING SINCE", "started", CLI_TIME, false},
    {"COMPUTERS", "computers", CLI_NUMBER, false},
    {"GROUPS", "groups", CLI_NUMBER, false},
    {"SOURCES", "sources", CLI_NUMBER, false},
    {"POINTS", "points", CLI_NUMBER, false},
    {"JOBS RUNNING", "jobs_running", CLI_NUMBER, false},
    {"JOBS QUEUED", "jobs_queued", CLI_NUMBER, false},
    {"STORE", "store.path", CLI_TEXT, false},
    {"PACKS", "store.packs", CLI_NUMBER, false},
    {"PACK BYTES", "store.pack_bytes", CLI_SIZE, false},
    {"CHUNKS", "store.chunks", CLI_NUMBER, false},
    {"TRASH", "store.trash_bytes", CLI_SIZE, false},
    {"DISK FREE", "store.disk_free_bytes", CLI_SIZE, false},
    {NULL, NULL, CLI_TEXT, false},
};

int cli_status(struct cli *cli, struct err *err) {
    static const struct cli_listing listing = {.columns = columns, .id = "state"};
    json_t *status = NULL;
    if (cli_call(cli, "GET", "/v1/status", NULL, &status, err) != 0)
        return -1;
    cli_object(cli, status, &listing);
    size_t i;
    const json_t *note;
    json_array_foreach(json_object_get(status, "notes"), i, note) {
        if (!cli->json && !cli->quiet)
            (void)printf("! %s\n", json_string_value(note));
    }
    json_decref(status);
    return 0;
}
