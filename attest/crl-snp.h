/* Revocation lists of AMD's key service: an ARK revokes ASK and ASVK (pub. 57230); the profile is that of
 * its certificates. */
#pragma once

#include "attest/chain-snp.h"
#include "attest/crl.h"

/* DER or PEM. CVM_CODE_CRL. */
int snp_crl_read(const void *data, size_t size, struct crl *ret, struct cvm_error *err);

/* What a verified list says of a verified chain: 0 that nothing of it is revoked. CVM_CODE_REVOKED. */
int snp_crl_check(const struct crl *crl, const struct snp_chain *chain, struct cvm_error *err);
