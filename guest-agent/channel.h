/* Channels to the host: "NAME" of a virtio-serial port, "/path" of a device or a socket, or "fd:N". */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Opened for reading and writing, non-blocking, close-on-exec; owned. CVM_CODE_AGENT_CHANNEL. */
int channel_open(const char *where, int *ret_fd, struct cvm_error *err);

/* Is there a virtio-serial port of that name? Looked for below root, "" is this machine. */
bool channel_has_port(const char *root, const char *name);
