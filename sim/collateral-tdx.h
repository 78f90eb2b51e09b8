/* What Intel would publish of the simulated platform (attest/collateral-tdx.h reads it): TCB info and QE
 * identity by which it is up to date, and revocation lists of which none revokes anything. */
#pragma once

#include "attest/collateral-tdx.h"

struct sim_publisher { /* all borrowed */
        const struct tdx_platform *platform;
        const struct tdx_body *body;    /* whose SVNs are the newest */
        const struct tdx_qe_report *qe; /* likewise */
        EVP_PKEY *signing_key;
        X509 *signing, *root, *ca; /* certificates of TCB signing, the root, the PCK's issuer */
        EVP_PKEY *root_key, *ca_key;
};

/* All of it as one JSON object, as dcap-qvl keeps collateral; owned, followed by a NUL. */
int sim_collateral_make(const struct sim_publisher *publisher, struct cvm_bytes *ret, struct cvm_error *err);
