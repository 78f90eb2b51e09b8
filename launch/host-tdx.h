/* What a host of TDX is. */
#pragma once

#include "launch/host.h"

#define TDX_QUOTE_SERVICE "run/tdx-qgs/qgs.socket" /* where Intel's quoting service listens */

/* An Intel processor and kvm_intel with TDX enabled. */
void tdx_read_host(int root_fd, struct host_facts *facts);
