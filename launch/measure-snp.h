/* The SEV-SNP launch digest, as firmware computes it for what QEMU and KVM hand over (FWABI 8.17.2). */
#pragma once

#include "launch/measure.h"

int snp_measure(const struct measure_inputs *inputs, struct measurement *ret, struct cvm_error *err);
