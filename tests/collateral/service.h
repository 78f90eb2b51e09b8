/* Files of a service of our own, below the directory that is its maker's argument. */
#pragma once

#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

static const char *top;

static inline void put(const char *name, const void *data, size_t size) {
        struct cvm_error err = { 0 };
        char path[4096];

        snprintf(path, sizeof path, "%s/%s", top, name);
        for (char *slash = path + strlen(top); (slash = strchr(slash + 1, '/')); *slash = '/') {
                *slash = 0;
                mkdir(path, 0700);
        }
        if (cvm_write_file(path, data, size, 0600, &err) < 0)
                fail_msg("%s", err.text);
}
