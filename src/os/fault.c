#include "os/fault.h"

#ifdef CASEMATE_FAULTS

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "os/thread.h"

#define RULES_MAX 16
#define POINT_MAX 32

struct rule {
    char point[POINT_MAX];
    uint64_t hit;
    bool later_too;
    char action[POINT_MAX];
    uint64_t count;
};

static struct rule rules[RULES_MAX];
static size_t rules_n;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void load(void) {
    const char *text = getenv("CASEMATE_FAULT");
    while (text != NULL && *text != 0 && rules_n < RULES_MAX) {
        struct rule *rule = &rules[rules_n];
        char number[POINT_MAX] = "";
        if (sscanf(text, "%31[^:]:%31[^:]:%31[^,]", rule->point, number, rule->action) == 3) {
            size_t n = strlen(number);
            rule->later_too = n > 0 && number[n - 1] == '+';
            if (rule->later_too)
                number[n - 1] = 0;
            if (text_to_u64(number, UINT64_MAX, &rule->hit))
                rules_n++;
        }
        text = strchr(text, ',');
        text = text != NULL ? text + 1 : NULL;
    }
}

static int act(const struct rule *rule) {
    /* Tests that step through the hits look for this line. */
    (void)dprintf(STDERR_FILENO, "fault %s:%llu:%s\n", rule->point, (unsigned long long)rule->count,
                  rule->action);
    if (text_equal(rule->action, "kill")) {
        (void)kill(getpid(), SIGKILL);
        for (;;)
            (void)pause();
    }
    if (text_equal(rule->action, "tell"))
        return 0;
    if (text_equal(rule->action, "enospc"))
        return ENOSPC;
    if (text_equal(rule->action, "enomem"))
        return ENOMEM;
    return EIO;
}

int os_fault_hit(const char *point) {
    (void)pthread_once(&once, load);
    if (rules_n == 0)
        return 0;
    int sys = 0;
    (void)pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < rules_n; i++) { /* every rule counts, the first that fits decides */
        struct rule *rule = &rules[i];
        if (!text_equal(rule->point, point))
            continue;
        rule->count++;
        bool fits = rule->count == rule->hit || (rule->later_too && rule->count > rule->hit);
        if (fits && sys == 0)
            sys = act(rule);
    }
    (void)pthread_mutex_unlock(&mutex);
    return sys;
}

#else
typedef int os_fault_is_compiled_out; /* a translation unit may not be empty */
#endif
