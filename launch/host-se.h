/* A host of Secure Execution: what it offers, and what must be known of it elsewhere. */
#pragma once

#include "launch/host-platform.h"

/* For struct platform: can this host run protected guests, and with which keys does it open images? */
void se_read_host(int root_fd, struct host_facts *facts);

/* {"platform":"secure-execution","machine":"3931","host_keys":["<hex>"],"max_guests":N,...}: those that the
 * host tells; owned. */
int se_host_facts(const struct host_scene *scene, json_object **ret, struct cvm_error *err);

/* The machine type, as /proc/cpuinfo has it: "3931"; "" where it does not. */
void se_machine(int root_fd, char *ret, size_t size);
