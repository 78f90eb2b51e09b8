/* Whether a host can run guests of SEV-SNP. */
#pragma once

#include "launch/host.h"

/* An AMD processor, kvm_amd with SNP enabled, and the firmware's device. */
bool snp_is_offered(int root_fd, const struct host_facts *facts);
