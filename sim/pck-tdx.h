/* The extension of a PCK certificate that names its platform (attest/pck-tdx.h reads it), for simulated
 * ones.
 */
#pragma once

#include "attest/pck-tdx.h"

/* For struct sim_certificate: ctx is a struct tdx_platform with an instance id. */
int sim_pck_extend(X509 *x509, const void *ctx);
