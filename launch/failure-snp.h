/* What QEMU says when a launch of SEV-SNP fails, and the status codes of the firmware in it. */
#pragma once

#include "launch/failure.h"

extern const struct failure_row snp_failures[];
