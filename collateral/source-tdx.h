/*
 * Intel's provisioning certification service (PCS API version 4), or a caching one of a cloud or an owner
 * (PCCS), which has the same addresses. Names:
 *   root               Intel's root certificate, as the service hands it out beside its documents
 *   root-crl           what the root revokes
 *   pck-platform-crl   pck-processor-crl     what the CAs of PCK certificates revoke
 *   qe-identity        the quoting enclave of TDX
 *   tcb-FMSPC          TCB info of TDX: hex of the platforms' FMSPC
 * All but the root's list bring the certificates that vouch for them; a platform's own lie in its quote.
 */
#pragma once

#include "collateral/source.h"

extern const struct collateral_source collateral_tdx;
