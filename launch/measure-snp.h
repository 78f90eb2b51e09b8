/* The SEV-SNP launch digest, as firmware computes it for what QEMU and KVM hand over (FWABI 8.17.2). */
#pragma once

#include "launch/digest-snp.h"
#include "launch/measure.h"

/* What these inputs put into the table of kernel hashes. */
void snp_hash_inputs(const struct measure_inputs *inputs, struct snp_hashes *ret);

int snp_measure_firmware(const uint8_t *image, size_t size, struct measured_firmware *ret,
                         struct cvm_error *err);
int snp_measure(const struct measure_inputs *inputs, struct measurement *ret, struct cvm_error *err);
