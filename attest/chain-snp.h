/*
 * The chain behind a report: the key that signed it (VCEK or VLEK), its issuer (ASK or ASVK), the root
 * (ARK). Certificates may come in any order and more of them than needed; nothing in them is believed before
 * snp_chain_verify.
 */
#pragma once

#include "attest/certificate-snp.h"

struct snp_chain {
        struct snp_certificate all[SNP_ROLE_MAX_];     /* owned, by role; those without x509 are not there */
        const struct snp_certificate *key, *ca, *root; /* borrowed from all; key NULL: authorities alone */
};

/* What a verified chain says. */
struct snp_chain_facts {
        bool simulated;   /* every certificate carries the simulation extension; false: none does */
        uint8_t root[32]; /* SHA-256 of the root's SubjectPublicKeyInfo: whose it is, the caller judges */
};

void snp_chain_done(struct snp_chain *chain);

/*
 * Read the certificates (DER) and pick those for a report signed by a VLEK or a VCEK. CVM_CODE_REPORT_CHAIN:
 * malformed, two different ones for one role, or only the other kind of signing key;
 * CVM_CODE_CHAIN_MISSING: one is not there.
 */
int snp_chain_read(const struct cvm_bytes *certificates, size_t n, bool vlek, struct snp_chain *ret,
                   struct cvm_error *err);

/* The same for what the maker publishes of its authorities: exactly an ASK or (vlek) ASVK and its root. */
int snp_authorities_read(const struct cvm_bytes *certificates, size_t n, bool vlek, struct snp_chain *ret,
                         struct cvm_error *err);

/*
 * Verify signatures, dates at now_msec (UTC), exactly these links, one product throughout, and the
 * simulation extension in all certificates or in none. The root is trusted by this function as far as its
 * own signature: compare facts.root. CVM_CODE_REPORT_CHAIN.
 */
int snp_chain_verify(const struct snp_chain *chain, uint64_t now_msec, struct snp_chain_facts *ret,
                     struct cvm_error *err);

/* Are all dates of a verified chain good at now_msec? Those, and nothing else that was verified, change. */
bool snp_chain_is_current(const struct snp_chain *chain, uint64_t now_msec);
