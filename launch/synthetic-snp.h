/* The synthetic firmware of simulated SEV-SNP guests. */
#pragma once

#include "base/bytes.h"

/* Always the same 16384 bytes; owned. -ENOMEM. */
int snp_synthetic_firmware(struct cvm_bytes *ret);
