/* What a host of TDX is. */
#pragma once

#include "launch/host-platform.h"

/* IA32_MKTME_KEYID_PARTITIONING: bits 63:32 are the private keys */
#define MSR_KEY_PARTITION 0x87
#define TDX_QUOTE_SERVICE "run/tdx-qgs/qgs.socket" /* where Intel's quoting service listens */

/* May the user of a guest's QEMU connect to it? That user gets the socket's group, never the superuser's.
 * What is no socket says nothing: a recording of one. */
bool tdx_quote_service_is_closed(int root_fd);
/* And what is to be done where not. */
#define TDX_OPEN_QUOTE_SERVICE \
        "Write `socket_mode = 0660` into /etc/qgs.conf, let a group of its own (qgsd) have the socket, and restart qgsd."

/* An Intel processor and kvm_intel with TDX enabled. */
void tdx_read_host(int root_fd, struct host_facts *facts);

/* How many memory keys are set aside for trust domains and the TDX module; errors of the probe. */
int tdx_host_keys(struct host_probe *probe, uint32_t *ret, struct cvm_error *err);

/* All that is known of the host, as `host show --facts` writes it; owned. What cannot be told is left out.
 */
int tdx_host_facts(const struct host_scene *scene, json_object **ret, struct cvm_error *err);
