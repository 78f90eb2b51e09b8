#include "tests/testbed/fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/testbed/handle.h"

#define ERRNO_MAX 134

static int errno_of(const char *name) {
        for (int i = 1; i < ERRNO_MAX; i++) {
                const char *known = strerrorname_np(i);

                if (known && strcmp(known, name) == 0)
                        return i;
        }
        return 0;
}

int fault_wanted(const char *command, uint32_t *error) {
        static unsigned seen; /* of the command that is to fail */
        const char *text = getenv("CVM_TESTBED_FAIL");
        char name[32], number[16];
        int firmware = 0;
        unsigned nth = 1;

        if (!text)
                return 0;
        if (sscanf(text, "%31[^:]:%15[^:]:%i:%u", name, number, &firmware, &nth) < 2 || !errno_of(number)) {
                testbed_say("CVM_TESTBED_FAIL is not COMMAND:ERRNO[:FIRMWARE[:NTH]]");
                return 0;
        }
        if (strcmp(command, name) != 0 || ++seen != nth)
                return 0;
        *error = (uint32_t)firmware;
        return -errno_of(number);
}
