/*
 * The worker's own walls, put up before the first byte of input is read: no new privileges, no processes, no
 * sockets, and no new files: what a verb works on, it has inherited.
 */
#pragma once

#include "base/error.h"

enum sandbox {
        SANDBOX_FILES, /* which hashes: it may have threads */
        SANDBOX_HOST,  /* which looks at the host: it opens files, and puts the questions of host-probe.h */
        SANDBOX_MAX_
};

int sandbox_enter(enum sandbox sandbox, struct cvm_error *err);
