/* Unix stream sockets below a VM's runtime directory. Non-blocking, close-on-exec, owned by the caller. */
#pragma once

#include "base/error.h"

/* A listening socket at path (mode 0600, an old one is replaced). */
int unix_listen(const char *path, int *ret_fd, struct cvm_error *err);
/* Connected at once, or a negative errno without words (-ECONNREFUSED: nobody listens any more). */
int unix_connect(const char *path);
