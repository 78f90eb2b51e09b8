/* Where published vectors lie when they are there: beside the tree, or where CVM_SHARED says. Never
 * committed here. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline const char *shared_path(const char *below) {
        static char path[4096];
        const char *top = getenv("CVM_SHARED");

        if (top)
                snprintf(path, sizeof path, "%s/%s", top, below);
        else
                snprintf(path, sizeof path, "%s/../shared/%s", CVM_SOURCE_DIR, below);
        return path;
}

/* True and a line on the output when the vectors are not there. */
static inline int shared_is_absent(const char *below) {
        if (access(shared_path(below), R_OK) == 0)
                return 0;
        printf("SKIP: the vectors '%s' are not on this machine\n", below);
        return 1;
}
