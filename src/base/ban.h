#pragma once
/* base/ban -- functions this project does not call, with what to use instead.
 * The system headers that declare them come first, then the names are poisoned. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if !defined(__clang__) /* clang 14 sees some of them as macros; gcc speaks for both */
#pragma GCC poison strcpy strcat sprintf vsprintf gets /* text_* of base/text.h */
#pragma GCC poison strtok atoi atol atof               /* text_split, text_to_u64 */
#pragma GCC poison rand srand random srandom           /* os_random */
#pragma GCC poison tmpnam mktemp system popen          /* os/durable.h, os/proc.h */
#endif
