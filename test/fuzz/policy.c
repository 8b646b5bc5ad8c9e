/* Any text as an agent's policy: refused, or a policy that allows no path with a ".." in it. */
#include "control/trust/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(policy) *policy = NULL;
    struct err err;
    if (policy_parse("policy", span_of(data, size), &policy, &err) != 0) {
        INVARIANT(err.code == ERR_POLICY);
        return 0;
    }
    INVARIANT(!policy_allows_read(policy, "/srv/../etc"));
    INVARIANT(!policy_allows_restore(policy, "srv"));
    INVARIANT(!policy_allows_original(policy, "/srv/."));
    return 0;
}
