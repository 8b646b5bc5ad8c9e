#pragma once
/* For calls that fill a struct err: OK(f(x, &err)) succeeds or shows why not; FAILS(ERR_X, f(x,
 * &err)) fails with that code. */
#include "base/base.h"
#include "unit.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct err err = {0};                                                                      \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s (%s)", #call, err.text, err_info(err.code)->symbol);                  \
    } while (0)

#define FAILS(want, call)                                                                          \
    do {                                                                                           \
        struct err err = {0};                                                                      \
        assert_int_equal((call), -1);                                                              \
        if (err.code != (want))                                                                    \
            fail_msg("%s: %s (%s)", #call, err.text, err_info(err.code)->symbol);                  \
    } while (0)
