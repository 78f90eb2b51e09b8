#include "base/fault.h"

#ifdef CVM_FAULT_POINTS

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void cvm_fault_point(const char *name) {
        static unsigned long seen;
        const char *wanted = getenv("CVM_FAULT_POINT");
        size_t length = strlen(name);

        if (!wanted || strncmp(wanted, name, length) != 0 || (wanted[length] && wanted[length] != ':'))
                return;
        if (++seen >= (wanted[length] ? strtoul(wanted + length + 1, NULL, 10) : 1))
                raise(SIGKILL);
}

#endif
