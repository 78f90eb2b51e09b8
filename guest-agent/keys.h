/* The boot keyset: fresh, in memory only. */
#pragma once

#include <stdbool.h>

#include "base/clean-openssl.h"
#include "base/error.h"

/*
 * Two private keys from the kernel's random bytes mixed with the CPU's own (RDSEED, RDRAND; PRNO), because
 * the host feeds part of the kernel's. Without such an instruction: CVM_CODE_AGENT_ENTROPY, unless `lenient`
 * (simulated guests, which nothing protects anyway).
 */
int keys_make(bool lenient, EVP_PKEY **ret_kem, EVP_PKEY **ret_sig, struct cvm_error *err);
