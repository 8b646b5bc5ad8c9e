/* A configuration file of the server, whatever stands in it. */
#include "base/text.h"
#include "door/args/args.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void look(void *ctx, const char *name, const char *value, const char *origin) {
    (void)ctx;
    (void)name;
    (void)value;
    INVARIANT(origin[0] != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char program[] = "casemated";
    char *argv[] = {program};
    AUTO(args) *args = NULL;
    struct err err = {0};
    INVARIANT(args_parse(&spec_casemated, 1, argv, &args, &err) == 0);
    if (args_config(args, "fuzz", span_of(bytes, n), &err) == 0) {
        args_values(args, look, NULL);
        INVARIANT(args_number(args, "port", 0) >= 1); /* what was taken fits */
    }
    return 0;
}
