#pragma once
/* door/cli -- the command line `casemate`: fills a request, calls the server, prints.
 * Owns: one file for each noun of spec/command.yaml, tables and JSON on standard output, the
 *   progress of jobs, the HTTP client.
 * Knows nothing of: the store, the catalog, the agent; everything comes from the REST interface.
 * Threads: one.
 * Lifetime: one command.
 * Limits: CLI_ANSWER_BYTES_MAX, CLI_FILE_BYTES_MAX. */
#include "base/base.h"

#define CLI_ANSWER_BYTES_MAX ((size_t)256 << 20)
#define CLI_FILE_BYTES_MAX ((size_t)512 << 10) /* of a file that is sent to the server */

/* The whole program; gives its exit status. */
int cli_main(int argc, char **argv);
