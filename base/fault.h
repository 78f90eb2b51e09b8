/*
 * Places at which tests kill the daemon. CVM_FAULT_POINT=NAME or NAME:N in the environment (the Nth time)
 * sends SIGKILL to the process itself there. Compiled in only with -DCVM_FAULT_POINTS, which packages leave
 * out.
 */
#pragma once

#ifdef CVM_FAULT_POINTS
void cvm_fault_point(const char *name);
#else
static inline void cvm_fault_point(const char *name) {
        (void)name;
}
#endif
