/*
 * Revocation lists of AMD's key service: an ARK revokes ASK and ASVK (pub. 57230); the profile is that of
 * its certificates. A list that cannot be believed says nothing, neither for a chain nor against it.
 */
#pragma once

#include "attest/chain-snp.h"

#define SNP_CRL_MAX (64u << 10)

struct snp_crl {
        X509_CRL *crl;                 /* owned */
        uint64_t this_msec, next_msec; /* UTC milliseconds */
};

void snp_crl_done(struct snp_crl *crl);

/* DER or PEM: form, algorithm, dates, no unknown critical extension. CVM_CODE_CRL. */
int snp_crl_read(const void *data, size_t size, struct snp_crl *ret, struct cvm_error *err);

/* Whether it is to be believed. CVM_CODE_CRL: not this root's, or not signed by it; CVM_CODE_CRL_STALE: not
 * valid at now_msec. */
int snp_crl_verify(const struct snp_crl *crl, const struct snp_certificate *root, uint64_t now_msec,
                   struct cvm_error *err);

/* What a verified list says of a verified chain: 0 that nothing of it is revoked. CVM_CODE_REVOKED. */
int snp_crl_check(const struct snp_crl *crl, const struct snp_chain *chain, struct cvm_error *err);
