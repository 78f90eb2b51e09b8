/*
 * One certificate of AMD's kind: its role by name, the profile that every one of them has, and the
 * extensions of those that sign reports (pub. 57230 and 58369). Whether a chain holds is chain-snp's
 * question.
 */
#pragma once

#include "attest/tcb-snp.h"
#include "base/clean-openssl.h"

enum snp_role { SNP_ROLE_ARK, SNP_ROLE_ASK, SNP_ROLE_ASVK, SNP_ROLE_VCEK, SNP_ROLE_VLEK, SNP_ROLE_MAX_ };
extern const char *const snp_role_texts[]; /* "ARK", ... */

struct snp_certificate {
        X509 *x509; /* owned; NULL: not there */
        enum snp_role role;
        enum snp_product product; /* ARK, ASK, ASVK by name; VCEK, VLEK by extension */
        bool simulated;           /* carries the simulation extension */
        /* VCEK and VLEK: */
        uint8_t tcb[SNP_TCB_SIZE]; /* in the order of the product's TCB_VERSION */
        uint8_t chip_id[64];       /* VCEK: zeros behind the product's size */
};

/* RSASSA-PSS with SHA-384, MGF1-SHA-384 and salt 48: the one algorithm of AMD's certificates and lists. */
bool snp_algorithm_is_pss(const X509_ALGOR *algorithm);

void snp_certificate_done(struct snp_certificate *certificate);

/*
 * Parse DER and check all that one certificate alone can show: the role's name, RSASSA-PSS with SHA-384,
 * MGF1-SHA-384 and salt 48, an RSA key of 4096 bits or one on P-384, no critical extension that is unknown,
 * none twice, and AMD's own ones. CVM_CODE_REPORT_CHAIN. Signature and dates are not looked at.
 */
int snp_certificate_read(const void *der, size_t size, struct snp_certificate *ret, struct cvm_error *err);
