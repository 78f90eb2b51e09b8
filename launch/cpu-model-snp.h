/* CPUID signatures (leaf 1, EAX) of the CPU models that QEMU knows for SEV-SNP guests: they are measured. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Model i by its name without version; NULL past the last. */
const char *snp_cpu_model_at(size_t i, uint32_t *ret_signature);

/* Signature of a model by QEMU's name, with or without version suffix; CVM_CODE_CPU_MODEL. */
int snp_cpu_signature(const char *model, uint32_t *ret, struct cvm_error *err);
