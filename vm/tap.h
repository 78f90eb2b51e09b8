/* Network devices of the host for a guest: taps as descriptors, the one form in which QEMU gets them. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/*
 * The tap device of that name, which the operator has made (TUNSETIFF would make a missing one, connected to
 * nothing). CVM_CODE_NETWORK with words: not there, no tap, in use, not permitted. ret_fd is owned.
 */
int tap_open(const char *name, int *ret_fd, struct cvm_error *err);

/* A fresh tap in that bridge; it vanishes with its last descriptor, so with the guest. */
int tap_open_in_bridge(const char *bridge, int *ret_fd, struct cvm_error *err);
