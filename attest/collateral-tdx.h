/*
 * What Intel publishes, as it came: TCB info, QE identity, the certificates that sign them, the two
 * revocation lists. Items come in any order and more of them than needed, told apart by what they are, as
 * Intel's service and its caches serve them (JSON, PEM, DER, DER in hex), or all together in one JSON object
 * as dcap-qvl keeps them.
 */
#pragma once

#include "attest/crl.h"
#include "attest/published.h"
#include "attest/tcb-tdx.h"

/* The order in which TDX's collateral is remembered. */
enum tdx_published { TDX_PCK_LIST, TDX_ROOT_LIST, TDX_TCB_INFO, TDX_QE_IDENTITY };

struct tdx_collateral {
        struct tdx_tcb_info info;
        struct tdx_qe_identity qe;
        struct published published[PUBLISHED_MAX]; /* by enum tdx_published */
        /* Of the dates that were looked at, the last one that has come and the first that has not: the same
         * is found at any time from the one on and before the other. */
        uint64_t from_msec, until_msec;
};

/* A list in any form in which it is served: DER, PEM, or DER in hex of either case. CVM_CODE_CRL. */
int tdx_list_read(const void *data, size_t size, struct crl *ret, struct cvm_error *err);

/* Whether the holder of that certificate signed it (`what` in words): CVM_CODE_COLLATERAL. Whether it is
 * valid at now_msec: CVM_CODE_COLLATERAL_STALE. */
int tdx_document_verify(const struct tdx_document *document, const X509 *signer, const char *what,
                        struct cvm_error *err);
int tdx_document_is_valid(const struct tdx_document *document, uint64_t now_msec, const char *what,
                          struct cvm_error *err);

void tdx_collateral_done(struct tdx_collateral *collateral);

/*
 * Those for this platform, verified at now_msec up to the root of a verified PCK chain; nothing of that
 * chain is revoked. What is refused goes before what could not be checked: CVM_CODE_REVOKED, CVM_CODE_
 * COLLATERAL, CVM_CODE_COLLATERAL_STALE; CVM_CODE_COLLATERAL_MISSING, CVM_CODE_CRL, CVM_CODE_CRL_STALE.
 */
int tdx_collateral_read(const struct cvm_bytes *items, size_t n, const struct tdx_chain *pck,
                        const struct tdx_platform *platform, uint64_t now_msec, struct tdx_collateral *ret,
                        struct cvm_error *err);
