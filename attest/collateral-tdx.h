/*
 * What Intel publishes, as it came: TCB info, QE identity, the certificates that sign them, the two
 * revocation lists. Items come in any order and more of them than needed, told apart by what they are, as
 * Intel's service and its caches serve them (JSON, PEM, DER, DER in hex), or all together in one JSON object
 * as dcap-qvl keeps them.
 */
#pragma once

#include "attest/tcb-tdx.h"

struct tdx_collateral {
        struct tdx_tcb_info info;
        struct tdx_qe_identity qe;
        uint64_t made; /* since when the oldest part of it is valid, UTC milliseconds */
};

void tdx_collateral_done(struct tdx_collateral *collateral);

/*
 * Those for this platform, verified at now_msec up to the root of a verified PCK chain; nothing of that
 * chain is revoked. What is refused goes before what could not be checked: CVM_CODE_REVOKED, CVM_CODE_
 * COLLATERAL, CVM_CODE_COLLATERAL_STALE; CVM_CODE_COLLATERAL_MISSING, CVM_CODE_CRL, CVM_CODE_CRL_STALE.
 */
int tdx_collateral_read(const struct cvm_bytes *items, size_t n, const struct tdx_chain *pck,
                        const struct tdx_platform *platform, uint64_t now_msec, struct tdx_collateral *ret,
                        struct cvm_error *err);
