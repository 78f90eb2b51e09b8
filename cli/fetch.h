/* Evidence from a daemon. */
#pragma once

#include "attest/formula.h"
#include "cli/bus.h"

/* The bus and the object of a VM by its name, both owned. */
int fetch_open_vm(const char *name, sd_bus **ret_bus, char **ret_path, struct cvm_error *err);
/* The bundle (JSON text, owned) of the guest at this object, answering this nonce and, where it is not empty
 * (NULL: none), the request. */
int fetch_evidence(sd_bus *bus, const char *path, const uint8_t nonce[CVM_NONCE_SIZE],
                   const struct cvm_bytes *request, char **ret, struct cvm_error *err);
