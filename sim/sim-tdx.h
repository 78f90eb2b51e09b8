/* For whoever measures trust domains otherwise than sim/sim.h does: the testbed's model of the hardware. */
#pragma once

#include "attest/quote-tdx.h"
#include "sim/sim.h"

/* A quote of version 4 that says this (a body of 1.0), as the simulated quoting enclave of that root signs
 * it. Owned. CVM_CODE_SIM_PLATFORM where the root has none. */
int sim_tdx_quote(const struct sim_root *of, const struct tdx_body *body, struct cvm_bytes *ret,
                  struct cvm_error *err);
