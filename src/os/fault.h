#pragma once
/* os/fault -- points where tests make this process fail or die.
 *
 * Compiled in only with -Dfaults=true; otherwise everything here is nothing.  The environment
 * variable CASEMATE_FAULT holds rules "POINT:N:ACTION", comma separated: the N-th hit (from 1; "N+"
 * = that one and all later ones) of POINT does ACTION: `kill` (SIGKILL to itself), `enospc`, `eio`,
 * `enomem`, `tell` (nothing).  Each also writes "fault POINT:N:ACTION" to stderr.  Call kinds
 * (write, fsync, rename, mkdir, open) are points hit by os itself; commit points (I1..I7, G1..) are
 * named by the code that reaches them. */
#ifdef CASEMATE_FAULTS
/* 0, or the errno the caller must fail with. */
int os_fault_hit(const char *point);
#else
static inline int os_fault_hit(const char *point) {
    (void)point;
    return 0;
}
#endif
/* A numbered commit point: the kill rig stops the process here. */
#define OS_COMMIT_POINT(name) ((void)os_fault_hit(name))
